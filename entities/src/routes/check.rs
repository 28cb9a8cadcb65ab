//! The check that a Route's fields, or its expression, compile (flavours `traditional_compatible` and
//! `expressions`).

use router::{CidrPort, RouteDefinition, Subsystem, expression};
use schema::{Check, Map, Value};

const MATCHERS: [&str; 7] = ["methods", "hosts", "paths", "headers", "snis", "sources", "destinations"];
const LISTED: &str = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations'";

pub(super) fn expression() -> Check {
    Check::custom(
        [
            "id",
            "protocols",
            "snis",
            "sources",
            "destinations",
            "methods",
            "hosts",
            "paths",
            "headers",
            "expression",
            "regex_priority",
            "priority",
        ],
        |route| check(route).map_err(|error| format!("Router Expression failed validation: {error}")),
    )
    .run_with_missing_fields()
}

fn check(route: &Map<String, Value>) -> Result<(), String> {
    let matched = MATCHERS.iter().any(|name| !is_empty(route.get(*name)));
    let not_zero = |name: &str| route.get(name).and_then(Value::as_f64).is_some_and(|number| number != 0.0);
    let text = match route.get("expression").and_then(Value::as_str) {
        Some(_) if matched => return Err(format!("cannot set 'expression' with {LISTED} simultaneously")),
        Some(_) if not_zero("regex_priority") => {
            return Err("cannot set 'regex_priority' with 'expression' simultaneously".to_owned());
        }
        Some(expression) => expression.to_owned(),
        None if !matched => return Ok(()),
        None if not_zero("priority") => {
            return Err(format!("cannot set 'priority' with {LISTED} simultaneously"));
        }
        None => expression::from_route(&definition(route)),
    };
    expression::parse(&text, subsystem(route)).map(|_| ())
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(_) => false,
    }
}

fn subsystem(route: &Map<String, Value>) -> Subsystem {
    let first = route.get("protocols").and_then(Value::as_array).and_then(|items| items.first());
    first
        .and_then(Value::as_str)
        .and_then(|protocol| protocol.parse::<router::Protocol>().ok())
        .map_or(Subsystem::Http, router::Protocol::subsystem)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn peers(value: Option<&Value>) -> Vec<CidrPort> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|peer| CidrPort {
            ip: peer.get("ip").and_then(Value::as_str).map(str::to_owned),
            port: peer.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()),
        })
        .collect()
}

/// Of a Route that is not complete yet.
fn definition(route: &Map<String, Value>) -> RouteDefinition {
    RouteDefinition {
        protocols: strings(route.get("protocols")).iter().filter_map(|protocol| protocol.parse().ok()).collect(),
        methods: strings(route.get("methods")),
        hosts: strings(route.get("hosts")),
        paths: strings(route.get("paths")),
        headers: route
            .get("headers")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, values)| (name.clone(), strings(Some(values))))
            .collect(),
        snis: strings(route.get("snis")),
        sources: peers(route.get("sources")),
        destinations: peers(route.get("destinations")),
        ..RouteDefinition::default()
    }
}
