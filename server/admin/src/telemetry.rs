//! `/telemetry`: what the node remembers of requests, of one workspace, as far as the one who asks may know of its entities.

use crate::errors;
use crate::form::Argument;
use crate::live::Live;
use crate::query::{escape, first};
use crate::respond::Answer;
use crate::route_match::{RouteQuestion, TOLD};
use crate::scope::Scope;
use crate::seen::Seen;
use access::Action;
use actix_web::web;
use entities::DEFAULT_WORKSPACE;
use history::{History, Kind, POINTS, Question, Row, Series, Trace, Wanted};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use store::{Id, View};
use uuid::Uuid;

/// A path below `/telemetry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telemetry {
    Series,
    Stream,
    Traces,
    Trace,
}

/// Kinds of entities that answers name.
pub(crate) const NAMED: [&str; 4] = ["routes", "services", "consumers", "upstreams"];
const WEEK: u64 = 7 * 86_400;
const RANGE: u64 = 900;
const TOP: u64 = 50;
const MOST: u64 = 1000;
const PAGE: u64 = 100;
/// Near misses that a trace shows.
const NEAR: usize = 3;

/// How entities are named.
pub(crate) struct Names {
    pub(crate) view: Option<Arc<View>>,
    pub(crate) seen: Seen,
    /// Of those that are not in the view.
    pub(crate) consumers: HashMap<Uuid, Option<String>>,
}

impl Names {
    fn text(&self, kind: &'static str, id: Uuid, field: &str) -> Option<Option<String>> {
        let record = self.view.as_ref()?.get(kind, &Id::Uuid(id))?;
        Some(record.text(field).map(str::to_owned))
    }

    /// The name of an entity, where it has one; none where there is no such entity.
    fn name(&self, kind: &'static str, id: Uuid) -> Option<Option<String>> {
        if kind != "consumers" {
            return self.text(kind, id, "name");
        }
        let known = self.text(kind, id, "username").or_else(|| self.consumers.get(&id).cloned());
        match known {
            Some(None) => Some(self.text(kind, id, "custom_id").flatten()),
            known => known,
        }
    }

    /// As it is shown beside something else.
    pub(crate) fn shown(&self, kind: &'static str, id: Uuid) -> Value {
        match self.name(kind, id) {
            Some(name) if self.seen.sees(kind, id) => json!({"id": id, "name": name}),
            None if self.seen.sees_all(kind) => json!({"id": id, "name": null}),
            _ => Value::Null,
        }
    }

    /// The host of a Service, and the Upstream that it names.
    fn host(&self, workspace: Uuid, service: Uuid) -> (Option<String>, Value) {
        let Some(host) = self.text("services", service, "host").flatten() else { return (None, Value::Null) };
        let view = self.view.as_ref();
        let found = view.and_then(|view| view.by_unique("upstreams", Some(workspace), "name", &host.as_str().into()));
        let upstream = found.and_then(|record| record.id.uuid()).filter(|id| self.seen.sees("upstreams", *id));
        let upstream = upstream.map_or(Value::Null, |id| json!({"id": id, "name": host}));
        (Some(host), upstream)
    }

    /// A series as a row, or none where it is not shown.
    pub(crate) fn row(&self, series: &Series) -> Option<Row> {
        let kind = match series.kind {
            Kind::Route => "routes",
            Kind::Service | Kind::Target => "services",
            Kind::Consumer => "consumers",
            Kind::Workspace => return None,
        };
        let name = self.name(kind, series.id);
        // A Consumer that is not in the view may be in the database: it is looked for later.
        let later = kind == "consumers" && name.is_none() && !self.consumers.contains_key(&series.id);
        let gone = name.is_none() && !later;
        if !if gone { self.seen.sees_all(kind) } else { self.seen.sees(kind, series.id) } {
            return None;
        }
        let mut members = Map::new();
        let mut id = series.id.to_string();
        members.insert("name".into(), name.flatten().into());
        match series.kind {
            Kind::Route => {
                let view = self.view.as_ref();
                let service =
                    view.and_then(|view| view.get("routes", &Id::Uuid(series.id))?.reference("service")?.uuid());
                members.insert("service".into(), service.map_or(Value::Null, |id| self.shown("services", id)));
            }
            Kind::Service | Kind::Target => {
                let (host, upstream) = self.host(series.workspace, series.id);
                if let Some(target) = series.target {
                    id = format!("{}/{target}", host.as_deref().unwrap_or(&id));
                    members.insert("name".into(), target.to_string().into());
                }
                members.insert("host".into(), host.into());
                members.insert("upstream".into(), upstream);
            }
            Kind::Consumer | Kind::Workspace => {}
        }
        members.insert("gone".into(), gone.into());
        Some(Row { id, members })
    }

    /// Whether a request that is kept may be shown.
    fn shows(&self, trace: &Trace) -> bool {
        match trace.route {
            None => self.seen.sees_all("routes"),
            Some(route) => self.seen.sees("routes", route) || self.seen.sees_all("routes"),
        }
    }
}

/// A question about series, with the id that rows are held to.
#[derive(Clone, Debug)]
pub(crate) struct SeriesQuestion {
    pub(crate) question: Question,
    pub(crate) id: Option<String>,
}

impl SeriesQuestion {
    pub(crate) fn read(query: &[Argument], workspace: Uuid, top: u64) -> Result<Self, String> {
        let kinds = list(query, "by").into_iter().filter(|name| !name.is_empty());
        let kinds: Result<Vec<Kind>, String> = kinds
            .map(|name| {
                let known = Kind::of_row(&name);
                known.ok_or_else(|| format!("by: '{name}' is none of service, route, consumer, target"))
            })
            .collect();
        let range = match text(query, "range") {
            None => RANGE,
            Some(given) => seconds(given)
                .filter(|range| (10..=WEEK).contains(range))
                .ok_or_else(|| "range: expected a number with s, m, h or d, from 10s to 7d".to_owned())?,
        };
        let until = number(query, "until", 1, u64::MAX / 2)?;
        let step = number(query, "step", 1, 86_400)?;
        if step.is_some_and(|step| range / step > POINTS) {
            return Err(format!("step: a line has {POINTS} points at most"));
        }
        let top = number(query, "top", 1, MOST)?.unwrap_or(top);
        let points = match text(query, "points") {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err("points: expected true or false".into()),
        };
        let question =
            Question { workspace, kinds: kinds?, range, until, step, top: usize::try_from(top).unwrap_or(1), points };
        Ok(Self { question, id: text(query, "id").map(str::to_owned) })
    }

    /// The answer, rows named as far as the view goes.
    pub(crate) fn answer(&self, history: &History, names: &Names) -> Value {
        let wanted = |row: &Row| self.id.as_ref().is_none_or(|id| *id == row.id);
        history.series(&self.question, &|series| names.row(series).filter(wanted))
    }
}

fn text<'q>(query: &'q [Argument], name: &str) -> Option<&'q str> {
    first(query, name).map(|value| value.as_str().unwrap_or("true"))
}

fn list(query: &[Argument], name: &str) -> Vec<String> {
    let given = text(query, name).unwrap_or_default().split(',').map(|part| part.trim().to_owned());
    given.filter(|part| !part.is_empty()).collect()
}

/// A number with a unit, as seconds.
fn seconds(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

pub(crate) fn number(query: &[Argument], name: &str, least: u64, most: u64) -> Result<Option<u64>, String> {
    let Some(given) = text(query, name) else { return Ok(None) };
    let number = given.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| match most > WEEK {
        true => format!("{name}: expected a whole number"),
        false => format!("{name}: expected a whole number from {least} to {most}"),
    })
}

fn fraction(query: &[Argument], name: &str) -> Result<Option<f64>, String> {
    let Some(given) = text(query, name) else { return Ok(None) };
    let number = given.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.map(Some).ok_or_else(|| format!("{name}: expected a number"))
}

fn bad(text: String) -> Answer {
    errors::plain(400, &text)
}

impl Scope<'_> {
    /// Answers a path below `/telemetry`.
    pub(crate) async fn telemetry(
        &self,
        path: Telemetry,
        query: &[Argument],
        id: &[u8],
        own_path: &str,
    ) -> Result<Answer, Answer> {
        let off = || errors::plain(503, "the history is off (telemetry_history)");
        let history = self.node.history().ok_or_else(off)?;
        match path {
            Telemetry::Series => self.series(history, query).await,
            Telemetry::Stream => Live::read(self, query).map(Answer::live).map_err(bad),
            Telemetry::Traces => self.traces(&history, query, own_path).await,
            Telemetry::Trace => self.trace(&history, id).await,
        }
    }

    /// How entities are named for the one who asks.
    pub(crate) async fn names(&self) -> Result<Names, Answer> {
        Ok(Names { view: self.node.in_use(), seen: self.seen(&NAMED).await?, consumers: HashMap::new() })
    }

    async fn series(&self, history: Arc<History>, query: &[Argument]) -> Result<Answer, Answer> {
        let question = SeriesQuestion::read(query, self.workspace, TOP).map_err(bad)?;
        let names = self.names().await?;
        let found = web::block(move || question.answer(&history, &names)).await;
        let mut answer = found.map_err(|_| errors::unexpected())?;
        self.name_consumers(&mut answer, &mut HashMap::new()).await?;
        answer["in_flight"] = self.in_flight();
        Ok(Answer::json(200, &answer))
    }

    /// Requests that are being served on the node; nobody's business in other workspaces than the default one.
    pub(crate) fn in_flight(&self) -> Value {
        (self.workspace == DEFAULT_WORKSPACE).then(|| self.node.counters().writing).into()
    }

    /// Names Consumers that are not in memory. `known` are those that were asked for before.
    pub(crate) async fn name_consumers(
        &self,
        answer: &mut Value,
        known: &mut HashMap<Uuid, Option<String>>,
    ) -> Result<(), Answer> {
        let rows = answer.get_mut("series").and_then(Value::as_array_mut);
        for row in rows.into_iter().flatten().filter(|row| row["kind"] == "consumer" && row["name"].is_null()) {
            let Some(id) = row["id"].as_str().and_then(|id| id.parse().ok()) else { continue };
            let name = match known.get(&id) {
                Some(name) => name.clone(),
                None => {
                    let name = self.consumer_name(id).await?;
                    known.insert(id, name.clone());
                    name
                }
            };
            row["gone"] = name.is_none().into();
            row["name"] = name.filter(|name| !name.is_empty()).into();
        }
        Ok(())
    }

    /// The name of a Consumer, empty where it has none; none where there is no such Consumer.
    async fn consumer_name(&self, id: Uuid) -> Result<Option<String>, Answer> {
        let found = self.store.get("consumers", &Id::Uuid(id)).await.map_err(|error| errors::store(&error))?;
        Ok(found.map(|record| {
            let name = record.text("username").or_else(|| record.text("custom_id"));
            name.unwrap_or_default().to_owned()
        }))
    }

    /// The id of an entity by its id or its name; one that no entity has where there is none.
    async fn id_of(&self, query: &[Argument], argument: &str, kind: &str, field: &str) -> Result<Option<Uuid>, Answer> {
        let Some(given) = text(query, argument) else { return Ok(None) };
        if let Ok(id) = given.parse() {
            return Ok(Some(id));
        }
        let Some(kind) = self.kinds.position(kind) else { return Ok(Some(Uuid::max())) };
        let found = self.by_field(kind, field, &given.into()).await?;
        Ok(Some(found.and_then(|record| record.id.uuid()).unwrap_or(Uuid::max())))
    }

    async fn traces(&self, history: &History, query: &[Argument], path: &str) -> Result<Answer, Answer> {
        let statuses = list(query, "status");
        let is_status = |text: &String| match text.strip_suffix("xx") {
            Some(class) => matches!(class, "1" | "2" | "3" | "4" | "5"),
            None => text.parse::<u16>().is_ok_and(|status| status < 1000),
        };
        if !statuses.iter().all(is_status) {
            return Err(bad("status: expected statuses as 503 or 5xx, with commas between".into()));
        }
        let kept = list(query, "kept");
        if !kept.iter().all(|kept| matches!(kept.as_str(), "failed" | "slow" | "sampled")) {
            return Err(bad("kept: expected failed, slow or sampled, with commas between".into()));
        }
        let before = match text(query, "offset") {
            None => None,
            Some(given) => {
                Some(history::offset(given).ok_or_else(|| errors::invalid_offset(given, "no place in a list"))?)
            }
        };
        let size = number(query, "size", 1, MOST).map_err(bad)?.unwrap_or(PAGE);
        let wanted = Wanted {
            workspace: self.workspace,
            route: self.id_of(query, "route", "routes", "name").await?,
            service: self.id_of(query, "service", "services", "name").await?,
            consumer: self.id_of(query, "consumer", "consumers", "username").await?,
            statuses,
            min_duration: fraction(query, "min_duration").map_err(bad)?.unwrap_or(0.0),
            trace_id: text(query, "trace_id").map(str::to_ascii_lowercase),
            kept,
            method: text(query, "method").map(str::to_owned),
            path: text(query, "path").map(str::to_owned),
            since: fraction(query, "since").map_err(bad)?,
            until: fraction(query, "until").map_err(bad)?,
            before,
        };
        let mut names = self.names().await?;
        // What may not be seen leaves no gap.
        let mut found = history.traces(&wanted);
        found.retain(|trace| names.shows(trace));
        let size = usize::try_from(size).unwrap_or(1);
        let more = found.len() > size;
        found.truncate(size);
        for trace in &found {
            self.know(&mut names, trace.consumer).await?;
        }
        let next = |offset: &str| {
            let others = query.iter().filter(|(name, _)| name != "offset");
            let others = others.map(|(name, value)| format!("&{name}={}", escape(value.as_str().unwrap_or("true"))));
            format!("{path}?offset={}{}", escape(offset), others.collect::<String>())
        };
        let list = history::shown(&found, more, &|kind, id| names.shown(kind, id), &next);
        Ok(Answer::json(200, &list))
    }

    async fn know(&self, names: &mut Names, consumer: Option<Uuid>) -> Result<(), Answer> {
        if let Some(id) = consumer
            && names.name("consumers", id).is_none()
            && let Some(name) = self.consumer_name(id).await?
        {
            names.consumers.insert(id, Some(name).filter(|name| !name.is_empty()));
        }
        Ok(())
    }

    async fn trace(&self, history: &History, id: &[u8]) -> Result<Answer, Answer> {
        let found = std::str::from_utf8(id).ok().and_then(|id| history.trace(id));
        let trace = found.filter(|trace| trace.workspace == self.workspace).ok_or_else(errors::not_found)?;
        let mut names = self.names().await?;
        if !names.shows(&trace) {
            return Err(errors::not_found());
        }
        self.know(&mut names, trace.consumer).await?;
        let mut shown = trace.whole(&|kind, id| names.shown(kind, id));
        shown.insert("why".into(), self.why(&trace).await?);
        Ok(Answer::json(200, &shown.into()))
    }

    /// Which Route the request would match now, and why.
    async fn why(&self, trace: &Trace) -> Result<Value, Answer> {
        if !self.pass.opens(&["debug", "route-match"], Action::Read) {
            return Ok(Value::Null);
        }
        let line = |wanted: &str| trace.headers.iter().find(|(name, _)| **name == *wanted).map(|(_, value)| &**value);
        let grpc = line("content-type").is_some_and(|kind| kind.starts_with("application/grpc"));
        let protocol = match (grpc, trace.scheme == "https") {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "grpc",
            (true, true) => "grpcs",
        };
        let query = trace.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        let hop = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"];
        let question = RouteQuestion {
            workspace: self.workspace,
            method: trace.method.to_string(),
            protocol,
            host: line("host").or(Some(&*trace.host).filter(|host| !host.is_empty())).map(str::to_owned),
            target: format!("{}{query}", trace.path),
            headers: trace
                .headers
                .iter()
                .filter(|(name, _)| !hop.contains(&&**name))
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            sni: trace.sni.as_deref().map(str::to_owned),
            source: trace.client,
            destination: ([127, 0, 0, 1], trace.port).into(),
            consumer: None,
            near: NEAR,
        };
        let seen = self.seen(&TOLD).await?;
        // A request that was refused before it was routed matches nothing.
        let Ok(mut why) = self.matched(question, seen).await else { return Ok(Value::Null) };
        let now = why["matched"]["route"]["id"].as_str().and_then(|id| id.parse().ok());
        why["same_route"] = (now == trace.route).into();
        Ok(why)
    }
}
