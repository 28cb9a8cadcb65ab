//! `/revisions`: what was changed, by whom, and what it comes to.

use super::desk::Call;
use crate::delta::{Delta, Net, counts, net};
use crate::errors;
use crate::query::{self, Paging};
use crate::respond::Answer;
use access::Action;
use entities::DEFAULT_WORKSPACE;
use serde_json::{Map, Value, json};
use std::time::SystemTime;
use store::{Change, ChangeKind, Error, Id, Revision};
use uuid::Uuid;

/// Changes per step of reading.
const STEP: usize = 1000;
/// How many steps a list takes at most: who may see little of a long log goes on with the next page.
const STEPS: usize = 20;

/// How far an answer looks.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The workspace; none for all of them.
    ws: Option<Uuid>,
}

impl Span {
    /// Whether something of a workspace, or of none, is told.
    pub(super) fn holds(self, ws: Option<Uuid>) -> bool {
        match self.ws {
            None => true,
            Some(here) => ws == Some(here) || (ws.is_none() && here == DEFAULT_WORKSPACE),
        }
    }
}

/// A revision that is in the log no longer.
fn forgotten(revision: Revision, oldest: Revision) -> Answer {
    let first = oldest.saturating_add(1);
    errors::plain(
        410,
        &format!("revision {revision} is known no longer: the change log reaches back to revision {first}"),
    )
}

/// A revision that replaced everything there was.
pub(super) fn replaced(revision: Revision) -> Answer {
    let text = format!("revision {revision} replaced the whole configuration: what was there before is not known");
    errors::plain(409, &text)
}

fn seconds(at: SystemTime) -> f64 {
    let millis = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |past| past.as_millis());
    #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
    let seconds = millis as f64 / 1000.0;
    seconds
}

/// What is told of a revision as a whole.
fn head(change: &Change) -> Value {
    json!({
        "id": change.revision,
        "created_at": seconds(change.at),
        "author": &*change.author,
        "request_id": (!change.request_id.is_empty()).then_some(&*change.request_id),
    })
}

impl Call<'_> {
    /// The path's workspace, or with `workspaces=all` all of them for who may see them all.
    pub(super) fn span(&self) -> Result<Span, Answer> {
        match query::first(self.query, "workspaces").map(|value| value.as_str().unwrap_or_default()) {
            None => Ok(self.here()),
            Some("all") if self.reads_everywhere() => Ok(Span { ws: None }),
            Some("all") => Err(self.forbidden()),
            Some(_) => Err(errors::invalid_option("workspaces", "expected 'all'")),
        }
    }

    /// The path's workspace.
    pub(super) fn here(&self) -> Span {
        Span { ws: Some(self.scope.workspace) }
    }

    fn reads_everywhere(&self) -> bool {
        let path = [b"revisions".to_vec()];
        let pass = self.scope.pass;
        pass.subject.as_deref().is_none_or(|subject| {
            let endpoints = !pass.endpoints || subject.at(None, &path, Action::Read).is_allowed();
            endpoints && pass.lists_all(None)
        })
    }

    /// What a batch comes to, as far as the one who asks may know of it; none where that is nothing.
    fn told(&self, batch: &[Change], span: Span) -> Option<(Value, Vec<Delta>)> {
        let first = batch.first()?;
        let mut told = head(first);
        let Ok(mut deltas) = net(batch.iter().cloned()) else {
            let whole = batch.iter().find_map(|change| match change.kind {
                ChangeKind::Replaced { before, after } => Some(json!({"before": before, "after": after})),
                ChangeKind::Record { .. } => None,
            });
            told["replaced"] = whole.filter(|_| self.reads_everywhere())?;
            told["counts"] = json!({});
            return Some((told, Vec::new()));
        };
        let sight = self.scope.sight();
        deltas.retain(|delta| span.holds(delta.ws()) && sight.sees(delta));
        if deltas.is_empty() {
            return None;
        }
        told["counts"] = counts(&deltas);
        Some((told, deltas))
    }

    /// `GET /revisions`
    pub(super) async fn revisions(&self) -> Result<Answer, Answer> {
        let (paging, span) = (Paging::read(self.query)?, self.span()?);
        let mut until = match &paging.after {
            None => Revision::MAX,
            Some(after) => number(&after.to_string())
                .ok_or_else(|| errors::invalid_offset(&after.to_string(), "no revision"))?
                .saturating_sub(1),
        };
        let mut found: Vec<(Revision, Value)> = Vec::new();
        for _ in 0..STEPS {
            if until == 0 || found.len() > paging.size {
                break;
            }
            let changes = self.scope.store.history(until, STEP).await.map_err(|error| errors::store(&error))?;
            let Some(oldest) = changes.last().map(|change| change.revision) else {
                until = 0;
                break;
            };
            for batch in changes.chunk_by(|one, other| one.revision == other.revision) {
                found.extend(self.told(batch, span).map(|(told, _)| (batch[0].revision, told)));
            }
            until = oldest.saturating_sub(1);
        }
        let more = found.len() > paging.size;
        found.truncate(paging.size);
        let mut body = json!({"data": [], "next": null});
        match found.last() {
            Some((last, _)) if more => self.lead_on(&mut body, &paging, *last),
            _ if until > 0 => self.lead_on(&mut body, &paging, until.saturating_add(1)),
            _ => {}
        }
        body["data"] = found.into_iter().map(|(_, told)| told).collect();
        Ok(Answer::json(200, &body))
    }

    fn lead_on(&self, body: &mut Value, paging: &Paging, last: u64) {
        let (offset, mut next) = paging.next(self.path, &Id::Text(last.to_string().into()), None, false);
        if query::first(self.query, "workspaces").is_some() {
            next.push_str("&workspaces=all");
        }
        body["offset"] = offset.into();
        body["next"] = next.into();
    }

    /// Adds a page of what changes, and how much of it there is.
    fn add_changes(&self, mut body: Value, deltas: &[Delta]) -> Result<Answer, Answer> {
        let paging = Paging::read(self.query)?;
        let start = match &paging.after {
            None => 0,
            Some(after) => number(&after.to_string())
                .and_then(|start| usize::try_from(start).ok())
                .ok_or_else(|| errors::invalid_offset(&after.to_string(), "no position"))?,
        };
        let rest = deltas.get(start..).unwrap_or_default();
        let page = &rest[..rest.len().min(paging.size)];
        let masks = self.gate.recorder.masks();
        body["changes"] = page.iter().map(|delta| delta.shown(masks)).collect();
        body["next"] = Value::Null;
        if page.len() < rest.len() {
            self.lead_on(&mut body, &paging, (start + page.len()) as u64);
        }
        Ok(Answer::json(200, &body))
    }

    /// The revision that a segment of the path names.
    pub(super) async fn revision_named(&self, index: usize) -> Result<Revision, Answer> {
        let newest = self.scope.store.revision().await.map_err(|error| errors::store(&error))?;
        match self.parameter(index) {
            "current" => Ok(newest),
            text => number(text).filter(|revision| *revision <= newest).ok_or_else(errors::not_found),
        }
    }

    /// `GET /revisions/{revision}`
    pub(super) async fn revision(&self) -> Result<Answer, Answer> {
        let (revision, span) = (self.revision_named(0).await?, self.span()?);
        let changes = match self.scope.store.changes(revision.saturating_sub(1), 1).await {
            Ok(changes) => changes,
            Err(Error::Forgotten { oldest }) => return Err(forgotten(revision, oldest)),
            Err(error) => return Err(errors::store(&error)),
        };
        let end = changes.partition_point(|change| change.revision <= revision);
        let start = changes.partition_point(|change| change.revision < revision);
        let (told, deltas) = self.told(&changes[start..end], span).ok_or_else(errors::not_found)?;
        self.add_changes(told, &deltas)
    }

    /// What happened after a revision up to another one, whoever may know of it.
    pub(super) async fn between(&self, after: Revision, until: Revision) -> Result<Vec<Delta>, Answer> {
        let mut net = Net::default();
        let mut from = after;
        while from < until {
            let more = match self.scope.store.changes(from, STEP).await {
                Ok(more) => more,
                Err(Error::Forgotten { oldest }) => return Err(forgotten(after, oldest.saturating_sub(1))),
                Err(error) => return Err(errors::store(&error)),
            };
            let Some(last) = more.last().map(|change| change.revision) else { break };
            net.add(more.into_iter().filter(|change| change.revision <= until)).map_err(replaced)?;
            from = last;
        }
        Ok(net.end())
    }

    /// `GET /revisions/{revision}/diff/{other}`: what leads from the state after one revision to the state after the other.
    pub(super) async fn revision_diff(&self) -> Result<Answer, Answer> {
        let (from, to, span) = (self.revision_named(0).await?, self.revision_named(1).await?, self.span()?);
        let mut deltas = self.between(from.min(to), from.max(to)).await?;
        if from > to {
            deltas = deltas.into_iter().rev().map(Delta::reversed).collect();
        }
        let sight = self.scope.sight();
        deltas.retain(|delta| span.holds(delta.ws()) && sight.sees(delta));
        let body = Map::from_iter([
            ("from".to_owned(), from.into()),
            ("to".to_owned(), to.into()),
            ("counts".to_owned(), counts(&deltas)),
        ]);
        self.add_changes(body.into(), &deltas)
    }
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
