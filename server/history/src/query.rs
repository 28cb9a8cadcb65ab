//! Questions to the history.

use crate::figures::Figures;
use crate::memory::{Kind, Memory, Series};
use crate::trace::ms;
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

/// Points of one line at most, and of all lines of an answer.
pub const POINTS: u64 = 3600;
const ALL_POINTS: u64 = 150_000;
/// Points of one line, where nothing else is asked for.
const USUAL: u64 = 300;
/// Steps that people can read.
const STEPS: [u64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];
const HOUR: u64 = 3600;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Whose.
    pub workspace: Uuid,
    /// Kinds of rows.
    pub kinds: Vec<Kind>,
    /// How many seconds.
    pub range: u64,
    /// The end, exclusive, seconds since 1970; `None` is now.
    pub until: Option<u64>,
    /// Seconds of a point.
    pub step: Option<u64>,
    /// Rows of each kind at most.
    pub top: usize,
    /// Whether points are wanted.
    pub points: bool,
}

/// A row as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its id: series with the same one are one row.
    pub id: String,
    /// What else is shown of it.
    pub members: serde_json::Map<String, Value>,
}

/// A line: figures of the whole time, and of each point.
#[derive(Clone, Debug, Default)]
struct Line {
    figures: Figures,
    points: HashMap<u32, Figures>,
}

/// When points begin, and how long they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grid {
    from: u64,
    until: u64,
    step: u64,
    fine: bool,
}

impl Grid {
    fn of(question: &Question, now: u64) -> Self {
        let range = question.range.max(1);
        let end = question.until.unwrap_or(now).min(now.max(1));
        let usual = || STEPS.into_iter().find(|step| range.div_ceil(*step) <= USUAL).unwrap_or(14_400);
        let step = question.step.unwrap_or_else(usual).max(range.div_ceil(POINTS)).max(1);
        let recent = end.saturating_sub(range) + HOUR >= now;
        let step = if recent && !(step >= 60 && step.is_multiple_of(60)) { step } else { step.div_ceil(60) * 60 };
        let until = end - end % step;
        let from = until.saturating_sub(range.div_ceil(step) * step);
        Self { from, until, step, fine: recent && step < 60 }
    }

    fn place(&self, at: u64) -> Option<u32> {
        (self.from..self.until).contains(&at).then(|| ((at - self.from) / self.step) as u32)
    }

    fn len(&self) -> u64 {
        (self.until - self.from) / self.step
    }
}

/// Answers a question. `shown` says how a series is shown, or that it is not.
pub(crate) fn answer(
    memory: &std::sync::Mutex<Memory>,
    question: &Question,
    shown: &dyn Fn(&Series) -> Option<Row>,
) -> Value {
    let (grid, slabs, minute, series, complete, folded) = {
        let memory = memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let grid = Grid::of(question, memory.now);
        let own = |series: &Series| series.workspace == question.workspace;
        let wanted = |kind: Kind| kind == Kind::Workspace || question.kinds.contains(&kind);
        let series: Vec<(u32, Series)> = memory
            .series()
            .filter(|(_, series)| own(series) && wanted(series.kind))
            .map(|(number, series)| (number, *series))
            .collect();
        let (minute_from, minute) = memory.minute();
        let minute: Vec<(u32, Figures)> = match !grid.fine && grid.place(minute_from).is_some() {
            true => series.iter().filter_map(|(number, _)| Some((*number, minute.get(*number)?.clone()))).collect(),
            false => Vec::new(),
        };
        let tier = if grid.fine { &memory.seconds } else { &memory.minutes };
        let complete = tier.complete.max(memory.began);
        let slabs = memory.slabs(grid.from, grid.until, grid.fine);
        (grid, slabs, (minute_from, minute), series, complete, memory.folded)
    };
    // Which line each series counts in: the total is the first.
    let mut rows: Vec<(Kind, Row)> = Vec::new();
    let mut by_id: HashMap<(Kind, String), usize> = HashMap::new();
    let mut lines_of: HashMap<u32, usize> = HashMap::new();
    for (number, series) in &series {
        if series.kind == Kind::Workspace {
            lines_of.insert(*number, 0);
        } else if let Some(row) = shown(series) {
            let line = *by_id.entry((series.kind, row.id.clone())).or_insert_with(|| {
                rows.push((series.kind, row));
                rows.len()
            });
            lines_of.insert(*number, line);
        }
    }
    let mut lines = vec![Line::default(); rows.len() + 1];
    let each = |with: &mut dyn FnMut(usize, u32, &Figures)| {
        for slab in &slabs {
            slab.read(|at, number, figures| {
                if let (Some(line), Some(place)) = (lines_of.get(&number), grid.place(at)) {
                    with(*line, place, figures);
                }
            });
        }
        for (number, figures) in &minute.1 {
            if let (Some(line), Some(place)) = (lines_of.get(number), grid.place(minute.0)) {
                with(*line, place, figures);
            }
        }
    };
    each(&mut |line, _, figures| lines[line].figures.merge(figures));
    let mut order: Vec<usize> = (1..lines.len()).filter(|line| lines[*line].figures.sums.requests() > 0).collect();
    let rank = |kind: Kind| question.kinds.iter().position(|known| *known == kind);
    order.sort_by_cached_key(|line| {
        let (kind, row) = &rows[line - 1];
        (rank(*kind), u64::MAX - lines[*line].figures.sums.requests(), row.id.clone())
    });
    let most = usize::try_from(ALL_POINTS / grid.len().max(1)).unwrap_or(1);
    let mut counts: HashMap<Kind, usize> = HashMap::new();
    order.retain(|line| {
        let count = counts.entry(rows[line - 1].0).or_default();
        *count += 1;
        *count <= question.top
    });
    if question.points {
        order.truncate(most);
        let wanted: std::collections::HashSet<usize> = order.iter().copied().chain([0]).collect();
        each(&mut |line, place, figures| {
            if wanted.contains(&line) {
                lines[line].points.entry(place).or_default().merge(figures);
            }
        });
    }
    let shown_line = |line: &Line| {
        let mut value = figures(&line.figures, grid.until - grid.from);
        if question.points {
            value["points"] = points(line, &grid);
        }
        value
    };
    let rows: Vec<Value> = order
        .iter()
        .map(|line| {
            let (kind, row) = &rows[line - 1];
            let mut value = json!({"kind": kind.as_str(), "id": row.id});
            if let (Value::Object(value), Value::Object(more)) = (&mut value, shown_line(&lines[*line])) {
                // An Upstream that is named stands where the time would.
                value.extend(more);
                value.extend(row.members.clone());
            }
            value
        })
        .collect();
    json!({
        "from": grid.from,
        "until": grid.until,
        "step": grid.step,
        "complete_from": complete,
        "total": shown_line(&lines[0]),
        "series": rows,
        "folded": folded,
    })
}

impl Kind {
    /// Its name in questions and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Service => "service",
            Self::Route => "route",
            Self::Consumer => "consumer",
            Self::Target => "target",
        }
    }

    /// A kind of rows by its name.
    pub fn of_row(name: &str) -> Option<Self> {
        [Self::Service, Self::Route, Self::Consumer, Self::Target].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A mean of µs as ms; null of none.
fn mean(sum: u64, count: u64) -> Value {
    sum.checked_div(count).map_or(Value::Null, |mean| (mean as f64 / 1000.0).into())
}

fn quantile(figures: &Figures, share: f64) -> Value {
    // A bucket's middle may lie beyond the longest.
    let read = figures.durations.quantile(share).map(|micros| micros.min(figures.sums.longest.into()));
    read.map_or(Value::Null, |micros| ms(micros).into())
}

/// What figures of so many seconds look like.
fn figures(figures: &Figures, seconds: u64) -> Value {
    let sums = &figures.sums;
    let (requests, errors) = (sums.requests(), u64::from(sums.classes[4]));
    let per = |count: u64, of: u64| if of == 0 { 0.0 } else { count as f64 / of as f64 };
    let longest = if requests == 0 { Value::Null } else { ms(sums.longest.into()).into() };
    json!({
        "requests": requests,
        "rate": per(requests, seconds),
        "errors": errors,
        "error_rate": per(errors, requests),
        "statuses": {
            "1xx": sums.classes[0],
            "2xx": sums.classes[1],
            "3xx": sums.classes[2],
            "4xx": sums.classes[3],
            "5xx": sums.classes[4],
        },
        "latency": {
            "mean": mean(sums.total, requests),
            "p50": quantile(figures, 0.5),
            "p95": quantile(figures, 0.95),
            "p99": quantile(figures, 0.99),
            "max": longest,
        },
        "upstream": mean(sums.upstream, sums.asked.into()),
        "upstream_time": mean(sums.upstream, sums.asked.into()),
        "gateway": mean(sums.gateway, requests),
    })
}

fn points(line: &Line, grid: &Grid) -> Value {
    let none = Figures::default();
    let of = |shown: &dyn Fn(&Figures) -> Value| -> Value {
        (0..grid.len()).map(|place| shown(line.points.get(&(place as u32)).unwrap_or(&none))).collect()
    };
    json!({
        "requests": of(&|figures| figures.sums.requests().into()),
        "errors": of(&|figures| figures.sums.classes[4].into()),
        "client_errors": of(&|figures| figures.sums.classes[3].into()),
        "mean": of(&|figures| mean(figures.sums.total, figures.sums.requests())),
        "p50": of(&|figures| quantile(figures, 0.5)),
        "p95": of(&|figures| quantile(figures, 0.95)),
        "p99": of(&|figures| quantile(figures, 0.99)),
        "upstream": of(&|figures| mean(figures.sums.upstream, figures.sums.asked.into())),
        "gateway": of(&|figures| mean(figures.sums.gateway, figures.sums.requests())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_ends() {
        let now = 1_763_740_007;
        for (range, until, step, expected) in [
            (300, None, None, (1, true)),
            (900, None, None, (5, true)),
            (3600, None, None, (15, true)),
            (7 * 86_400, None, None, (3600, false)),
            (3600, Some(now - 7200), None, (60, false)),
            (3600, None, Some(60), (60, false)),
            (60, None, Some(7), (7, true)),
            (7 * 86_400, None, Some(1), (180, false)),
        ] {
            let question = Question { range, until, step, ..Question::default() };
            let grid = Grid::of(&question, now);
            assert_eq!((grid.step, grid.fine), expected, "{range} {until:?} {step:?}");
            assert!(grid.from.is_multiple_of(grid.step) && grid.until.is_multiple_of(grid.step));
            assert!(grid.until <= until.unwrap_or(now) && grid.len() * grid.step >= range && grid.len() <= POINTS);
        }
    }
}
