//! Counters that nodes share through their database.

use exchange::counters::Taken;
use exchange::records::{Pending, RecordsError};
use exchange::{Meter, Meters};
use serde_json::{Map, Value};
use std::sync::Arc;
use store::{Id, Record};
use store_sql::{Counter, Sql};

/// The kind of their records.
const ENTITY: &str = "ratelimiting_metrics";
/// Its primary key.
const KEY: [&str; 5] = ["identifier", "period", "period_date", "service_id", "route_id"];

/// Counters in a database.
pub struct SharedMeters(pub Arc<Sql>);

impl Meters for SharedMeters {
    fn take(&self, meters: Vec<Meter>) -> Pending<Taken> {
        let counters: Option<Vec<Counter>> = meters.into_iter().map(counter).collect();
        let Some(counters) = counters else {
            return Box::pin(std::future::ready(Err(RecordsError::Refused("a counter has no name".into()))));
        };
        let taking = self.0.take(counters);
        Box::pin(async move {
            let (granted, used) = taking.await.map_err(|error| RecordsError::Unavailable(error.to_string()))?;
            Ok(Taken { granted, used: used.into() })
        })
    }
}

/// The record of a counter with one unit in it.
fn counter(meter: Meter) -> Option<Counter> {
    let value = Map::from_iter([
        ("identifier".to_owned(), Value::from(meter.identifier)),
        ("period".to_owned(), meter.period.into()),
        ("period_date".to_owned(), meter.start.saturating_mul(1000).into()),
        ("service_id".to_owned(), meter.service.to_string().into()),
        ("route_id".to_owned(), meter.route.to_string().into()),
        ("value".to_owned(), 1.into()),
    ]);
    let id = Id::of(&KEY, &value)?;
    let first = Record { entity: ENTITY, id, ws: None, value, expires: i64::try_from(meter.expires).ok() };
    Some(Counter { first, limit: meter.limit })
}
