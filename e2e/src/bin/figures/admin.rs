//! How fast the Admin API creates and reads on SQLite, and how many rebuilds a burst of writes leads to.

use crate::support::{Report, SQLITE, during, together};
use e2e::Gateway;
use serde_json::{Value, json};

const CREATES: usize = 6_000;
const READS: usize = 20_000;
const CLIENTS: usize = 4;

pub fn measure(report: &mut Report) {
    let gateway = Gateway::start(&SQLITE);
    let (clock, processor) = during(&gateway, || {
        together(gateway.admin, CLIENTS, CREATES, |client, index| {
            client.create("/services", &json!({ "name": format!("s{index}"), "host": "a.test" }));
        });
    });
    report.at_least("creates on SQLite", CREATES as f64 / processor, 1_500.0, "a second of one core");
    report.tell("  of the clock", CREATES as f64 / clock, "a second");
    let (clock, processor) = during(&gateway, || {
        together(gateway.admin, CLIENTS, READS, |client, index| {
            let reply = client.send("GET", &format!("/services/s{}", index * 7 % CREATES), &Value::Null);
            assert_eq!(reply.status, 200);
        });
    });
    report.at_least("reads on SQLite", READS as f64 / processor, 5_000.0, "a second of one core");
    report.tell("  of the clock", READS as f64 / clock, "a second");
}
