//! Building, and looking up among 10 to 100,000 Routes spread over hosts, paths and methods.

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use router::{Flavor, NetProtocol, Request, RouteDefinition, Router};
use uuid::Uuid;

const SIZES: [usize; 4] = [10, 1_000, 10_000, 100_000];

struct Lookup {
    host: String,
    path: String,
}

impl Request for Lookup {
    fn method(&self) -> &[u8] {
        b"GET"
    }
    fn host(&self) -> &[u8] {
        self.host.as_bytes()
    }
    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }
    fn net_protocol(&self) -> NetProtocol {
        NetProtocol::Http
    }
    fn source(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 40_000))
    }
    fn destination(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 8_000))
    }
    fn header_values<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8]) -> bool) {}
}

fn host(i: usize) -> String {
    format!("h{}.bench.test", i % 100)
}

fn path(i: usize) -> String {
    format!("/v{}/items/{i}", i / 100)
}

fn classic(count: usize) -> Vec<RouteDefinition> {
    let route = |i: usize| RouteDefinition {
        id: Uuid::from_u128(i as u128),
        hosts: vec![host(i)],
        paths: vec![path(i)],
        methods: vec!["GET".into(), "POST".into()],
        ..RouteDefinition::default()
    };
    (0..count).map(route).collect()
}

fn regexes(count: usize) -> Vec<RouteDefinition> {
    let route = |(i, route): (usize, RouteDefinition)| RouteDefinition {
        paths: vec![format!(r"~/v{}/items/{i}(/\d+)?$", i / 100)],
        ..route
    };
    classic(count).into_iter().enumerate().map(route).collect()
}

fn expressions(count: usize) -> Vec<RouteDefinition> {
    let route = |i: usize| RouteDefinition {
        id: Uuid::from_u128(i as u128),
        expression: Some(format!(
            r#"http.host == "{}" && http.path ^= "{}" && (http.method == "GET" || http.method == "POST")"#,
            host(i),
            path(i)
        )),
        ..RouteDefinition::default()
    };
    (0..count).map(route).collect()
}

/// A spread of requests, each of which matches.
fn requests(count: usize) -> Vec<Lookup> {
    (0..count.clamp(1_024, 8_192)).map(|n| (n * 97) % count).map(|i| Lookup { host: host(i), path: path(i) }).collect()
}

fn lookups(c: &mut Criterion) {
    type Make = fn(usize) -> Vec<RouteDefinition>;
    let kinds: [(&str, Flavor, Make, &[usize]); 4] = [
        ("classic", Flavor::TraditionalCompatible, classic, &SIZES),
        ("traditional", Flavor::Traditional, classic, &SIZES),
        ("expressions", Flavor::Expressions, expressions, &SIZES),
        ("regex", Flavor::TraditionalCompatible, regexes, &SIZES[..3]),
    ];
    for (name, flavor, make, sizes) in kinds {
        let mut group = c.benchmark_group(format!("lookup/{name}"));
        for &size in sizes {
            let router = Router::build(flavor, &make(size)).expect("the Routes are valid");
            let requests = requests(size);
            assert!(requests.iter().all(|request| router.find(request).is_some()));
            let mut next = requests.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |b| {
                b.iter(|| router.find(black_box(next.next().expect("endless"))))
            });
        }
    }
}

fn builds(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.sample_size(10);
    for (name, flavor, routes) in [
        ("classic", Flavor::TraditionalCompatible, classic(10_000)),
        ("traditional", Flavor::Traditional, classic(10_000)),
        ("expressions", Flavor::Expressions, expressions(10_000)),
        ("regex", Flavor::TraditionalCompatible, regexes(10_000)),
    ] {
        group.bench_function(BenchmarkId::new(name, 10_000), |b| b.iter(|| Router::build(flavor, &routes)));
    }
}

criterion_group!(benches, lookups, builds);
criterion_main!(benches);
