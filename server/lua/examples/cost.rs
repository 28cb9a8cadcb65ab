//! What a plugin in Lua that does nothing costs, in ns of processor time per request:
//! `cargo run --profile ci -p lua --example cost`. Exit status 1 where that is more than 2 µs in all phases.

use bytes::Bytes;
use exchange::directory::Nobody;
use exchange::{About, Chunk, Exchange, Flow, Instance, Registry, Request, Services, Step, Timeline};
use lua::{Settings, register};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;

const ROUNDS: u64 = 300_000;
/// The most that a plugin may cost that does nothing in every phase of a request, in ns.
const BOUND: u64 = 2000;

/// Time this thread has run, in ns.
fn ran() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or_default()
}

fn measured(name: &str, mut round: impl FnMut()) -> u64 {
    (0..ROUNDS / 10).for_each(|_| round());
    let before = ran();
    (0..ROUNDS).for_each(|_| round());
    let each = (ran() - before) / ROUNDS;
    println!("{name}: {each} ns");
    each
}

fn phases(plugin: &dyn Instance, exchange: &mut Exchange) {
    assert!(matches!(plugin.rewrite(exchange), Step::Ready(Flow::Next)));
    assert!(matches!(plugin.access(exchange), Step::Ready(Flow::Next)));
    assert!(matches!(plugin.header_filter(exchange), Flow::Next));
    let mut chunk = Chunk { data: Bytes::from_static(b"text"), last: true };
    plugin.body_filter(exchange, &mut chunk);
    plugin.log(exchange);
    exchange.state.clear();
}

fn main() -> ExitCode {
    let folder = std::env::temp_dir().join("silverback-lua-cost/kong/plugins/noop");
    std::fs::create_dir_all(&folder).expect("a folder");
    let schema = "return { fields = { { config = { type = 'record', fields = {} } } } }";
    std::fs::write(folder.join("schema.lua"), schema).expect("written");
    let method = |phase: &str| format!("function N:{phase}() end\n");
    let methods: String = ["rewrite", "access", "header_filter", "body_filter", "log"].map(method).concat();
    std::fs::write(folder.join("handler.lua"), format!("local N = {{}}\n{methods}return N")).expect("written");
    let path = std::env::temp_dir().join("silverback-lua-cost/?.lua");
    let mut registry = Registry::default();
    let settings = Settings {
        package_path: path.to_string_lossy().into_owned(),
        folders: vec!["noop".to_owned()],
        ..Settings::default()
    };
    register(&mut registry, settings).expect("plugins");
    let services = Services::alone(uuid::Uuid::nil());
    let mut exchange = Exchange::new(Request::default(), Timeline::default(), Arc::new(Nobody));
    let noop = registry.get("noop").expect("loaded").build(&json!({}), &About::default(), &services).expect("built");
    let all = measured("a plugin in a folder, all phases of a request", || phases(&*noop, &mut exchange));
    measured("the same, access alone", || {
        assert!(matches!(noop.access(&mut exchange), Step::Ready(Flow::Next)));
        exchange.state.clear();
    });
    let config = json!({
        "certificate": [], "rewrite": [], "access": ["return"], "header_filter": [], "body_filter": [], "log": [],
    });
    let pre = registry.get("pre-function").expect("there").build(&config, &About::default(), &services);
    let pre = pre.expect("built");
    measured("pre-function, access alone", || {
        assert!(matches!(pre.access(&mut exchange), Step::Ready(Flow::Next)));
        exchange.state.clear();
    });
    if all <= BOUND { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
