//! Temporary raises: records of `quota_raises`.

use super::calendar::Period;
use schema::{Map, Value};

/// The entity.
pub const RAISES: &str = "quota_raises";

/// How much more a Consumer may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raise {
    /// So much more.
    pub(super) amount: u64,
    /// Until then, in seconds of the Unix epoch.
    until: u64,
    /// Of windows of this length; of all where there is none.
    period: Option<Period>,
    /// Of quotas with this namespace; of all where there is none.
    namespace: Option<String>,
}

impl Raise {
    /// From its record; `None` where that says nothing that can be used.
    pub fn of(record: &Map<String, Value>) -> Option<Self> {
        let text = |field: &str| record.get(field).and_then(Value::as_str);
        // Databases and files may have written a whole number as one with a fraction.
        let number = |field: &str| record.get(field).and_then(Value::as_f64).map(|number| number.max(0.0) as u64);
        let period = match text("period") {
            Some(name) => Some(Period::named(name)?),
            None => None,
        };
        let namespace = text("namespace").map(str::to_owned);
        Some(Self { amount: number("amount")?, until: number("until")?, period, namespace })
    }

    /// Whether it counts for a window at a time.
    pub(super) fn counts(&self, period: Period, namespace: Option<&str>, now: u64) -> bool {
        now < self.until
            && self.period.is_none_or(|own| own == period)
            && self.namespace.as_deref().is_none_or(|own| Some(own) == namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn raises_count_for_what_they_name_and_until_they_are_over() {
        for (record, period, namespace, now, counts) in [
            (json!({ "amount": 5, "until": 100 }), Period::Day, None, 99, true),
            (json!({ "amount": 5, "until": 100.0 }), Period::Year, Some("a"), 99, true),
            (json!({ "amount": 5, "until": 100 }), Period::Day, None, 100, false),
            (json!({ "amount": 5, "until": 100, "period": "month" }), Period::Month, None, 1, true),
            (json!({ "amount": 5, "until": 100, "period": "month" }), Period::Year, None, 1, false),
            (json!({ "amount": 5, "until": 100, "period": null, "namespace": "a" }), Period::Year, Some("a"), 1, true),
            (json!({ "amount": 5, "until": 100, "namespace": "a" }), Period::Year, Some("b"), 1, false),
            (json!({ "amount": 5, "until": 100, "namespace": "a" }), Period::Year, None, 1, false),
        ] {
            let raise = Raise::of(record.as_object().unwrap()).expect("a raise");
            assert_eq!((raise.amount, raise.counts(period, namespace, now)), (5, counts), "{record}");
        }
        assert_eq!(Raise::of(json!({ "amount": 5 }).as_object().unwrap()), None);
    }
}
