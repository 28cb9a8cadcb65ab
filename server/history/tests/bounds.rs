//! Memory stays within its bounds, and what is asked is answered.

use arc_swap::ArcSwap;
use exchange::mask::Masks;
use history::{History, Kind, Measure, Owner, Question, Recorder, Row, Series};
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

const MIB: usize = 1 << 20;

/// A history and one worker under a clock of their own.
struct Node {
    history: Arc<History>,
    recorder: Recorder,
    now: SystemTime,
}

impl Node {
    fn start() -> Self {
        let history = History::new(Arc::new(ArcSwap::from_pointee(Masks::default())));
        // A little into a second, whatever the second: when seconds are complete depends on it.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now * 1000 + 300);
        let mut node = Self { recorder: history.recorder(), history, now };
        node.pass(Duration::from_secs(1));
        node
    }

    /// Time passes, and what was counted is taken in.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.recorder.tick(self.now);
        self.history.look(self.now + Duration::from_millis(500));
        self.history.look(self.now + Duration::from_millis(1500));
    }

    fn until(&self) -> u64 {
        self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 1
    }

    fn ask(&self, range: u64, kinds: &[Kind]) -> Value {
        let question = Question {
            workspace: Uuid::nil(),
            kinds: kinds.to_vec(),
            range,
            until: None,
            step: None,
            top: 10,
            points: true,
        };
        self.history.series(&question, &|series: &Series| {
            let id = series.target.map_or_else(|| series.id.to_string(), |target| target.to_string());
            Some(Row { id, members: Map::new() })
        })
    }
}

fn owner(number: u128) -> Owner {
    Owner {
        workspace: Uuid::nil(),
        route: Some(Uuid::from_u128(number)),
        service: Some(Uuid::from_u128(number + 10_000)),
        consumer: Some(Uuid::from_u128(number + 20_000)),
        target: Some(SocketAddr::from(([10, 0, 0, 1], number as u16))),
    }
}

fn measure(status: u16, total: u32) -> Measure {
    Measure { status, total, upstream: Some(total / 2), gateway: total / 10 }
}

#[test]
fn a_thousand_routes_for_days_stay_below_32_mib() {
    let mut node = Node::start();
    let mut requests = 0u64;
    let mut most = 0;
    let mut serve = |node: &mut Node, step: Duration| {
        for number in 0..1000 {
            for part in 0..3u32 {
                node.recorder.count(&owner(number), &measure(200, 500 + part * 7001 + number as u32 * 13));
                requests += 1;
            }
            if number % 100 == 99 {
                // The history looks five times a second: workers find tables again.
                node.history.look(node.now);
            }
        }
        node.pass(step);
        most = most.max(node.history.bytes());
    };
    // A worker's table is small at first: what it has no room for until the next look is folded.
    serve(&mut node, Duration::from_secs(1));
    let folded = node.history.folded();
    for _ in 1..90 {
        serve(&mut node, Duration::from_secs(1));
    }
    for _ in 0..400 {
        serve(&mut node, Duration::from_secs(60));
    }
    assert!(most <= 32 * MIB, "{} MiB", most / MIB);
    assert!(most > MIB, "it remembers something");
    assert_eq!(node.history.folded(), folded);
    assert_eq!(node.history.count(), 4001);
    let told = node.ask(7 * 86_400, &[Kind::Route]);
    let seen = told["total"]["requests"].as_u64().unwrap();
    // The newest hour of a week's lines is not over.
    assert!(seen > requests / 2 && seen <= requests, "{seen} of {requests}");
    assert_eq!(told["series"].as_array().unwrap().len(), 10);
}

#[test]
fn every_request_is_in_the_total_however_many_routes_there_are() {
    let mut node = Node::start();
    let mut requests = 0u64;
    for second in 0..30 {
        for number in 0..30_000u128 {
            node.recorder
                .count(&Owner { service: Some(Uuid::nil()), target: None, ..owner(number) }, &measure(200, 900));
            requests += 1;
            // Workers hand over before the history has looked.
            if number % 6000 == 5999 && second % 2 == 0 {
                node.history.look(node.now);
            }
        }
        node.pass(Duration::from_secs(1));
    }
    // The last table is handed over when the history has given one back.
    node.pass(Duration::from_secs(1));
    let told = node.ask(60, &[Kind::Service, Kind::Route]);
    assert_eq!(told["total"]["requests"], requests);
    let service = told["series"].as_array().unwrap().iter().find(|row| row["kind"] == "service").unwrap();
    assert_eq!(service["requests"], requests);
    assert!(node.history.folded() > 0);
    assert!(node.history.bytes() <= 48 * MIB, "{}", node.history.bytes());
}

#[test]
fn an_idle_history_is_small() {
    let mut node = Node::start();
    for _ in 0..100 {
        node.pass(Duration::from_secs(1));
    }
    assert!(node.history.bytes() < 128 << 10, "{}", node.history.bytes());
}

#[test]
fn every_request_is_in_every_line_it_belongs_to() {
    let mut node = Node::start();
    for second in 0..120u32 {
        for number in 0..5 {
            node.recorder.count(&owner(number), &measure(if number == 4 { 503 } else { 200 }, 1000 * (second + 1)));
        }
        node.recorder
            .count(&Owner { route: None, service: None, consumer: None, target: None, ..owner(0) }, &measure(404, 10));
        node.pass(Duration::from_secs(1));
    }
    let kinds = [Kind::Route, Kind::Service, Kind::Consumer, Kind::Target];
    let told = node.ask(300, &kinds);
    assert_eq!(told["step"], 1);
    assert_eq!(told["total"]["requests"], 120 * 6);
    assert_eq!(told["total"]["errors"], 120);
    assert_eq!(told["total"]["statuses"]["4xx"], 120);
    let rows = told["series"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    for row in rows {
        assert_eq!(row["requests"], 120, "{row}");
        let points = row["points"]["requests"].as_array().unwrap();
        assert_eq!(points.len(), 300);
        assert_eq!(points.iter().filter_map(Value::as_u64).sum::<u64>(), 120);
        let p95 = row["latency"]["p95"].as_f64().unwrap();
        assert!((p95 - 114.0).abs() < 114.0 * 0.07, "{p95}");
        assert_eq!(row["latency"]["max"], 120.0);
    }
    let order: Vec<_> = rows.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert!(
        order
            .chunks(5)
            .zip(["route", "service", "consumer", "target"])
            .all(|(rows, kind)| rows.iter().all(|row| *row == kind))
    );
    // Two hours later only minutes are left of it.
    node.pass(Duration::from_secs(7200));
    let told = node.ask(3 * 3600, &kinds);
    assert_eq!(told["total"]["requests"], 120 * 6);
    assert_eq!(told["step"].as_u64().unwrap() % 60, 0);
    assert!(told["until"].as_u64().unwrap() <= node.until());
}

#[test]
fn more_series_than_there_is_room_for_are_folded_and_counted() {
    let mut node = Node::start();
    for number in 0..20_000u128 {
        let owner = Owner { consumer: Some(Uuid::from_u128(number + (1 << 100))), ..owner(1) };
        node.recorder.count(&owner, &measure(200, 1000));
        if number % 20 == 19 {
            node.history.look(node.now);
        }
    }
    node.pass(Duration::from_secs(1));
    let told = node.ask(60, &[Kind::Consumer]);
    assert_eq!(told["total"]["requests"], 20_000);
    assert!(told["folded"].as_u64().unwrap() > 3000, "{}", told["folded"]);
    assert!(node.history.bytes() <= 32 * MIB);
}
