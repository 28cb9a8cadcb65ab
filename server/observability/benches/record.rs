//! What a request costs in the plugin `prometheus` with all options on: bound 0.3 µs.

use criterion::{Criterion, criterion_group, criterion_main};
use exchange::directory::Nobody;
use exchange::{About, Consumer, Exchange, Plugin, Request, Services, Stamp, Timeline};
use observability::Prometheus;
use schema::{Context, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use uuid::Uuid;

/// What users write, complete.
fn complete<T: Schema + DeserializeOwned>(fields: Value) -> T {
    let context =
        Context { now: 1.0, uuid: || Uuid::nil().to_string(), token: String::new, regex: |_| Ok(()), updating: false };
    let Value::Object(fields) = fields else { unreachable!("an object is given") };
    let complete = T::record().insert(fields, &context).expect("valid");
    serde_json::from_value(complete.into()).expect("complete")
}

/// A request that is over.
fn exchange(route: &str) -> Exchange {
    let timeline = Timeline::starting(Instant::now(), SystemTime::now());
    let mut exchange = Exchange::new(Request { head_bytes: 100, ..Request::default() }, timeline, Arc::new(Nobody));
    exchange.route = Some(Arc::new(complete::<entities::Route>(json!({ "name": route, "paths": ["/"] }))).into());
    exchange.service = Some(Arc::new(complete(json!({ "name": "s", "host": "up.test" }))));
    exchange.identity.consumer = Some(Arc::new(Consumer { username: Some("ann".into()), ..Consumer::default() }));
    exchange.response.status = 200;
    exchange.response.upstream_status = 200;
    for (stamp, at) in
        [(Stamp::Parsed, 10), (Stamp::Balanced, 2_000), (Stamp::Answered, 9_000), (Stamp::Finished, 12_000)]
    {
        exchange.timeline.mark_at(stamp, at);
    }
    exchange
}

fn record(criterion: &mut Criterion) {
    let all = json!({
        "per_consumer": true, "status_code_metrics": true, "latency_metrics": true, "bandwidth_metrics": true,
        "upstream_health_metrics": true,
    });
    let services = Services::alone(Uuid::nil());
    let plugin = Prometheus::new(complete(all), &About::default(), &services).expect("a configuration");
    for routes in [1, 1_000] {
        let exchanges: Vec<_> = (0..routes).map(|number| exchange(&format!("r{number}"))).collect();
        let mut number = 0;
        criterion.bench_function(&format!("record one request, {routes} Routes"), |bencher| {
            bencher.iter(|| {
                number = (number + 1) % exchanges.len();
                Plugin::log(&plugin, black_box(&exchanges[number]));
            });
        });
    }
}

criterion_group!(benches, record);
criterion_main!(benches);
