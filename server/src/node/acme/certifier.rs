//! The `Certifier` actor: orders the certificates that handshakes missed, and renews what is due.
//!
//! Certificates and what waits belong to the node: while this actor is being restarted, handshakes show what they
//! showed before.

use super::issuance::{Issuance, Working};
use crate::supervise::Life;
use acme_client::{AcmeError, Issued};
use actix::{Actor, AsyncContext, Context, WrapFuture};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Semaphore;
use tokio::time::{interval_at, sleep};

/// How often what is due is renewed.
const RENEWAL: Duration = Duration::from_secs(86_400);
/// When it is looked at first.
const FIRST: Duration = Duration::from_secs(60);
/// How often what other nodes have put into the storage is read.
const REFRESH: Duration = Duration::from_secs(3600);
/// How long a name that was looked at is not looked at again.
const PAUSE: Duration = Duration::from_secs(5);
/// Names that are remembered for that.
const REMEMBERED: usize = 10_000;
/// Orders at the same time.
const ORDERS: usize = 8;
/// How often an order of somebody else is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Orders and renews certificates.
pub struct Certifier {
    issuance: Arc<Issuance>,
    _life: Life,
}

impl Certifier {
    /// An actor over what the node shows.
    pub fn new(issuance: Arc<Issuance>, life: Life) -> Self {
        Self { issuance, _life: life }
    }
}

impl Actor for Certifier {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.spawn(attend(self.issuance.clone()).into_actor(self));
    }
}

async fn attend(issuance: Arc<Issuance>) {
    let mut missed = issuance.queue.lock().await;
    let now = tokio::time::Instant::now();
    let (mut renewal, mut refreshing) = (interval_at(now + FIRST, RENEWAL), interval_at(now + REFRESH, REFRESH));
    let mut looked_at: HashMap<Box<str>, Instant> = HashMap::new();
    let orders = Arc::new(Semaphore::new(ORDERS));
    loop {
        tokio::select! {
            Some(host) = missed.recv() => {
                looked_at.retain(|_, at| at.elapsed() < PAUSE);
                if looked_at.len() >= REMEMBERED || looked_at.contains_key(&host) {
                    continue;
                }
                let (Ok(permit), Some(working)) = (orders.clone().try_acquire_owned(), issuance.working()) else {
                    continue;
                };
                looked_at.insert(host.clone(), Instant::now());
                let issuance = issuance.clone();
                actix_rt::spawn(async move {
                    obtain(&issuance, &working, &host).await;
                    drop(permit);
                });
            }
            _ = renewal.tick() => drop(actix_rt::spawn(renew(issuance.clone()))),
            () = issuance.renewal.notified() => drop(actix_rt::spawn(renew(issuance.clone()))),
            _ = refreshing.tick() => drop(actix_rt::spawn(refresh(issuance.clone()))),
        }
    }
}

/// Shows a host's certificate: the one in the storage, else a new one.
async fn obtain(issuance: &Issuance, working: &Working, host: &str) {
    match issuance.show(working, host).await {
        Ok(true) => return,
        Ok(false) => {}
        Err(error) => tracing::warn!(plugin = "acme", "the certificate of {host} cannot be shown: {error}"),
    }
    match working.desk.issue(host).await {
        Ok(Issued::New) => tracing::info!(plugin = "acme", "there is a certificate for {host}"),
        // It comes with a later handshake.
        Ok(Issued::Elsewhere) => return sleep(LOOK).await,
        Err(AcmeError::BackOff(_)) => return,
        Err(error) => return tracing::error!(plugin = "acme", "no certificate for {host}: {error}"),
    }
    if let Err(error) = issuance.show(working, host).await {
        tracing::error!(plugin = "acme", "the certificate of {host} cannot be shown: {error}");
    }
}

async fn renew(issuance: Arc<Issuance>) {
    let Some(working) = issuance.working() else { return };
    let wanted = |host: &str| working.domains.contains(host);
    match working.desk.renew(SystemTime::now(), wanted).await {
        Ok(renewed) => {
            for host in renewed {
                if let Err(error) = issuance.show(&working, &host).await {
                    tracing::error!(plugin = "acme", "the certificate of {host} cannot be shown: {error}");
                }
            }
        }
        Err(error) => tracing::error!(plugin = "acme", "certificates were not renewed: {error}"),
    }
}

async fn refresh(issuance: Arc<Issuance>) {
    let Some(working) = issuance.working() else { return };
    for host in issuance.shown() {
        if let Err(error) = issuance.show(&working, &host).await {
            tracing::warn!(plugin = "acme", "the certificate of {host} cannot be read again: {error}");
        }
    }
}
