//! The cost of one pick by algorithm, for 3 and 1,000 addresses, all available and with a tenth unhealthy.

use std::hint::black_box;
use std::sync::Arc;

use balancer::{Algorithm, Balancer, HealthConfig, Spec, Target, Tried};
use criterion::{Criterion, criterion_group, criterion_main};
use uuid::Uuid;

fn balancer(algorithm: Algorithm, count: u32) -> Arc<Balancer> {
    let mut health = HealthConfig::default();
    health.passive.thresholds.tcp_failures = 1;
    let targets = (0..count)
        .filter_map(|n| {
            let host = format!("10.0.{}.{}", n / 250, n % 250 + 1);
            let resolution = Target::literal(&host)?;
            Some(Target { id: Uuid::from_u128(n.into()), host: host.into(), port: 80, weight: 100, resolution })
        })
        .collect();
    let balancer = Balancer::build(Spec { algorithm, slots: 10_000, health, targets, ..Spec::default() }, None, 1, 0);
    for (n, address) in balancer.addresses().iter().enumerate() {
        balancer.observe(address, 1.0 + n as f64, 0);
    }
    balancer
}

fn pick(criterion: &mut Criterion) {
    let algorithms = [
        ("round-robin", Algorithm::RoundRobin),
        ("consistent-hashing", Algorithm::ConsistentHashing),
        ("least-connections", Algorithm::LeastConnections),
        ("latency", Algorithm::Latency),
    ];
    for (name, algorithm) in algorithms {
        for count in [3, 1_000] {
            let balancer = balancer(algorithm, count);
            let tried = Tried::new();
            let mut hash = 0u32;
            let mut once = || {
                hash = hash.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                black_box(balancer.pick(Some(hash), &tried)).is_ok()
            };
            criterion.bench_function(&format!("{name}/{count}"), |bencher| bencher.iter(&mut once));
            for target in balancer.targets().map(|(target, _)| target.id).step_by(10).take(count as usize / 10 + 1) {
                let _ = balancer.set_health(target, None, false);
            }
            criterion.bench_function(&format!("{name}/{count}/some-down"), |bencher| bencher.iter(&mut once));
        }
    }
}

criterion_group!(benches, pick);
criterion_main!(benches);
