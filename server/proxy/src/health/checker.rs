//! The actor that probes the Targets of one Upstream.

use super::probe::Probe;
use crate::targets::Peers;
use actix::fut::wrap_future;
use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle};
use balancer::{Address, Balancer, Outcome, Schedule};
use snapshot::{Trust, UpstreamTls};
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Probes the Targets of one Upstream. What it finds out is kept by [`Peers`]: an actor that dies loses nothing but the
/// times of the next probes.
pub struct HealthChecker {
    peers: Arc<Peers>,
    trust: Arc<Trust>,
    schedule: Schedule,
    /// What the schedule was made for.
    balancer: Arc<Balancer>,
    tls: Option<Arc<UpstreamTls>>,
    timer: Option<SpawnHandle>,
    _guard: Box<dyn Any>,
}

impl HealthChecker {
    /// An actor for one of [`crate::targets::Targets::probed`]. `guard` is dropped with it.
    pub fn new(peers: Arc<Peers>, trust: Arc<Trust>, guard: impl Any) -> Self {
        let seed = peers.id().as_u64_pair().0 ^ peers.now();
        let balancer = peers.balancer().clone();
        Self { peers, trust, schedule: Schedule::new(seed), balancer, tls: None, timer: None, _guard: Box::new(guard) }
    }

    /// Waits for changes of addresses and health.
    fn watch(&self, mut changes: watch::Receiver<u64>, context: &mut Context<Self>) {
        let change = async move { changes.changed().await.map(|()| changes) };
        context.spawn(wrap_future(change).map(|changed, actor: &mut Self, context: &mut Context<Self>| {
            if let Ok(changes) = changed {
                actor.take_over(context);
                actor.watch(changes, context);
            }
        }));
    }

    /// Follows the balancer of the moment.
    fn take_over(&mut self, context: &mut Context<Self>) {
        self.balancer = self.peers.balancer().clone();
        let active = &self.balancer.spec().health.active;
        let tls = self.trust.probe(self.peers.tls().as_deref(), active.https_verify_certificate);
        self.tls =
            tls.map_err(|error| tracing::error!(upstream = %self.peers.id(), error, "https probes are off")).ok();
        self.schedule.sync(&self.balancer, self.peers.now());
        self.tick(context);
    }

    /// Probes what is due, and sets the timer for what is due next.
    fn tick(&mut self, context: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        // It was started for a node that may probe so.
        if !self.peers.setup().probes(true) {
            return;
        }
        for address in self.schedule.due(&self.balancer, self.peers.now()) {
            let probe = self.probe(&address);
            let outcome = async move { probe.run().await };
            context.spawn(wrap_future(outcome).map(move |outcome, actor: &mut Self, context: &mut Context<Self>| {
                actor.finished(&address, outcome, context);
            }));
        }
        if let Some(at) = self.schedule.wake() {
            let wait = Duration::from_millis(at.saturating_sub(self.peers.now()).max(1));
            self.timer = Some(context.run_later(wait, |actor, context| {
                actor.timer = None;
                actor.tick(context);
            }));
        }
    }

    fn probe(&self, address: &Address) -> Probe {
        let setup = self.peers.setup();
        let host = setup.host_header.as_deref().unwrap_or(&address.hostname);
        Probe::new(&self.balancer.spec().health.active, address.socket, host, self.tls.as_ref())
    }

    fn finished(&mut self, address: &Arc<Address>, outcome: Outcome, context: &mut Context<Self>) {
        let change = self.balancer.report_active(address, outcome);
        self.schedule.finished(&self.balancer, address.id, self.peers.now());
        self.peers.announce(change.as_slice());
        self.tick(context);
    }
}

impl Actor for HealthChecker {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.watch(self.peers.changes(), context);
        self.take_over(context);
    }
}

/// Ends the actor: its Upstream is gone, or is probed no more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

impl Handler<Stop> for HealthChecker {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop();
    }
}

/// Has the actor panic, for the tests of supervision.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Panic;

impl Handler<Panic> for HealthChecker {
    type Result = ();

    #[expect(clippy::panic, reason = "asked for by a test of supervision")]
    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("asked to panic");
    }
}
