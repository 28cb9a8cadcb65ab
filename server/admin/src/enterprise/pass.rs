//! What the gate has found out about a request, and what follows for the entities it touches.

use crate::errors;
use crate::resource::Key;
use crate::respond::Answer;
use crate::scope::Scope;
use access::{Action, Policy, Subject, Verdict};
use entities::DEFAULT_WORKSPACE;
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use store::{Error, Filter, Id, OnDelete, Operation, Record, View};
use uuid::Uuid;

/// The way in that the gate has given to a request.
#[derive(Clone)]
pub(crate) struct Pass {
    /// Who asks; none where nobody needs to be known.
    pub(crate) subject: Option<Arc<Subject>>,
    /// Whether endpoint permissions count.
    pub(crate) endpoints: bool,
    /// The workspace whose permissions count; none for what only those for all workspaces speak of.
    pub(crate) place: Option<Uuid>,
    /// What the decision was made with; none on a node without a database.
    pub(crate) policy: Option<Arc<Policy>>,
    /// Whether entity permissions count.
    pub(crate) entities: bool,
    /// What the request does.
    pub(crate) action: Action,
    /// Whether it may replace what is there or make it (`PUT`).
    pub(crate) is_put: bool,
    /// Its path within the workspace.
    pub(crate) segments: Vec<Vec<u8>>,
    /// The session it came with.
    pub(crate) session: Option<Arc<Record>>,
}

impl Pass {
    /// For a door without a gate.
    pub(crate) fn open() -> Pass {
        Pass {
            subject: None,
            endpoints: false,
            place: Some(DEFAULT_WORKSPACE),
            policy: None,
            entities: false,
            action: Action::Read,
            is_put: false,
            segments: Vec::new(),
            session: None,
        }
    }

    /// Who asks, where entity permissions count.
    fn limited(&self) -> Option<&Subject> {
        self.subject.as_deref().filter(|_| self.entities)
    }

    /// Whether an action may be done with an entity.
    pub(crate) fn may(&self, record: &Record, action: Action) -> bool {
        // That a workspace is there is a matter of endpoint permissions.
        let is_free = record.entity == "workspaces" && action == Action::Read;
        is_free || self.limited().is_none_or(|subject| subject.with(&record.id.to_string(), record.ws, action))
    }

    /// Whether every entity of a workspace, or of none, is shown in lists.
    pub(crate) fn lists_all(&self, workspace: Option<Uuid>) -> bool {
        self.limited().is_none_or(|subject| subject.with_all(workspace, Action::Read))
    }

    /// Whether an entity is shown in lists.
    pub(crate) fn lists(&self, record: &Record) -> bool {
        self.may(record, Action::Read)
    }

    /// Whether an entity is there for this request: it may be read, or what the request does may be done with it.
    pub(crate) fn finds(&self, record: &Record) -> bool {
        let own = matches!(self.action, Action::Update | Action::Delete);
        self.may(record, Action::Read) || (own && self.may(record, self.action))
    }

    /// The removal of what this request does not find in a workspace: done, or, for who may not remove everything there, a
    /// word that tells nothing.
    pub(super) fn absent(&self, workspace: Option<Uuid>) -> Result<Answer, Answer> {
        match self.limited().is_none_or(|subject| subject.with("", workspace, Action::Delete)) {
            true => Ok(Answer::empty(204)),
            false => Err(errors::not_found()),
        }
    }

    /// Whether something new of a kind with this path may come of the request: a `PUT` needs what a `POST` would need.
    pub(super) fn makes(&self, path: Option<&str>) -> bool {
        let Some(subject) = self.subject.as_deref().filter(|_| self.is_put) else { return true };
        let above = self.segments.split_last().map(|(_, above)| above.to_vec());
        let collection = path.map(|path| vec![path.as_bytes().to_vec()]);
        let verdicts = [above, collection].map(|segments| {
            segments.map_or(Verdict::Silent, |segments| subject.at(self.place, &segments, Action::Create))
        });
        !self.endpoints || (verdicts.contains(&Verdict::Allowed) && !verdicts.contains(&Verdict::Denied))
    }

    /// Whether a path of the workspace at hand would be open to the one who asks.
    pub(crate) fn opens(&self, path: &[&str], action: Action) -> bool {
        let segments: Vec<Vec<u8>> = path.iter().map(|segment| segment.as_bytes().to_vec()).collect();
        let subject = self.subject.as_deref().filter(|_| self.endpoints);
        subject.is_none_or(|subject| subject.at(self.place, &segments, action).is_allowed())
    }

    /// Whether a permission for a path denies it.
    pub(crate) fn forbids(&self, path: &str, action: Action) -> bool {
        let segments = [path.as_bytes().to_vec()];
        let subject = self.subject.as_deref().filter(|_| self.endpoints);
        subject.is_some_and(|subject| subject.forbids(self.place, &segments, action))
    }

    /// Whether a permission denies an action on an entity by any of its names, whichever is in the path.
    pub(crate) fn forbids_entity(&self, path: &str, names: &[String], action: Action) -> bool {
        let Some(subject) = self.subject.as_deref().filter(|_| self.endpoints) else { return false };
        names.iter().any(|name| {
            let segments = [path.as_bytes().to_vec(), name.as_bytes().to_vec()];
            subject.forbids_words(self.place, &segments, &[1], action)
        })
    }

    /// Whether a permission denies the path as it would be with other names of the entities in it. `named`: the positions of
    /// their keys, with all names of each.
    pub(crate) fn forbids_alias(&self, named: &[(usize, Vec<String>)]) -> bool {
        let Some(subject) = self.subject.as_deref().filter(|_| self.endpoints || self.is_managed()) else {
            return false;
        };
        let mut spelled = vec![(self.segments.clone(), Vec::new())];
        for (at, names) in named.iter().filter(|(at, _)| *at < self.segments.len()) {
            let mut more = Vec::new();
            for (segments, words) in &spelled {
                for name in names {
                    let (mut segments, mut words) = (segments.clone(), words.clone());
                    segments[*at] = name.as_bytes().to_vec();
                    words.push(*at);
                    more.push((segments, words));
                }
            }
            spelled.extend(more);
        }
        let denied = |(segments, words): &(Vec<Vec<u8>>, Vec<usize>)| {
            !words.is_empty() && subject.forbids_words(self.place, segments, words, self.action)
        };
        spelled.iter().any(denied)
    }

    /// Whether endpoint permissions decide on the path even where they count for nothing else.
    fn is_managed(&self) -> bool {
        super::gate::is_management(&self.segments)
    }

    /// Whether an entity with this id, of a workspace or of none, may be read.
    pub(crate) fn reads(&self, entity: &str, workspace: Option<Uuid>) -> bool {
        self.limited().is_none_or(|subject| subject.with(entity, workspace, Action::Read))
    }

    /// Whether the one who asks manages RBAC in a workspace: whoever gives roles must.
    pub(crate) fn manages_roles(&self, workspace: Uuid) -> bool {
        let path: Vec<Vec<u8>> = ["rbac", "roles", "*", "endpoints"].map(|part| part.as_bytes().to_vec()).to_vec();
        self.subject.as_deref().is_none_or(|subject| subject.at(Some(workspace), &path, Action::Create).is_allowed())
    }

    /// Whether the one who asks may give and change permissions for a workspace (`None`: for all of them).
    pub(crate) fn governs(&self, workspace: Option<Uuid>) -> bool {
        self.subject.as_deref().is_none_or(|subject| {
            subject.everything(workspace) && self.manages_roles(workspace.unwrap_or(DEFAULT_WORKSPACE))
        })
    }
}

/// What paths call an entity: its id, and its name where a field has it.
pub(super) fn keys(record: &Record, named: Option<&str>) -> Vec<String> {
    let name = named.and_then(|field| record.text(field)).map(str::to_owned);
    [record.id.to_string()].into_iter().chain(name).collect()
}

/// What one may not touch is treated as if it were not there.
fn missing(record: &Record) -> Error {
    Error::Missing { entity: record.entity, id: record.id.clone() }
}

impl Scope<'_> {
    /// Refuses what the request would do with an entity it has found: where the permissions for that entity do not allow it,
    /// and where one for an endpoint denies it by another of its names than the one in the path.
    pub(crate) fn check_target(&self, kind: usize, record: &Record) -> Result<(), Answer> {
        let Some(subject) = self.pass.subject.as_deref() else { return Ok(()) };
        let names = self.keys_of(kind, record);
        let kind = self.kinds.get(kind);
        let denied = self.pass.forbids_entity(kind.path.unwrap_or(kind.name), &names, self.pass.action);
        match denied || !self.pass.may(record, self.pass.action) {
            true => Err(super::gate::forbidden(subject, self.pass.action)),
            false => Ok(()),
        }
    }

    /// What a path may call an entity.
    pub(super) fn keys_of(&self, kind: usize, record: &Record) -> Vec<String> {
        keys(record, self.kinds.get(kind).endpoint)
    }

    /// Refuses what a permission denies under other names of the entities in the path: the positions of their keys, their
    /// kinds, and what was found there.
    pub(crate) fn check_path(&self, found: &[(usize, usize, &Record)]) -> Result<(), Answer> {
        let Some(subject) = self.pass.subject.as_deref() else { return Ok(()) };
        let named: Vec<_> = found.iter().map(|&(at, kind, record)| (at, self.keys_of(kind, record))).collect();
        match self.pass.forbids_alias(&named) {
            true => Err(super::gate::forbidden(subject, self.pass.action)),
            false => Ok(()),
        }
    }

    /// Refuses to take an entity from where it is, by a `PUT` below another parent, to whoever could not change it at its own
    /// path.
    pub(crate) fn check_taking(&self, kind: usize, record: &Record) -> Result<(), Answer> {
        let Some(subject) = self.pass.subject.as_deref().filter(|_| self.pass.endpoints) else { return Ok(()) };
        let definition = self.kinds.get(kind);
        let top = definition.path.unwrap_or(definition.name).as_bytes().to_vec();
        let may = self
            .keys_of(kind, record)
            .into_iter()
            .any(|name| subject.at(self.pass.place, &[top.clone(), name.into_bytes()], self.pass.action).is_allowed());
        if may { Ok(()) } else { Err(super::gate::forbidden(subject, self.pass.action)) }
    }

    /// The removal of what is not there: done, unless it may only seem so to the one who asks.
    pub(crate) async fn absent(&self, kind: usize, key: &Key) -> Result<Answer, Answer> {
        let done = self.pass.absent(self.ws(kind));
        if !self.pass.entities || done.is_err() {
            return done;
        }
        let hidden = match key {
            Key::Id(id) => self.store.get(self.name(kind), id).await,
            Key::Field(field, value) => {
                self.store.by_unique(self.name(kind), self.ws(kind), field, &value.as_str().into()).await
            }
        };
        match hidden.map_err(|error| errors::store(&error))? {
            Some(hidden) if hidden.ws == self.ws(kind) => Err(errors::not_found()),
            _ => done,
        }
    }

    /// Checks what is about to be written against the permissions, and adds what must be written with it: the rights of who
    /// makes something, and the end of rights on what goes.
    pub(crate) async fn guard(&self, operations: &mut Vec<Operation>) -> Result<(), Error> {
        let mut more = Vec::new();
        for operation in operations.iter() {
            match operation {
                Operation::Insert(record) => {
                    self.guard_new(record)?;
                    self.guard_references(record, None).await?;
                    more.extend(self.rights_of_maker(record));
                }
                Operation::Update(record) | Operation::Upsert(record) if self.pass.subject.is_some() => {
                    match self.store.get(record.entity, &record.id).await? {
                        Some(known) => {
                            if known.ws != record.ws || !self.pass.may(&known, Action::Update) {
                                return Err(missing(record));
                            }
                            self.guard_references(record, Some(&known)).await?;
                        }
                        None => {
                            self.guard_new(record)?;
                            self.guard_references(record, None).await?;
                        }
                    }
                }
                Operation::Delete { entity, id } if self.cares_for_entities() => {
                    let Some(known) = self.store.get(entity, id).await? else { continue };
                    if known.ws.is_some_and(|ws| ws != self.workspace) {
                        return Err(missing(&known));
                    }
                    more.extend(self.guard_removal(known).await?);
                }
                // No request of an entity replaces everything.
                Operation::Update(_) | Operation::Upsert(_) | Operation::Delete { .. } | Operation::ReplaceAll(_) => {}
            }
        }
        operations.extend(more);
        Ok(())
    }

    /// Whether anything hangs on the permissions for single entities.
    fn cares_for_entities(&self) -> bool {
        self.pass.entities || self.pass.policy.as_ref().is_some_and(|policy| speaks_of_entities(policy.view()))
    }

    fn guard_new(&self, record: &Record) -> Result<(), Error> {
        let kind = self.kinds.position(record.entity);
        let path = kind.and_then(|kind| self.kinds.get(kind).path);
        // The names of a Certificate are a part of it.
        let own = record.entity == "snis" && self.pass.segments.first().is_some_and(|first| first == b"certificates");
        if own || self.pass.makes(path) { Ok(()) } else { Err(missing(record)) }
    }

    /// What a record points to must be there for who points: of the same workspace, and readable.
    async fn guard_references(&self, record: &Record, before: Option<&Record>) -> Result<(), Error> {
        let is_known = self.pass.subject.is_some();
        let Some(kind) = self.kinds.position(record.entity).filter(|_| is_known) else { return Ok(()) };
        for &(field, target) in &self.kinds.get(kind).references {
            let Some(id) = record.reference(field) else { continue };
            if before.is_some_and(|before| before.reference(field).as_ref() == Some(&id)) {
                continue;
            }
            let reference = self.kinds.get(target).name;
            let Some(found) = self.store.get(reference, &id).await? else { continue };
            let same = found.ws.is_none() || record.ws.is_none() || found.ws == record.ws;
            if !same || !self.pass.lists(&found) || self.is_denied(target, &found) {
                return Err(Error::Foreign { entity: record.entity, field, reference, id });
            }
        }
        Ok(())
    }

    /// Whether a permission denies reading an entity at its own path. What the request's path names as the parent is decided
    /// on by the path.
    fn is_denied(&self, kind: usize, record: &Record) -> bool {
        let Some(subject) = self.pass.subject.as_deref().filter(|_| self.pass.endpoints) else { return false };
        let (names, definition) = (self.keys_of(kind, record), self.kinds.get(kind));
        let top = definition.path.unwrap_or(definition.name);
        let is_parent = match self.pass.segments.as_slice() {
            [first, key, _, ..] => first == top.as_bytes() && names.iter().any(|name| key == name.as_bytes()),
            _ => false,
        };
        let path = |name: &String| [top.as_bytes().to_vec(), name.as_bytes().to_vec()];
        let starred = || names.iter().all(|name| subject.forbids(self.pass.place, &path(name), Action::Read));
        !is_parent && (starred() || self.pass.forbids_entity(top, &names, Action::Read))
    }

    /// The permission on its id that who makes an entity gets, unless it has all rights on it anyway.
    pub(super) fn rights_of_maker(&self, record: &Record) -> Option<Operation> {
        let subject = self.pass.limited()?;
        let id = record.id.to_string();
        if Action::ALL.into_iter().all(|action| subject.user_with(&id, record.ws, action)) {
            return None;
        }
        let role = subject.own_role.as_ref()?;
        let permission = json!({
            "role": {"id": role.to_string()},
            "entity_id": id,
            "entity_type": record.entity,
            "actions": ["delete", "create", "update", "read"],
        });
        self.made("rbac_role_entities", None, permission).ok().map(Operation::Insert)
    }

    /// Checks that an entity may go, with all that goes with it, and ends the permissions on their ids.
    async fn guard_removal(&self, record: Arc<Record>) -> Result<Vec<Operation>, Error> {
        if !self.pass.may(&record, Action::Delete) {
            return Err(missing(&record));
        }
        let Some(view) = self.pass.policy.as_ref().map(|policy| policy.view().clone()) else { return Ok(Vec::new()) };
        let going = self.closure(vec![record]).await?;
        if let Some(kept) = going.iter().find(|record| !self.pass.may(record, Action::Delete)) {
            return Err(Error::Referenced { entity: going[0].entity, id: going[0].id.clone(), by: kept.entity });
        }
        Ok(ends_of_rights(&view, &going))
    }

    /// Everything that goes when these entities go, themselves included.
    async fn closure(&self, roots: Vec<Arc<Record>>) -> Result<Vec<Arc<Record>>, Error> {
        let mut seen: HashSet<(&'static str, Id)> = HashSet::new();
        let mut found: Vec<Arc<Record>> = Vec::new();
        let mut open = roots;
        while let Some(record) = open.pop() {
            if !seen.insert((record.entity, record.id.clone())) {
                continue;
            }
            let catalog = self.store.catalog().clone();
            for (rules, reference) in catalog.pointing_to(record.entity) {
                if reference.on_delete == OnDelete::Cascade {
                    let filter = Filter { reference: Some((reference.field, record.id.clone())), tags: None };
                    open.extend(self.store.all(rules.entity, None, filter).await?);
                }
            }
            found.push(record);
        }
        Ok(found)
    }
}

/// Whether any permission speaks of one entity.
pub(super) fn speaks_of_entities(view: &View) -> bool {
    view.all("rbac_role_entities").any(|permission| permission.text("entity_id") != Some("*"))
}

/// The removal of all permissions on the ids of entities.
pub(super) fn ends_of_rights(view: &View, going: &[Arc<Record>]) -> Vec<Operation> {
    let ids: HashSet<String> = going.iter().map(|record| record.id.to_string()).collect();
    view.all("rbac_role_entities")
        .filter(|permission| permission.text("entity_id").is_some_and(|id| ids.contains(id)))
        .map(|permission| Operation::Delete { entity: "rbac_role_entities", id: permission.id.clone() })
        .collect()
}
