//! What the node tells of itself: `/`, `/status`, `/endpoints`, `/timers`, `/debug`.

use crate::body::Body;
use crate::errors;
use crate::form::Argument;
use crate::query;
use crate::respond::Answer;
use crate::scope::Scope;
use crate::state::{Readiness, Shared};
use access::Action;
use declarative::EMPTY_HASH;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{Filter, Query, TagFilter};

/// What clients find under `lua_version`; a text is all they look for.
const LUA_VERSION: &str = "LuaJIT 2.1.1700206165";
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];
/// How long a changed log level lasts unless the request says otherwise, in seconds.
const LEVEL_LASTS: f64 = 60.0;

impl Shared {
    /// `GET /`
    pub(crate) async fn root(&self) -> Result<Answer, Answer> {
        let plugins: Map<String, Value> = self
            .kinds
            .definitions()
            .plugins()
            .iter()
            .map(|plugin| (plugin.name.to_string(), json!({"version": plugin.version, "priority": plugin.priority})))
            .collect();
        let enabled = self.enabled_plugins().await?;
        let pid = std::process::id();
        Ok(Answer::json(
            200,
            &json!({
                "tagline": "Welcome to kong",
                "version": schema::KONG_VERSION,
                "edition": "community",
                "hostname": self.facts.hostname,
                "node_id": self.facts.node_id,
                "lua_version": LUA_VERSION,
                "timers": {"running": 0, "pending": 0},
                "plugins": {"available_on_server": plugins, "enabled_in_cluster": enabled},
                "configuration": self.facts.configuration,
                "pids": {"master": pid, "workers": [pid]},
            }),
        ))
    }

    /// The names of the Plugins that are configured, in all workspaces.
    async fn enabled_plugins(&self) -> Result<BTreeSet<String>, Answer> {
        let mut names = BTreeSet::new();
        let mut query = Query { entity: "plugins", ws: None, after: None, size: 1000, filter: Filter::default() };
        loop {
            let page = self.store.page(&query).await.map_err(|error| errors::store(&error))?;
            names.extend(page.records.iter().filter_map(|plugin| plugin.text("name").map(str::to_owned)));
            query.after = page.next;
            if query.after.is_none() {
                return Ok(names);
            }
        }
    }

    /// `GET /status`
    pub(crate) fn status(&self, query: &[Argument]) -> Result<Answer, Answer> {
        let unit = query::first(query, "unit").and_then(Value::as_str).unwrap_or("m");
        let scale =
            query::first(query, "scale").and_then(Value::as_str).and_then(|text| text.trim().parse::<f64>().ok());
        let scale = scale.unwrap_or(2.0);
        if scale < 0.0 {
            return Err(errors::plain(400, "scale must be equal or greater than 0"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 20")]
        let scale = scale.min(20.0) as usize;
        let unit = Unit::read(unit)
            .ok_or_else(|| errors::plain(400, &format!("invalid unit '{unit}' (expected 'k/K', 'm/M', or 'g/G')")))?;
        let memory = self.node.memory();
        let areas: Map<String, Value> = memory
            .areas
            .into_iter()
            .map(|(name, area)| {
                let shown = json!({
                    "capacity": unit.text(area.capacity, scale),
                    "allocated_slabs": unit.text(area.used, scale),
                });
                (name, shown)
            })
            .collect();
        let process = unit.text(memory.process, scale);
        let counters = self.node.counters();
        let mut body = json!({
            "memory": {
                "workers_lua_vms": [{"pid": std::process::id(), "http_allocated_gc": process}],
                "lua_shared_dicts": areas,
            },
            "server": {
                "connections_active": counters.active,
                "connections_reading": counters.reading,
                "connections_writing": counters.writing,
                "connections_waiting": counters.waiting,
                "connections_accepted": counters.accepted,
                "connections_handled": counters.handled,
                "total_requests": counters.requests,
            },
        });
        if self.kinds.definitions().database() {
            body["database"] = json!({"reachable": self.node.database_reachable()});
        } else {
            body["configuration_hash"] = self.node.configuration_hash().into();
        }
        Ok(Answer::json(200, &body))
    }

    /// `GET /status/ready`
    pub(crate) fn ready(&self) -> Answer {
        if self.draining.load(Ordering::Relaxed) {
            return errors::plain(503, "draining");
        }
        if !self.kinds.definitions().database() && self.node.configuration_hash() == EMPTY_HASH {
            return errors::plain(503, "no configuration available (empty configuration present)");
        }
        match self.node.readiness() {
            Readiness::Ready => errors::plain(200, "ready"),
            Readiness::NotReady(why) => errors::plain(503, &why),
        }
    }

    /// `POST /status/ready`
    pub(crate) fn set_ready(&self, body: Body) -> Answer {
        let (members, _) = body.into_members();
        match members.get("status").and_then(Value::as_str) {
            Some("draining") => {
                self.draining.store(true, Ordering::Relaxed);
                Answer::empty(204)
            }
            Some(other) => errors::plain(400, &format!("invalid status: {other}")),
            None => errors::plain(400, "expected a status"),
        }
    }

    /// `GET /status/dns`
    pub(crate) fn dns() -> Answer {
        errors::plain(501, "not implemented with the legacy DNS client")
    }

    /// `GET /endpoints`
    pub(crate) fn endpoints(&self) -> Answer {
        Answer::json(200, &json!({"data": self.admin_paths.list()}))
    }

    /// `GET /timers`
    pub(crate) fn timers(&self) -> Answer {
        let count = self.facts.workers;
        Answer::json(
            200,
            &json!({
                "worker": {"id": 0, "count": count},
                "stats": {
                    "flamegraph": {"running": "", "pending": "", "elapsed_time": ""},
                    "sys": {"running": 0, "pending": 0, "waiting": 0, "total": 0, "runs": 0},
                    "timers": {},
                },
            }),
        )
    }

    /// `GET /cache/{key}`
    pub(crate) fn kept(&self, name: &[u8]) -> Result<Answer, Answer> {
        let found = std::str::from_utf8(name).ok().and_then(|name| self.node.kept(name));
        found.map(|value| Answer::json(200, &value)).ok_or_else(errors::not_found)
    }

    /// `DELETE /cache`, `DELETE /cache/{key}`
    pub(crate) fn forget(&self, name: Option<&[u8]>) -> Answer {
        match name.map(std::str::from_utf8) {
            None => self.node.forget(None),
            Some(Ok(name)) => self.node.forget(Some(name)),
            Some(Err(_)) => {}
        }
        Answer::empty(204)
    }

    /// `GET /debug/node/log-level`
    pub(crate) fn log_level(&self) -> Answer {
        errors::plain(200, &format!("log level: {}", self.node.log_level()))
    }

    /// `PUT /debug/{node,cluster}/log-level/{level}`
    pub(crate) fn set_log_level(&self, level: &[u8], query: &[Argument], body: Body, cluster: bool) -> Answer {
        if !self.kinds.definitions().database() {
            return errors::plain(405, "cannot change log level when not using a database");
        }
        let level = String::from_utf8_lossy(level);
        if !LEVELS.contains(&&*level) {
            return errors::plain(400, &format!("unknown log level: {level}"));
        }
        if self.node.log_level() == level {
            return errors::plain(200, &format!("log level is already {level}"));
        }
        let (members, _) = body.into_members();
        let timeout = query::first(query, "timeout").or(members.get("timeout"));
        let seconds =
            timeout.and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok())).unwrap_or(LEVEL_LASTS);
        if seconds < 0.0 {
            return errors::plain(400, "timeout must be greater than or equal to 0");
        }
        let duration = Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX);
        match cluster {
            true => self.node.set_cluster_log_level(&level, duration),
            false => self.node.set_log_level(&level, duration),
        }
        errors::plain(200, "log level changed")
    }
}

impl Scope<'_> {
    /// `GET /tags`, `GET /tags/{tag}`
    pub(crate) async fn tags(&self, tag: Option<&[u8]>, query: &[Argument]) -> Result<Answer, Answer> {
        let tag = tag.map(query::check_tag).transpose().map_err(|text| errors::invalid_tag(&text))?;
        let paging = query::Paging::read(query)?;
        let mut place = match &paging.after {
            Some(after) => TagPlace::read(&after.to_string()).unwrap_or_default(),
            None => TagPlace::default(),
        };
        let mut data = Vec::new();
        let mut more = None;
        'kinds: while place.kind < self.kinds.len() {
            let kind = place.kind;
            let tagged = self.kinds.entity(kind).is_some_and(|entity| entity.record.get("tags").is_some());
            let path = self.kinds.get(kind).path.unwrap_or(self.kinds.get(kind).name);
            if tagged && !self.pass.forbids(path, Action::Read) {
                let tags = tag.map(|tag| TagFilter::All(vec![tag.to_owned()]));
                let filter = Filter { reference: None, tags };
                let page = self.read(kind, place.after.clone(), paging.size + 1, filter).await?;
                for record in &page.records {
                    let wanted = |name: &&str| tag.is_none_or(|tag| *name == tag);
                    for (index, name) in record.tags().filter(wanted).enumerate().skip(place.skip) {
                        if data.len() == paging.size {
                            more = Some(TagPlace { kind, after: place.after.clone(), skip: index });
                            break 'kinds;
                        }
                        let (entity, id) = (record.entity, record.id.to_string());
                        data.push(json!({"entity_name": entity, "entity_id": id, "tag": name}));
                    }
                    (place.after, place.skip) = (Some(record.id.clone()), 0);
                }
                if page.next.is_some() {
                    continue;
                }
            }
            place = TagPlace { kind: kind + 1, ..TagPlace::default() };
        }
        let mut body = json!({"data": data, "next": null});
        if let Some(more) = more {
            let path = tag.map_or_else(|| "/tags".to_owned(), |tag| format!("/tags/{}", query::escape(tag)));
            let path = format!("{}{path}", self.prefix);
            let (offset, next) = paging.next(&path, &store::Id::Text(more.to_string().into()), None, false);
            body["offset"] = offset.into();
            body["next"] = next.into();
        }
        Ok(Answer::json(200, &body))
    }
}

/// Where a page of tags begins.
#[derive(Clone, Debug, Default)]
struct TagPlace {
    /// The position of the kind.
    kind: usize,
    /// The last entity that was shown whole.
    after: Option<store::Id>,
    /// How many tags of the one after it were shown.
    skip: usize,
}

impl TagPlace {
    fn read(text: &str) -> Option<TagPlace> {
        let mut parts = text.splitn(3, '/');
        let (kind, skip) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let after = parts.next().filter(|id| !id.is_empty()).map(store::Id::parse);
        Some(TagPlace { kind, after, skip })
    }
}

impl std::fmt::Display for TagPlace {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}/", self.kind, self.skip)?;
        self.after.as_ref().map_or(Ok(()), |after| write!(out, "{after}"))
    }
}

/// A unit for figures of memory.
enum Unit {
    Bytes,
    Kibi,
    Mebi,
    Gibi,
}

impl Unit {
    fn read(text: &str) -> Option<Unit> {
        Some(match text {
            "b" | "B" => Unit::Bytes,
            "k" | "K" => Unit::Kibi,
            "m" | "M" => Unit::Mebi,
            "g" | "G" => Unit::Gibi,
            _ => return None,
        })
    }

    fn text(&self, bytes: u64, scale: usize) -> Value {
        let (shift, name) = match self {
            Unit::Bytes => return bytes.into(),
            Unit::Kibi => (10, "KiB"),
            Unit::Mebi => (20, "MiB"),
            Unit::Gibi => (30, "GiB"),
        };
        #[allow(clippy::cast_precision_loss, reason = "shown with a few digits")]
        let value = bytes as f64 / f64::from(1u32 << shift);
        format!("{value:.scale$} {name}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shown_in_its_unit() {
        for (unit, scale, expected) in [
            ("b", 2, json!(1_572_864)),
            ("k", 2, json!("1536.00 KiB")),
            ("M", 3, json!("1.500 MiB")),
            ("g", 0, json!("0 GiB")),
        ] {
            assert_eq!(Unit::read(unit).unwrap().text(1_572_864, scale), expected);
        }
        assert!(Unit::read("V").is_none());
    }
}
