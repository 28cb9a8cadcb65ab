//! Metrics that plugins count themselves, for `/metrics`: found by name, one series per set of label values, no lock where
//! something is counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Series that a metric has at most; what belongs to further ones is counted as [`OTHER`].
const MOST: usize = 5_000;
/// Metrics that there are at most.
const MOST_METRICS: usize = 1_000;
/// The label values of what is beyond [`MOST`].
const OTHER: &str = "(other)";
/// Before the names of all of them, as in Kong's exporter.
const PREFIX: &str = "kong_";
/// Upper bounds of a histogram whose plugin gives none: those of nginx-lua-prometheus, in seconds.
pub const BUCKETS: [f64; 19] =
    [0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 10.0];

static METRICS: Mutex<BTreeMap<String, Arc<CustomMetric>>> = Mutex::new(BTreeMap::new());

/// What a metric is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Has one value.
    Gauge,
    /// Values by upper bounds, which ascend.
    Histogram(Vec<f64>),
}

impl Kind {
    /// As the exposition format calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A number that threads add to.
#[derive(Debug, Default)]
struct Number(AtomicU64);

impl Number {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    fn add(&self, value: f64) {
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // It always says what comes next.
        let _ = self.0.fetch_update(Relaxed, Relaxed, add);
    }
}

/// A series: the value, or the sum and the counts per bucket, the last of which has no bound.
#[derive(Debug)]
struct Cells {
    value: Number,
    buckets: Box<[AtomicU64]>,
}

type Labels = Box<[Box<str>]>;

/// A metric.
#[derive(Debug)]
pub struct CustomMetric {
    /// Its name, with `kong_` before it.
    pub name: String,
    /// What it is.
    pub help: String,
    /// Its kind.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: Vec<String>,
    series: papaya::HashMap<Labels, Cells, foldhash::fast::RandomState>,
    folded: AtomicU64,
}

/// A series as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Values of the labels, in their order.
    pub labels: Vec<Box<str>>,
    /// The value; of a histogram the sum.
    pub value: f64,
    /// Of a histogram: how many values each bucket has, the one without a bound last.
    pub buckets: Vec<u64>,
}

/// Why something is not counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomMetricError {
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    #[error("Metric name '{0}' is invalid: letters, digits, '_' and ':' are allowed, no digit first")]
    Name(String),
    /// `[a-zA-Z_][a-zA-Z0-9_]*`, and not `le` of a histogram.
    #[error("Metric '{0}' label name '{1}' is invalid: letters, digits and '_' are allowed, no digit first")]
    Label(String, String),
    /// Bounds must ascend.
    #[error("Metric '{0}': the bounds of its buckets must be numbers that ascend")]
    Buckets(String),
    /// There is one of this name that differs.
    #[error("Metric '{0}' is there already as a {1} with labels ({2})")]
    Taken(String, &'static str, String),
    /// There is no room.
    #[error("Metric '{0}' is one too many: {MOST_METRICS} are there")]
    TooMany(String),
    /// One value per label.
    #[error("Metric '{0}': inconsistent labels count, expected {1}, got {2}")]
    Count(String, usize, usize),
    /// A counter only grows.
    #[error("Metric '{0}': value should not be negative")]
    Negative(String),
    /// What was asked of it is not for its kind.
    #[error("Metric '{0}' is a {1}: it cannot {2}")]
    Unfit(String, &'static str, &'static str),
    /// No number.
    #[error("Metric '{0}': the value is not a number")]
    NoNumber(String),
}

fn is_name(name: &str, colon: bool) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colon && byte == b':');
    !name.is_empty() && name.bytes().all(fits) && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// The metric of a name; made when it is not there. `kong_` is put before the name.
pub fn declare(
    name: &str,
    help: &str,
    kind: Kind,
    labels: Vec<String>,
) -> Result<Arc<CustomMetric>, CustomMetricError> {
    if !is_name(name, true) {
        return Err(CustomMetricError::Name(name.to_owned()));
    }
    let histogram = matches!(kind, Kind::Histogram(_));
    if let Some(wrong) = labels.iter().find(|label| !is_name(label, false) || (histogram && *label == "le")) {
        return Err(CustomMetricError::Label(name.to_owned(), wrong.clone()));
    }
    if let Kind::Histogram(bounds) = &kind
        && !(bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|one, other| one < other))
    {
        return Err(CustomMetricError::Buckets(name.to_owned()));
    }
    let mut metrics = METRICS.lock().unwrap_or_else(PoisonError::into_inner);
    let full = metrics.len() >= MOST_METRICS;
    match metrics.entry(format!("{PREFIX}{name}")) {
        Entry::Occupied(known) => {
            let known = known.get();
            match known.kind == kind && known.labels == labels {
                true => Ok(known.clone()),
                false => Err(CustomMetricError::Taken(name.to_owned(), known.kind.name(), known.labels.join(", "))),
            }
        }
        Entry::Vacant(_) if full => Err(CustomMetricError::TooMany(name.to_owned())),
        Entry::Vacant(place) => {
            let metric = CustomMetric {
                name: place.key().clone(),
                help: help.to_owned(),
                kind,
                labels,
                series: papaya::HashMap::default(),
                folded: AtomicU64::new(0),
            };
            Ok(place.insert(Arc::new(metric)).clone())
        }
    }
}

/// All there are, by name.
pub fn all() -> Vec<Arc<CustomMetric>> {
    METRICS.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
}

impl CustomMetric {
    fn unfit(&self, to: &'static str) -> CustomMetricError {
        CustomMetricError::Unfit(self.name.clone(), self.kind.name(), to)
    }

    /// Adds to a counter or a gauge.
    pub fn add(&self, value: f64, labels: &[&str]) -> Result<(), CustomMetricError> {
        if matches!(self.kind, Kind::Histogram(_)) {
            return Err(self.unfit("be added to"));
        }
        if self.kind == Kind::Counter && value < 0.0 {
            return Err(CustomMetricError::Negative(self.name.clone()));
        }
        self.with(value, labels, |cells| cells.value.add(value))
    }

    /// Gives a gauge its value.
    pub fn set(&self, value: f64, labels: &[&str]) -> Result<(), CustomMetricError> {
        if self.kind != Kind::Gauge {
            return Err(self.unfit("be set"));
        }
        self.with(value, labels, |cells| cells.value.set(value))
    }

    /// Takes a value into a histogram.
    pub fn observe(&self, value: f64, labels: &[&str]) -> Result<(), CustomMetricError> {
        let Kind::Histogram(bounds) = &self.kind else { return Err(self.unfit("observe")) };
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.with(value, labels, |cells| {
            cells.value.add(value);
            if let Some(count) = cells.buckets.get(bucket) {
                count.fetch_add(1, Relaxed);
            }
        })
    }

    /// Forgets a series.
    pub fn remove(&self, labels: &[&str]) -> Result<(), CustomMetricError> {
        self.fits(labels)?;
        self.series.pin().remove(&owned(labels));
        Ok(())
    }

    /// Forgets all series.
    pub fn clear(&self) {
        self.series.pin().clear();
    }

    /// How often something was counted as of other labels, since there were too many.
    pub fn folded(&self) -> u64 {
        self.folded.load(Relaxed)
    }

    /// Its series, in the order of their labels.
    pub fn series(&self) -> Vec<Series> {
        let map = self.series.pin();
        let shown = |(labels, cells): (&Labels, &Cells)| Series {
            labels: labels.to_vec(),
            value: cells.value.get(),
            buckets: cells.buckets.iter().map(|count| count.load(Relaxed)).collect(),
        };
        let mut all: Vec<Series> = map.iter().map(shown).collect();
        all.sort_by(|one, other| one.labels.cmp(&other.labels));
        all
    }

    fn fits(&self, labels: &[&str]) -> Result<(), CustomMetricError> {
        match labels.len() == self.labels.len() {
            true => Ok(()),
            false => Err(CustomMetricError::Count(self.name.clone(), self.labels.len(), labels.len())),
        }
    }

    fn with(&self, value: f64, labels: &[&str], change: impl FnOnce(&Cells)) -> Result<(), CustomMetricError> {
        self.fits(labels)?;
        if value.is_nan() {
            return Err(CustomMetricError::NoNumber(self.name.clone()));
        }
        let map = self.series.pin();
        let mut labels = owned(labels);
        if map.len() >= MOST && !map.contains_key(&labels) {
            self.folded.fetch_add(1, Relaxed);
            labels = labels.iter().map(|_| OTHER.into()).collect();
        }
        change(map.get_or_insert_with(labels, || self.cells()));
        Ok(())
    }

    fn cells(&self) -> Cells {
        let buckets = match &self.kind {
            Kind::Histogram(bounds) => bounds.len() + 1,
            _ => 0,
        };
        Cells { value: Number::default(), buckets: std::iter::repeat_with(AtomicU64::default).take(buckets).collect() }
    }
}

fn owned(labels: &[&str]) -> Labels {
    labels.iter().map(|label| Box::from(*label)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str, labels: &[&str]) -> Result<Arc<CustomMetric>, CustomMetricError> {
        declare(name, "h", Kind::Counter, labels.iter().map(|label| (*label).to_owned()).collect())
    }

    #[test]
    fn counts_from_many_threads_add_up() {
        let orders = counter("unit_orders_total", &["plan"]).expect("a name that fits");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|_| orders.add(0.5, &["gold"]).expect("one label")));
            }
        });
        orders.add(1.0, &["silver"]).expect("one label");
        let values: Vec<_> = orders.series().into_iter().map(|one| (one.labels[0].to_string(), one.value)).collect();
        assert_eq!(values, [("gold".to_owned(), 2_000.0), ("silver".to_owned(), 1.0)]);
        // The same again is the same.
        let again = counter("unit_orders_total", &["plan"]).expect("it is there");
        again.remove(&["gold"]).expect("one label");
        assert_eq!(orders.series().len(), 1);
        again.clear();
        assert!(orders.series().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let known = counter("unit_known_total", &["a"]).expect("a name that fits");
        for (name, labels, says) in [
            ("2x", &[][..], "Metric name '2x' is invalid"),
            ("", &[], "Metric name '' is invalid"),
            ("a-b", &[], "Metric name 'a-b' is invalid"),
            ("unit_l", &["a:b"], "label name 'a:b' is invalid"),
            ("unit_known_total", &["b"], "is there already as a counter with labels (a)"),
        ] {
            let error = counter(name, labels).expect_err(name).to_string();
            assert!(error.contains(says), "{error}");
        }
        let histogram = |bounds: &[f64], label: &str| {
            declare("unit_h", "h", Kind::Histogram(bounds.to_vec()), vec![label.to_owned()]).map(|_| ())
        };
        assert_eq!(histogram(&[1.0, 1.0], "a"), Err(CustomMetricError::Buckets("unit_h".into())));
        assert_eq!(histogram(&[f64::NAN], "a"), Err(CustomMetricError::Buckets("unit_h".into())));
        assert_eq!(histogram(&[1.0], "le"), Err(CustomMetricError::Label("unit_h".into(), "le".into())));
        for (value, labels, says) in [
            (1.0, &[][..], "inconsistent labels count, expected 1, got 0"),
            (-1.0, &["x"], "should not be negative"),
            (f64::NAN, &["x"], "not a number"),
        ] {
            let error = known.add(value, labels).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(
            known.set(1.0, &["x"]).expect_err("no gauge").to_string(),
            "Metric 'kong_unit_known_total' is a counter: it cannot be set"
        );
        assert!(known.observe(1.0, &["x"]).is_err());
        assert!(known.series().is_empty());
    }

    #[test]
    fn values_fall_into_the_bucket_that_bounds_them() {
        let sizes = declare("unit_sizes", "h", Kind::Histogram(vec![1.0, 10.0]), Vec::new()).expect("it fits");
        for value in [0.5, 1.0, 1.1, 10.0, 11.0, f64::INFINITY] {
            sizes.observe(value, &[]).expect("no labels");
        }
        assert_eq!(sizes.series()[0].buckets, [2, 2, 2]);
    }

    #[test]
    fn series_are_bounded() {
        let wide = counter("unit_wide_total", &["id"]).expect("a name that fits");
        for id in 0..MOST + 7 {
            wide.add(1.0, &[&id.to_string()]).expect("one label");
        }
        let series = wide.series();
        assert_eq!(series.len(), MOST + 1);
        assert_eq!(wide.folded(), 7);
        assert_eq!(series.iter().map(|one| one.value).sum::<f64>(), (MOST + 7) as f64, "nothing is lost");
    }
}
