//! Counters in the database that nodes share.

use crate::counters::Taken;
use crate::records::{Pending, RecordsError};
use uuid::Uuid;

/// A counter, named as Kong names the rows of `ratelimiting_metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Who is counted.
    pub identifier: String,
    /// `second` … `year`.
    pub period: &'static str,
    /// When the period began, in seconds of the Unix epoch.
    pub start: u64,
    /// The Service, zeros for none.
    pub service: Uuid,
    /// The Route, zeros for none.
    pub route: Uuid,
    /// How many units it may hold.
    pub limit: u64,
    /// When nobody needs it any more, in seconds of the Unix epoch.
    pub expires: u64,
}

/// Counters in the database that nodes share.
pub trait Meters: Send + Sync {
    /// Takes one unit of every counter, or of none, whoever else counts.
    fn take(&self, meters: Vec<Meter>) -> Pending<Taken>;
}

/// For a node without a database.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMeters;

impl Meters for NoMeters {
    fn take(&self, _: Vec<Meter>) -> Pending<Taken> {
        Box::pin(std::future::ready(Err(RecordsError::NoDatabase)))
    }
}
