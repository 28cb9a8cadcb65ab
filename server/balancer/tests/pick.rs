//! Whom a balancer picks.

mod fixture;

use std::collections::HashSet;
use std::sync::Arc;

use balancer::{Algorithm, Balancer, NoPeer, Outcome, Record, RecordKind, Resolution, Spec, Target, Tried};
use fixture::{ALGORITHMS, build, checked, counts, key, spec, target};
use proptest::prelude::*;

#[test]
fn round_robin_shares_by_weight_exactly_over_whole_turns() {
    let cases: [(&[u32], u32, &[u32]); 6] = [
        (&[100, 100, 100], 6, &[2, 2, 2]),
        (&[10, 30], 40, &[10, 30]),
        (&[250, 750], 24, &[6, 18]),
        (&[1, 4], 20, &[4, 16]),
        (&[0, 5], 9, &[0, 9]),
        (&[7], 3, &[3]),
    ];
    for (weights, picks, expected) in cases {
        let balancer = build(spec(Algorithm::RoundRobin, weights));
        // Any start on the wheel will do.
        for _ in 0..3 {
            let found = counts(&balancer, picks);
            let found: Vec<u32> = (0..weights.len()).map(|n| found.get(&(n as u128)).copied().unwrap_or(0)).collect();
            assert_eq!(found, expected, "{weights:?}");
        }
    }
}

#[test]
fn equal_targets_take_turns_in_the_same_order() {
    let balancer = build(spec(Algorithm::RoundRobin, &[100, 100, 100]));
    let order: Vec<_> = (0..9).filter_map(|_| balancer.pick(None, &Tried::new()).ok()).map(|a| a.target).collect();
    assert_eq!(order.len(), 9);
    assert_eq!(order[..3], order[3..6]);
    assert_eq!(order[..3], order[6..]);
    assert_eq!(order[..3].iter().collect::<HashSet<_>>().len(), 3);
}

#[test]
fn nobody_to_pick_is_an_error() {
    for algorithm in ALGORITHMS {
        for weights in [&[][..], &[0], &[0, 0]] {
            assert_eq!(build(spec(algorithm, weights)).pick(None, &Tried::new()).err(), Some(NoPeer::Empty));
        }
        let balancer = build(checked(spec(algorithm, &[1, 1]), 1, 1));
        for address in balancer.addresses() {
            assert!(balancer.pick(Some(7), &Tried::new()).is_ok());
            assert!(balancer.report_passive(address, Outcome::TcpFailure).is_some());
        }
        assert_eq!(balancer.pick(Some(7), &Tried::new()).err(), Some(NoPeer::Unhealthy));
        let back = &balancer.addresses()[1];
        assert!(balancer.report_passive(back, Outcome::Status(200)).is_some());
        assert_eq!(balancer.pick(Some(7), &Tried::new()).map(|address| address.id), Ok(back.id));
    }
}

#[test]
fn the_threshold_is_strict_and_by_weight() {
    for (threshold, weights, healthy) in
        [(0.0, [1, 1], true), (50.0, [1, 1], false), (49.9, [1, 1], true), (50.0, [1, 2], true), (100.0, [0, 1], false)]
    {
        let mut spec = checked(spec(Algorithm::RoundRobin, &weights), 1, 1);
        spec.health.threshold = threshold;
        let balancer = build(spec);
        balancer.report_passive(&balancer.addresses()[0], Outcome::TcpFailure);
        assert_eq!(balancer.healthy(), healthy, "{threshold} {weights:?}");
        assert_eq!(balancer.pick(None, &Tried::new()).is_ok(), healthy);
    }
}

#[test]
fn an_untried_target_goes_before_an_untried_address_before_any() {
    let records = ["10.9.9.1", "10.9.9.2"].map(|ip| Record { ip: ip.parse().expect("an IP"), srv: None }).to_vec();
    let named = Target {
        host: Arc::from("pool.test"),
        resolution: Resolution::Resolved { kind: RecordKind::A, records },
        ..target(7, 10)
    };
    for algorithm in ALGORITHMS {
        let targets = vec![named.clone(), target(1, 1)];
        let balancer = build(Spec { algorithm, slots: 1000, targets, ..Spec::default() });
        for n in 0..50 {
            let mut tried = Tried::new();
            let mut targets = Vec::new();
            let mut addresses = HashSet::new();
            for _ in 0..3 {
                let address = balancer.pick(Some(key(n)), &tried).expect("a peer");
                tried.add(address);
                targets.push(address.target);
                addresses.insert(address.id);
            }
            assert_ne!(targets[0], targets[1]);
            assert_eq!(addresses.len(), 3, "{algorithm:?}");
            assert!(balancer.pick(Some(key(n)), &tried).is_ok());
        }
    }
}

#[test]
fn least_connections_follows_the_guards() {
    let balancer = build(spec(Algorithm::LeastConnections, &[100, 200]));
    let mut guards = Vec::new();
    let mut order = String::new();
    for _ in 0..6 {
        let address = balancer.pick(None, &Tried::new()).expect("a peer");
        guards.push(address.open());
        order.push_str(&address.target.as_u128().to_string());
    }
    assert_eq!(order.matches('1').count(), 4, "{order}");
    drop(guards);
    assert!(balancer.addresses().iter().all(|address| address.active() == 0));
}

#[test]
fn equally_loaded_targets_take_turns() {
    for algorithm in [Algorithm::LeastConnections, Algorithm::Latency] {
        let found = counts(&build(spec(algorithm, &[5, 5, 5])), 30);
        assert_eq!(found.values().collect::<Vec<_>>(), [&10, &10, &10]);
    }
}

#[test]
fn latency_prefers_the_fast_and_comes_back_to_the_slow() {
    let balancer = build(spec(Algorithm::Latency, &[100, 100]));
    let [slow, fast] = balancer.addresses() else { panic!("two addresses") };
    balancer.observe(slow, 200.0, 0);
    balancer.observe(fast, 10.0, 0);
    assert_eq!(balancer.pick(None, &Tried::new()).map(|a| a.id), Ok(fast.id));
    // The slow one's average decays while only the fast one is measured.
    let mut now = 0;
    while balancer.pick(None, &Tried::new()).map(|a| a.id) == Ok(fast.id) && now < 100_000 {
        now += 100;
        balancer.observe(fast, 10.0, now);
    }
    assert!((25_000..35_000).contains(&now), "{now}");
}

#[test]
fn latency_weighs_by_weight_and_starts_new_addresses_at_the_mean() {
    let first = build(spec(Algorithm::Latency, &[100, 300]));
    first.observe(&first.addresses()[0], 10.0, 0);
    first.observe(&first.addresses()[1], 20.0, 0);
    assert_eq!(first.pick(None, &Tried::new()).map(|a| a.target.as_u128()), Ok(1));
    let second = Balancer::build(spec(Algorithm::Latency, &[100, 300, 100]), Some(&first), 1, 0);
    let values: Vec<_> = second.addresses().iter().filter_map(|a| a.latency(0)).map(|v| v.round()).collect();
    assert_eq!(values, [10.0, 20.0, 15.0]);
}

/// Kong's rule written down naively: fill the slots in order, walk down from the key's own.
fn continuum_as_documented(weights: &[u32], slots: usize, hash: u32) -> Option<usize> {
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let text = |n: usize| target(n as u32, 1).host.to_string();
    order.sort_by_key(|n| text(*n));
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    let mut ring = vec![None; slots];
    for n in order {
        let mut entries = (f64::from(weights[n]) / total * weights.len() as f64 * 160.0).floor() as usize;
        if weights[n] > 0 && entries == 0 {
            entries = 1;
        }
        let mut i = 1;
        while i <= entries {
            let slot = balancer::hash::xxhash32(format!("{}::8000 {i}", text(n)).as_bytes()) as usize % slots;
            if ring[slot].is_none() {
                ring[slot] = Some(n);
            } else {
                entries += 1;
            }
            i += 1;
        }
    }
    (0..slots).map(|step| (hash as usize % slots + slots - step) % slots).find_map(|slot| ring[slot])
}

#[test]
fn consistent_hashing_is_the_documented_continuum() {
    for (weights, slots) in
        [(&[100][..], 10), (&[100, 100, 100], 10_000), (&[1, 0, 500, 20], 1_000), (&[3; 40], 10_000)]
    {
        let balancer = build(Spec { slots, ..spec(Algorithm::ConsistentHashing, weights) });
        for n in 0..200 {
            let found = balancer.pick(Some(key(n)), &Tried::new()).map(|a| a.target.as_u128() as usize).ok();
            assert_eq!(found, continuum_as_documented(weights, slots.max(1_000) as usize, key(n)), "{weights:?} {n}");
        }
    }
}

/// Moved keys when one of n equal Targets goes: at most 1/n + 5 %.
#[test]
fn consistent_hashing_moves_few_keys_when_a_target_goes() {
    for count in [2usize, 3, 5, 10, 20, 31, 40, 46, 47, 48, 50, 62, 63, 80, 100, 200, 500, 1_000, 1_500] {
        let keys = 20_000;
        let all = spec(Algorithm::ConsistentHashing, &vec![100; count]);
        let before = build(all.clone());
        for gone in [0, count / 2, count - 1] {
            let mut rest = all.clone();
            rest.targets.remove(gone);
            let after = Balancer::build(rest, Some(&before), 1, 0);
            let moved = (0..keys)
                .filter(|n| {
                    let target = |b: &Balancer| b.pick(Some(key(*n)), &Tried::new()).map(|a| a.target).ok();
                    target(&before) != target(&after)
                })
                .count();
            let share = moved as f64 / f64::from(keys);
            assert!(share <= 1.0 / count as f64 + 0.05, "{count} targets, without {gone}: {share} moved");
        }
    }
}

/// A Target that is only unhealthy takes no other Target's keys along.
#[test]
fn consistent_hashing_moves_only_the_keys_of_an_unhealthy_target() {
    let balancer = build(checked(spec(Algorithm::ConsistentHashing, &[10; 5]), 1, 1));
    let targets = |balancer: &Balancer| -> Vec<u128> {
        (0..5_000).filter_map(|n| balancer.pick(Some(key(n)), &Tried::new()).ok()).map(|a| a.target.as_u128()).collect()
    };
    let before = targets(&balancer);
    balancer.report_passive(&balancer.addresses()[2], Outcome::TcpFailure);
    let after = targets(&balancer);
    for (before, after) in before.iter().zip(&after) {
        assert!(*after != 2 && (*before == 2 || before == after));
    }
}

#[test]
fn consistent_hashing_spreads_keys() {
    for (count, least, most) in [(3u32, 0.7, 1.3), (10, 0.6, 1.5), (40, 0.5, 1.8)] {
        let found = counts(&build(spec(Algorithm::ConsistentHashing, &vec![100; count as usize])), 100_000);
        for (target, picks) in found {
            let ratio = f64::from(picks * count) / 100_000.0;
            assert!((least..most).contains(&ratio), "{count}: {target} has {ratio}");
        }
    }
}

#[test]
fn more_addresses_than_slots_still_build() {
    let balancer = build(Spec { slots: 10, ..spec(Algorithm::ConsistentHashing, &vec![1; 3_000]) });
    assert!(balancer.pick(Some(1), &Tried::new()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn round_robin_stays_within_one_percent(
        weights in prop::collection::vec(0u32..=65_535, 1..40), seed: u64, down in 0usize..40,
    ) {
        let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        prop_assume!(total > 0);
        let balancer = Balancer::build(checked(spec(Algorithm::RoundRobin, &weights), 1, 1), None, seed, 0);
        let found = counts(&balancer, 100_000);
        for (n, weight) in weights.iter().enumerate() {
            let picks = f64::from(found.get(&(n as u128)).copied().unwrap_or(0)) / 100_000.0;
            prop_assert!((picks - f64::from(*weight) / total as f64).abs() < 0.01, "{} {}", n, picks);
            prop_assert!(*weight > 0 || picks == 0.0);
        }
        if let Some(address) = balancer.addresses().get(down) {
            balancer.report_passive(address, Outcome::TcpFailure);
            for _ in 0..100 {
                prop_assert_ne!(balancer.pick(None, &Tried::new()).map(|a| a.id).ok(), Some(address.id));
            }
        }
    }

    #[test]
    fn any_weights_pick_without_panic_and_no_target_twice(
        weights in prop::collection::vec(prop_oneof![0u32..3, 0u32..=65_535, Just(u32::MAX)], 0..60),
        algorithm in 0usize..4, slots: u32, hash: u32, seed: u64, down: u64,
    ) {
        let spec = Spec { slots, ..checked(spec(ALGORITHMS[algorithm], &weights), 1, 1) };
        let balancer = Balancer::build(spec, None, seed, 0);
        for (n, address) in balancer.addresses().iter().enumerate() {
            if down >> n & 1 == 1 {
                balancer.report_passive(address, Outcome::TcpFailure);
            }
        }
        let usable: HashSet<_> =
            balancer.addresses().iter().filter(|a| a.weight > 0 && balancer.available(a)).map(|a| a.id).collect();
        let mut tried = Tried::new();
        let mut seen = HashSet::new();
        for _ in 0..usable.len() {
            let address = balancer.pick(Some(hash), &tried).expect("a usable address");
            prop_assert!(usable.contains(&address.id));
            prop_assert!(seen.insert(address.id));
            tried.add(address);
        }
        prop_assert_eq!(balancer.pick(Some(hash), &tried).is_ok(), !usable.is_empty());
    }

    #[test]
    fn consistent_hashing_keeps_a_key_where_it_is(weights in prop::collection::vec(1u32..1_000, 1..30), hash: u32) {
        let one = build(spec(Algorithm::ConsistentHashing, &weights));
        let mut turned = spec(Algorithm::ConsistentHashing, &weights);
        turned.targets.reverse();
        let two = build(turned);
        let first = one.pick(Some(hash), &Tried::new()).map(|a| a.target).ok();
        prop_assert_eq!(first, one.pick(Some(hash), &Tried::new()).map(|a| a.target).ok());
        prop_assert_eq!(first, two.pick(Some(hash), &Tried::new()).map(|a| a.target).ok());
    }
}
