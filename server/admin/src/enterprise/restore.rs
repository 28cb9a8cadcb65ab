//! `POST /revisions/{revision}/restore`: the configuration of a workspace as it was after a revision, as a new revision; and
//! `POST /config/apply`: as a declarative file says.

use super::desk::Call;
use super::pass::ends_of_rights;
use crate::delta::{Delta, counts, is_configuration, rank, unique_keys};
use crate::errors;
use crate::form::Argument;
use crate::plan;
use crate::respond::Answer;
use crate::rules::{TRUSTING, trusted};
use crate::scope::{now, seconds};
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use declarative::Kinds;
use entities::{Fault, random_uuid};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::{Error, Id, Operation, Precondition, Record, Revision, View};

/// How often it begins anew because something was written meanwhile.
const ATTEMPTS: usize = 20;

fn unrestorable(revision: Revision, why: &str) -> Answer {
    errors::plain(409, &format!("revision {revision} cannot be restored: {why}"))
}

impl Call<'_> {
    /// `POST /revisions/{revision}/restore`
    pub(super) async fn restore(&self) -> Result<Answer, Answer> {
        let revision = self.revision_named(0).await?;
        for _ in 0..ATTEMPTS {
            let view = self.scope.store.view().await.map_err(|error| errors::store(&error))?;
            let deltas = self.way_back(&view, revision).await?;
            let refused = |why: &str| unrestorable(revision, why);
            if let Some(mut body) = self.written(&view, deltas, refused).await? {
                body["restored"] = revision.into();
                return Ok(Answer::json(200, &body));
            }
        }
        Err(errors::contended())
    }

    /// `POST /config/apply`: what the plan of the file tells, in one batch.
    pub(crate) async fn take_file(
        &self,
        headers: &HeaderMap,
        query: &[Argument],
        body: &Bytes,
    ) -> Result<Answer, Answer> {
        for _ in 0..ATTEMPTS {
            let (headers, query) = (headers.clone(), query.to_vec());
            let (plan, view) = plan::of_file(self.scope, "apply", headers, query, body.clone()).await?;
            // Making one is more than changing what is in it.
            if plan.deltas.iter().any(|delta| delta.entity == "workspaces") {
                return Err(errors::plain(409, "the file is of a workspace that does not exist"));
            }
            let refused = |why: &str| errors::plain(409, &format!("the file cannot be applied: {why}"));
            if let Some(body) = self.written(&view, plan.deltas, refused).await? {
                return Ok(Answer::json(200, &body));
            }
        }
        Err(errors::contended())
    }

    /// Writes what leads to another state, and tells the revision it made; none where something else was written meanwhile.
    async fn written(
        &self,
        view: &View,
        mut deltas: Vec<Delta>,
        refused: impl Fn(&str) -> Answer,
    ) -> Result<Option<Value>, Answer> {
        self.check_rights(&deltas)?;
        self.check_rules(&mut deltas, &refused, view).await?;
        let revision = match deltas.is_empty() {
            true => view.revision(),
            false => match self.bring_back(view, &deltas).await {
                Ok(revision) => revision,
                Err(Error::Precondition(_)) => return Ok(None),
                Err(error @ (Error::Unavailable(_) | Error::Full)) => return Err(errors::store(&error)),
                Err(error) => return Err(refused(&error.to_string())),
            },
        };
        let sight = self.scope.sight();
        let told: Vec<Delta> = deltas.into_iter().filter(|delta| sight.sees(delta)).collect();
        let masks = self.gate.recorder.masks();
        Ok(Some(json!({
            "id": revision,
            "counts": counts(&told),
            "changes": told.iter().map(|delta| delta.shown(masks)).collect::<Vec<_>>(),
        })))
    }

    /// What leads from the newest state of this workspace's configuration back to the one after a revision. Users, roles,
    /// workspaces and what belongs to them stay as they are: rights that were taken do not come back this way.
    async fn way_back(&self, view: &View, revision: Revision) -> Result<Vec<Delta>, Answer> {
        let (span, kinds) = (self.here(), &self.scope.kinds);
        let at = seconds();
        let past = self.between(revision, view.revision()).await?;
        let configured = |delta: &Delta| {
            let kind = kinds.position(delta.entity).map(|kind| kinds.get(kind));
            kind.is_some_and(is_configuration) && span.holds(delta.ws())
        };
        let back = past.into_iter().map(Delta::reversed).filter(configured).map(|delta| Delta {
            // A record that has expired and that nobody has swept yet holds its values still.
            before: view.get(delta.entity, &delta.id).cloned(),
            after: delta.after.filter(|record| !record.expired(at)),
            ..delta
        });
        Ok(back.filter(|delta| delta.record().is_some()).collect())
    }

    /// Whether every part of it may be done by who asks.
    fn check_rights(&self, deltas: &[Delta]) -> Result<(), Answer> {
        let Some(subject) = self.scope.pass.subject.as_deref() else { return Ok(()) };
        let sight = self.scope.sight();
        for delta in deltas {
            let action = delta.action();
            let may = |record: &Option<Arc<Record>>| record.as_ref().is_none_or(|record| sight.may(record, action));
            if !may(&delta.before) || !may(&delta.after) {
                return Err(super::gate::forbidden(subject, action));
            }
        }
        Ok(())
    }

    /// Holds what comes back to the rules of today.
    async fn check_rules(
        &self,
        deltas: &mut [Delta],
        refused: &impl Fn(&str) -> Answer,
        view: &View,
    ) -> Result<(), Answer> {
        for delta in deltas.iter_mut() {
            let Some(after) = &delta.after else { continue };
            let renewed = renewed(&self.scope.kinds, after);
            let renewed = renewed.map_err(|why| {
                let text = format!("the '{}' entity {} is no longer valid: {why}", delta.entity, delta.id);
                refused(&text)
            })?;
            self.scope.check_collision(&renewed).await?;
            delta.after = Some(Arc::new(renewed));
        }
        check_trust(view, deltas).map_err(|why| refused(&why))
    }

    /// Writes it, in one batch.
    async fn bring_back(&self, view: &View, deltas: &[Delta]) -> Result<Revision, Error> {
        // Rights on what comes and goes, and references to what may not be read, as for every other write.
        let (coming, going): (Vec<&Delta>, Vec<&Delta>) = deltas.iter().partition(|delta| delta.after.is_some());
        let mut plain: Vec<Operation> = coming.into_iter().filter_map(operation).collect();
        let own = plain.len();
        self.scope.guard(&mut plain).await?;
        let going: Vec<Arc<Record>> = going.into_iter().filter_map(|delta| delta.before.clone()).collect();
        let mut operations = ordered(&self.scope.kinds, view, deltas);
        operations.extend(plain.split_off(own));
        operations.extend(ends_of_rights(&self.view, &going));
        self.scope.commit(operations, vec![Precondition::Version(view.revision())]).await
    }
}

/// A record as it is written again.
fn renewed(kinds: &Kinds, record: &Record) -> Result<Record, Fault> {
    let mut value = record.value.clone();
    value.shift_remove("updated_at");
    let value = kinds.definitions().process_insert_untransformed(record.entity, value, now())?;
    Ok(Record { value, ..record.clone() })
}

fn operation(delta: &Delta) -> Option<Operation> {
    match (&delta.before, &delta.after) {
        (None, Some(after)) => Some(Operation::Insert(Record::clone(after))),
        (Some(_), Some(after)) => Some(Operation::Update(Record::clone(after))),
        (Some(before), None) => Some(Operation::Delete { entity: before.entity, id: before.id.clone() }),
        (None, None) => None,
    }
}

/// A CA certificate that goes is trusted by nothing that stays.
fn check_trust(view: &View, deltas: &[Delta]) -> Result<(), String> {
    let going = deltas.iter().filter(|delta| delta.entity == "ca_certificates" && delta.after.is_none());
    let going: HashSet<String> = going.map(|delta| delta.id.to_string()).collect();
    if going.is_empty() {
        return Ok(());
    }
    let changed: HashSet<(&str, &Id)> = deltas.iter().map(|delta| (delta.entity, &delta.id)).collect();
    for entity in TRUSTING {
        let kept = view.all(entity).filter(|record| !changed.contains(&(entity, &record.id)));
        let after = deltas.iter().filter(|delta| delta.entity == entity).filter_map(|delta| delta.after.as_ref());
        for record in kept.chain(after) {
            if trusted(record).any(|id| going.contains(id)) {
                return Err(format!("a CA certificate that would go is still referenced by {entity}"));
            }
        }
    }
    Ok(())
}

/// The operations in an order in which each can be done: what frees values that others take, then what comes and changes with
/// parents first, then what goes with children first.
fn ordered(kinds: &Kinds, view: &View, deltas: &[Delta]) -> Vec<Operation> {
    let mut order: Vec<usize> = (0..deltas.len()).collect();
    order.sort_by_key(|&index| rank(kinds, deltas[index].entity));
    let places: HashMap<(&str, &Id), usize> =
        deltas.iter().enumerate().map(|(index, delta)| ((delta.entity, &delta.id), index)).collect();
    let mut holders: HashMap<(&str, usize, String), usize> = HashMap::new();
    for (index, delta) in deltas.iter().enumerate() {
        for (rule, key) in delta.before.iter().flat_map(|record| unique_keys(kinds, record)) {
            holders.insert((delta.entity, rule, key), index);
        }
    }
    let mut early: HashSet<usize> = HashSet::new();
    let mut parked: Vec<usize> = Vec::new();
    for (index, delta) in deltas.iter().enumerate() {
        for (rule, key) in delta.after.iter().flat_map(|record| unique_keys(kinds, record)) {
            let Some(&holder) = holders.get(&(delta.entity, rule, key)).filter(|holder| **holder != index) else {
                continue;
            };
            let going = (deltas[holder].after.is_none()).then(|| going_with(view, deltas, &places, holder)).flatten();
            match going {
                Some(going) => early.extend(going),
                None if !parked.contains(&holder) => parked.push(holder),
                None => {}
            }
        }
    }
    let goes = |index: usize| deltas[index].after.is_none();
    let mut operations = Vec::new();
    let first = order.iter().rev().copied().filter(|index| early.contains(index));
    operations.extend(first.filter_map(|index| operation(&deltas[index])));
    for index in parked.into_iter().filter(|index| !early.contains(index)) {
        operations.extend(deltas[index].before.as_deref().map(|record| Operation::Update(aside(kinds, record))));
    }
    let coming = order.iter().copied().filter(|index| !goes(*index));
    operations.extend(coming.filter_map(|index| operation(&deltas[index])));
    let last = order.iter().rev().copied().filter(|index| goes(*index) && !early.contains(index));
    operations.extend(last.filter_map(|index| operation(&deltas[index])));
    operations
}

/// What has to go so that an entity can, itself included; none where something that stays hangs on it for now.
fn going_with(
    view: &View,
    deltas: &[Delta],
    places: &HashMap<(&str, &Id), usize>,
    index: usize,
) -> Option<HashSet<usize>> {
    let (mut found, mut open) = (HashSet::new(), vec![index]);
    while let Some(index) = open.pop() {
        if !found.insert(index) {
            continue;
        }
        let delta = &deltas[index];
        for (rules, reference) in view.catalog().pointing_to(delta.entity) {
            for child in view.children(rules.entity, reference.field, &delta.id) {
                match places.get(&(rules.entity, &child.id)) {
                    Some(&child) if deltas[child].after.is_none() => open.push(child),
                    _ => return None,
                }
            }
        }
    }
    Some(found)
}

/// A record with values in its unique fields that nobody else has, until it gets its own.
fn aside(kinds: &Kinds, record: &Record) -> Record {
    let mut aside = record.clone();
    let Some(rules) = kinds.catalog().get(record.entity) else { return aside };
    for unique in &rules.unique {
        // One text among the fields is enough; a reference must lead somewhere.
        let text = unique.fields.iter().find(|field| record.value.get(**field).is_some_and(Value::is_string));
        if let Some(field) = text {
            aside.value.insert((*field).to_owned(), format!("~{}", random_uuid()).into());
        }
    }
    aside
}

#[cfg(test)]
mod tests;
