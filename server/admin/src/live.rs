//! `GET /telemetry/stream`: the figures of every second, as events (Server-Sent Events), for as long as the client listens and
//! may.

use crate::enterprise::{Pass, Trace};
use crate::form::Argument;
use crate::handle::Door;
use crate::request::{Asked, Target};
use crate::scope::Scope;
use crate::state::Shared;
use crate::telemetry::{Names, SeriesQuestion, number};
use actix_web::HttpRequest;
use actix_web::web::{self, Bytes};
use futures_util::Stream;
use futures_util::stream::unfold;
use history::History;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use uuid::Uuid;

const TOP: u64 = 20;
/// Seconds that are sent again at most.
const HISTORY: u64 = 300;
/// Time between two looks at whether the client still may.
const RIGHTS: Duration = Duration::from_secs(10);
/// Streams of a node at once.
const STREAMS: usize = 64;

static OPEN: AtomicUsize = AtomicUsize::new(0);

/// What is streamed.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    series: SeriesQuestion,
    history: u64,
    after: Option<u64>,
}

impl Live {
    /// Reads the arguments.
    pub(crate) fn read(scope: &Scope<'_>, query: &[Argument]) -> Result<Self, String> {
        let mut series = SeriesQuestion::read(query, scope.workspace, TOP)?;
        series.question.points = false;
        series.question.range = 1;
        series.question.step = Some(1);
        let history = number(query, "history", 0, HISTORY)?.unwrap_or(0);
        Ok(Self { series, history, after: number(query, "last_event_id", 1, u64::MAX / 2)? })
    }
}

/// A place among the streams of the node, given back when it is dropped.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let taken =
            OPEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < STREAMS).then_some(open + 1));
        taken.is_ok().then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Streaming {
    live: Live,
    shared: Arc<Shared>,
    door: Door,
    request: HttpRequest,
    history: Arc<History>,
    seconds: watch::Receiver<u64>,
    names: Arc<Names>,
    consumers: HashMap<Uuid, Option<String>>,
    looked: Instant,
    due: VecDeque<u64>,
    next: u64,
    ended: bool,
    _place: Place,
}

/// The events; none where there are too many streams already.
pub(crate) async fn stream(
    live: Live,
    shared: Arc<Shared>,
    door: Door,
    request: HttpRequest,
) -> Option<impl Stream<Item = Result<Bytes, Infallible>>> {
    let place = Place::take()?;
    let history = shared.node.history()?;
    let seconds = history.seconds();
    let now = *seconds.borrow();
    let again = request.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok()?.parse().ok()).or(live.after);
    let since = again.map_or(now.saturating_sub(live.history), |last| last + 1);
    let mut streaming = Streaming {
        due: (since.max(now.saturating_sub(HISTORY))..now).collect(),
        next: now,
        names: Arc::new(names(&shared, door, &request).await.ok()?),
        consumers: HashMap::new(),
        looked: Instant::now(),
        ended: false,
        _place: place,
        live,
        shared,
        door,
        request,
        history,
        seconds,
    };
    let mut first = Some(Bytes::from_static(b"retry: 3000\n\n"));
    streaming.seconds.mark_unchanged();
    Some(unfold(streaming, move |mut streaming| {
        let first = first.take();
        async move {
            if let Some(first) = first {
                return Some((Ok(first), streaming));
            }
            let event = streaming.event().await?;
            Some((Ok(event), streaming))
        }
    }))
}

/// How entities are named for the client, if it still may ask.
async fn names(shared: &Shared, door: Door, request: &HttpRequest) -> Result<Names, String> {
    const REFUSED: &str = "you may not read this any more";
    let mut trace = Trace::new();
    let (target, pass) = match (door.gate)(shared) {
        None => (Target::of(request), Pass::open()),
        Some(gate) => gate.decide(request, (door.paths)(shared), &mut trace).await.map_err(|_| REFUSED.to_owned())?,
    };
    let asked = Asked::read(request, &target, (door.paths)(shared), pass, trace.request_id.clone());
    let asked = asked.map_err(|_| REFUSED.to_owned())?;
    asked.scope(shared).names().await.map_err(|_| "the database does not answer".to_owned())
}

impl Streaming {
    async fn event(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        while self.due.is_empty() {
            if self.seconds.changed().await.is_err() || self.history.is_over() || self.shared.is_draining() {
                return Some(self.end("the node stops"));
            }
            let now = *self.seconds.borrow_and_update();
            self.due.extend(self.next.max(now.saturating_sub(HISTORY))..now);
            self.next = self.next.max(now);
        }
        if self.looked.elapsed() > RIGHTS {
            match names(&self.shared, self.door, &self.request).await {
                Ok(names) => self.names = Arc::new(names),
                Err(why) => return Some(self.end(&why)),
            }
            self.looked = Instant::now();
            self.consumers.clear();
        }
        let at = self.due.pop_front()?;
        let mut series = self.live.series.clone();
        series.question.until = Some(at + 1);
        let (history, names) = (self.history.clone(), self.names.clone());
        let mut answer = web::block(move || series.answer(&history, &names)).await.ok()?;
        let workspace = self.live.series.question.workspace;
        let (author, request_id, pass) = (String::new(), String::new(), Pass::open());
        let scope = Scope {
            shared: &self.shared,
            workspace,
            author: &author,
            request_id: &request_id,
            pass: &pass,
            prefix: "",
            beyond: false,
        };
        scope.name_consumers(&mut answer, &mut self.consumers).await.ok()?;
        let data = json!({
            "at": at,
            "step": 1,
            "in_flight": scope.in_flight(),
            "total": answer["total"].take(),
            "series": answer["series"].take(),
        });
        Some(format!("event: tick\nid: {at}\ndata: {data}\n\n").into())
    }

    fn end(&mut self, why: &str) -> Bytes {
        self.ended = true;
        let data: Value = json!({"message": why});
        format!("event: end\ndata: {data}\n\n").into()
    }
}
