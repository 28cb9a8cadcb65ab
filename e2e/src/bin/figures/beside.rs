//! What requests through the proxy feel of 500 writes a second: an open-loop load at a fifth of what the gateway can take,
//! each request timed from the moment at which it was due.

use crate::support::{Client, Report, SQLITE, ms, quantile};
use e2e::{Backend, Gateway, Session, eventually, get};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const CLIENTS: u32 = 8;
const WRITERS: u32 = 4;
const WRITES: f64 = 500.0;
/// Loads with and without writes, in turns. Short ones: what the machine does beside changes within seconds, and a 99th
/// percentile is swayed by it more than by writes, so that neighbours are compared, and many.
const PAIRS: usize = 48;
const ROUND: Duration = Duration::from_millis(1_000);
/// Routes that are there before.
const ROUTES: usize = 1_000;

/// A request; on a new connection where the gateway wants no more on this one.
fn one(session: &mut Session, proxy: SocketAddr) {
    let reply = session.exchange("GET", "/s/x", &[], b"").expect("the gateway answers");
    assert_eq!(reply.status, 200);
    if reply.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        *session = Session::open(proxy).expect("connects");
    }
}

/// Requests a second when every client asks again at once.
fn capacity(proxy: SocketAddr) -> f64 {
    let (count, begun) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut session = Session::open(proxy).expect("connects");
                while begun.elapsed() < ROUND * 2 {
                    one(&mut session, proxy);
                    count.fetch_add(1, SeqCst);
                }
            });
        }
    });
    count.load(SeqCst) as f64 / begun.elapsed().as_secs_f64()
}

/// Does something so many times a second, at moments that do not depend on how long it takes; `act` is told when it was due.
fn paced(rate: f64, shift: Duration, until: impl Fn() -> bool, mut act: impl FnMut(Instant)) {
    let (begun, gap) = (Instant::now() + shift, Duration::from_secs_f64(1.0 / rate));
    for number in 0.. {
        let due = begun + gap * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if until() {
            return;
        }
        act(due);
    }
}

/// Milliseconds of each request of a load at so many requests a second.
fn load(proxy: SocketAddr, rate: f64) -> Vec<f64> {
    let begun = Instant::now();
    let share = rate / f64::from(CLIENTS);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                scope.spawn(move || {
                    at_once();
                    let mut session = Session::open(proxy).expect("connects");
                    let mut times = Vec::new();
                    let shift = Duration::from_secs_f64(f64::from(number) / rate);
                    paced(
                        share,
                        shift,
                        || begun.elapsed() > ROUND,
                        |due| {
                            one(&mut session, proxy);
                            times.push(ms(due.elapsed()));
                        },
                    );
                    times
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client ends")).collect()
    })
}

/// Those who write sit at other machines: here they take idle time alone, so that what is measured is the gateway.
fn leave_room() {
    use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let thread = thread_priority::thread_native_id();
    thread_priority::set_thread_priority_and_policy(thread, ThreadPriority::Min, policy)
        .expect("a thread's own policy");
}

/// Those who ask, and whom they ask about, sit at other machines as well: where it may be, they wait for nobody here.
fn at_once() {
    use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let priority = ThreadPriority::try_from(1_u8).expect("a priority");
    let thread = thread_priority::thread_native_id();
    if let Err(error) = thread_priority::set_thread_priority_and_policy(thread, priority, policy) {
        eprintln!("clients may have to wait for the gateway: {error:?}");
    }
}

/// The same while entities are written; tells how many a second were.
fn load_beside_writes(gateway: &Gateway, rate: f64, round: usize) -> (Vec<f64>, f64) {
    let (done, written, begun) = (AtomicBool::new(false), AtomicUsize::new(0), Instant::now());
    let times = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (done, written) = (&done, &written);
            scope.spawn(move || {
                leave_room();
                let mut client = Client::to(gateway.admin);
                let mut number = 0;
                paced(
                    WRITES / f64::from(WRITERS),
                    Duration::from_secs_f64(f64::from(writer) / WRITES),
                    || done.load(SeqCst),
                    |_| {
                        number += 1;
                        // Routes are what a rebuild is about.
                        client.create(
                            "/services/s/routes",
                            &json!({ "paths": [format!("/w{round}-{writer}-{number}")] }),
                        );
                        written.fetch_add(1, SeqCst);
                    },
                );
            });
        }
        let times = load(gateway.proxy, rate);
        done.store(true, SeqCst);
        times
    });
    (times, written.load(SeqCst) as f64 / begun.elapsed().as_secs_f64())
}

pub fn measure(report: &mut Report) {
    // What it starts inherits.
    let backend = std::thread::spawn(|| {
        at_once();
        Backend::start()
    });
    let backend = backend.join().expect("a backend");
    let gateway = Gateway::start(&SQLITE);
    let mut client = Client::to(gateway.admin);
    client.create("/services", &json!({ "name": "s", "host": "127.0.0.1", "port": backend.address.port() }));
    client.create("/services/s/routes", &json!({ "paths": ["/s"] }));
    for index in 0..ROUTES {
        client.create("/services/s/routes", &json!({ "paths": [format!("/r{index}")] }));
    }
    eventually("it is served", || get(gateway.proxy, "/s/x", &[]).status == 200);
    let capacity = capacity(gateway.proxy);
    let rate = capacity / 5.0;
    report.tell("requests through the proxy, as many as it takes", capacity, "a second");
    let mut rates = Vec::new();
    let mut pairs = Vec::new();
    for pair in 0..PAIRS {
        let quiet = || quantile(&mut load(gateway.proxy, rate), 0.99);
        let mut busy = || {
            let (mut times, written) = load_beside_writes(&gateway, rate, pair);
            rates.push(written);
            quantile(&mut times, 0.99)
        };
        // Each goes first as often as the other.
        pairs.push(match pair % 2 {
            0 => (quiet(), busy()),
            _ => {
                let busy = busy();
                (quiet(), busy)
            }
        });
    }
    let median = |of: fn(&(f64, f64)) -> f64| quantile(&mut pairs.iter().map(of).collect::<Vec<_>>(), 0.5);
    report.at_least("entities written", quantile(&mut rates, 0.5), WRITES * 0.95, "a second");
    report.tell("p99 of requests at a fifth of that", median(|(quiet, _)| *quiet), "ms");
    report.tell("  while entities are written", median(|(_, busy)| *busy), "ms");
    report.at_most("  risen to", median(|(quiet, busy)| busy / quiet), 1.25, "times");
}
