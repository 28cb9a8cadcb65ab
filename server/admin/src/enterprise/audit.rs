//! `/audit/requests` and `/audit/objects`

use super::desk::Call;
use crate::errors;
use crate::query::{self, Paging};
use crate::respond::Answer;
use crate::scope::seconds;
use access::Action;
use entities::DEFAULT_WORKSPACE;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Filter, Query, Record};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// How many entries an export holds; the header `Link` leads to the next.
const LINES: usize = 10_000;
/// Entries per step of reading.
const STEP: usize = 1000;
/// Fields that may be filtered by.
const FIELDS: [&str; 12] = [
    "client_ip",
    "dao_name",
    "entity_key",
    "method",
    "operation",
    "path",
    "rbac_user_id",
    "rbac_user_name",
    "request_id",
    "request_source",
    "status",
    "workspace",
];

/// What an entry must be.
#[derive(Default)]
struct Wanted {
    before: Option<i64>,
    after: Option<i64>,
    fields: Vec<(&'static str, String)>,
}

/// Epoch seconds, or RFC 3339.
fn moment(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp))
}

impl Wanted {
    fn accepts(&self, entry: &Record) -> bool {
        let at = entry.value.get("request_timestamp").and_then(Value::as_i64).unwrap_or(0);
        let fits = |(field, wanted): &(&str, String)| match entry.value.get(*field) {
            Some(Value::String(text)) => text == wanted,
            Some(Value::Number(number)) => number.to_string() == *wanted,
            _ => false,
        };
        self.before.is_none_or(|before| at < before)
            && self.after.is_none_or(|after| at > after)
            && self.fields.iter().all(fits)
    }
}

impl Call<'_> {
    fn wanted(&self) -> Result<Wanted, Answer> {
        let mut wanted = Wanted::default();
        for (name, value) in self.query {
            let Some(text) = value.as_str() else { continue };
            let time = || {
                moment(text).ok_or_else(|| {
                    errors::plain(
                        400,
                        &format!("{name}: expected seconds since 1970 or a time such as 2026-01-02T03:04:05Z"),
                    )
                })
            };
            let earliest = |known: Option<i64>, new: i64| Some(known.map_or(new, |known| known.min(new)));
            let latest = |known: Option<i64>, new: i64| Some(known.map_or(new, |known| known.max(new)));
            match name.as_str() {
                "before" | "request_timestamp[lt]" => wanted.before = earliest(wanted.before, time()?),
                "request_timestamp[lte]" => wanted.before = earliest(wanted.before, time()?.saturating_add(1)),
                "after" | "request_timestamp[gt]" => wanted.after = latest(wanted.after, time()?),
                "request_timestamp[gte]" => wanted.after = latest(wanted.after, time()?.saturating_sub(1)),
                other => {
                    if let Some(field) = FIELDS.into_iter().find(|field| *field == other) {
                        wanted.fields.push((field, text.to_owned()));
                    }
                }
            }
        }
        Ok(wanted)
    }

    /// A page of the log, the latest entries first. Under the prefix of a workspace, and for who may read the log of `default`
    /// alone: of its entries alone. With `format=jsonl`
    /// many more of them, one a line.
    pub(super) async fn audit(&self, entity: &'static str) -> Result<Answer, Answer> {
        let mut paging = Paging::read(self.query)?;
        let lines = match query::first(self.query, "format").map(|format| format.as_str().unwrap_or_default()) {
            None | Some("json") => false,
            Some("jsonl") => true,
            Some(_) => return Err(errors::invalid_option("format", "expected json or jsonl")),
        };
        if lines && query::first(self.query, "size").is_none() {
            paging.size = LINES;
        }
        let mut wanted = self.wanted()?;
        if self.scope.workspace != DEFAULT_WORKSPACE || !self.audits_everywhere(entity) {
            wanted.fields.push(("workspace", self.scope.workspace.to_string()));
        }
        let mut found: Vec<Arc<Record>> = Vec::new();
        let mut after = paging.after.clone();
        loop {
            let query = Query { entity, ws: None, after, size: STEP, filter: Filter::default() };
            let page = self.gate.store.page(&query).await.map_err(|error| errors::store(&error))?;
            found.extend(page.records.into_iter().filter(|entry| wanted.accepts(entry) && self.tells(entry)));
            after = page.next;
            if found.len() > paging.size || after.is_none() {
                break;
            }
        }
        let more = found.len() > paging.size;
        found.truncate(paging.size);
        let next = found.last().filter(|_| more).map(|last| self.next_entries(&paging, &last.id));
        let data: Vec<Value> = found.iter().map(|entry| shown(entry).into()).collect();
        if lines {
            let mut text = String::new();
            for entry in data {
                text.push_str(&entry.to_string());
                text.push('\n');
            }
            let answer = Answer::bytes(200, "application/x-ndjson", text);
            return Ok(match next {
                Some((_, next)) => answer.with("Link", format!("<{next}>; rel=\"next\"")),
                None => answer,
            });
        }
        let mut body = json!({"data": [], "next": null, "total": data.len()});
        if let Some((offset, next)) = next {
            body["offset"] = offset.into();
            body["next"] = next.into();
        }
        body["data"] = data.into();
        Ok(Answer::json(200, &body))
    }

    /// Whether the one who asks may read the log of all workspaces.
    fn audits_everywhere(&self, entity: &str) -> bool {
        let path = [b"audit".to_vec(), entity.trim_start_matches("audit_").as_bytes().to_vec()];
        let subject = self.scope.pass.subject.as_deref();
        subject.is_none_or(|subject| subject.at(None, &path, Action::Read).is_allowed())
    }

    /// Whether an entry may be told of: one of an entity by the permissions for that entity.
    fn tells(&self, entry: &Record) -> bool {
        let ws = entry.text("workspace").and_then(|ws| Uuid::try_parse(ws).ok());
        entry.text("entity_key").is_none_or(|key| self.scope.pass.reads(key, ws))
    }

    /// Where the entries after this one are, with what was asked for.
    fn next_entries(&self, paging: &Paging, last: &store::Id) -> (String, String) {
        let (offset, mut next) = paging.next(self.path, last, None, true);
        for (name, value) in self.query.iter().filter(|(name, _)| name != "offset") {
            if let Some(value) = value.as_str() {
                next.push_str(&format!("&{}={}", query::escape(name), query::escape(value)));
            }
        }
        (offset, next)
    }
}

fn shown(entry: &Record) -> Map<String, Value> {
    let mut value = entry.value.clone();
    if let Some(expires) = entry.expires {
        let left = (expires - seconds()).max(0);
        match entry.entity {
            "audit_requests" => {
                value.shift_remove("id");
                value.insert("ttl".to_owned(), left.into())
            }
            _ => value.insert("expire".to_owned(), expires.into()),
        };
    }
    value
}
