//! What a decision costs where a user has 1,000 roles of 100 permissions each.

use access::{Action, Actions, Endpoint, Endpoints, Rule};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use uuid::Uuid;

fn endpoints() -> Endpoints {
    let mut all = Endpoints::default();
    for role in 0..1000_u128 {
        for permission in 0..100_u128 {
            let workspace = (permission % 3 != 0).then(|| Uuid::from_u128(role % 50));
            let text = match permission % 5 {
                0 => format!("/services/s{role}-{permission}/plugins"),
                1 => format!("/*/x{permission}"),
                2 => format!("/services/*/p{role}"),
                3 => format!("/services/*/plugins/{permission}"),
                _ => "*".to_owned(),
            };
            let rule = Rule::of(Actions::from(Action::ALL[(permission % 4) as usize]), permission % 7 == 0);
            all.add(workspace, &Endpoint::parse(&text), rule);
        }
    }
    all
}

fn decision(bench: &mut Criterion) {
    let all = endpoints();
    let workspace = Some(Uuid::from_u128(7));
    for path in ["/services", "/services/s7-5/plugins", "/services/one/plugins/42", "/a/b/c/d/e/f/g/h"] {
        let segments = access::segments(path).expect("a path");
        bench.bench_function(&format!("decision {path}"), |bench| {
            bench.iter(|| black_box(&all).decide(workspace, black_box(&segments), Action::Read));
        });
    }
}

criterion_group!(benches, decision);
criterion_main!(benches);
