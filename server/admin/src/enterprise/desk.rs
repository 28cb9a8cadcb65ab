//! Which paths there are beyond those of entities, and who answers them.

use super::gate::Gate;
use super::pass::keys;
use crate::body::Body;
use crate::errors;
use crate::form::Argument;
use crate::paths::{Endpoint, Methods, Paths};
use crate::query::Paging;
use crate::resource::window;
use crate::respond::Answer;
use crate::scope::Scope;
use access::{Action, Policy};
use actix_web::HttpRequest;
use declarative::Kinds;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Precondition, Record, View};

/// A path of this part of the Admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Desk {
    Page,
    Workspaces,
    Workspace,
    WorkspaceMeta,
    Users,
    User,
    UserRoles,
    UserPermissions,
    UserGroups,
    UserTokens,
    UserToken,
    Roles,
    Role,
    RolePermissions,
    RoleEndpoints,
    RoleEndpoint,
    RoleEntities,
    RoleEntity,
    Admins,
    Admin,
    AdminRoles,
    AdminWorkspaces,
    AdminWorkspace,
    AdminConsumer,
    Register,
    PasswordResets,
    OwnPassword,
    OwnToken,
    OwnTotp,
    AdminTotp,
    OwnTokens,
    OneOwnToken,
    AdminTokens,
    AdminToken,
    Auth,
    UserInfo,
    Groups,
    Group,
    GroupRoles,
    AuditRequests,
    AuditObjects,
    Revisions,
    Revision,
    RevisionDiff,
    Restore,
    Hooks,
    Hook,
    HookPing,
    HookTest,
    HookSources,
    HookSource,
    HookEvent,
    ConsumerGroup,
    Members,
    Member,
    GroupsOfConsumer,
    GroupOfConsumer,
}

/// What someone may make at a desk, and has all rights on then.
const MADE: [&str; 6] = ["admins", "event_hooks", "groups", "rbac_roles", "rbac_users", "workspaces"];

/// How many segments the endpoint of a permission may have in a path.
const DEEPEST: usize = 12;

/// Adds the paths.
pub(crate) fn add_paths(paths: &mut Paths, kinds: &Kinds) {
    const READ: Methods = &["GET"];
    const LIST: Methods = &["GET", "POST"];
    const ITEM: Methods = &["DELETE", "GET", "PATCH", "PUT"];
    const PART: Methods = &["DELETE", "GET", "PATCH"];
    const LINKS: Methods = &["DELETE", "GET", "POST"];
    const LINK: Methods = &["DELETE"];
    const TOKEN: Methods = &["DELETE", "GET"];
    for (path, desk, methods) in [
        ("/kong", Desk::Page, READ),
        ("/workspaces", Desk::Workspaces, LIST),
        ("/workspaces/{workspaces}", Desk::Workspace, ITEM),
        ("/workspaces/{workspaces}/meta", Desk::WorkspaceMeta, READ),
        ("/rbac/users", Desk::Users, LIST),
        ("/rbac/users/{rbac_users}", Desk::User, ITEM),
        ("/rbac/users/{rbac_users}/roles", Desk::UserRoles, LINKS),
        ("/rbac/users/{rbac_users}/permissions", Desk::UserPermissions, READ),
        ("/rbac/users/{rbac_users}/groups", Desk::UserGroups, LINKS),
        ("/rbac/users/{rbac_users}/tokens", Desk::UserTokens, LIST),
        ("/rbac/users/{rbac_users}/tokens/{tokens}", Desk::UserToken, TOKEN),
        ("/rbac/roles", Desk::Roles, LIST),
        ("/rbac/roles/{rbac_roles}", Desk::Role, ITEM),
        ("/rbac/roles/{rbac_roles}/permissions", Desk::RolePermissions, READ),
        ("/rbac/roles/{rbac_roles}/endpoints", Desk::RoleEndpoints, &["GET", "PATCH", "POST"] as Methods),
        ("/rbac/roles/{rbac_roles}/entities", Desk::RoleEntities, LIST),
        ("/rbac/roles/{rbac_roles}/entities/{entity}", Desk::RoleEntity, PART),
        ("/admins", Desk::Admins, LIST),
        ("/admins/register", Desk::Register, &["POST"]),
        ("/admins/password_resets", Desk::PasswordResets, &["PATCH", "POST"]),
        ("/admins/self/password", Desk::OwnPassword, &["PATCH"]),
        ("/admins/self/token", Desk::OwnToken, &["PATCH"]),
        ("/admins/self/totp", Desk::OwnTotp, &["DELETE", "GET", "PATCH", "POST"]),
        ("/admins/{admins}/totp", Desk::AdminTotp, TOKEN),
        ("/admins/self/tokens", Desk::OwnTokens, LIST),
        ("/admins/self/tokens/{tokens}", Desk::OneOwnToken, TOKEN),
        ("/admins/{admins}", Desk::Admin, PART),
        ("/admins/{admins}/tokens", Desk::AdminTokens, LIST),
        ("/admins/{admins}/tokens/{tokens}", Desk::AdminToken, TOKEN),
        ("/admins/{admins}/roles", Desk::AdminRoles, LINKS),
        ("/admins/{admins}/workspaces", Desk::AdminWorkspaces, READ),
        ("/admins/{admins}/workspaces/{workspaces}", Desk::AdminWorkspace, &["PATCH"]),
        ("/admins/{admins}/consumer", Desk::AdminConsumer, READ),
        ("/auth", Desk::Auth, &["DELETE", "GET"]),
        ("/userinfo", Desk::UserInfo, READ),
        ("/groups", Desk::Groups, LIST),
        ("/groups/{groups}", Desk::Group, ITEM),
        ("/groups/{groups}/roles", Desk::GroupRoles, LINKS),
        ("/audit/requests", Desk::AuditRequests, READ),
        ("/audit/objects", Desk::AuditObjects, READ),
        ("/revisions", Desk::Revisions, READ),
        ("/revisions/{revision}", Desk::Revision, READ),
        ("/revisions/{revision}/diff/{revision}", Desk::RevisionDiff, READ),
        ("/revisions/{revision}/restore", Desk::Restore, &["POST"]),
        ("/event-hooks", Desk::Hooks, LIST),
        ("/event-hooks/sources", Desk::HookSources, READ),
        ("/event-hooks/sources/{source}", Desk::HookSource, READ),
        ("/event-hooks/sources/{source}/{event}", Desk::HookEvent, READ),
        ("/event-hooks/{event_hooks}", Desk::Hook, ITEM),
        ("/event-hooks/{event_hooks}/ping", Desk::HookPing, READ),
        ("/event-hooks/{event_hooks}/test", Desk::HookTest, &["POST"]),
    ] {
        paths.hide(path, Endpoint::Desk(desk), methods);
    }
    let mut deep = "/rbac/roles/{rbac_roles}/endpoints/{workspace}".to_owned();
    for _ in 0..DEEPEST {
        deep.push_str("/{endpoint}");
        paths.hide(&deep, Endpoint::Desk(Desk::RoleEndpoint), PART);
    }
    let (Some(groups), Some(plugins)) = (kinds.position("consumer_groups"), kinds.position("plugins")) else { return };
    let of_group = "/consumer_groups/{consumer_groups}";
    paths.hide("/consumer_groups", Endpoint::Collection { kind: groups }, LIST);
    paths.hide(of_group, Endpoint::Desk(Desk::ConsumerGroup), ITEM);
    paths.hide(&format!("{of_group}/consumers"), Endpoint::Desk(Desk::Members), LINKS);
    paths.hide(&format!("{of_group}/consumers/{{consumers}}"), Endpoint::Desk(Desk::Member), &["DELETE", "GET"]);
    let field = "consumer_group";
    let nested = Endpoint::Nested { parent: groups, kind: plugins, field };
    paths.hide(&format!("{of_group}/plugins"), nested, LIST);
    let nested = Endpoint::NestedEntity { parent: groups, kind: plugins, field };
    paths.hide(&format!("{of_group}/plugins/{{plugins}}"), nested, ITEM);
    let of_consumer = "/consumers/{consumers}/consumer_groups";
    paths.hide(of_consumer, Endpoint::Desk(Desk::GroupsOfConsumer), LINKS);
    paths.hide(&format!("{of_consumer}/{{consumer_groups}}"), Endpoint::Desk(Desk::GroupOfConsumer), LINK);
}

/// A request at a desk.
pub(crate) struct Call<'c> {
    pub(super) gate: &'c Gate,
    pub(super) scope: Scope<'c>,
    pub(super) policy: Arc<Policy>,
    /// Workspaces, users, admins, roles, permissions, groups and event hooks.
    pub(super) view: Arc<View>,
    pub(super) request: &'c HttpRequest,
    pub(super) method: &'c str,
    pub(super) query: &'c [Argument],
    /// As sent, without a slash at its end.
    pub(super) path: &'c str,
    parameters: Vec<&'c str>,
}

impl<'c> Call<'c> {
    /// A request at a desk of this gate.
    pub(crate) fn new(
        gate: &'c Gate,
        scope: Scope<'c>,
        request: &'c HttpRequest,
        asked: &'c crate::request::Asked<'c>,
    ) -> Result<Call<'c>, Answer> {
        let policy = scope.pass.policy.clone().ok_or_else(errors::not_found)?;
        let view = policy.view().clone();
        let texts = asked.parameters.iter().map(|segment| std::str::from_utf8(segment));
        let parameters = texts.collect::<Result<_, _>>().map_err(|_| errors::not_found())?;
        let (method, query, path) = (asked.method, &*asked.query, &*asked.target.path);
        Ok(Call { gate, scope, policy, view, request, method, query, path, parameters })
    }

    /// A segment that stands for a parameter of the path.
    pub(super) fn parameter(&self, index: usize) -> &'c str {
        self.parameters.get(index).copied().unwrap_or_default()
    }

    /// The parameters from `index` on.
    pub(super) fn parameters_from(&self, index: usize) -> &[&'c str] {
        self.parameters.get(index..).unwrap_or_default()
    }

    /// Refuses what a permission denies under another name of what the path names.
    fn check_names(&self, desk: Desk) -> Result<(), Answer> {
        let (at, entity, field, scoped) = match desk {
            Desk::Workspace | Desk::WorkspaceMeta => (1, "workspaces", "name", false),
            Desk::User
            | Desk::UserRoles
            | Desk::UserPermissions
            | Desk::UserGroups
            | Desk::UserTokens
            | Desk::UserToken => (2, "rbac_users", "name", true),
            Desk::Role
            | Desk::RolePermissions
            | Desk::RoleEndpoints
            | Desk::RoleEndpoint
            | Desk::RoleEntities
            | Desk::RoleEntity => (2, "rbac_roles", "name", true),
            Desk::Admin
            | Desk::AdminRoles
            | Desk::AdminWorkspaces
            | Desk::AdminWorkspace
            | Desk::AdminConsumer
            | Desk::AdminTotp
            | Desk::AdminTokens
            | Desk::AdminToken => (1, "admins", "username", false),
            Desk::Group | Desk::GroupRoles => (1, "groups", "name", false),
            _ => return Ok(()),
        };
        let Some(found) = self.find(entity, field, self.parameter(0), scoped) else { return Ok(()) };
        if self.scope.pass.forbids_alias(&[(at, keys(&found, Some(field)))]) { Err(self.forbidden()) } else { Ok(()) }
    }

    /// Answers.
    pub(crate) async fn answer(&self, desk: Desk, body: Body) -> Result<Answer, Answer> {
        self.check_names(desk)?;
        match desk {
            Desk::Page => self.scope.root().await,
            Desk::Workspaces if self.method == "POST" => self.create_workspace(body).await,
            Desk::Workspaces => self.list_workspaces().await,
            Desk::Workspace => self.workspace(body).await,
            Desk::WorkspaceMeta => self.workspace_meta().await,
            Desk::Users if self.method == "POST" => self.create_user(body).await,
            Desk::Users => self.list_users(),
            Desk::User => self.user(body).await,
            Desk::UserRoles => self.user_roles(body).await,
            Desk::UserPermissions => self.user_permissions(),
            Desk::UserGroups => self.user_groups(body).await,
            Desk::UserTokens | Desk::AdminTokens | Desk::OwnTokens => self.user_tokens(desk, body).await,
            Desk::UserToken | Desk::AdminToken | Desk::OneOwnToken => self.user_token(desk).await,
            Desk::Roles if self.method == "POST" => self.create_role(body).await,
            Desk::Roles => self.list_roles(),
            Desk::Role => self.role(body).await,
            Desk::RolePermissions => self.role_permissions(),
            Desk::RoleEndpoints => self.role_endpoints(body).await,
            Desk::RoleEndpoint => self.role_endpoint(body).await,
            Desk::RoleEntities => self.role_entities(body).await,
            Desk::RoleEntity => self.role_entity(body).await,
            Desk::Admins if self.method == "POST" => self.invite(body).await,
            Desk::Admins => self.list_admins(),
            Desk::Admin => self.admin(body).await,
            Desk::AdminRoles => self.admin_roles(body).await,
            Desk::AdminWorkspaces => self.admin_workspaces(),
            Desk::AdminWorkspace => self.move_admin().await,
            Desk::AdminConsumer => self.admin_consumer(),
            Desk::Register => self.register(body).await,
            Desk::PasswordResets => self.password_resets(body).await,
            Desk::OwnPassword => self.own_password(body).await,
            Desk::OwnToken => self.own_token(body).await,
            Desk::OwnTotp => self.own_second_factor(body).await,
            Desk::AdminTotp => self.second_factor_of().await,
            Desk::Auth if self.method == "DELETE" => self.sign_out().await,
            Desk::Auth => self.auth().await,
            Desk::UserInfo => self.userinfo().await,
            Desk::Groups if self.method == "POST" => self.create_group(body).await,
            Desk::Groups => self.list_groups(),
            Desk::Group => self.group(body).await,
            Desk::GroupRoles => self.group_roles(body).await,
            Desk::AuditRequests => self.audit("audit_requests").await,
            Desk::AuditObjects => self.audit("audit_objects").await,
            Desk::Revisions => self.revisions().await,
            Desk::Revision => self.revision().await,
            Desk::RevisionDiff => self.revision_diff().await,
            Desk::Restore => self.restore().await,
            Desk::Hooks if self.method == "POST" => self.create_hook(body).await,
            Desk::Hooks => self.list_hooks(),
            Desk::Hook => self.hook(body).await,
            Desk::HookPing => self.ping_hook().await,
            Desk::HookTest => self.test_hook(body).await,
            Desk::HookSources => Ok(self.hook_sources()),
            Desk::HookSource => self.hook_source(None),
            Desk::HookEvent => self.hook_source(Some(1)),
            Desk::ConsumerGroup => self.consumer_group(body).await,
            Desk::Members => self.members(body).await,
            Desk::Member => self.member().await,
            Desk::GroupsOfConsumer => self.groups_of_consumer(body).await,
            Desk::GroupOfConsumer => self.leave_group().await,
        }
    }

    /// The members of a body, by the fields of a kind where it is a form.
    pub(super) fn sent(&self, entity: &str, body: Body) -> Result<Map<String, Value>, Answer> {
        let kind = self.kind(entity)?;
        Ok(self.scope.sent(kind, body, None))
    }

    pub(super) fn kind(&self, entity: &str) -> Result<usize, Answer> {
        self.scope.kinds.position(entity).ok_or_else(errors::not_found)
    }

    /// A record by its id, or by the value of a field, among those that the request may see. `scoped`: only those of its
    /// workspace.
    pub(super) fn find(&self, entity: &str, field: &str, key: &str, scoped: bool) -> Option<Arc<Record>> {
        let ws = scoped.then_some(self.scope.workspace);
        let id = Id::parse(key);
        let by_id = id.uuid().and_then(|_| self.view.get(entity, &id));
        let found = by_id.or_else(|| match scoped {
            true => self.view.by_unique(entity, ws, field, &key.into()),
            false => self.view.all(entity).find(|record| record.text(field) == Some(key)),
        })?;
        let here = !scoped || found.ws.is_none() || found.ws == ws;
        (here && self.scope.pass.finds(found)).then(|| found.clone())
    }

    /// A list of what has its own order and form.
    pub(super) fn listed(
        &self,
        records: Vec<Arc<Record>>,
        show: impl Fn(&Record) -> Map<String, Value>,
    ) -> Result<Answer, Answer> {
        let records: Vec<Arc<Record>> = records.into_iter().filter(|record| self.scope.pass.lists(record)).collect();
        self.paged(&records, show)
    }

    /// A page of records, as the query says.
    pub(super) fn paged(
        &self,
        records: &[Arc<Record>],
        show: impl Fn(&Record) -> Map<String, Value>,
    ) -> Result<Answer, Answer> {
        let paging = Paging::read(self.query)?;
        let (page, next) = window(records, &paging, self.path);
        let data: Vec<Value> = page.iter().map(|record| Value::Object(show(record))).collect();
        let mut body = json!({"data": data, "next": null});
        if let Some((offset, next)) = next {
            body["offset"] = offset.into();
            body["next"] = next.into();
        }
        Ok(Answer::json(200, &body))
    }

    /// The records of a kind that the fields of `patch` change, validated.
    pub(super) fn changed(&self, known: &Record, patch: Map<String, Value>) -> Result<Record, Answer> {
        let definitions = self.scope.kinds.definitions();
        let value = definitions.process_update(known.entity, &known.value, patch, crate::scope::now());
        let mut value = value.map_err(crate::write::fault)?;
        value.insert("id".to_owned(), known.id.to_string().into());
        Ok(Record { value, ..known.clone() })
    }

    /// Whether a `PUT` may make what it did not find.
    pub(super) fn check_making(&self) -> Result<(), Answer> {
        if self.scope.pass.makes(None) { Ok(()) } else { Err(self.forbidden()) }
    }

    /// Writes.
    pub(super) async fn write(&self, operations: Vec<Operation>) -> Result<(), Answer> {
        self.write_if(operations, Vec::new()).await
    }

    /// Writes where what it rests on still holds.
    pub(super) async fn write_if(
        &self,
        mut operations: Vec<Operation>,
        resting: Vec<Precondition>,
    ) -> Result<(), Answer> {
        self.check_entities(&operations)?;
        self.check_way_back(&operations)?;
        let made = operations.iter().filter_map(|operation| match operation {
            Operation::Insert(record) if MADE.contains(&record.entity) => self.scope.rights_of_maker(record),
            _ => None,
        });
        let rights: Vec<Operation> = made.collect();
        operations.extend(rights);
        match self.scope.commit(operations, resting).await {
            Ok(_) => Ok(()),
            Err(store::Error::Precondition(_)) => Err(errors::contended()),
            Err(error) => Err(errors::store(&error)),
        }
    }
}

impl Call<'_> {
    /// Refuses to change or remove what the permissions for that entity do not allow, unless it is one's own.
    pub(super) fn check_entities(&self, operations: &[Operation]) -> Result<(), Answer> {
        let pass = self.scope.pass;
        let Some(subject) = pass.subject.as_deref().filter(|_| pass.entities) else { return Ok(()) };
        for operation in operations {
            let (entity, id, action) = match operation {
                Operation::Update(record) | Operation::Upsert(record) => (record.entity, &record.id, Action::Update),
                Operation::Delete { entity, id } => (*entity, id, Action::Delete),
                Operation::Insert(_) | Operation::ReplaceAll(_) => continue,
            };
            let Some(known) = self.view.get(entity, id).filter(|_| MADE.contains(&entity)) else { continue };
            // The user behind an admin is a part of it, and a user's own role of the user.
            let admin =
                (entity == "rbac_users").then(|| self.view.children("admins", "rbac_user", id).next()).flatten();
            let whole = admin.unwrap_or(known);
            let own = subject.admin.as_ref().is_some_and(|admin| whole.id.uuid() == Some(admin.id))
                || known.id.uuid() == Some(subject.id);
            if own || super::permissions::is_own(known) || pass.may(whole, action) {
                continue;
            }
            return Err(super::gate::forbidden(subject, pass.action));
        }
        Ok(())
    }
}

/// Without members that are ours alone.
pub(super) fn without(record: &Record, hidden: &[&str]) -> Map<String, Value> {
    let mut value = record.value.clone();
    value.retain(|name, _| !hidden.contains(&name.as_str()));
    value
}
