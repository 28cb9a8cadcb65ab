//! The requests that are kept whole: a bounded number of each sort, in bounded memory.

use crate::trace::{Kept, Trace};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use uuid::Uuid;

/// Requests of each sort that are kept, and their bytes.
const MOST: [(Kept, usize, usize); 3] =
    [(Kept::Failed, 500, 2 << 20), (Kept::Slow, 300, 1 << 20), (Kept::Sampled, 300, 1 << 20)];

/// Which requests are wanted. What is not set does not matter.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Whose.
    pub workspace: Uuid,
    /// The Route, the Service, the Consumer.
    pub route: Option<Uuid>,
    /// The Service.
    pub service: Option<Uuid>,
    /// The Consumer.
    pub consumer: Option<Uuid>,
    /// Statuses, as `500` or `5xx`.
    pub statuses: Vec<String>,
    /// The shortest duration, ms.
    pub min_duration: f64,
    /// The distributed trace.
    pub trace_id: Option<String>,
    /// Why they are kept.
    pub kept: Vec<String>,
    /// The method.
    pub method: Option<String>,
    /// What the path begins with.
    pub path: Option<String>,
    /// From when on, seconds since 1970.
    pub since: Option<f64>,
    /// Until when.
    pub until: Option<f64>,
    /// Only those before this: where the list before ended.
    pub before: Option<(f64, String)>,
}

impl Wanted {
    fn takes(&self, trace: &Trace) -> bool {
        let same = |wanted: Option<Uuid>, has: Option<Uuid>| wanted.is_none_or(|wanted| has == Some(wanted));
        let status = trace.measure.status.to_string();
        let is_status = |wanted: &String| match wanted.strip_suffix("xx") {
            Some(class) => status.len() == 3 && status.starts_with(class),
            None => *wanted == status,
        };
        trace.workspace == self.workspace
            && same(self.route, trace.route)
            && same(self.service, trace.service)
            && same(self.consumer, trace.consumer)
            && (self.statuses.is_empty() || self.statuses.iter().any(is_status))
            && f64::from(trace.measure.total) / 1000.0 >= self.min_duration
            && self.trace_id.as_deref().is_none_or(|wanted| trace.trace_id.as_deref() == Some(wanted))
            && (self.kept.is_empty() || self.kept.iter().any(|kept| kept == trace.kept.as_str()))
            && self.method.as_deref().is_none_or(|wanted| *trace.method == *wanted)
            && self.path.as_deref().is_none_or(|wanted| trace.path.starts_with(wanted))
            && self.since.is_none_or(|since| trace.at >= since)
            && self.until.is_none_or(|until| trace.at < until)
            && self.before.as_ref().is_none_or(|(at, id)| (trace.at, &*trace.id) < (*at, id.as_str()))
    }
}

/// Requests that are kept.
#[derive(Default)]
pub(crate) struct Keeping {
    sorts: [VecDeque<Arc<Trace>>; 3],
    bytes: [usize; 3],
}

impl Keeping {
    /// Keeps one, and forgets the oldest of its sort where there is no room.
    pub fn add(&mut self, trace: Trace) {
        let Some(sort) = MOST.iter().position(|(kept, ..)| *kept == trace.kept) else { return };
        let (_, most, bytes) = MOST[sort];
        self.bytes[sort] += trace.bytes();
        self.sorts[sort].push_back(Arc::new(trace));
        while self.sorts[sort].len() > most || self.bytes[sort] > bytes {
            let Some(gone) = self.sorts[sort].pop_front() else { return };
            self.bytes[sort] -= gone.bytes();
        }
    }

    /// Those that are wanted, the newest first.
    pub fn list(&self, wanted: &Wanted) -> Vec<Arc<Trace>> {
        let all = self.sorts.iter().flatten().filter(|trace| wanted.takes(trace));
        let mut found: Vec<Arc<Trace>> = all.cloned().collect();
        found.sort_by(|one, other| other.at.total_cmp(&one.at).then_with(|| other.id.cmp(&one.id)));
        found
    }

    /// One by its id.
    pub fn get(&self, id: &str) -> Option<Arc<Trace>> {
        self.sorts.iter().flatten().find(|trace| *trace.id == *id).cloned()
    }

    /// Bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes.iter().sum()
    }
}

/// A list as it is shown, and whether there are more; `next` is the address of what follows an offset.
pub fn shown(
    traces: &[Arc<Trace>],
    more: bool,
    named: &dyn Fn(&'static str, Uuid) -> Value,
    next: &dyn Fn(&str) -> String,
) -> Value {
    let data: Vec<Map<String, Value>> = traces.iter().map(|trace| trace.summary(named)).collect();
    match traces.last().filter(|_| more) {
        None => json!({"data": data, "next": null}),
        Some(last) => {
            let offset = format!("{}-{}", last.at, last.id);
            json!({"data": data, "next": next(&offset), "offset": offset})
        }
    }
}

/// Where an offset says that a list ended.
pub fn offset(text: &str) -> Option<(f64, String)> {
    let (at, id) = text.split_once('-')?;
    Some((at.parse().ok()?, id.to_owned()))
}
