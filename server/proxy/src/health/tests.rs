//! The actor against real servers on loopback.

use super::*;
use crate::dns::{DnsSettings, Resolver};
use crate::targets::{Peers, Setup, Targets};
use crate::tls::generate;
use actix::Actor;
use balancer::health::Label;
use serde_json::{Value, json};
use snapshot::{Trust, certified_key};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Answers every connection with the status, until the process ends. Over TLS with a certificate of its own.
fn serve(status: Arc<AtomicU16>, tls: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (certificate, key) = generate("probe.test").unwrap();
    let key = Arc::new(rustls::sign::SingleCertAndKey::from(certified_key(&certificate, &key).unwrap()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(key);
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for io in listener.incoming() {
            let (mut io, mut buffer) = (io.unwrap(), [0; 4096]);
            let mut answer = |io: &mut dyn ReadWrite| -> std::io::Result<()> {
                let length = io.read(&mut buffer)?;
                let host = String::from_utf8_lossy(&buffer[..length]).contains("Host: probe.test\r\n");
                let status = if host { status.load(SeqCst) } else { 599 };
                write!(io, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")
            };
            let _ = if tls {
                let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
                answer(&mut rustls::Stream::new(&mut connection, &mut io))
            } else {
                answer(&mut io)
            };
        }
    });
    address
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn setup(address: SocketAddr, active: Value) -> Setup {
    let mut active = active;
    for (field, value) in [("http_path", json!("/healthz")), ("timeout", json!(1))] {
        active[field] = value;
    }
    active["healthy"] = json!({"interval": 0.02, "successes": 1, "http_statuses": [200]});
    active["unhealthy"] =
        json!({"interval": 0.02, "http_failures": 1, "tcp_failures": 1, "timeouts": 1, "http_statuses": [503]});
    Setup::from_json(json!({
        "name": "u", "host_header": "probe.test", "healthchecks": {"active": active},
        "targets": [{"id": Uuid::from_u128(1), "target": address.to_string()}],
    }))
}

fn targets(setup: Setup) -> (Arc<Targets>, Arc<Peers>) {
    let resolver = Resolver::start(&DnsSettings::default()).unwrap();
    let targets = Targets::new(resolver, Arc::new(Trust::default()));
    targets.publish_setups(vec![(Uuid::from_u128(9), setup)]);
    let peers = targets.probed().pop().unwrap();
    (targets, peers)
}

async fn becomes(targets: &Targets, expected: Label) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while targets.health(Uuid::from_u128(9)).unwrap()[0].health != expected {
        assert!(Instant::now() < deadline, "never {expected:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_rt::test]
async fn targets_are_taken_out_and_brought_back() {
    for tls in [false, true] {
        let status = Arc::new(AtomicU16::new(200));
        let address = serve(status.clone(), tls);
        let kind = if tls { "https" } else { "http" };
        let active = json!({"type": kind, "https_verify_certificate": false});
        let (targets, peers) = targets(setup(address, active));
        let checker = HealthChecker::new(peers, targets.trust().clone(), ()).start();
        status.store(503, SeqCst);
        becomes(&targets, Label::Unhealthy).await;
        status.store(200, SeqCst);
        becomes(&targets, Label::Healthy).await;
        checker.send(Stop).await.unwrap();
        assert!(!checker.connected());
    }
}

#[actix_rt::test]
async fn closed_ports_and_certificates_of_strangers_are_failures() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stranger = serve(Arc::new(AtomicU16::new(200)), true);
    for (address, active) in [(closed, json!({"type": "http"})), (stranger, json!({"type": "https"}))] {
        let (targets, peers) = targets(setup(address, active));
        HealthChecker::new(peers, targets.trust().clone(), ()).start();
        becomes(&targets, Label::Unhealthy).await;
    }
}

#[actix_rt::test]
async fn health_survives_the_actor_and_follows_the_configuration() {
    let status = Arc::new(AtomicU16::new(503));
    let first = serve(status.clone(), false);
    let (targets, peers) = targets(setup(first, json!({})));
    let (told, end) = tokio::sync::oneshot::channel::<()>();
    let checker = HealthChecker::new(peers.clone(), targets.trust().clone(), told).start();
    becomes(&targets, Label::Unhealthy).await;
    assert!(checker.send(Panic).await.is_err());
    // The guard goes with the actor.
    assert!(end.await.is_err());
    assert_eq!(targets.health(Uuid::from_u128(9)).unwrap()[0].health, Label::Unhealthy);
    HealthChecker::new(peers, targets.trust().clone(), ()).start();
    // A Target that comes anew is healthy until it is probed; the one that stays keeps its state.
    let second = serve(Arc::new(AtomicU16::new(503)), false);
    targets.publish_setups(vec![(Uuid::from_u128(9), setup(second, json!({})))]);
    becomes(&targets, Label::Unhealthy).await;
    targets.set_health(Uuid::from_u128(9), Uuid::from_u128(1), None, true).unwrap();
    becomes(&targets, Label::Unhealthy).await;
}
