//! Names of Targets against a name server on loopback.

use super::*;
use crate::dns::testing::{Zone, a, serve, settings};
use crate::dns::{DnsSettings, Order, Resolver};
use balancer::health::Label;
use balancer::{Outcome, Tried};
use serde_json::json;
use snapshot::Trust;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(1);

fn targets(zone: &Arc<Zone>) -> Arc<Targets> {
    let settings = DnsSettings { order: vec![Order::A], ..settings(serve(zone.clone())) };
    Targets::new(Resolver::start(&settings).unwrap(), Arc::new(Trust::default()))
}

fn setup(targets: &[&str]) -> Setup {
    let targets: Vec<_> = targets
        .iter()
        .enumerate()
        .map(|(index, target)| json!({"id": Uuid::from_u128(index as u128), "target": target, "created_at": index}))
        .collect();
    let healthchecks = json!({"passive": {"unhealthy": {"tcp_failures": 1}}});
    Setup::from_json(json!({"name": "u", "targets": targets, "healthchecks": healthchecks}))
}

fn addresses(peers: &Peers) -> BTreeSet<String> {
    peers.balancer().addresses().iter().map(|address| address.socket.to_string()).collect()
}

async fn become_addresses(peers: &Peers, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|address| (*address).to_owned()).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    while addresses(peers) != expected {
        assert!(Instant::now() < deadline, "{:?} never became {expected:?}", addresses(peers));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn names_are_looked_up_and_again_when_their_time_is_over() {
    let zone = Arc::new(Zone::default());
    zone.set("a.test", 1, &[a(1), a(2)]);
    let targets = targets(&zone);
    targets.publish_setups(vec![(ID, setup(&["a.test:80", "127.0.0.1:81", "gone.test:82"]))]);
    let peers = targets.get(ID).unwrap();
    peers.settled().await;
    assert!(!peers.is_pending());
    become_addresses(&peers, &["10.0.0.1:80", "10.0.0.2:80", "127.0.0.1:81"]).await;
    let shown: Vec<_> = targets.health(ID).unwrap().into_iter().map(|t| (t.health, t.data.dns)).collect();
    let error = "dns server error: 3 name error".to_owned();
    let expected = [(Label::DnsError, error), (Label::Healthy, "A".into()), (Label::Healthy, "A".into())];
    assert_eq!(shown, expected);
    zone.set("a.test", 1, &[a(2), a(3)]);
    become_addresses(&peers, &["10.0.0.2:80", "10.0.0.3:80", "127.0.0.1:81"]).await;
}

#[tokio::test]
async fn health_stays_while_targets_do_and_upstreams_leave_late() {
    let targets = targets(&Arc::default());
    targets.publish_setups(vec![(ID, setup(&["127.0.0.1:1", "127.0.0.1:2"]))]);
    let peers = targets.get(ID).unwrap();
    let picked = peers.balancer().pick(None, &Tried::new()).unwrap().clone();
    peers.report(&picked, Outcome::TcpFailure);
    targets.publish_setups(vec![(ID, setup(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]))]);
    assert!(Arc::ptr_eq(&peers, &targets.get(ID).unwrap()));
    let down = |socket: SocketAddr| {
        let balancer = peers.balancer();
        let found = balancer.addresses().iter().find(|address| address.socket == socket).cloned().unwrap();
        !balancer.available(&found)
    };
    assert!(down(picked.socket));
    assert_eq!(peers.balancer().addresses().iter().filter(|address| down(address.socket)).count(), 1);
    targets.set_health(ID, picked.target, None, true).unwrap();
    assert!(!down(picked.socket));
    let missing = targets.set_health(Uuid::from_u128(5), picked.target, None, true).unwrap_err();
    assert_eq!(missing, SetHealthError::UnknownUpstream);
    // Requests that began with the configuration before still find it; the next one forgets it.
    targets.publish_setups(Vec::new());
    assert!(targets.get(ID).is_some() && targets.health(ID).is_none() && targets.all().is_empty());
    targets.publish_setups(Vec::new());
    assert!(targets.get(ID).is_none());
}

#[tokio::test]
async fn a_listener_hears_what_goes_out_of_use_and_comes_back() {
    #[derive(Default)]
    struct Heard(std::sync::Mutex<Vec<(String, bool)>>);
    impl HealthListener for Heard {
        fn changed(&self, change: HealthChange) {
            assert_eq!(change.upstream, ID);
            self.0.lock().unwrap().push((change.address.to_string(), change.healthy));
        }
    }
    let targets = targets(&Arc::default());
    let heard = Arc::new(Heard::default());
    targets.listen(heard.clone());
    targets.publish_setups(vec![(ID, setup(&["127.0.0.1:1", "127.0.0.1:2"]))]);
    let peers = targets.get(ID).unwrap();
    let picked = peers.balancer().pick(None, &Tried::new()).unwrap().clone();
    peers.report(&picked, Outcome::TcpFailure);
    peers.report(&picked, Outcome::TcpFailure);
    let target = Uuid::from_u128(u128::from(picked.socket.port()) - 1);
    targets.set_health(ID, target, None, true).unwrap();
    let socket = picked.socket.to_string();
    assert_eq!(*heard.0.lock().unwrap(), [(socket.clone(), false), (socket, true)]);
}
