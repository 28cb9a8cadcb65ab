//! What recording one request costs a worker.

use arc_swap::ArcSwap;
use criterion::{Criterion, criterion_group, criterion_main};
use exchange::mask::Masks;
use history::{History, Measure, Owner};
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;
use uuid::Uuid;

fn record(criterion: &mut Criterion) {
    for routes in [1u128, 100, 1000] {
        let history = History::new(Arc::new(ArcSwap::from_pointee(Masks::default())));
        let mut recorder = history.recorder();
        let owners: Vec<Owner> = (0..routes)
            .map(|number| Owner {
                workspace: Uuid::nil(),
                route: Some(Uuid::from_u128(number << 64 | 7)),
                service: Some(Uuid::from_u128(number << 64 | 8)),
                consumer: Some(Uuid::from_u128(number % 10)),
                target: Some(SocketAddr::from(([10, 0, 0, 1], number as u16))),
            })
            .collect();
        // Tables have grown to what is needed.
        for _ in 0..20 {
            for owner in &owners {
                recorder.count(owner, &Measure { status: 200, total: 900, upstream: Some(700), gateway: 100 });
            }
            recorder.tick(SystemTime::now());
            history.look(SystemTime::now());
        }
        let mut number = 0u32;
        criterion.bench_function(&format!("record one request, {routes} Routes"), |bencher| {
            bencher.iter(|| {
                number = number.wrapping_add(1);
                let total = 500 + number % 4096;
                let measure = Measure { status: 200, total, upstream: Some(total - 100), gateway: 100 };
                recorder.count(black_box(&owners[number as usize % owners.len()]), &measure);
                if number.is_multiple_of(4096) {
                    recorder.tick(SystemTime::now());
                    history.look(SystemTime::now());
                }
            });
        });
    }
}

criterion_group!(benches, record);
criterion_main!(benches);
