//! Every function of Kong's kit, in every phase.

use crate::current::{self, Call};
use crate::error;
use crate::phase::Phase;
use crate::worker::Worker;
use exchange::directory::Nobody;
use exchange::{Exchange, Request, Timeline};
use mlua::{Function, Value};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use uuid::Uuid;

const PHASES: [Phase; 12] = [
    Phase::InitWorker,
    Phase::Certificate,
    Phase::ClientHello,
    Phase::Rewrite,
    Phase::Access,
    Phase::Balancer,
    Phase::Response,
    Phase::HeaderFilter,
    Phase::BodyFilter,
    Phase::Log,
    Phase::Error,
    Phase::AdminApi,
];

/// What a function that is called without arguments complains of.
fn complaint(function: &Function, phase: Phase) -> String {
    let mut exchange = Exchange::new(Request::default(), Timeline::default(), Arc::new(Nobody));
    let call = Call::new(("test", Uuid::nil()), phase, None);
    let mut running = pin!(function.call_async::<Value>(()));
    let mut context = Context::from_waker(Waker::noop());
    match current::run(&call, &mut exchange, || running.as_mut().poll(&mut context)) {
        Poll::Ready(Err(failed)) => error::text(&failed),
        _ => String::new(),
    }
}

#[test]
fn every_function_is_there_in_its_phases() {
    let list: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../tests/pdk.json")).expect("names with their phases");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let worker = Worker::of_thread().expect("a state");
        for (name, allowed) in &list {
            let function: Value = worker.lua.load(format!("return kong.{name}")).eval().expect("it can be read");
            let Value::Function(function) = function else { panic!("kong.{name} is {}", function.type_name()) };
            for phase in PHASES {
                let expected = match allowed.as_str() {
                    "" => true,
                    "!init_worker" => phase != Phase::InitWorker,
                    phases => phases.split(' ').any(|allowed| allowed == phase.name()),
                };
                let said = complaint(&function, phase);
                let refused = said.contains(&format!("function cannot be called in {} phase", phase.name()));
                assert_eq!(!refused, expected, "kong.{name} in {}: {said}", phase.name());
            }
        }
    });
}
