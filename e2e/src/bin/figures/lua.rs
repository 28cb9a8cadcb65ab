//! What Lua plugins cost: memory of configured instances, what a hundred thousand requests leave behind, and whether the phase
//! `log` makes clients wait.

use crate::support::{Report, ms, quantile};
use e2e::{Backend, Gateway, Session, eventually, get};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const INSTANCES: usize = 100;
const REQUESTS: usize = 100_000;
const CLIENTS: usize = 4;
const ASKED: usize = 50;
/// What runs after a response, in seconds of Lua.
const SPIN: f64 = 0.05;

/// Code of `access` that goes wrong in every way that the sandbox knows, and code that does not.
const CODE: [&str; 10] = [
    "error('as it was told')",
    "error({ code = 1, inner = { 'a', 'b' } })",
    "local function f() return f() + 1 end f()",
    "local s = string.rep('x', 1000000) kong.ctx.shared.s = s",
    "coroutine.wrap(function() coroutine.yield() end)()",
    "coroutine.yield()",
    "local t = {} for i = 1, 1000 do t[i] = { i } end",
    "kong.ctx.plugin.a = kong.request.get_headers() kong.response.set_header('x-a', 'b')",
    "kong.response.exit(200, { a = 'b' })",
    "local f = nil f()",
];

fn gateway(workers: &str) -> Gateway {
    Gateway::start(&[("KONG_NGINX_WORKER_PROCESSES", workers), ("KONG_LOG_LEVEL", "crit")])
}

/// Routes `/0`, `/1`, …, each with a pre-function of its own.
fn configure(gateway: &Gateway, backend: &Backend, plugins: impl Iterator<Item = Value>) {
    let route = |(number, plugin): (usize, Value)| json!({ "paths": [format!("/{number}/")], "plugins": [plugin] });
    let routes: Vec<Value> = plugins.enumerate().map(route).collect();
    let last = routes.len() - 1;
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{ "name": "s", "host": "127.0.0.1", "port": backend.address.port(), "routes": routes }],
    });
    assert_eq!(gateway.configure(&configuration).status, 201);
    eventually("the routes are there", || get(gateway.proxy, &format!("/{last}/"), &[]).status != 404);
}

pub fn measure(report: &mut Report) {
    let backend = Backend::start();
    instances(report, &backend);
    leftovers(report, &backend);
    waiting(report, &backend);
}

fn instances(report: &mut Report, backend: &Backend) {
    let gateway = gateway("1");
    let noop = |number: usize| {
        let code = format!("local number = {number} return function() end");
        json!({ "name": "pre-function", "config": {
            "rewrite": [code], "access": [code], "header_filter": [code], "body_filter": [code], "log": [code],
        } })
    };
    configure(&gateway, backend, (0..1).map(noop));
    (0..100).for_each(|_| assert_eq!(get(gateway.proxy, "/0/", &[]).status, 200));
    let before = gateway.memory();
    configure(&gateway, backend, (0..INSTANCES).map(noop));
    for number in 0..INSTANCES {
        assert_eq!(get(gateway.proxy, &format!("/{number}/"), &[]).status, 200);
    }
    report.at_most("100 configured instances in Lua, on one worker", gateway.memory() - before, 20.0, "MiB");
}

fn leftovers(report: &mut Report, backend: &Backend) {
    let gateway = gateway("1");
    let plugin = |code: &&str| json!({ "name": "pre-function", "config": { "access": [code] } });
    configure(&gateway, backend, CODE.iter().map(plugin));
    let ask = |count: usize| {
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let proxy = gateway.proxy;
                scope.spawn(move || {
                    let mut session = Session::open(proxy).expect("connects");
                    for index in (number..count).step_by(CLIENTS) {
                        let path = format!("/{}/", index % CODE.len());
                        let reply = session.exchange("GET", &path, &[], b"").expect("the gateway answers");
                        assert!(matches!(reply.status, 200 | 500), "{}", reply.status);
                        if reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                            session = Session::open(proxy).expect("connects");
                        }
                    }
                });
            }
        });
    };
    // What is kept for reuse is there after some thousand.
    ask(REQUESTS / 10);
    let before = gateway.memory();
    ask(REQUESTS);
    report.at_most("memory after 100,000 requests, many of which go wrong", gateway.memory() - before, 8.0, "MiB more");
}

fn waiting(report: &mut Report, backend: &Backend) {
    let gateway = gateway("1");
    let code = format!("local till = os.clock() + {SPIN} while os.clock() < till do end");
    let spins = json!({ "name": "post-function", "config": { "log": [code] } });
    configure(&gateway, backend, std::iter::once(spins));
    let mut took: Vec<f64> = (0..ASKED)
        .map(|_| {
            // The one before has to be over: a worker does one thing at a time.
            std::thread::sleep(Duration::from_secs_f64(SPIN * 2.0));
            let begun = Instant::now();
            assert_eq!(get(gateway.proxy, "/0/", &[]).status, 200);
            ms(begun.elapsed())
        })
        .collect();
    let half = quantile(&mut took, 0.5);
    report.at_most("a response whose phase log takes 50 ms, half of them within", half, 10.0, "ms");
}
