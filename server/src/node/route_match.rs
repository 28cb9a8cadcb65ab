//! `/debug/route-match`: what the proxy tells of a request, as the Admin API shows it.

use super::core::Core;
use admin::{RouteQuestion, Seen};
use exchange::{Identity, Phases, Scheme};
use proxy::imagine::{self, Imagined};
use router::Flavor;
use router::explain::Criterion;
use serde_json::{Value, json};
use snapshot::{CompiledRoute, Origin, Snapshot};
use std::net::SocketAddr;
use uuid::Uuid;

/// What would become of a request.
pub fn answer(core: &Core, question: &RouteQuestion, seen: &Seen) -> Result<Value, String> {
    let snapshot = core.published.load_full();
    let mut exchange = imagined(question).exchange(&snapshot).map_err(|error| format!("no request: {error}"))?;
    exchange.identity = Identity { consumer: question.consumer.clone(), ..Identity::default() };
    let (found, answer) = imagine::route(&mut exchange, &snapshot);
    let shows = |route: &CompiledRoute| route.workspace == question.workspace && seen.sees("routes", route.entity.id);
    let request = json!({
        "method": question.method,
        "protocol": question.protocol,
        "host": (!exchange.request.host.is_empty()).then(|| lossy(&exchange.request.host)),
        "port": exchange.request.host_port.unwrap_or(exchange.request.port),
        "path": lossy(&exchange.request.path),
        "query": exchange.request.query.as_deref().map(lossy),
        "sni": question.sni,
        "source": question.source.to_string(),
        "destination": question.destination.to_string(),
        "headers": question.headers,
    });
    let near: Vec<Value> = imagine::near(&snapshot, found, &exchange.request, question.near, shows)
        .iter()
        .filter_map(|near| {
            let route = snapshot.routes().get(near.route)?;
            let order = Criterion {
                name: "order".into(),
                wanted: Vec::new(),
                given: Vec::new(),
                by: None,
                held: false,
                decides: true,
            };
            Some(json!({
                "route": self::route(route),
                "service": service(route, seen),
                "criteria": near.criteria.iter().map(criterion).collect::<Vec<_>>(),
                "failed": criterion(near.failed().unwrap_or(&order)),
            }))
        })
        .collect();
    let told = found.filter(|route| shows(route));
    let chain = match (told, found) {
        (Some(route), _) => Some(&*route.chain),
        (None, None) => Some(&**snapshot.global_chain()),
        // A Route of others: nothing of it is told.
        (None, Some(_)) => None,
    };
    let origins = chain.map(|chain| snapshot.origins(chain, &exchange.identity)).unwrap_or_default();
    let plugins: Vec<Value> =
        origins.iter().filter(|origin| origin.id.is_none_or(|id| seen.sees("plugins", id))).map(plugin).collect();
    let elsewhere = found.is_some() && told.is_none();
    let service_of = told.and_then(|route| route.service.as_ref());
    let onward = service_of.filter(|service| seen.sees("services", service.entity.id)).map(|service| {
        let onward = imagine::onward(&exchange, &snapshot, &core.targets);
        let named = onward.upstream.as_ref().filter(|upstream| seen.sees("upstreams", upstream.entity.id));
        json!({
            "url": onward.url,
            "host_header": onward.host_header,
            "retries": service.retries,
            "upstream": named.map(|upstream| json!({"id": upstream.entity.id, "name": upstream.entity.name})),
            "targets": onward.targets.iter().map(SocketAddr::to_string).collect::<Vec<_>>(),
        })
    });
    Ok(json!({
        "request": request,
        "flavor": flavor(snapshot.router().flavor()),
        "generation": snapshot.generation,
        "matched": told.map(|route| matched(core, &snapshot, route, &exchange, seen)),
        "elsewhere": elsewhere,
        "near_misses": near,
        "plugins": plugins,
        "consumer": question.consumer.as_ref().map(|consumer| json!({"id": consumer.id, "username": consumer.username})),
        "upstream": onward,
        "answer": answer.filter(|_| !elsewhere).map(|answer| {
            let location = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
            json!({
                "status": answer.status,
                "message": imagine::message(&answer),
                "location": location.map(|(_, value)| lossy(value)),
            })
        }),
    }))
}

fn imagined(question: &RouteQuestion) -> Imagined {
    Imagined {
        method: question.method.clone(),
        scheme: if question.is_tls() { Scheme::Https } else { Scheme::Http },
        grpc: question.is_grpc(),
        host: question.host.clone(),
        target: question.target.clone(),
        headers: question.headers.clone(),
        sni: question.sni.clone(),
        source: question.source,
        destination: question.destination,
    }
}

fn matched(
    core: &Core,
    snapshot: &Snapshot,
    route: &CompiledRoute,
    exchange: &exchange::Exchange,
    seen: &Seen,
) -> Value {
    let criteria = imagine::criteria(snapshot, route, &exchange.request);
    let path = criteria.iter().find(|criterion| criterion.name == "paths").and_then(|criterion| criterion.by.clone());
    let captures = exchange.captures.as_ref().map(|captures| {
        let numbered = captures.numbered.iter().enumerate();
        let numbered = numbered.filter_map(|(number, group)| Some((number.to_string(), lossy(group.as_ref()?))));
        let named = captures.named.iter().map(|(name, group)| (name.clone(), lossy(group)));
        numbered.chain(named).map(|(name, group)| (name, Value::from(group))).collect::<serde_json::Map<_, _>>()
    });
    let stripped = &exchange.forward.stripped_prefix;
    json!({
        "route": self::route(route),
        "service": service(route, seen),
        "workspace": workspace(core, route.workspace),
        "criteria": criteria.iter().map(criterion).collect::<Vec<_>>(),
        "matched_path": path,
        "captures": captures.unwrap_or_default(),
        "stripped": (!stripped.is_empty()).then(|| lossy(stripped)),
    })
}

fn route(route: &CompiledRoute) -> Value {
    let entity = &route.entity;
    let priority = entity.expression.as_ref().map(|_| entity.priority);
    json!({"id": entity.id, "name": entity.name, "expression": entity.expression, "priority": priority})
}

fn service(route: &CompiledRoute, seen: &Seen) -> Value {
    let service = route.service.as_ref().filter(|service| seen.sees("services", service.entity.id));
    service.map_or(Value::Null, |service| json!({"id": service.entity.id, "name": service.entity.name}))
}

/// A workspace with its name, where that is known.
fn workspace(core: &Core, id: Uuid) -> Value {
    let view = super::metrics::view(core);
    let record = view.as_ref().and_then(|view| view.get("workspaces", &id.into()));
    let name = record.and_then(|record| record.text("name"));
    json!({"id": id, "name": name.or((id == entities::DEFAULT_WORKSPACE).then_some("default"))})
}

fn criterion(criterion: &Criterion) -> Value {
    let given = match criterion.given.as_slice() {
        [] => Value::Null,
        [only] => only.as_str().into(),
        many => many.into(),
    };
    json!({
        "criterion": criterion.name,
        "held": criterion.held,
        "wanted": criterion.wanted,
        "given": given,
        "by": criterion.by,
    })
}

fn plugin(origin: &Origin<'_>) -> Value {
    let scopes = [
        ("consumer", origin.consumer),
        ("consumer_group", origin.group),
        ("route", origin.route),
        ("service", origin.service),
    ];
    let names: Vec<&str> = scopes.iter().filter(|(_, id)| id.is_some()).map(|(name, _)| *name).collect();
    let has = origin.instance.phases();
    let phases: Vec<&str> = [
        ("rewrite", Phases::REWRITE),
        ("access", Phases::ACCESS),
        ("header_filter", Phases::HEADER_FILTER),
        ("body_filter", Phases::BODY_FILTER),
        ("log", Phases::LOG),
    ]
    .iter()
    .filter(|(_, phase)| has.has(*phase))
    .map(|(name, _)| *name)
    .collect();
    json!({
        "name": origin.instance.name(),
        "id": origin.id,
        "priority": origin.instance.priority(),
        "scope": if names.is_empty() { "global".to_owned() } else { names.join("+") },
        "route": origin.route,
        "service": origin.service,
        "consumer": origin.consumer,
        "consumer_group": origin.group,
        "phases": phases,
    })
}

fn flavor(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Traditional => "traditional",
        Flavor::TraditionalCompatible => "traditional_compatible",
        Flavor::Expressions => "expressions",
    }
}

fn lossy(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}
