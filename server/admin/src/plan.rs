//! `POST /config/plan`: what a declarative file would change, without changing it; `POST /config/apply` does it.

use crate::config::{self, Early};
use crate::delta::{Delta, counts, differing, is_configuration, rank, unique_keys};
use crate::errors;
use crate::form::Argument;
use crate::respond::Answer;
use crate::scope::{Scope, now, seconds};
use crate::secrets::Masks;
use access::{Action, Exclusion};
use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes};
use declarative::{Invalid, Kinds};
use entities::DEFAULT_WORKSPACE;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use store::{Id, Record, View};
use uuid::Uuid;

/// Fields that say nothing of what an entity is: files do not give them, or make them up.
const APART: [&str; 2] = ["id", "created_at"];

/// `POST /config/plan`
pub(crate) async fn post(
    scope: Scope<'_>,
    headers: HeaderMap,
    query: Vec<Argument>,
    body: Bytes,
) -> Result<Answer, Answer> {
    let masks = match scope.gate() {
        Some(gate) => gate.recorder.masks().clone(),
        None => Masks::new(scope.kinds.clone(), Exclusion::standard()),
    };
    let (plan, _) = of_file(scope, "plan", headers, query, body).await?;
    let shown = web::block(move || Answer::json(200, &plan.shown(&masks)));
    shown.await.map_err(|_| errors::unexpected())
}

/// What a file would change, and the state it was compared with. `path`: the end of the request's own path.
pub(crate) async fn of_file(
    scope: Scope<'_>,
    path: &'static str,
    headers: HeaderMap,
    query: Vec<Argument>,
    body: Bytes,
) -> Result<(Plan, Arc<View>), Answer> {
    let (kinds, sight, here) = (scope.kinds.clone(), scope.sight(), scope.workspace);
    let view = scope.store.view().await.map_err(|error| errors::store(&error))?;
    // Reading a large file and comparing it takes long; no worker waits for it.
    let planned = web::block(move || -> Result<(Plan, Arc<View>), Answer> {
        let mut request = config::read(&headers, &query, &body, "").map_err(Answer::from)?;
        let flatten = request.flatten;
        // What becomes of a secret may hang on an id, which is known only when the file is compared.
        let transforms = request.document.get("_transform") == Some(&Value::Bool(true));
        let implied = request.document.get("_transform").is_none_or(Value::is_null);
        if let (true, Some(members)) = (transforms || implied, request.document.as_object_mut()) {
            members.insert("_transform".to_owned(), false.into());
        }
        let loaded = declarative::load(&request.document, &kinds, now())
            .map_err(|invalid: Invalid| Early::Invalid { invalid, flatten })?;
        let named = request.document.get("_workspace").and_then(Value::as_str);
        let mut file = placed(loaded.records, &view, here, named)?;
        file.transforms = transforms || implied;
        if let Some(refusal) = sight.refused(path, &file.workspaces, here) {
            return Err(refusal);
        }
        let plan = Plan::of(&kinds, &view, file, |record| sight.may(record, Action::Read));
        Ok((plan, view))
    });
    planned.await.map_err(|_| errors::unexpected())?
}

/// The entities of a file, in the workspaces of this node.
#[derive(Debug)]
struct File {
    records: Vec<Record>,
    /// Those that the file says everything of; one that is not there yet has the id that the file gives it.
    workspaces: BTreeSet<Uuid>,
    /// Whether its secrets are to be transformed as by a write.
    transforms: bool,
}

/// Puts the entities of a file where they belong: by the names of its workspaces, or where the request's path says.
fn placed(records: Vec<Record>, view: &View, here: Uuid, named: Option<&str>) -> Result<File, Answer> {
    let mut known: BTreeMap<Uuid, Uuid> = BTreeMap::new();
    let mut new: BTreeSet<Uuid> = BTreeSet::new();
    for workspace in records.iter().filter(|record| record.entity == "workspaces") {
        let (Some(id), Some(name)) = (workspace.id.uuid(), workspace.value.get("name")) else { continue };
        match view.by_unique("workspaces", None, "name", name).and_then(|found| found.id.uuid()) {
            Some(found) => drop(known.insert(id, found)),
            None => drop(new.insert(id)),
        }
    }
    if named.is_none() {
        // A file without a word on workspaces is of the one it is sent to.
        known.insert(DEFAULT_WORKSPACE, here);
        new.remove(&DEFAULT_WORKSPACE);
    }
    let place = |ws: Uuid| known.get(&ws).copied().unwrap_or(ws);
    let mut file = File { records: Vec::with_capacity(records.len()), workspaces: BTreeSet::new(), transforms: false };
    if named.is_none() {
        file.workspaces.insert(here);
    }
    for mut record in records {
        if record.entity == "workspaces" {
            let Some(id) = record.id.uuid() else { continue };
            if record.value.get("name").and_then(Value::as_str).is_some_and(|name| Some(name) == named) {
                file.workspaces.insert(place(id));
            }
            if new.contains(&id) {
                file.records.push(record);
            }
            continue;
        }
        record.ws = record.ws.map(place);
        file.workspaces.extend(record.ws);
        file.records.push(record);
    }
    let of_other = here != DEFAULT_WORKSPACE && file.workspaces.iter().any(|ws| *ws != here);
    if of_other {
        return Err(errors::plain(400, "the file is of another workspace than the path"));
    }
    Ok(file)
}

/// What a file would change.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// With parents before children; what would go comes last, with children first.
    pub(crate) deltas: Vec<Delta>,
    unchanged: usize,
}

impl Plan {
    /// Compares. What may not be read is treated as if it were not there.
    fn of(kinds: &Kinds, view: &View, file: File, reads: impl Fn(&Record) -> bool) -> Plan {
        let mut records = file.records;
        let planned = |entity: &str| kinds.position(entity).is_some_and(|kind| is_configuration(kinds.get(kind)));
        records.retain(|record| planned(record.entity) || record.entity == "workspaces");
        records.sort_by_key(|record| rank(kinds, record.entity));
        let mut plan = Plan::default();
        // The ids of the file that stand for others here.
        let mut ids: HashMap<(usize, Id), Id> = HashMap::new();
        let mut gone: Vec<Delta> = Vec::new();
        for same in records.chunk_by(|one, other| one.entity == other.entity) {
            let Some(position) = same.first().and_then(|first| kinds.position(first.entity)) else { continue };
            let mut there = There::of(kinds, view, same[0].entity, &file.workspaces, &reads);
            let mut open: Vec<Record> = Vec::new();
            // Who has an id of its own goes first: others of the same content are not taken for it.
            for record in same {
                let mut record = record.clone();
                point(kinds, position, &mut record, &ids);
                if file.transforms {
                    transform(kinds, &mut record);
                }
                match there.take_by_id(&record) {
                    Some(found) => plan.compare(found, record),
                    None => open.push(record),
                }
            }
            for record in open {
                match there.take(kinds, &record) {
                    Some(found) => {
                        ids.insert((position, record.id.clone()), found.id.clone());
                        plan.compare(found, record);
                    }
                    None => {
                        let (entity, id) = (record.entity, record.id.clone());
                        plan.deltas.push(Delta { entity, id, before: None, after: Some(Arc::new(record)) });
                    }
                }
            }
            if planned(same[0].entity) {
                gone.extend(there.left(&file.workspaces));
            }
        }
        let named: HashSet<&str> = records.iter().map(|record| record.entity).collect();
        for kind in kinds.iter().filter(|kind| is_configuration(kind) && !named.contains(kind.name)) {
            gone.extend(There::of(kinds, view, kind.name, &file.workspaces, &reads).left(&file.workspaces));
        }
        gone.sort_by_key(|delta| std::cmp::Reverse(rank(kinds, delta.entity)));
        plan.deltas.extend(gone);
        plan
    }

    fn compare(&mut self, found: Arc<Record>, mut record: Record) {
        if differing(&found.value, &record.value, &APART).is_empty() {
            self.unchanged += 1;
            return;
        }
        record.id = found.id.clone();
        for name in APART {
            match found.value.get(name) {
                Some(known) => drop(record.value.insert(name.to_owned(), known.clone())),
                None => drop(record.value.shift_remove(name)),
            }
        }
        record.expires = found.expires;
        let (entity, id) = (record.entity, record.id.clone());
        self.deltas.push(Delta { entity, id, before: Some(found), after: Some(Arc::new(record)) });
    }

    fn shown(&self, masks: &Masks) -> Value {
        let mut total = json!({"create": 0, "update": 0, "delete": 0, "unchanged": self.unchanged});
        for delta in &self.deltas {
            let known = &mut total[delta.action().name()];
            *known = (known.as_u64().unwrap_or(0) + 1).into();
        }
        json!({
            "summary": total,
            "counts": counts(&self.deltas),
            "changes": self.deltas.iter().map(|delta| delta.shown(masks)).collect::<Vec<_>>(),
        })
    }
}

/// Lets references lead to what is here.
fn point(kinds: &Kinds, position: usize, record: &mut Record, ids: &HashMap<(usize, Id), Id>) {
    for &(field, target) in &kinds.get(position).references {
        let Some(id) = record.reference(field).and_then(|id| ids.get(&(target, id))) else { continue };
        record.value.insert(field.to_owned(), crate::write::reference_to(id));
    }
    if let Some(id) = Id::of(&kinds.get(position).primary_key, &record.value) {
        record.id = id;
    }
}

/// Makes of a record's secrets what a write would make of them.
fn transform(kinds: &Kinds, record: &mut Record) {
    let entity = kinds.position(record.entity).and_then(|kind| kinds.entity(kind));
    if entity.is_none_or(|entity| !entity.transforms()) {
        return;
    }
    // It was valid a moment ago.
    if let Ok(value) = kinds.definitions().process_insert(record.entity, record.value.clone(), now()) {
        record.value = value;
    }
}

/// The entities of one kind that are here and not in the file so far.
struct There {
    by_id: BTreeMap<Id, Arc<Record>>,
    by_key: HashMap<(usize, String), Id>,
    by_content: HashMap<String, Vec<Id>>,
}

/// What an entity is, whatever its id.
fn content(record: &Record) -> String {
    let mut value = record.value.clone();
    value.retain(|name, value| !value.is_null() && name != "updated_at" && !APART.contains(&name.as_str()));
    let mut members: Vec<(&String, &Value)> = value.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    format!("{:?} {}", record.ws, json!(members))
}

impl There {
    fn of(
        kinds: &Kinds,
        view: &View,
        entity: &str,
        workspaces: &BTreeSet<Uuid>,
        reads: &impl Fn(&Record) -> bool,
    ) -> There {
        let mut there = There { by_id: BTreeMap::new(), by_key: HashMap::new(), by_content: HashMap::new() };
        let now = seconds();
        for record in view.all(entity) {
            let within = record.ws.is_none_or(|ws| workspaces.contains(&ws));
            if !within || record.expired(now) || !reads(record) {
                continue;
            }
            for key in unique_keys(kinds, record) {
                there.by_key.insert(key, record.id.clone());
            }
            there.by_content.entry(content(record)).or_default().push(record.id.clone());
            there.by_id.insert(record.id.clone(), record.clone());
        }
        there
    }

    fn take_by_id(&mut self, record: &Record) -> Option<Arc<Record>> {
        let here = self.by_id.get(&record.id).is_some_and(|found| found.ws == record.ws);
        if here { self.by_id.remove(&record.id) } else { None }
    }

    /// The entity that has the same unique values, or else one that is the same but for its id.
    fn take(&mut self, kinds: &Kinds, record: &Record) -> Option<Arc<Record>> {
        for key in unique_keys(kinds, record) {
            if let Some(found) = self.by_key.get(&key).and_then(|id| self.by_id.remove(id)) {
                return Some(found);
            }
        }
        let same = self.by_content.get_mut(&content(record))?;
        while let Some(id) = same.pop() {
            if let Some(found) = self.by_id.remove(&id) {
                return Some(found);
            }
        }
        None
    }

    /// What the file leaves out. What belongs to no workspace is a matter of `default`.
    fn left(self, workspaces: &BTreeSet<Uuid>) -> impl Iterator<Item = Delta> {
        let left = self.by_id.into_values();
        let left = left.filter(|record| workspaces.contains(&record.ws.unwrap_or(DEFAULT_WORKSPACE)));
        left.map(|record| Delta { entity: record.entity, id: record.id.clone(), before: Some(record), after: None })
    }
}

#[cfg(test)]
mod tests;
