//! What is told of a Route agrees with what the router does.

mod support;

use proptest::prelude::*;
use router::explain::explain;
use router::{CidrPort, Flavor, NetProtocol, Protocol, RouteDefinition, Router};
use support::Probe;

const FLAVORS: [Flavor; 3] = [Flavor::Traditional, Flavor::TraditionalCompatible, Flavor::Expressions];

fn route() -> RouteDefinition {
    RouteDefinition {
        methods: vec!["POST".into(), "GET".into()],
        hosts: vec!["other.test".into(), "*.example.com".into()],
        paths: vec!["/".into(), "/orders".into(), "~/orders/\\d+$".into()],
        headers: vec![("x-kind".into(), vec!["a".into(), "b".into()])],
        ..RouteDefinition::default()
    }
}

#[test]
fn each_field_is_told_with_the_value_that_held() {
    for flavor in FLAVORS {
        let mut probe = Probe::get("shop.example.com:8000", "/orders/7?x=1");
        probe.headers.push(("X-Kind".into(), "b".into()));
        let told: Vec<_> = explain(flavor, &route(), &probe)
            .into_iter()
            .map(|criterion| (criterion.name, criterion.held, criterion.by.unwrap_or_default()))
            .collect();
        let row = |name: &str, by: &str| (name.to_owned(), true, by.to_owned());
        let path = told[3].2.clone();
        assert!(path == "~/orders/\\d+$" || path == "/orders", "{flavor:?} {path}");
        let expected = [
            row("protocols", "http"),
            row("methods", "GET"),
            row("hosts", "*.example.com"),
            row("paths", &path),
            row("headers.x-kind", "b"),
        ];
        assert_eq!(told, expected, "{flavor:?}");
    }
}

#[test]
fn what_does_not_hold_is_told_with_what_was_given() {
    for flavor in FLAVORS {
        let mut probe = Probe::get("example.org", "/else");
        probe.method = "DELETE".into();
        let mut route = route();
        route.paths.remove(0);
        route.snis = vec!["tls.test".into()];
        route.sources = vec![CidrPort { ip: Some("10.0.0.0/8".into()), port: None }];
        probe.protocol = NetProtocol::Https;
        for criterion in explain(flavor, &route, &probe) {
            let given: &[&str] = match criterion.name.as_str() {
                "protocols" => {
                    assert!(criterion.held);
                    continue;
                }
                "methods" => &["DELETE"],
                "hosts" => &["example.org"],
                "paths" => &["/else"],
                "sources" => &["127.0.0.1:40000"],
                _ => &[],
            };
            assert!(!criterion.held && criterion.by.is_none(), "{flavor:?} {criterion:?}");
            assert_eq!(criterion.given, given, "{flavor:?} {}", criterion.name);
        }
    }
}

#[test]
fn an_expression_is_one_criterion_and_protocols_decide_beside_it() {
    let route = RouteDefinition {
        expression: Some(r#"http.path ^= "/a" && http.method == "GET""#.into()),
        protocols: vec![Protocol::Https, Protocol::Http],
        ..RouteDefinition::default()
    };
    let told = explain(Flavor::Expressions, &route, &Probe::get("x", "/ab"));
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|criterion| criterion.held && criterion.decides), "{told:?}");
    let told = explain(Flavor::Expressions, &route, &Probe::get("x", "/b"));
    assert!(told[0].held && !told[1].held);
}

fn values(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::sample::subsequence(of, 0..=of.len()).prop_map(|chosen| chosen.into_iter().map(str::to_owned).collect())
}

proptest! {
    /// A Route of one path matches where every field that decides holds, and only there.
    #[test]
    fn the_fields_together_are_the_route(
        methods in values(&["GET", "POST"]),
        hosts in values(&["a.test", "*.test", "a.*", "a.test:8000"]),
        path in proptest::option::of(proptest::sample::select(vec!["/", "/a", "/a/b", "~/a/[a-z]$"])),
        headers in values(&["1", "two", "~*^t"]),
        snis in values(&["a.test", "b.test"]),
        https in any::<bool>(),
        host in proptest::sample::select(vec!["a.test", "b.test", "a.org", "a.test:8000"]),
        target in proptest::sample::select(vec!["/", "/a", "/a/b", "/b?a=1"]),
        value in proptest::option::of(proptest::sample::select(vec!["1", "TWO", "3"])),
    ) {
        let route = RouteDefinition {
            methods,
            hosts,
            paths: path.into_iter().map(str::to_owned).collect(),
            headers: if headers.is_empty() { Vec::new() } else { vec![("x-h".into(), headers)] },
            snis,
            ..RouteDefinition::default()
        };
        let mut probe = Probe::get(host, target);
        probe.headers.extend(value.map(|value| ("x-h".to_owned(), value.to_owned())));
        if https {
            probe.protocol = NetProtocol::Https;
            probe.sni = Some("a.test".into());
        }
        for flavor in FLAVORS {
            let told = explain(flavor, &route, &probe);
            let all = told.iter().all(|criterion| criterion.held || !criterion.decides);
            let matches = Router::build(flavor, std::slice::from_ref(&route)).unwrap().find(&probe).is_some();
            // A Route without anything to match never does.
            prop_assert_eq!(matches, all && told.len() > 1, "{:?} {:?}", flavor, told);
        }
    }
}
