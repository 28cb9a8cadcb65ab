//! Counters that nodes share through their database.

use exchange::counters::Taken;
use exchange::records::{Pending, RecordsError};
use exchange::{Meter, Meters};
use serde_json::{Map, Value};
use std::sync::Arc;
use store::{Id, Record};
use store_sql::{Counter, Sql};

/// Counters in a database.
pub struct SharedMeters(pub Arc<Sql>);

impl Meters for SharedMeters {
    fn take(&self, meters: Vec<Meter>) -> Pending<Taken> {
        let Some(counters) = counters(meters, 1) else { return nameless() };
        let taking = self.0.take(counters);
        Box::pin(async move {
            let (granted, used) = taking.await.map_err(|error| RecordsError::Unavailable(error.to_string()))?;
            Ok(Taken { granted, used: used.into() })
        })
    }

    fn add(&self, meters: Vec<Meter>, amount: i64) -> Pending<()> {
        let Some(counters) = counters(meters, amount) else { return nameless() };
        let adding = self.0.add(counters);
        Box::pin(async move { adding.await.map_err(|error| RecordsError::Unavailable(error.to_string())) })
    }
}

fn nameless<T: Send + 'static>() -> Pending<T> {
    Box::pin(std::future::ready(Err(RecordsError::Refused("a counter has no name".into()))))
}

/// The records of counters with so many units in them.
fn counters(meters: Vec<Meter>, units: i64) -> Option<Vec<Counter>> {
    meters.into_iter().map(|meter| counter(meter, units)).collect()
}

fn counter(meter: Meter, units: i64) -> Option<Counter> {
    let names: Vec<&str> = meter.key.iter().map(|(name, _)| *name).collect();
    let mut value: Map<String, Value> =
        meter.key.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    value.insert("value".to_owned(), units.into());
    let id = Id::of(&names, &value)?;
    let first = Record { entity: meter.entity, id, ws: None, value, expires: i64::try_from(meter.expires).ok() };
    Some(Counter { first, limit: meter.limit })
}
