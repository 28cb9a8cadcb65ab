//! What the measurements share.

use e2e::{Gateway, Reply, Session, binary};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A gateway on SQLite that says only what is wrong.
pub const SQLITE: [(&str, &str); 1] = [("KONG_DATABASE", "sqlite")];

/// What was measured, beside its bounds.
#[derive(Default)]
pub struct Report {
    missed: bool,
}

impl Report {
    /// A figure that must be at least so much.
    pub fn at_least(&mut self, what: &str, found: f64, bound: f64, unit: &str) {
        self.line(what, found, &format!("at least {bound}"), unit, found >= bound);
    }

    /// A figure that must be at most so much.
    pub fn at_most(&mut self, what: &str, found: f64, bound: f64, unit: &str) {
        self.line(what, found, &format!("at most {bound}"), unit, found <= bound);
    }

    /// A figure without a bound.
    pub fn tell(&mut self, what: &str, found: f64, unit: &str) {
        println!("{what}: {found:.2} {unit}");
    }

    fn line(&mut self, what: &str, found: f64, bound: &str, unit: &str, good: bool) {
        println!("{what}: {found:.2} {unit} ({bound}){}", if good { "" } else { " MISSED" });
        self.missed |= !good;
    }

    /// Whether every bound was kept.
    pub fn is_good(&self) -> bool {
        !self.missed
    }
}

/// A client of the Admin API on one connection.
pub struct Client(Session);

impl Client {
    /// Connects.
    pub fn to(address: SocketAddr) -> Self {
        Self(Session::open(address).expect("the gateway takes connections"))
    }

    /// Sends a request.
    pub fn send(&mut self, method: &str, path: &str, body: &Value) -> Reply {
        let lines = [("Content-Type", "application/json")];
        let sent = if body.is_null() { String::new() } else { body.to_string() };
        let lines = if body.is_null() { &[][..] } else { &lines[..] };
        self.0.exchange(method, path, lines, sent.as_bytes()).expect("the gateway answers")
    }

    /// Creates an entity.
    pub fn create(&mut self, path: &str, body: &Value) -> Value {
        let reply = self.send("POST", path, body);
        assert_eq!(reply.status, 201, "{path}: {}", reply.text());
        reply.json()
    }

    /// Reads what must be there, and how long that took.
    pub fn read(&mut self, path: &str) -> (Value, Duration) {
        let begun = Instant::now();
        let reply = self.send("GET", path, &Value::Null);
        let took = begun.elapsed();
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        (reply.json(), took)
    }
}

/// Has `clients` connections do `count` things together; `act` is told the number of each.
pub fn together(address: SocketAddr, clients: usize, count: usize, act: impl Fn(&mut Client, usize) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..clients {
            let act = &act;
            scope.spawn(move || {
                let mut client = Client::to(address);
                (number..count).step_by(clients).for_each(|index| act(&mut client, index));
            });
        }
    });
}

/// The value below which this share of the values lies.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = (values.len() as f64 * share) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Milliseconds.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// What went on in a gateway while something was done: (seconds of the clock, seconds of its processor time).
pub fn during(gateway: &Gateway, act: impl FnOnce()) -> (f64, f64) {
    let (begun, before) = (Instant::now(), gateway.processor_time());
    act();
    (begun.elapsed().as_secs_f64(), gateway.processor_time() - before)
}

/// Runs a command of the binary and waits for its end; tells how many seconds it took.
pub fn run(prefix: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> f64 {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("KONG_PREFIX", prefix);
    let begun = Instant::now();
    let output = command.envs(settings.iter().copied()).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stdout));
    begun.elapsed().as_secs_f64()
}
