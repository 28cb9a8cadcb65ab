//! When probes are due.

mod fixture;

use std::collections::HashMap;
use std::sync::Arc;

use balancer::{Algorithm, Balancer, Outcome, Schedule, Spec};
use fixture::{build, spec};
use serde_json::json;

fn probed(weights: &[u32], healthy: f64, unhealthy: f64, concurrency: u32) -> Arc<Balancer> {
    let health = json!({"active": {
        "concurrency": concurrency,
        "healthy": {"interval": healthy, "successes": 1},
        "unhealthy": {"interval": unhealthy, "tcp_failures": 1},
    }});
    build(Spec {
        health: serde_json::from_value(health).expect("a configuration"),
        ..spec(Algorithm::RoundRobin, weights)
    })
}

#[test]
fn every_address_is_probed_once_per_interval_and_never_in_a_pile() {
    let balancer = probed(&[1; 1_000], 10.0, 10.0, 1_000);
    let mut schedule = Schedule::new(3);
    schedule.sync(&balancer, 0);
    let mut probes: HashMap<_, Vec<u64>> = HashMap::new();
    let mut most = 0;
    for now in (0..100_000).step_by(100) {
        let due = schedule.due(&balancer, now);
        most = most.max(due.len());
        for address in due {
            probes.entry(address.id).or_default().push(now);
            schedule.finished(&balancer, address.id, now);
        }
    }
    assert_eq!(probes.len(), 1_000);
    for times in probes.values() {
        assert!((5_000..=10_100).contains(&times[0]), "{times:?}");
        assert!((8..=11).contains(&times.len()), "{times:?}");
        assert!(times.windows(2).all(|pair| (9_400..=10_700).contains(&(pair[1] - pair[0]))), "{times:?}");
    }
    // 1,000 in 10 s are 10 per step on average, 20 while the first round runs.
    assert!(most < 60, "{most}");
}

#[test]
fn weight_zero_is_not_probed_and_concurrency_bounds_what_is_in_flight() {
    let balancer = probed(&[1, 0, 1, 1, 1], 1.0, 1.0, 3);
    let mut schedule = Schedule::new(3);
    schedule.sync(&balancer, 0);
    assert!(schedule.due(&balancer, 0).is_empty());
    let first = schedule.due(&balancer, 5_000);
    assert_eq!(first.len(), 3);
    assert!(schedule.due(&balancer, 9_000).is_empty());
    schedule.finished(&balancer, first[0].id, 9_000);
    let next = schedule.due(&balancer, 9_000);
    assert_eq!(next.len(), 1);
    assert!(next.iter().chain(&first).all(|address| address.weight > 0));
    // Ended twice counts once.
    schedule.finished(&balancer, first[0].id, 9_000);
    assert!(schedule.due(&balancer, 9_000).is_empty());
}

#[test]
fn the_interval_follows_the_state() {
    let balancer = probed(&[1], 100.0, 1.0, 10);
    let mut schedule = Schedule::new(3);
    schedule.sync(&balancer, 0);
    let address = &balancer.addresses()[0];
    let far = schedule.wake();
    assert!(far.is_some_and(|at| at >= 50_000), "{far:?}");
    balancer.report_active(address, Outcome::TcpFailure);
    schedule.changed(&balancer, address.id, 10);
    let near = schedule.wake();
    assert!(near.is_some_and(|at| (900..1_100).contains(&at)), "{near:?}");
    assert_eq!(schedule.due(&balancer, 2_000).len(), 1);
    assert_eq!(schedule.wake(), None);
    balancer.report_active(address, Outcome::Status(200));
    schedule.finished(&balancer, address.id, 2_000);
    assert!(schedule.wake().is_some_and(|at| at >= 90_000));
}

#[test]
fn an_interval_of_zero_probes_nobody_in_that_state() {
    let balancer = probed(&[1], 0.0, 1.0, 10);
    let mut schedule = Schedule::new(3);
    schedule.sync(&balancer, 0);
    assert_eq!(schedule.wake(), None);
    let address = &balancer.addresses()[0];
    balancer.report_active(address, Outcome::TcpFailure);
    schedule.changed(&balancer, address.id, 0);
    assert!(schedule.wake().is_some());
}

#[test]
fn a_rebuild_keeps_times_and_drops_what_is_gone() {
    let two = probed(&[1, 1], 10.0, 10.0, 10);
    let mut schedule = Schedule::new(3);
    schedule.sync(&two, 0);
    let wake = schedule.wake();
    let mut less = two.spec().clone();
    less.targets.truncate(1);
    let one = Balancer::build(less, Some(&two), 1, 0);
    schedule.sync(&two, 4_000);
    assert_eq!(schedule.wake(), wake);
    let running = schedule.due(&two, 60_000);
    assert_eq!(running.len(), 2);
    schedule.sync(&one, 60_000);
    for address in running {
        schedule.finished(&one, address.id, 60_000);
    }
    assert_eq!(schedule.due(&one, 100_000).len(), 1);
}
