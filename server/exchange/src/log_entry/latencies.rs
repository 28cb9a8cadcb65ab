//! Where the time of a request went.

use crate::{Exchange, Stamp};

/// ms that logs and metrics tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// Until the request was sent on, or until an answer was made here.
    pub kong: u32,
    /// From the balancer to the upstream's head, or to the answer made in its place; `None` where none was asked.
    pub proxy: Option<u32>,
    /// From the first byte of the request to the last of the answer.
    pub request: u32,
    /// For the upstream's content.
    pub receive: u32,
}

impl Latencies {
    /// Those of a request that is over.
    pub fn of(exchange: &Exchange) -> Self {
        let timeline = &exchange.timeline;
        let end = timeline.at(Stamp::Finished).unwrap_or_else(|| timeline.now());
        let headed = timeline.at(Stamp::Headed);
        let from = timeline.at(Stamp::Balanced).filter(|_| !timeline.tries.is_empty());
        let answered = timeline.at(Stamp::Answered).or(headed).unwrap_or(end);
        let received = timeline.at(Stamp::Received);
        Self {
            kong: if from.is_some() { timeline.proxy_ms() } else { headed.unwrap_or(0) / 1000 },
            proxy: from.map(|from| answered.saturating_sub(from) / 1000),
            request: end / 1000,
            receive: received.zip(headed).map_or(0, |(received, headed)| received.saturating_sub(headed) / 1000),
        }
    }
}
