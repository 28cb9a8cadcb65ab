//! The index agrees with a plain walk over the Routes, whatever they are and whatever is asked; nothing panics.

mod support;

use std::cmp::Reverse;
use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use router::expression::{from_route, parse};
use router::{CidrPort, Flavor, Match, NetProtocol, Protocol, RouteDefinition, Router, Subsystem, path, priority};
use support::Probe;
use uuid::Uuid;

const HOSTS: [&str; 10] =
    ["a.test", "b.test", "x.a.test", "y.x.a.test", "a.org", "*.a.test", "*.test", "a.*", "a.test:81", "*.a.test:81"];
const PATHS: [&str; 14] = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/b",
    "/ab",
    "/a/b c",
    "~/a/\\d+",
    "~/a",
    "~/(a|b)/x$",
    "~/a|/b",
    "~/A(?<n>b)?",
    "~/.*z",
];
const HEADER_VALUES: [&str; 6] = ["1", "2", "One", "~*^o", "~*e$|2", "É"];
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "PURGE"];
const SNIS: [&str; 4] = ["a.test", "*.a.test", "a.*", "b.test."];
const NETS: [(Option<&str>, Option<u16>); 5] = [
    (Some("127.0.0.1"), None),
    (Some("10.1.2.3/8"), None),
    (None, Some(81)),
    (Some("::1"), Some(81)),
    (Some("fe80::/10"), None),
];

fn some_of(values: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        2 => Just(Vec::new()),
        3 => subsequence(values.to_vec(), 1..=most).prop_shuffle().prop_map(|v| v.into_iter().map(String::from).collect()),
    ]
}

fn nets() -> impl Strategy<Value = Vec<CidrPort>> {
    let net = |(ip, port): (Option<&str>, Option<u16>)| CidrPort { ip: ip.map(str::to_owned), port };
    prop_oneof![
        8 => Just(Vec::new()),
        1 => subsequence(NETS.to_vec(), 1..=2).prop_map(move |nets| nets.into_iter().map(net).collect()),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    let one = |name: &'static str| {
        some_of(&HEADER_VALUES, 2).prop_map(move |values| (!values.is_empty()).then(|| (name.to_owned(), values)))
    };
    prop_oneof![
        3 => Just(Vec::new()),
        1 => (one("X-A"), one("x-b_c")).prop_map(|(a, b)| a.into_iter().chain(b).collect()),
    ]
}

fn protocols() -> impl Strategy<Value = Vec<Protocol>> {
    use Protocol::{Grpc, Http, Https};
    select(vec![vec![Http, Https], vec![Http], vec![Https], vec![Grpc], vec![Http, Grpc]])
}

fn classic() -> impl Strategy<Value = RouteDefinition> {
    let names = (some_of(&HOSTS, 3), some_of(&PATHS, 4), some_of(&METHODS, 2), some_of(&SNIS, 2));
    let rest = (headers(), nets(), nets(), protocols(), select(vec![0, 1, 2, 1024, 4096, -1]), 0..3i64, 0..4u128);
    (names, rest).prop_map(
        |((hosts, paths, methods, snis), (headers, sources, destinations, protocols, rp, created, id))| {
            RouteDefinition {
                id: Uuid::from_u128(id),
                created_at: created,
                protocols,
                methods,
                hosts,
                paths,
                headers,
                snis,
                sources,
                destinations,
                regex_priority: rp,
                ..RouteDefinition::default()
            }
        },
    )
}

fn predicate() -> impl Strategy<Value = String> {
    let plain = |values: &'static [&'static str]| {
        select(values.iter().copied().filter(|value| !value.contains(['*', '~'])).collect::<Vec<_>>())
    };
    prop_oneof![
        (select(vec!["==", "^=", "=^", "!=", "contains"]), plain(&PATHS))
            .prop_map(|(op, p)| format!("http.path {op} \"{p}\"")),
        plain(&PATHS).prop_map(|p| format!("http.path == \"{p}\"")),
        select(vec!["^/a", "/b$", "^/(a|b)", "^/a/b/\\\\d", "a|b", "^/A"]).prop_map(|p| format!("http.path ~ \"{p}\"")),
        plain(&PATHS).prop_map(|p| format!("lower(http.path) ^= \"{p}\"")),
        (select(vec!["==", "!="]), plain(&HOSTS)).prop_map(|(op, h)| format!("http.host {op} \"{h}\"")),
        select(vec!["=^ \".a.test\"", "^= \"a.\"", "=^ \"test\"", "^= \"\""]).prop_map(|h| format!("http.host {h}")),
        select(METHODS.to_vec()).prop_map(|m| format!("http.method == \"{m}\"")),
        select(vec!["any(http.headers.x_a) == \"1\"", "http.headers.x_a != \"2\"", "lower(http.headers.x_a) ~ \"o\""])
            .prop_map(String::from),
        select(vec!["http.path.segments.0 == \"a\"", "http.path.segments.len > 1", "net.dst.port == 81"])
            .prop_map(String::from),
        select(vec![
            "net.src.ip in 127.0.0.0/8",
            "net.src.ip == ::1",
            "http.queries.q == \"1 2\"",
            "net.protocol == \"https\""
        ])
        .prop_map(String::from),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    predicate().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(|all| all.join(" && ")),
            2 => vec(inner.clone(), 1..4).prop_map(|any| any.join(" || ")),
            1 => inner.clone().prop_map(|inner| format!("({inner})")),
            1 => inner.prop_map(|inner| format!("!({inner})")),
        ]
    })
}

fn expressive() -> impl Strategy<Value = RouteDefinition> {
    (expression(), 0..3u64, 0..4u128, protocols()).prop_map(|(text, priority, id, protocols)| RouteDefinition {
        id: Uuid::from_u128(id),
        expression: Some(text),
        priority,
        protocols,
        ..RouteDefinition::default()
    })
}

fn probe() -> impl Strategy<Value = Probe> {
    let hosts = vec![
        "a.test",
        "b.test",
        "x.a.test",
        "y.x.a.test",
        "a.org",
        ".a.test",
        "a.",
        "a.test:81",
        "x.a.test:81",
        "c",
        "A.test",
    ];
    let paths = vec![
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/a/b/c",
        "/b/x",
        "/ab",
        "/a/b%20c",
        "/a/12/z",
        "/A",
        "/Ab",
        "/c",
        "/a?q=1+2",
        "/b?q=1&q=1+2",
    ];
    let values = vec!["1", "2", "one", "ONE", "é", "x"];
    let header = (select(vec!["x-a", "X_B_C", "y"]), select(values)).prop_map(|(n, v)| (n.to_owned(), v.to_owned()));
    let sni = select(vec![None, Some("a.test"), Some("x.a.test"), Some("b.test"), Some("a.org")]);
    let peer = select(vec!["127.0.0.1:81", "10.9.9.9:5", "[::1]:81", "[fe80::1]:9", "[::ffff:127.0.0.1]:7"]);
    (
        select(hosts),
        select(paths),
        select(vec!["GET", "POST", "PURGE", "OTHER"]),
        vec(header, 0..3),
        any::<bool>(),
        sni,
        peer,
    )
        .prop_map(|(host, target, method, headers, tls, sni, peer)| {
            let mut probe = Probe::get(host, target);
            probe.method = method.into();
            probe.headers = headers;
            probe.protocol = if tls { NetProtocol::Https } else { NetProtocol::Http };
            probe.sni = sni.filter(|_| tls).map(str::to_owned);
            probe.source = peer.parse::<SocketAddr>().unwrap();
            probe
        })
}

/// A router of one Route says whether that Route matches; the order says which of those that do is first.
fn first_by<K: Ord>(flavor: Flavor, parts: Vec<(K, usize, RouteDefinition)>, probe: &Probe) -> Option<(usize, usize)> {
    let mut parts = parts;
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts.into_iter().find_map(|(_, number, route)| {
        let alone = Router::build(flavor, std::slice::from_ref(&route)).unwrap();
        alone.find(probe).map(|found: Match| (number, found.matched))
    })
}

/// A part of a Route under its place in the order.
type Ranked = ((Reverse<u64>, Reverse<Uuid>, usize), usize, RouteDefinition);

/// Splits classic Routes, and turns each part into the text of its expression.
fn as_expressions(routes: &[RouteDefinition], keep: bool) -> Vec<Ranked> {
    let mut parts = Vec::new();
    for (number, route) in routes.iter().enumerate() {
        if let (true, Some(_)) = (keep, &route.expression) {
            let key = (Reverse(0xFF << 56 | route.priority), Reverse(route.id), number);
            parts.push((key, number, route.clone()));
            continue;
        }
        for part in priority::parts(route) {
            let paths = part.paths.iter().map(|path| route.paths[*path].clone()).collect();
            let text = from_route(&RouteDefinition { paths, ..route.clone() });
            if text.is_empty() {
                continue;
            }
            // The one protocol that is not matched keeps the expressions flavour from looking at protocols.
            let protocols = if keep { route.protocols.clone() } else { vec![Protocol::Https] };
            let alone = RouteDefinition { expression: Some(text), protocols, ..RouteDefinition::default() };
            parts.push(((Reverse(part.priority), Reverse(part.id), number), number, alone));
        }
    }
    parts
}

fn found(router: &Router, probe: &Probe) -> Option<(usize, usize)> {
    router.find(probe).map(|found| (found.route, found.matched))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fields_mean_what_their_expressions_say(routes in vec(classic(), 1..12), probes in vec(probe(), 1..8)) {
        let router = Router::build(Flavor::TraditionalCompatible, &routes).unwrap();
        for probe in &probes {
            let plain = first_by(Flavor::Expressions, as_expressions(&routes, false), probe);
            prop_assert_eq!(found(&router, probe), plain, "{:?}", probe);
        }
    }

    #[test]
    fn expressions_in_order(
        routes in vec(prop_oneof![3 => expressive(), 1 => classic()], 1..12),
        probes in vec(probe(), 1..8),
    ) {
        let router = Router::build(Flavor::Expressions, &routes).unwrap();
        for probe in &probes {
            let plain = first_by(Flavor::Expressions, as_expressions(&routes, true), probe);
            prop_assert_eq!(found(&router, probe), plain, "{:?}", probe);
        }
    }

    #[test]
    fn traditional_categories_in_order(routes in vec(classic(), 1..12), probes in vec(probe(), 1..8)) {
        let router = Router::build(Flavor::Traditional, &routes).unwrap();
        let mut parts = Vec::new();
        for (number, route) in routes.iter().enumerate() {
            let paths = if route.paths.is_empty() { vec![None] } else { route.paths.iter().map(Some).collect() };
            for path in paths {
                let single = RouteDefinition { paths: path.cloned().into_iter().collect(), ..route.clone() };
                parts.push((category(&single, number), number, single));
            }
        }
        for probe in &probes {
            prop_assert_eq!(found(&router, probe), first_by(Flavor::Traditional, parts.clone(), probe), "{:?}", probe);
        }
    }

    #[test]
    fn normal_paths_stay(raw in "[/.%a-f0-9A-F?;é ]{0,40}") {
        if path::check(raw.as_bytes()).is_ok() {
            let once = path::normalize(raw.as_bytes()).into_owned();
            let twice = path::normalize(&once);
            prop_assert_eq!(&*twice, &once[..], "{}", raw);
        }
    }

    #[test]
    fn any_bytes_are_a_path(raw in vec(any::<u8>(), 0..60), service in "/[a-z/]{0,8}", matched in 0..80usize) {
        let _ = path::check(&raw);
        let normal = path::normalize(&raw);
        for handling in [router::PathHandling::V0, router::PathHandling::V1] {
            for strip in [true, false] {
                let joined = path::upstream_path(service.as_bytes(), &normal, matched, strip, handling);
                prop_assert!(path::escape(&joined).is_ascii());
            }
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,60}", subsystem in select(vec![Subsystem::Http, Subsystem::Stream])) {
        let _ = parse(&text, subsystem);
    }

    #[test]
    fn broken_expressions_are_refused(text in expression(), cut in any::<prop::sample::Index>(), junk in "[()!&|=~\"#a0.:/ \n\r\t\\\\é-]{0,6}") {
        let mut at = cut.index(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let _ = parse(&format!("{}{junk}{}", &text[..at], &text[at..]), Subsystem::Http);
        let _ = parse(&text[..at], Subsystem::Stream);
    }
}

type Category = (Reverse<u32>, Reverse<u32>, Reverse<u32>, Reverse<usize>, Reverse<i64>, Reverse<usize>, i64, usize);

/// The order of the traditional flavour, of a Route with at most one path.
fn category(route: &RouteDefinition, number: usize) -> Category {
    let set = [
        (64, !route.hosts.is_empty()),
        (32, !route.headers.is_empty()),
        (16, !route.paths.is_empty()),
        (8, !route.methods.is_empty()),
        (4, !route.snis.is_empty()),
        (2, !route.sources.is_empty()),
        (1, !route.destinations.is_empty()),
    ];
    let bits: u32 = set.iter().filter(|(_, set)| *set).map(|(bit, _)| bit).sum();
    let regex = route.paths.first().is_some_and(|path| path.starts_with('~'));
    let wild_port = route.hosts.iter().any(|host| host.contains('*') && host.contains(':'));
    let plain = !route.hosts.is_empty() && route.hosts.iter().all(|host| !host.contains('*'));
    let sub = u32::from(wild_port) * 4 + u32::from(plain) * 2 + u32::from(regex);
    let len = if regex { 0 } else { route.paths.first().map_or(0, String::len) };
    let regex_priority = if regex { route.regex_priority } else { 0 };
    (
        Reverse(bits.count_ones()),
        Reverse(bits),
        Reverse(sub),
        Reverse(route.headers.len()),
        Reverse(regex_priority),
        Reverse(len),
        route.created_at,
        number,
    )
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "(".repeat(100_000),
        format!("{}http.path == \"a\"{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("{}http.path{} == \"a\"", "lower(".repeat(100_000), ")".repeat(100_000)),
        "!(".repeat(100_000),
    ] {
        let report = parse(&text, Subsystem::Http).unwrap_err();
        assert!(report.contains("nested more than"), "{}", &report[report.len() - 80..]);
    }
    let wide = vec!["http.path == \"a\""; 50_000].join(" || ");
    assert!(parse(&wide, Subsystem::Http).is_ok());
    let flat = format!("{}http.path == \"a\"{}", "(".repeat(100), ")".repeat(100));
    assert!(parse(&flat, Subsystem::Http).is_ok());
}

#[test]
fn long_chains_of_prefixes() {
    let long = "/".to_owned() + &"a".repeat(3_000);
    let routes: Vec<RouteDefinition> = (1..3_000)
        .map(|len| RouteDefinition { paths: vec![long[..=len].to_owned()], ..RouteDefinition::default() })
        .collect();
    let router = Router::build(Flavor::TraditionalCompatible, &routes).unwrap();
    let probe = Probe::get("h", &long[..1_000]);
    assert_eq!(router.find(&probe).map(|found| found.matched), Some(1_000));
}

#[test]
fn many_regexes_on_one_prefix() {
    for flavor in [Flavor::TraditionalCompatible, Flavor::Traditional] {
        let mut routes: Vec<RouteDefinition> = (0..300)
            .map(|n| RouteDefinition {
                id: Uuid::from_u128(n),
                created_at: 1_000 - n as i64,
                paths: vec![format!("~/(x|y)/{n}$"), format!("~/[z]{n}$")],
                ..RouteDefinition::default()
            })
            .collect();
        routes.push(RouteDefinition { paths: vec!["/".into()], ..RouteDefinition::default() });
        let router = Router::build(flavor, &routes).unwrap();
        for n in [0, 7, 63, 64, 299] {
            for target in [format!("/x/{n}"), format!("/y/{n}"), format!("/z{n}")] {
                assert_eq!(router.find(&Probe::get("h", &target)).map(|found| found.route), Some(n), "{target}");
            }
        }
        assert_eq!(router.find(&Probe::get("h", "/x/300")).map(|found| found.route), Some(300));
    }
}

#[test]
fn more_methods_than_bits() {
    let routes: Vec<RouteDefinition> =
        (0..100).map(|n| RouteDefinition { methods: vec![format!("M{n}")], ..RouteDefinition::default() }).collect();
    let router = Router::build(Flavor::TraditionalCompatible, &routes).unwrap();
    for n in [0, 29, 30, 31, 99] {
        let mut probe = Probe::get("h", "/");
        probe.method = format!("M{n}");
        assert_eq!(router.find(&probe).map(|found| found.route), Some(n));
        probe.method = format!("m{n}");
        assert_eq!(router.find(&probe), None);
    }
}

#[test]
fn more_hosts_and_paths_than_are_combined() {
    let routes = [RouteDefinition {
        hosts: (0..100).map(|n| format!("h{n}.test")).collect(),
        paths: (100..200).map(|n| format!("/p{n}")).collect(),
        ..RouteDefinition::default()
    }];
    let router = Router::build(Flavor::TraditionalCompatible, &routes).unwrap();
    assert!(router.find(&Probe::get("h99.test", "/p199/x")).is_some());
    assert!(router.find(&Probe::get("h100.test", "/p199/x")).is_none());
    assert!(router.find(&Probe::get("h99.test", "/p99/x")).is_none());
}

#[test]
fn every_invalid_route_is_named() {
    let bad = |paths: &str| RouteDefinition { paths: vec![paths.into()], ..RouteDefinition::default() };
    let errors = Router::build(Flavor::TraditionalCompatible, &[bad("~/("), bad("/ok"), bad("~/(?=x)")]).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.route).collect::<Vec<_>>(), [0, 2]);
    assert!(errors[1].message.contains("look-around"), "{}", errors[1].message);
    assert!(Router::build(Flavor::Traditional, &[bad("~/(?=x)")]).is_ok());
}

#[test]
fn captures_of_the_path() {
    let routes =
        [RouteDefinition { paths: vec![r"~/(?<svc>[a-z]+)/v(\d+)(/opt)?".into()], ..RouteDefinition::default() }];
    for flavor in [Flavor::TraditionalCompatible, Flavor::Traditional, Flavor::Expressions] {
        let router = Router::build(flavor, &routes).unwrap();
        let probe = Probe::get("h", "/orders/v2/items");
        let found = router.find(&probe).unwrap();
        let captures = router.captures(&found, &probe.path);
        assert_eq!(captures.numbered, [Some(&b"/orders/v2"[..]), Some(b"orders"), Some(b"2"), None]);
        assert_eq!(captures.named, [("svc", &b"orders"[..])]);
        assert_eq!(router.stripped_prefix(&found, &probe.path), Some(&b"/orders/v2"[..]));
    }
}

#[test]
fn stream_routes_by_name_and_peer() {
    let tls = |sni: &str| RouteDefinition {
        protocols: vec![Protocol::Tls],
        snis: vec![sni.into()],
        ..RouteDefinition::default()
    };
    let tcp = RouteDefinition {
        protocols: vec![Protocol::Tcp],
        destinations: vec![CidrPort { ip: None, port: Some(9_000) }],
        ..RouteDefinition::default()
    };
    for flavor in [Flavor::TraditionalCompatible, Flavor::Traditional, Flavor::Expressions] {
        let router = Router::build(flavor, &[tls("a.test"), tls("b.test"), tcp.clone()]).unwrap();
        let mut probe = Probe::get("a.test", "/");
        assert_eq!(router.find(&probe), None);
        probe.protocol = NetProtocol::Tls;
        probe.sni = Some("b.test".into());
        assert_eq!(router.find(&probe).map(|found| found.route), Some(1));
        probe.protocol = NetProtocol::Udp;
        probe.sni = None;
        probe.host = String::new();
        probe.destination.set_port(9_000);
        // Without TLS the names do not count, save in the traditional flavour; a tcp Route takes datagrams where
        // protocols are not matched.
        let expected = match flavor {
            Flavor::Traditional => Some(2),
            Flavor::TraditionalCompatible | Flavor::Expressions => Some(0),
        };
        assert_eq!(router.find(&probe).map(|found| found.route), expected, "{flavor:?}");
    }
}
