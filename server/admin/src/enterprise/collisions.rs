//! Routes of different workspaces do not take each other's traffic.

use super::settings::Collisions;
use crate::errors;
use crate::respond::Answer;
use crate::scope::Scope;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Filter, Query, Record};

/// Routes per step of reading.
const STEP: usize = 1000;

fn list<'r>(route: &'r Record, field: &str) -> BTreeSet<&'r str> {
    route.value.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether two sets, of which an empty one takes everything, have something in common.
fn meet(one: &BTreeSet<&str>, other: &BTreeSet<&str>) -> bool {
    one.is_empty() || other.is_empty() || !one.is_disjoint(other)
}

/// Whether a new Route and one of another workspace would take the same traffic: equal paths and methods, where the other
/// takes any host, or one of the same hosts.
fn takes_traffic(new: &Record, other: &Record) -> bool {
    let (paths, theirs) = (list(new, "paths"), list(other, "paths"));
    let same_path = if paths.is_empty() { theirs.is_empty() } else { !paths.is_disjoint(&theirs) };
    let (hosts, their_hosts) = (list(new, "hosts"), list(other, "hosts"));
    let same_host = their_hosts.is_empty() || !hosts.is_disjoint(&their_hosts);
    let apart = ["snis", "sources", "destinations"].iter().any(|field| {
        new.value.get(*field).is_some_and(|value| !value.is_null()) && new.value.get(*field) != other.value.get(*field)
    });
    let headers = |route: &Record| route.value.get("headers").filter(|value| !value.is_null()).cloned();
    let same_headers = headers(other).is_none_or(|theirs| headers(new) == Some(theirs));
    // Without anything to go by, a Route takes what its expression says.
    let empty = paths.is_empty() && hosts.is_empty() && list(new, "methods").is_empty();
    !empty && same_path && same_host && meet(&list(new, "methods"), &list(other, "methods")) && same_headers && !apart
}

fn is_equal(new: &Record, other: &Record) -> bool {
    ["paths", "methods", "hosts"].iter().all(|field| list(new, field) == list(other, field))
}

impl Scope<'_> {
    /// Refuses a Route that would take another workspace's traffic.
    pub(crate) async fn check_collision(&self, route: &Record) -> Result<(), Answer> {
        let Some(gate) = self.gate() else { return Ok(()) };
        if route.entity != "routes" || self.kinds.definitions().flavor() == entities::Flavor::Expressions {
            return Ok(());
        }
        let collides: fn(&Record, &Record) -> bool = match &gate.settings.collisions {
            Collisions::Off => return Ok(()),
            Collisions::Path(pattern) => return self.check_paths(pattern.as_deref(), route),
            Collisions::Smart => takes_traffic,
            Collisions::Static => is_equal,
        };
        // Within one workspace there is nothing to collide with.
        if self.pass.policy.as_ref().is_some_and(|policy| policy.view().count("workspaces") < 2) {
            return Ok(());
        }
        let mut after = None;
        loop {
            let query = Query { entity: "routes", ws: None, after, size: STEP, filter: Filter::default() };
            let page = self.store.page(&query).await.map_err(|error| errors::store(&error))?;
            let hit = page.records.iter().any(|other| other.ws != route.ws && collides(route, other));
            if hit {
                return Err(collision());
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn check_paths(&self, pattern: Option<&str>, route: &Record) -> Result<(), Answer> {
        let Some(pattern) = pattern else { return Ok(()) };
        let policy = self.pass.policy.as_deref();
        let here = policy.and_then(|policy| policy.workspace(&self.workspace.to_string()));
        let name = here.and_then(|here| here.text("name")).unwrap_or_default();
        let mut literal = String::new();
        for c in name.chars() {
            if !c.is_alphanumeric() {
                literal.push('%');
            }
            literal.push(c);
        }
        let pattern = pattern.replace("$(workspace)", &literal);
        match list(route, "paths").into_iter().find(|path| !schema::lua::is_match(path, &pattern)) {
            None => Ok(()),
            Some(path) => {
                let text = format!("invalid path: '{path}' does not match the pattern of this workspace");
                Err(errors::schema_violation(schema::Errors::of("paths", text)))
            }
        }
    }
}

/// Says nothing of the other Route: it may not be known here.
fn collision() -> Answer {
    Answer::json(409, &json!({"message": "API route collides with an existing API"}))
}
