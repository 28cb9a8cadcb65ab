//! Lines of StatsD, and how they are put into datagrams.

use bytes::Bytes;
use exchange::log_entry::Latencies;
use exchange::{Exchange, Pack};
use schema::Schema;
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;

/// Types of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum StatType {
    /// Adds up.
    Counter,
    /// A value of the moment.
    Gauge,
    /// A distribution over time.
    Histogram,
    /// A rate.
    Meter,
    /// Different values.
    Set,
    /// A time.
    Timer,
    /// A distribution over hosts (DogStatsD).
    Distribution,
}

impl StatType {
    /// Its letters.
    pub fn letters(self) -> &'static str {
        match self {
            Self::Counter => "c",
            Self::Gauge => "g",
            Self::Histogram => "h",
            Self::Meter => "m",
            Self::Set => "s",
            Self::Timer => "ms",
            Self::Distribution => "d",
        }
    }
}

/// What a metric that both plugins know says of a request: its name in lines, and its value. `None` where another
/// name was asked for, or there is no value.
pub fn standard(metric: &str, exchange: &Exchange) -> Option<(&'static str, u64)> {
    let latencies = Latencies::of(exchange);
    Some(match metric {
        "request_count" => ("request.count", 1),
        "request_size" => ("request.size", exchange.request.head_bytes as u64 + exchange.request.body_bytes),
        "response_size" => ("response.size", exchange.response.head_sent + exchange.response.body_sent),
        "latency" => ("latency", latencies.request.into()),
        "upstream_latency" => ("upstream_latency", latencies.proxy?.into()),
        "kong_latency" => ("kong_latency", latencies.kong.into()),
        _ => return None,
    })
}

/// Adds `:value|type`, and the sample rate where it is not 1.
pub fn value(line: &mut String, value: impl std::fmt::Display, kind: StatType, sample_rate: Option<f64>) {
    // Writing to memory does not fail.
    let _ = write!(line, ":{value}|{}", kind.letters());
    if let Some(rate) = sample_rate.filter(|rate| *rate != 1.0) {
        let _ = write!(line, "|@{rate}");
    }
}

/// Entries hold one line of each metric; messages are single lines (`packet` 0), or as many as fit into so many bytes.
pub fn datagrams(packet: usize) -> Pack {
    Pack::With(Arc::new(move |entries: Vec<Bytes>| {
        let mut messages: Vec<Bytes> = Vec::new();
        let mut packed: Vec<u8> = Vec::new();
        for entry in &entries {
            for line in entry.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                if packet == 0 {
                    messages.push(Bytes::copy_from_slice(line));
                    continue;
                }
                if !packed.is_empty() && packed.len() + 1 + line.len() > packet {
                    messages.push(std::mem::take(&mut packed).into());
                }
                if !packed.is_empty() {
                    packed.push(b'\n');
                }
                packed.extend_from_slice(line);
            }
        }
        if !packed.is_empty() {
            messages.push(packed.into());
        }
        messages
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_line_is_sent_once_and_fits(
            lines in proptest::collection::vec("[a-z]{1,20}", 0..40), packet in 0usize..60, per in 1usize..5
        ) {
            let entries = lines.chunks(per).map(|lines| (lines.join("\n") + "\n").into()).collect();
            let messages = datagrams(packet).messages(entries);
            let sent: Vec<_> = messages
                .iter()
                .flat_map(|message| String::from_utf8_lossy(message).split('\n').map(str::to_owned).collect::<Vec<_>>())
                .collect();
            prop_assert_eq!(&sent, &lines);
            for message in &messages {
                prop_assert!(message.len() <= packet || !message.contains(&b'\n'));
            }
        }
    }

    #[test]
    fn rates_are_written_where_they_are_not_one() {
        let of = |rate| {
            let mut line = "a".to_owned();
            value(&mut line, 7, StatType::Counter, rate);
            line
        };
        assert_eq!([None, Some(1.0), Some(0.25)].map(of), ["a:7|c", "a:7|c", "a:7|c|@0.25"]);
    }
}
