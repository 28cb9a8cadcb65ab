//! The access phase: plugin by plugin, each with the configuration for the identity known when its turn comes.

use super::{Collected, guard};
use exchange::timeline::PluginCall;
use exchange::{Answer, Exchange, Flow, Phases};
use snapshot::Chain;

/// Chooses the configurations of a chain without running their access.
pub(crate) fn collect<'s>(chain: &'s Chain, exchange: &Exchange, collected: &mut Collected<'s>) {
    collected.extend(chain.slots().iter().filter_map(|slot| slot.choose(&exchange.identity)));
}

/// Runs the access phase of a chain. After an answer the rest is chosen, but not run.
pub(crate) async fn run<'s>(
    chain: &'s Chain,
    exchange: &mut Exchange,
    collected: &mut Collected<'s>,
) -> Option<Box<Answer>> {
    let mut answered = None;
    for slot in chain.slots() {
        let Some(instance) = slot.choose(&exchange.identity) else { continue };
        collected.push(instance);
        if answered.is_some() || !instance.phases().has(Phases::ACCESS) {
            continue;
        }
        let start = begin(exchange);
        let flow = guard::step(instance.name(), "access", || instance.access(exchange)).await;
        if let Flow::Answer(answer) = flow {
            answered = Some(answer);
        }
        note(exchange, instance.name(), "access", start);
    }
    answered
}

/// When a plugin's call begins, where calls are noted one by one.
pub(crate) fn begin(exchange: &Exchange) -> u32 {
    if exchange.timeline.detail { exchange.timeline.now() } else { 0 }
}

/// Notes a plugin's call that began then, where calls are noted one by one.
pub(crate) fn note(exchange: &mut Exchange, plugin: &'static str, phase: &'static str, start: u32) {
    if exchange.timeline.detail {
        let end = exchange.timeline.now();
        exchange.timeline.calls.push(PluginCall { plugin, phase, start, end });
    }
}
