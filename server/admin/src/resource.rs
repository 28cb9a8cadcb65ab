//! Entities by their paths: finding, listing and showing them. One engine for all kinds.

use crate::errors;
use crate::form::Argument;
use crate::query::{self, Paging};
use crate::respond::Answer;
use crate::scope::{Scope, seconds};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Filter, Id, Record};
use uuid::Uuid;

/// How a path names an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// By its id.
    Id(Id),
    /// By the value of a field.
    Field(&'static str, String),
}

impl Key {
    /// The field, when it is not the id.
    pub(crate) fn by(&self) -> Option<&'static str> {
        match self {
            Key::Id(_) => None,
            Key::Field(field, _) => Some(field),
        }
    }
}

fn uuid_of(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

impl Scope<'_> {
    /// What a segment of a path means for a kind.
    pub(crate) fn key(&self, kind: usize, segment: &[u8], nested: bool) -> Result<Key, Answer> {
        let definition = self.kinds.get(kind);
        let text = std::str::from_utf8(segment).map_err(|_| errors::not_found())?;
        if let Some(uuid) = uuid_of(text) {
            return Ok(Key::Id(Id::Uuid(uuid)));
        }
        if !definition.has_id {
            return Ok(Key::Id(Id::parse(text)));
        }
        let field = match (definition.endpoint, definition.name) {
            // Found among the Upstream's, where a name that cannot be is none of them.
            (Some(field), "targets") => field,
            (Some(field), name) => {
                self.check_key(name, field, text)?;
                field
            }
            // A Consumer's groups are found by the group below the Consumer.
            (None, "acls") if nested => "group",
            (None, "certificates") => {
                self.check_key("snis", "name", text)?;
                "snis"
            }
            _ => return Err(errors::invalid_primary_key()),
        };
        Ok(Key::Field(field, text.to_owned()))
    }

    /// Whether a text can be the value of the field that names an entity.
    pub(crate) fn check_key(&self, entity: &str, field: &str, text: &str) -> Result<(), Answer> {
        let checked = self.kinds.definitions().check_field(entity, field, text);
        checked.map_err(|reason| errors::invalid_unique(field, &reason))
    }

    /// The entity of a kind with this key.
    pub(crate) async fn find(&self, kind: usize, key: &Key) -> Result<Option<Arc<Record>>, Answer> {
        match key {
            Key::Id(id) => self.by_id(kind, id).await,
            Key::Field("snis", sni) => self.certificate_by_sni(kind, sni).await,
            Key::Field(field, value) => self.by_field(kind, field, &Value::from(value.as_str())).await,
        }
    }

    /// That there is no entity with this key.
    pub(crate) fn missing(&self, key: &Key) -> Answer {
        match key {
            Key::Field("snis", _) => errors::plain(404, "SNI not found"),
            Key::Field("group", _) => errors::not_found_at(self.request_id),
            _ => errors::not_found(),
        }
    }

    /// The entity a segment names, which must exist.
    pub(crate) async fn existing(&self, kind: usize, segment: &[u8]) -> Result<Arc<Record>, Answer> {
        let key = self.key(kind, segment, false)?;
        self.find(kind, &key).await?.ok_or_else(|| self.missing(&key))
    }

    /// The entity with this key below a parent.
    pub(crate) async fn child(
        &self,
        kind: usize,
        field: &'static str,
        parent: &Record,
        key: &Key,
    ) -> Result<Option<Arc<Record>>, Answer> {
        let definition = self.kinds.get(kind);
        let found = match key {
            // Not unique by itself: only among the parent's.
            Key::Field(name, value) if definition.endpoint != Some(*name) || !definition.endpoint_unique => {
                let children = self.children(kind, field, &parent.id).await?;
                children.into_iter().find(|child| child.text(name) == Some(value.as_str()))
            }
            key => self.find(kind, key).await?,
        };
        Ok(found.filter(|child| child.reference(field).as_ref() == Some(&parent.id)))
    }

    /// An entity as it is shown.
    pub(crate) async fn show(&self, record: &Record) -> Result<Map<String, Value>, Answer> {
        let mut shown = self.kinds.definitions().present(record.entity, &record.value);
        if let Some(expires) = record.expires {
            let left = expires - seconds();
            shown.insert("ttl".into(), left.max(0).into());
        } else if self.kinds.definitions().database()
            && self.kinds.position(record.entity).is_some_and(|kind| self.kinds.get(kind).ttl)
        {
            shown.insert("ttl".into(), Value::Null);
        }
        if record.entity == "certificates" {
            shown.insert("snis".into(), self.names_of(record).await?.into());
        }
        if self.beyond {
            self.describe_certificates(&mut shown, record.entity);
        }
        Ok(shown)
    }

    /// An entity as an answer.
    pub(crate) async fn shown(&self, status: u16, record: &Record) -> Result<Answer, Answer> {
        Ok(Answer::json(status, &Value::Object(self.show(record).await?)))
    }

    /// `GET /{kind}`
    pub(crate) async fn collection(&self, kind: usize, query: &[Argument]) -> Result<Answer, Answer> {
        let definition = self.kinds.get(kind);
        if definition.name == "consumers"
            && let Some(custom_id) = query::first(query, "custom_id")
        {
            return self.consumer_by_custom_id(kind, custom_id).await;
        }
        let paging = Paging::read(query)?;
        let tagged = self.kinds.entity(kind).is_some_and(|entity| entity.record.get("tags").is_some());
        let tags = if tagged { query::tags(query)? } else { None };
        let (filter, text) = tags.map_or((None, None), |(filter, text)| (Some(filter), Some(text)));
        let path = format!("{}/{}", self.prefix, definition.path.unwrap_or(definition.name));
        self.page(kind, &paging, Filter { reference: None, tags: filter }, &path, text, false).await
    }

    async fn consumer_by_custom_id(&self, kind: usize, custom_id: &Value) -> Result<Answer, Answer> {
        let Some(custom_id) = custom_id.as_str().filter(|text| !text.trim().is_empty()) else {
            return Err(errors::plain(400, "custom_id must be an unempty string"));
        };
        let found = self.by_field(kind, "custom_id", &Value::from(custom_id)).await?;
        let mut data = Vec::new();
        if let Some(consumer) = found {
            data.push(Value::Object(self.show(&consumer).await?));
        }
        Ok(Answer::json(200, &json!({"data": data, "next": null})))
    }

    /// `GET /{parent}/{id}/{kind}`
    pub(crate) async fn nested(
        &self,
        kind: usize,
        field: &'static str,
        parent: &Record,
        path: &str,
        query: &[Argument],
    ) -> Result<Answer, Answer> {
        let paging = Paging::read(query)?;
        let filter = Filter { reference: Some((field, parent.id.clone())), tags: None };
        self.page(kind, &paging, filter, path, None, true).await
    }

    async fn page(
        &self,
        kind: usize,
        paging: &Paging,
        filter: Filter,
        path: &str,
        tags: Option<&str>,
        nested: bool,
    ) -> Result<Answer, Answer> {
        let page = self.read(kind, paging.after.clone(), paging.size, filter).await?;
        let next = page.next.map(|last| paging.next(path, &last, tags, nested));
        self.list(&page.records, next).await
    }

    /// Records as a list, with the offset and the address of what follows.
    pub(crate) async fn list(&self, records: &[Arc<Record>], next: Option<(String, String)>) -> Result<Answer, Answer> {
        let mut data = Vec::with_capacity(records.len());
        for record in records {
            data.push(Value::Object(self.show(record).await?));
        }
        let mut body = json!({"data": data, "next": null});
        if let Some((offset, next)) = next {
            body["offset"] = offset.into();
            body["next"] = next.into();
        }
        Ok(Answer::json(200, &body))
    }

    /// The Targets of an Upstream as they count: the newest for each address, newest first.
    pub(crate) async fn active_targets(
        &self,
        kind: usize,
        field: &'static str,
        upstream: &Record,
    ) -> Result<Vec<Arc<Record>>, Answer> {
        let mut targets = self.children(kind, field, &upstream.id).await?;
        let created = |record: &Record| record.value.get("created_at").and_then(Value::as_f64).unwrap_or(0.0);
        targets.sort_by(|a, b| created(b).total_cmp(&created(a)).then_with(|| b.id.cmp(&a.id)));
        let mut seen = std::collections::HashSet::new();
        targets.retain(|record| record.text("target").is_none_or(|target| seen.insert(target.to_owned())));
        Ok(targets)
    }

    /// `GET /upstreams/{id}/targets`
    pub(crate) async fn targets(
        &self,
        kind: usize,
        field: &'static str,
        upstream: &Record,
        path: &str,
        query: &[Argument],
    ) -> Result<Answer, Answer> {
        let paging = Paging::read(query)?;
        let targets = self.active_targets(kind, field, upstream).await?;
        let (page, next) = window(&targets, &paging, path);
        self.list(page, next).await
    }
}

/// A page of a list that has its own order.
pub(crate) fn window<'l>(
    records: &'l [Arc<Record>],
    paging: &Paging,
    path: &str,
) -> (&'l [Arc<Record>], Option<(String, String)>) {
    let start = match &paging.after {
        Some(after) => records.iter().position(|record| record.id == *after).map_or(records.len(), |at| at + 1),
        None => 0,
    };
    let rest = &records[start..];
    let page = &rest[..rest.len().min(paging.size)];
    let next = match page.last() {
        Some(last) if page.len() < rest.len() => Some(paging.next(path, &last.id, None, true)),
        _ => None,
    };
    (page, next)
}
