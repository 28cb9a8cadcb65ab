//! Whom a balancer picks where addresses have breakers.

mod fixture;

use std::collections::HashSet;
use std::sync::Arc;

use balancer::breaker::{BreakerConfig, Circuit, Passage};
use balancer::{Address, Algorithm, Balancer, NoPeer, Outcome, Spec, Tried};
use fixture::{ALGORITHMS, build, checked, key, spec};
use serde_json::json;

fn guarded(algorithm: Algorithm, breaker: BreakerConfig) -> Spec {
    Spec { breaker, ..spec(algorithm, &[1, 1, 1]) }
}

/// Opens after two failures.
fn tripping() -> BreakerConfig {
    BreakerConfig { failure_percent: 50, min_requests: 2, open_for: 5, trials: 1, ..BreakerConfig::default() }
}

fn enter(balancer: &Balancer, now: u64) -> Result<(Arc<Address>, Passage), NoPeer> {
    balancer.enter(Some(key(7)), &Tried::new(), now).map(|(address, passage)| (address.clone(), passage))
}

/// Lets requests end in failures until an address does not take any more.
fn fail(balancer: &Balancer, socket: std::net::SocketAddr, now: u64) {
    for _ in 0..100 {
        match enter(balancer, now) {
            Ok((address, mut passage)) if address.socket == socket => {
                if balancer.note(&mut passage, true, 0.0, now) == Some((Circuit::Closed, Circuit::Open)) {
                    return;
                }
            }
            Ok((_, mut passage)) => _ = balancer.note(&mut passage, false, 0.0, now),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{socket} never failed often enough");
}

#[test]
fn every_algorithm_keeps_to_the_limit_of_requests() {
    let config = BreakerConfig { max_requests: 2, ..BreakerConfig::default() };
    for algorithm in ALGORITHMS {
        let balancer = build(guarded(algorithm, config));
        assert!(balancer.is_guarded());
        let mut inside: Vec<_> = (0..6).map(|_| enter(&balancer, 0).expect("room for six")).collect();
        for address in balancer.addresses() {
            assert_eq!(inside.iter().filter(|(taken, _)| taken.id == address.id).count(), 2, "{algorithm:?}");
        }
        assert_eq!(enter(&balancer, 0).err(), Some(NoPeer::Guarded { retry_after: None }));
        let (left, _) = inside.swap_remove(3);
        assert_eq!(enter(&balancer, 0).map(|(address, _)| address.id), Ok(left.id), "{algorithm:?}");
        let figures = balancer.breaker_figures(0).expect("breakers");
        assert_eq!((figures.requests, figures.refused, figures.closed), (5, 1, 3));
    }
}

#[test]
fn an_open_circuit_gets_nothing_until_its_time_is_over() {
    let balancer = build(guarded(Algorithm::RoundRobin, tripping()));
    let bad = balancer.addresses()[1].socket;
    fail(&balancer, bad, 1000);
    let picked: HashSet<_> = (0..9).map(|_| enter(&balancer, 1000).expect("two are left").0.socket).collect();
    assert!(picked.len() == 2 && !picked.contains(&bad));
    // One trial at a time, and one that goes well is enough.
    let mut trial: Vec<_> = (0..3).map(|_| enter(&balancer, 6000).expect("all")).collect();
    trial.retain(|(address, _)| address.socket == bad);
    assert_eq!(trial.len(), 1);
    assert!((0..6).all(|_| enter(&balancer, 6000).expect("two").0.socket != bad));
    let turn = balancer.note(&mut trial[0].1, false, 1.0, 6001);
    assert_eq!(turn, Some((Circuit::HalfOpen, Circuit::Closed)));
    assert_eq!(balancer.breaker_figures(6001).map(|figures| (figures.closed, figures.opened)), Some((3, 1)));
}

#[test]
fn slow_answers_open_too_and_all_open_says_when_to_come_back() {
    let config = BreakerConfig { slow_after: 100, ..tripping() };
    let balancer = build(Spec {
        targets: guarded(Algorithm::RoundRobin, config).targets[..1].to_vec(),
        ..guarded(Algorithm::RoundRobin, config)
    });
    for (elapsed, now) in [(100.0, 0), (101.0, 10)] {
        let (_, mut passage) = enter(&balancer, now).expect("closed");
        balancer.note(&mut passage, false, elapsed, now);
    }
    assert_eq!(enter(&balancer, 1010).err(), Some(NoPeer::Guarded { retry_after: Some(4000) }));
    let shown = serde_json::to_value(balancer.target_health(1010)).expect("plain data");
    let expected = json!({"state": "open", "requests": 0, "pending": 0, "retry_after": 4});
    assert_eq!(shown[0]["data"]["addresses"][0]["circuit_breaker"], expected);
    assert_eq!(shown[0]["health"], "HEALTHCHECKS_OFF", "health is another thing");
    let whole = serde_json::to_value(balancer.balancer_health(uuid::Uuid::nil(), 5020)).expect("plain data");
    assert_eq!(whole["details"]["hosts"][0]["addresses"][0]["circuit_breaker"]["state"], "half_open");
    // By hand.
    let target = balancer.addresses()[0].target;
    assert_eq!(balancer.close_circuits(target, None).len(), 1);
    assert!(enter(&balancer, 1010).is_ok());
}

#[test]
fn circuits_survive_changes_of_everything_else_and_end_with_their_setting() {
    let first = build(guarded(Algorithm::RoundRobin, tripping()));
    let bad = first.addresses()[2].socket;
    fail(&first, bad, 0);
    let (held, _passage) = loop {
        let (address, passage) = enter(&first, 0).expect("two are left");
        if address.socket == first.addresses()[0].socket {
            break (address, passage);
        }
    };
    let other = Spec {
        targets: spec(Algorithm::RoundRobin, &[5, 1, 3, 1]).targets,
        ..guarded(Algorithm::LeastConnections, BreakerConfig { max_requests: 1, ..tripping() })
    };
    let second = Balancer::build(other, Some(&first), 1, 10);
    let circuit = |balancer: &Balancer, socket| {
        let address = balancer.addresses().iter().find(|address| address.socket == socket).cloned().expect("there");
        balancer.circuit(&address, 10)
    };
    assert_eq!(circuit(&second, bad), Circuit::Open);
    let picked: Vec<_> = std::iter::from_fn(|| enter(&second, 10).ok()).collect();
    let picked: HashSet<_> = picked.iter().map(|(address, _)| address.socket).collect();
    assert!(picked.len() == 2 && !picked.contains(&bad) && !picked.contains(&held.socket));
    let off = Balancer::build(guarded(Algorithm::RoundRobin, BreakerConfig::default()), Some(&second), 1, 20);
    assert!(!off.is_guarded() && off.breaker_figures(20).is_none());
    assert!(
        serde_json::to_value(off.target_health(20)).expect("plain data")[0]["data"]["addresses"][0]
            .get("circuit_breaker")
            .is_none()
    );
    let again = Balancer::build(guarded(Algorithm::RoundRobin, tripping()), Some(&off), 1, 30);
    assert_eq!(circuit(&again, bad), Circuit::Closed);
}

#[test]
fn health_and_breakers_count_both_and_tried_ones_come_last() {
    let limits = BreakerConfig { max_requests: 1, ..BreakerConfig::default() };
    for algorithm in ALGORITHMS {
        let balancer = build(checked(guarded(algorithm, limits), 1, 1));
        assert!(balancer.report_passive(&balancer.addresses()[0], Outcome::TcpFailure).is_some());
        let (first, passage) = enter(&balancer, 0).expect("two are left");
        let mut tried = Tried::new();
        tried.add(&first);
        drop(passage);
        let (second, _held) = balancer.enter(Some(key(7)), &tried, 0).expect("the other");
        assert!(second.id != first.id && second.id != balancer.addresses()[0].id);
        // The other one is at its limit now.
        assert_eq!(balancer.enter(Some(key(7)), &tried, 0).map(|(address, _)| address.id), Ok(first.id));
    }
    let balancer = build(checked(Spec { targets: Vec::new(), ..guarded(Algorithm::RoundRobin, limits) }, 1, 1));
    assert_eq!(enter(&balancer, 0).err(), Some(NoPeer::Empty));
}

#[test]
fn retries_are_a_share_of_what_is_under_way() {
    let config = BreakerConfig { max_retries_percent: 50, ..BreakerConfig::default() };
    let balancer = build(guarded(Algorithm::RoundRobin, config));
    let inside: Vec<_> = (0..10).map(|_| enter(&balancer, 0).expect("no limit")).collect();
    let retries: Vec<_> = std::iter::from_fn(|| balancer.retry()).take(20).collect();
    assert_eq!(retries.len(), 5);
    let figures = balancer.breaker_figures(0).expect("breakers");
    assert_eq!((figures.requests, figures.retries, figures.unretried), (10, 5, 1));
    drop((inside, retries));
    assert_eq!(std::iter::from_fn(|| balancer.retry()).take(20).collect::<Vec<_>>().len(), 3);
}
