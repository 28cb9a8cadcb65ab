//! Health through rebuilds, by hand, under threads, and as shown.

mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use balancer::{Algorithm, Balancer, Outcome, OverrideError, Record, RecordKind, Resolution, State, Target, Tried};
use fixture::{build, checked, spec, target};
use serde_json::json;
use uuid::Uuid;

fn states(balancer: &Balancer) -> Vec<State> {
    balancer.addresses().iter().map(|address| address.state()).collect()
}

#[test]
fn an_unchanged_specification_gives_the_same_balancer() {
    let spec = spec(Algorithm::RoundRobin, &[1, 2]);
    let first = build(spec.clone());
    assert!(Arc::ptr_eq(&first, &Balancer::build(spec, Some(&first), 9, 9)));
}

#[test]
fn a_rebuild_keeps_the_health_of_addresses_that_stay() {
    let first = build(checked(spec(Algorithm::RoundRobin, &[1, 1]), 1, 1));
    first.report_passive(&first.addresses()[0], Outcome::TcpFailure);
    let guard = first.addresses()[0].open();

    // Another weight, algorithm and neighbour: the same addresses.
    let second = Balancer::build(checked(spec(Algorithm::LeastConnections, &[7, 1, 1]), 1, 1), Some(&first), 1, 10);
    assert_eq!(states(&second), [State::Unhealthy, State::Healthy, State::Healthy]);
    assert_eq!(second.addresses()[0].id, first.addresses()[0].id);
    assert_eq!(second.addresses()[0].active(), 1);
    drop(guard);
    assert_eq!(second.addresses()[0].active(), 0);

    // A report through the old balancer is seen by the new one.
    assert!(second.pick(None, &Tried::new()).is_ok());
    first.report_passive(&first.addresses()[1], Outcome::TcpFailure);
    let picked: Vec<_> = (0..4).filter_map(|_| second.pick(None, &Tried::new()).ok()).map(|a| a.id).collect();
    assert_eq!(picked, [second.addresses()[2].id; 4]);
}

#[test]
fn an_address_that_comes_back_within_five_minutes_has_its_old_health() {
    for (away, expected) in [(299_999, State::Unhealthy), (300_000, State::Healthy)] {
        let full = checked(spec(Algorithm::RoundRobin, &[1, 1]), 1, 1);
        let first = build(full.clone());
        first.report_passive(&first.addresses()[1], Outcome::TcpFailure);
        let mut less = full.clone();
        less.targets.truncate(1);
        let second = Balancer::build(less, Some(&first), 1, 0);
        assert_eq!(second.addresses().len(), 1);
        let third = Balancer::build(full, Some(&second), 1, away);
        assert_eq!(third.addresses()[1].state(), expected);
    }
}

#[test]
fn without_checks_reports_change_nothing_and_everybody_is_available() {
    let on = build(checked(spec(Algorithm::RoundRobin, &[1]), 1, 1));
    on.report_passive(&on.addresses()[0], Outcome::TcpFailure);
    assert!(!on.healthy());
    let off = Balancer::build(spec(Algorithm::RoundRobin, &[1]), Some(&on), 1, 0);
    assert!(off.healthy());
    assert!(off.report_passive(&off.addresses()[0], Outcome::TcpFailure).is_none());
    assert_eq!(off.set_health(Uuid::nil(), None, false).err(), Some(OverrideError::NoHealthChecker));
    let again = Balancer::build(checked(spec(Algorithm::RoundRobin, &[1]), 1, 1), Some(&off), 1, 0);
    assert_eq!(states(&again), [State::Healthy]);
}

#[test]
fn health_is_set_by_hand_for_a_target_or_one_address() {
    let mut spec = checked(spec(Algorithm::RoundRobin, &[1]), 2, 2);
    let records = ["10.9.9.1", "10.9.9.2"].map(|ip| Record { ip: ip.parse().expect("an IP"), srv: None }).to_vec();
    spec.targets = vec![Target {
        host: Arc::from("pool.test"),
        resolution: Resolution::Resolved { kind: RecordKind::A, records },
        ..target(3, 1)
    }];
    let balancer = build(spec);
    let id = Uuid::from_u128(3);
    let second = "10.9.9.2:8000".parse().ok();
    assert_eq!(balancer.set_health(id, None, false).map(|changes| changes.len()), Ok(2));
    assert_eq!(states(&balancer), [State::Unhealthy, State::Unhealthy]);
    assert_eq!(balancer.set_health(id, second, true).map(|changes| changes.len()), Ok(1));
    assert_eq!(balancer.set_health(id, second, true).map(|changes| changes.len()), Ok(0));
    assert_eq!(states(&balancer), [State::Unhealthy, State::Healthy]);
    let other = "10.9.9.3:8000".parse().ok();
    assert_eq!(balancer.set_health(id, other, true).err(), Some(OverrideError::UnknownAddress));
    assert_eq!(balancer.set_health(Uuid::nil(), None, true).err(), Some(OverrideError::UnknownTarget));
}

#[test]
fn concurrent_reports_lose_no_count_and_exactly_one_sees_the_change() {
    for _ in 0..50 {
        let balancer = build(checked(spec(Algorithm::RoundRobin, &[1, 1]), 200, 1));
        let address = &balancer.addresses()[0];
        let downs = AtomicUsize::new(0);
        let report = |times: usize| {
            for _ in 0..times {
                let change = balancer.report_passive(address, Outcome::TcpFailure);
                downs.fetch_add(usize::from(change.is_some_and(|c| c.to == State::Unhealthy)), Ordering::Relaxed);
                let _ = balancer.pick(None, &Tried::new());
            }
        };
        thread::scope(|scope| {
            for times in [50, 50, 50, 49] {
                let report = &report;
                scope.spawn(move || report(times));
            }
        });
        assert_eq!(address.state(), State::MostlyHealthy);
        assert_eq!(downs.load(Ordering::Relaxed), 0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| report(5));
            }
        });
        assert_eq!(address.state(), State::Unhealthy);
        assert_eq!(downs.load(Ordering::Relaxed), 1);
        let other = balancer.addresses()[1].id;
        assert_eq!(balancer.pick(None, &Tried::new()).map(|a| a.id), Ok(other));
    }
}

#[test]
fn concurrent_picks_share_exactly_and_release_their_connections() {
    let balancer = build(spec(Algorithm::RoundRobin, &[100, 200, 100]));
    let counts: Vec<AtomicUsize> = (0..3).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    let address = balancer.pick(None, &Tried::new()).expect("a peer");
                    let _active = address.open();
                    counts[address.target.as_u128() as usize].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let counts: Vec<usize> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert_eq!(counts, [10_000, 20_000, 10_000]);
    assert!(balancer.addresses().iter().all(|address| address.active() == 0));
}

#[test]
fn the_view_of_targets_has_every_kind() {
    let mut spec = checked(spec(Algorithm::RoundRobin, &[100, 50, 0]), 1, 1);
    spec.targets.push(Target {
        host: Arc::from("lost.test"),
        resolution: Resolution::Failed(Arc::from("dns server error: 3 name error")),
        ..target(9, 10)
    });
    let balancer = build(spec.clone());
    balancer.report_passive(&balancer.addresses()[1], Outcome::TcpFailure);
    let item = |n: u32, weight: u32, available: u32, health: &str| {
        json!({"health": health, "data": {
            "host": format!("10.0.0.{n}"), "port": 8000, "dns": "A", "nodeWeight": weight,
            "weight": {"total": weight, "available": available, "unavailable": weight - available},
            "addresses": [{"ip": format!("10.0.0.{n}"), "port": 8000, "weight": weight, "health": health}],
        }})
    };
    let lost = json!({"health": "DNS_ERROR", "data": {
        "host": "lost.test", "port": 8000, "dns": "dns server error: 3 name error", "nodeWeight": 10,
        "weight": {"total": 0, "available": 0, "unavailable": 0}, "addresses": [],
    }});
    let shown = serde_json::to_value(balancer.target_health(0)).expect("plain data");
    assert_eq!(
        shown,
        json!([item(0, 100, 100, "HEALTHY"), item(1, 50, 0, "UNHEALTHY"), item(2, 0, 0, "HEALTHCHECKS_OFF"), lost])
    );

    spec.health = balancer::HealthConfig::default();
    let off = Balancer::build(spec, Some(&balancer), 1, 0);
    let shown = serde_json::to_value(off.target_health(0)).expect("plain data");
    assert_eq!(
        shown,
        json!([
            item(0, 100, 100, "HEALTHCHECKS_OFF"),
            item(1, 50, 50, "HEALTHCHECKS_OFF"),
            item(2, 0, 0, "HEALTHCHECKS_OFF"),
            lost
        ])
    );
}

#[test]
fn the_view_of_the_balancer() {
    let mut spec = checked(spec(Algorithm::RoundRobin, &[100, 50]), 1, 1);
    spec.health.threshold = 30.0;
    let balancer = build(spec);
    balancer.report_passive(&balancer.addresses()[0], Outcome::TcpFailure);
    let id = Uuid::from_u128(77);
    let host = |n: u32, weight: u32, available: u32| {
        json!({
            "host": format!("10.0.0.{n}"), "port": 8000, "dns": "A", "nodeWeight": weight,
            "weight": {"total": weight, "available": available, "unavailable": weight - available},
            "addresses": [{"ip": format!("10.0.0.{n}"), "port": 8000, "weight": weight, "healthy": available > 0}],
        })
    };
    let shown = serde_json::to_value(balancer.balancer_health(id, 0)).expect("plain data");
    let details = json!({
        "healthy": true, "weight": {"total": 150, "available": 50, "unavailable": 100},
        "hosts": [host(0, 100, 0), host(1, 50, 50)],
    });
    assert_eq!(shown, json!({"health": "HEALTHY", "balancer_health": "HEALTHY", "id": id, "details": details}));
}
