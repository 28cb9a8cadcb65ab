//! Counters in the database that nodes share.

use crate::counters::Taken;
use crate::records::{Pending, RecordsError};
use serde_json::Value;

/// A counter.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// The kind of its record.
    pub entity: &'static str,
    /// Its primary key: fields and their values, in the key's order.
    pub key: Vec<(&'static str, Value)>,
    /// How many units it may hold.
    pub limit: u64,
    /// When nobody needs it any more, in seconds of the Unix epoch.
    pub expires: u64,
}

/// Counters in the database that nodes share.
pub trait Meters: Send + Sync {
    /// Takes one unit of every counter, or of none, whoever else counts.
    fn take(&self, meters: Vec<Meter>) -> Pending<Taken>;

    /// Adds to every counter, whatever its limit is; an amount below zero takes away. Begins at once, whether or not
    /// somebody waits for it.
    fn add(&self, meters: Vec<Meter>, amount: i64) -> Pending<()>;
}

/// For a node without a database.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeters;

impl Meters for NoMeters {
    fn take(&self, _: Vec<Meter>) -> Pending<Taken> {
        Box::pin(std::future::ready(Err(RecordsError::NoDatabase)))
    }

    fn add(&self, _: Vec<Meter>, _: i64) -> Pending<()> {
        Box::pin(std::future::ready(Err(RecordsError::NoDatabase)))
    }
}
