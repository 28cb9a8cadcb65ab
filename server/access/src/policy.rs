//! What the store says of users and roles, at one moment and from moment to moment.

use crate::subject::Subject;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use store::{Change, ChangeKind, Error, Id, Record, Revision, Store, View};
use tokio::sync::watch;
use uuid::Uuid;

/// The kinds that decisions depend on, and what else the same people manage.
pub const KINDS: [&str; 12] = [
    "admins",
    "event_hooks",
    "group_rbac_roles",
    "groups",
    "rbac_role_endpoints",
    "rbac_role_entities",
    "rbac_roles",
    "rbac_user_groups",
    "rbac_user_roles",
    "rbac_user_tokens",
    "rbac_users",
    "workspaces",
];
/// How many changes are looked through before everything is taken as changed.
const CATCH_UP: usize = 1000;

/// Whose a token is: a user's own, or one of those that it keeps beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bearer {
    /// The user with this id.
    User(Uuid),
    /// The token with this id.
    Token(Uuid),
}

/// Users, roles and permissions at one moment. Subjects are compiled when they are first asked for.
#[derive(Debug)]
pub struct Policy {
    view: Arc<View>,
    by_ident: HashMap<String, Vec<Arc<Record>>, foldhash::fast::RandomState>,
    subjects: RwLock<HashMap<Bearer, Arc<Subject>, foldhash::fast::RandomState>>,
}

impl Policy {
    /// What a view says.
    pub fn of(view: Arc<View>) -> Policy {
        let mut by_ident: HashMap<String, Vec<Arc<Record>>, _> = HashMap::default();
        let mut note = |record: &Arc<Record>, field: &str| {
            if let Some(ident) = record.text(field) {
                by_ident.entry(ident.to_owned()).or_default().push(record.clone());
            }
        };
        view.all("rbac_users").filter(|user| is_enabled(user)).for_each(|user| note(user, "user_token_ident"));
        view.all("rbac_user_tokens").for_each(|token| note(token, "token_ident"));
        Policy { view, by_ident, subjects: RwLock::default() }
    }

    /// What it was made from: workspaces, users, admins, roles, permissions, groups and event hooks. Of other kinds there
    /// may be nothing, or what was there some time ago.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// The tokens that begin like this and count at `now` (seconds since 1970), with their hashes: those of enabled users, and
    /// of admins with the right to a token.
    pub fn candidates(&self, ident: &str, now: i64) -> Vec<(Bearer, String)> {
        let found = self.by_ident.get(ident).into_iter().flatten();
        found
            .filter_map(|record| match record.entity {
                "rbac_user_tokens" => {
                    let user = self.view.get("rbac_users", &record.reference("user")?)?;
                    let counts = self.has_tokens(user) && lasts(record, now);
                    counts.then_some((Bearer::Token(record.id.uuid()?), record.text("token")?.to_owned()))
                }
                _ => {
                    let counts = self.has_tokens(record);
                    counts.then_some((Bearer::User(record.id.uuid()?), record.text("user_token")?.to_owned()))
                }
            })
            .collect()
    }

    /// Whether tokens of a user count.
    fn has_tokens(&self, user: &Record) -> bool {
        let mut admins = self.view.children("admins", "rbac_user", &user.id);
        is_enabled(user)
            && admins.all(|admin| admin.value.get("rbac_token_enabled") != Some(&serde_json::Value::Bool(false)))
    }

    /// An enabled user with its permissions.
    pub fn subject(&self, user: Uuid) -> Option<Arc<Subject>> {
        self.compiled(Bearer::User(user), || {
            let record = self.view.get("rbac_users", &Id::Uuid(user)).filter(|user| is_enabled(user))?;
            Subject::of(record, &self.view)
        })
    }

    /// Who has a token, with what it may do by it.
    pub fn bearer(&self, bearer: Bearer) -> Option<Arc<Subject>> {
        match bearer {
            Bearer::User(user) => self.subject(user),
            Bearer::Token(token) => self.compiled(bearer, || {
                let record = self.view.get("rbac_user_tokens", &Id::Uuid(token))?;
                let user = self.subject(record.reference("user")?.uuid()?)?;
                Some(user.with_token(record, &self.view))
            }),
        }
    }

    fn compiled(&self, bearer: Bearer, compile: impl FnOnce() -> Option<Subject>) -> Option<Arc<Subject>> {
        if let Some(known) = self.subjects.read().unwrap_or_else(PoisonError::into_inner).get(&bearer) {
            return Some(known.clone());
        }
        let subject = Arc::new(compile()?);
        self.subjects.write().unwrap_or_else(PoisonError::into_inner).insert(bearer, subject.clone());
        Some(subject)
    }

    /// A workspace by its name or id.
    pub fn workspace(&self, key: &str) -> Option<&Arc<Record>> {
        let by_name = self.view.by_unique("workspaces", None, "name", &key.into());
        by_name.or_else(|| match Id::parse(key) {
            id @ Id::Uuid(_) => self.view.get("workspaces", &id),
            Id::Text(_) => None,
        })
    }
}

/// Whether a token's time has not run out.
fn lasts(token: &Record, now: i64) -> bool {
    token.value.get("expires_at").and_then(serde_json::Value::as_i64).is_none_or(|end| now < end)
}

fn is_enabled(user: &Record) -> bool {
    user.value.get("enabled") == Some(&serde_json::Value::Bool(true))
}

/// The newest [`Policy`], made anew when the store's changes touch it.
pub struct Policies {
    store: Arc<dyn Store>,
    newest: watch::Receiver<Revision>,
    current: ArcSwap<(Revision, Arc<Policy>)>,
    making: tokio::sync::Mutex<()>,
}

impl Policies {
    /// Of a store.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of(store: Arc<dyn Store>) -> Result<Policies, Error> {
        let newest = store.subscribe();
        let view = store.view_of(&KINDS).await?;
        let current = ArcSwap::from_pointee((view.revision(), Arc::new(Policy::of(view))));
        Ok(Policies { store, newest, current, making: tokio::sync::Mutex::new(()) })
    }

    /// The policy as of the newest revision that this node knows of.
    ///
    /// # Errors
    /// When the store cannot be read: there is no decision then.
    pub async fn now(&self) -> Result<Arc<Policy>, Error> {
        let newest = *self.newest.borrow();
        let current = self.current.load();
        if current.0 >= newest {
            return Ok(current.1.clone());
        }
        let _making = self.making.lock().await;
        let current = self.current.load_full();
        if current.0 >= newest {
            return Ok(current.1.clone());
        }
        let followed = match self.store.changes(current.0, CATCH_UP).await {
            Ok(changes) if changes.len() < CATCH_UP => {
                let seen = changes.last().map_or(newest, |change| change.revision.max(newest));
                if !changes.iter().any(matters) {
                    self.current.store(Arc::new((seen, current.1.clone())));
                    return Ok(current.1.clone());
                }
                current.1.view().followed(&changes, seen)
            }
            Ok(_) | Err(Error::Forgotten { .. }) => None,
            Err(error) => return Err(error),
        };
        let view = match followed {
            Some(view) => Arc::new(view),
            None => self.store.view_of(&KINDS).await?,
        };
        let revision = view.revision();
        let policy = Arc::new(Policy::of(view));
        self.current.store(Arc::new((revision, policy.clone())));
        Ok(policy)
    }
}

fn matters(change: &Change) -> bool {
    match &change.kind {
        ChangeKind::Replaced { .. } => true,
        ChangeKind::Record { entity, .. } => KINDS.contains(entity),
    }
}
