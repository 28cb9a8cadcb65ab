//! Consumer Groups: who is in them.

use super::desk::Call;
use crate::body::Body;
use crate::errors;
use crate::query;
use crate::respond::Answer;
use schema::Errors;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Filter, Id, Operation, Record};

/// The kind of the memberships.
const PLACES: &str = "consumer_group_consumers";

/// One side of a membership.
#[derive(Clone, Copy)]
struct Side {
    entity: &'static str,
    field: &'static str,
}

const GROUP: Side = Side { entity: "consumer_groups", field: "consumer_group" };
const CONSUMER: Side = Side { entity: "consumers", field: "consumer" };

impl Call<'_> {
    async fn on(&self, side: Side, key: &str) -> Result<Arc<Record>, Answer> {
        self.scope.existing(self.kind(side.entity)?, key.as_bytes()).await
    }

    /// Both sides of a path that names both.
    async fn pair(&self, first: Side, second: Side) -> Result<(Arc<Record>, Arc<Record>), Answer> {
        let one = self.on(first, self.parameter(0)).await?;
        let other = self.on(second, self.parameter(1)).await?;
        let named = [(1, self.kind(first.entity)?, &*one), (3, self.kind(second.entity)?, &*other)];
        self.scope.check_path(&named)?;
        Ok((one, other))
    }

    /// The side that a path begins with.
    async fn first(&self, side: Side) -> Result<Arc<Record>, Answer> {
        let one = self.on(side, self.parameter(0)).await?;
        self.scope.check_path(&[(1, self.kind(side.entity)?, &one)])?;
        Ok(one)
    }

    async fn places(&self, side: Side, of: &Record) -> Result<Vec<Arc<Record>>, Answer> {
        let filter = Filter { reference: Some((side.field, of.id.clone())), tags: None };
        self.scope.store.all(PLACES, of.ws, filter).await.map_err(|error| errors::store(&error))
    }

    /// The records on the other side that may be read, by id.
    async fn others(&self, side: Side, places: &[Arc<Record>]) -> Result<Vec<Arc<Record>>, Answer> {
        let mut found = Vec::with_capacity(places.len());
        for id in places.iter().filter_map(|place| place.reference(side.field)) {
            let record = self.scope.store.get(side.entity, &id).await.map_err(|error| errors::store(&error))?;
            found.extend(record.filter(|record| self.scope.pass.lists(record)));
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    async fn shown_all(&self, records: &[Arc<Record>]) -> Result<Vec<Value>, Answer> {
        let mut out = Vec::with_capacity(records.len());
        for record in records {
            out.push(self.scope.show(record).await?.into());
        }
        Ok(out)
    }

    pub(super) async fn consumer_group(&self, body: Body) -> Result<Answer, Answer> {
        let kind = self.kind(GROUP.entity)?;
        let key = self.scope.key(kind, self.parameter(0).as_bytes(), false)?;
        let found = self.scope.find(kind, &key).await?;
        if let Some(found) = &found {
            self.scope.check_target(kind, found)?;
        }
        match self.method {
            "PUT" => return self.scope.upsert(kind, &key, body, None).await,
            "PATCH" => {
                let known = found.ok_or_else(|| crate::write::nothing_to_change(&key))?;
                return self.scope.update(kind, known, key.by(), body).await;
            }
            "DELETE" => {
                return match found {
                    Some(known) => self.scope.remove(kind, &known, key.by()).await,
                    None => self.scope.absent(kind, &key).await,
                };
            }
            _ => {}
        }
        let group = found.ok_or_else(errors::not_found)?;
        let mut shown = Map::new();
        shown.insert("consumer_group".to_owned(), self.scope.show(&group).await?.into());
        let wanted = query::first(self.query, "list_consumers").and_then(Value::as_str) != Some("false");
        if wanted && !self.scope.pass.forbids("consumers", access::Action::Read) {
            let consumers = self.others(CONSUMER, &self.places(GROUP, &group).await?).await?;
            shown.insert("consumers".to_owned(), self.shown_all(&consumers).await?.into());
        }
        let plugins = match self.scope.pass.forbids("plugins", access::Action::Read) {
            true => Vec::new(),
            false => self.scope.children(self.kind("plugins")?, GROUP.field, &group.id).await?,
        };
        shown.insert("plugins".to_owned(), self.shown_all(&plugins).await?.into());
        Ok(Answer::json(200, &shown.into()))
    }

    /// `/consumer_groups/{group}/consumers`
    pub(super) async fn members(&self, body: Body) -> Result<Answer, Answer> {
        let group = self.first(GROUP).await?;
        self.memberships(GROUP, CONSUMER, &group, "consumer", body).await
    }

    /// `/consumers/{consumer}/consumer_groups`
    pub(super) async fn groups_of_consumer(&self, body: Body) -> Result<Answer, Answer> {
        let consumer = self.first(CONSUMER).await?;
        self.memberships(CONSUMER, GROUP, &consumer, "group", body).await
    }

    async fn memberships(
        &self,
        side: Side,
        other: Side,
        of: &Record,
        member: &'static str,
        body: Body,
    ) -> Result<Answer, Answer> {
        let places = self.places(side, of).await?;
        match self.method {
            "GET" => {
                let others = self.others(other, &places).await?;
                let paging = query::Paging::read(self.query)?;
                let (page, next) = crate::resource::window(&others, &paging, self.path);
                self.scope.list(page, next).await
            }
            "DELETE" => {
                let gone = places.iter().map(|place| Operation::Delete { entity: PLACES, id: place.id.clone() });
                self.change(of, gone.collect()).await?;
                Ok(Answer::empty(204))
            }
            _ => {
                let (members, _) = body.into_members();
                let keys: Vec<String> = match members.get(member) {
                    Some(Value::String(key)) => vec![key.clone()],
                    Some(Value::Array(keys)) => keys.iter().filter_map(|key| key.as_str().map(str::to_owned)).collect(),
                    _ => Vec::new(),
                };
                if keys.is_empty() {
                    return Err(errors::schema_violation(Errors::of(member, "required field missing")));
                }
                let mut others = Vec::new();
                let mut operations = Vec::new();
                for key in keys {
                    let found = self.on(other, &key).await?;
                    let names = self.scope.keys_of(self.kind(other.entity)?, &found);
                    // Nobody puts together what it may not know.
                    if self.scope.pass.forbids_entity(other.entity, &names, access::Action::Read) {
                        return Err(self.forbidden());
                    }
                    let pair = json!({
                        (side.field): {"id": of.id.to_string()},
                        (other.field): {"id": found.id.to_string()},
                    });
                    operations.push(Operation::Insert(self.scope.made(PLACES, of.ws, pair)?));
                    others.push(found);
                }
                self.change(of, operations).await?;
                let (one, many) = match side.entity {
                    "consumer_groups" => ("consumer_group", "consumers"),
                    _ => ("consumer", "consumer_groups"),
                };
                let body = json!({(one): self.scope.show(of).await?, (many): self.shown_all(&others).await?});
                Ok(Answer::json(201, &body))
            }
        }
    }

    /// Changes who is in a group, which whoever may not change the one side may not do.
    async fn change(&self, of: &Record, operations: Vec<Operation>) -> Result<(), Answer> {
        if !self.scope.pass.may(of, access::Action::Update) && !self.scope.pass.may(of, self.scope.pass.action) {
            return Err(self.forbidden());
        }
        self.write(operations).await
    }

    async fn place(&self, group: &Record, consumer: &Id) -> Result<Arc<Record>, Answer> {
        let places = self.places(GROUP, group).await?;
        let found = places.into_iter().find(|place| place.reference("consumer").as_ref() == Some(consumer));
        found.ok_or_else(errors::not_found)
    }

    /// `/consumer_groups/{group}/consumers/{consumer}`
    pub(super) async fn member(&self) -> Result<Answer, Answer> {
        let (group, consumer) = self.pair(GROUP, CONSUMER).await?;
        let place = self.place(&group, &consumer.id).await?;
        if self.method == "GET" {
            let body = json!({
                "consumer_group": self.scope.show(&group).await?,
                "consumer": self.scope.show(&consumer).await?,
            });
            return Ok(Answer::json(200, &body));
        }
        self.change(&group, vec![Operation::Delete { entity: PLACES, id: place.id.clone() }]).await?;
        Ok(Answer::empty(204))
    }

    /// `DELETE /consumers/{consumer}/consumer_groups/{group}`
    pub(super) async fn leave_group(&self) -> Result<Answer, Answer> {
        let (consumer, group) = self.pair(CONSUMER, GROUP).await?;
        let place = self.place(&group, &consumer.id).await?;
        self.change(&consumer, vec![Operation::Delete { entity: PLACES, id: place.id.clone() }]).await?;
        Ok(Answer::empty(204))
    }
}
