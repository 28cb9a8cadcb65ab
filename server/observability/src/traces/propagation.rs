//! `config.propagation`: which formats are read, cleared and written.

use super::formats::{Extracted, Format, Injected, Look};
use exchange::log_entry::Mode;
use exchange::{Exchange, SpanId, TraceId};
use schema::Schema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A format that is read; B3's two are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    Jaeger,
    Gcp,
    Ot,
    W3c,
    Datadog,
    B3,
    Aws,
}

/// A format that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// The one that came in, else the default.
    Preserve,
    B3Single,
    Jaeger,
    Gcp,
    Ot,
    W3c,
    Datadog,
    B3,
    Aws,
}

/// Options of propagation.
#[derive(Clone, Debug, Deserialize, Schema)]
pub struct Options {
    /// Formats that are looked for, in order; the first that is there is continued.
    pub extract: Option<Vec<Reads>>,
    /// Headers that are removed before the upstream is told.
    #[field(elements(is = header_name))]
    pub clear: Option<Vec<String>>,
    /// Formats the upstream is told in.
    pub inject: Option<Vec<Writes>>,
    /// The format that `preserve` means where none came in.
    pub default_format: Format,
}

impl From<Reads> for Format {
    fn from(reads: Reads) -> Self {
        match reads {
            Reads::Jaeger => Self::Jaeger,
            Reads::Gcp => Self::Gcp,
            Reads::Ot => Self::Ot,
            Reads::W3c => Self::W3c,
            Reads::Datadog => Self::Datadog,
            Reads::B3 => Self::B3,
            Reads::Aws => Self::Aws,
        }
    }
}

impl Writes {
    /// The format; `None` for the one that came in.
    fn format(self) -> Option<Format> {
        Some(match self {
            Self::Preserve => return None,
            Self::B3Single => Format::B3Single,
            Self::Jaeger => Format::Jaeger,
            Self::Gcp => Format::Gcp,
            Self::Ot => Format::Ot,
            Self::W3c => Format::W3c,
            Self::Datadog => Format::Datadog,
            Self::B3 => Format::B3,
            Self::Aws => Format::Aws,
        })
    }
}

/// What propagation does.
#[derive(Clone, Debug, PartialEq)]
pub struct Propagation {
    extract: Vec<Format>,
    clear: Vec<String>,
    /// `None` for the format that came in.
    inject: Vec<Option<Format>>,
    default: Format,
}

/// The formats that are looked for where nothing else is said.
const USUAL: [Format; 7] =
    [Format::B3, Format::W3c, Format::Jaeger, Format::Ot, Format::Datadog, Format::Aws, Format::Gcp];

impl Propagation {
    /// What options say. Without any of them the old `header_type` counts: `preserve`, `ignore` or a format.
    pub fn new(options: &Options, header_type: &str, default_type: Option<Format>) -> Self {
        let configured = options.extract.is_some() || options.clear.is_some() || options.inject.is_some();
        if configured {
            return Self {
                extract: options.extract.iter().flatten().map(|reads| (*reads).into()).collect(),
                clear: options.clear.clone().unwrap_or_default(),
                inject: options.inject.iter().flatten().map(|writes| writes.format()).collect(),
                default: options.default_format,
            };
        }
        let default = default_type.unwrap_or(options.default_format);
        let further = serde_json::from_value::<Format>(header_type.into()).ok();
        let (extract, inject) = match header_type {
            "ignore" => (Vec::new(), vec![Some(default)]),
            _ => (USUAL.to_vec(), [None].into_iter().chain(further.map(Some)).collect()),
        };
        Self { extract, clear: Vec::new(), inject, default }
    }

    /// What the caller says, and in which format. Headers that are wrong are taken away, and so are those to clear.
    pub fn extract(&self, exchange: &mut Exchange) -> (Extracted, Option<Format>) {
        let headers = &mut exchange.request.headers;
        let mut found = (Extracted::default(), None);
        for format in &self.extract {
            match format.extract(headers) {
                Look::Nothing => {}
                Look::Wrong => {
                    let format = format.name();
                    tracing::warn!(format, "a trace header is invalid; ignoring it");
                    for name in
                        self.extract.iter().find(|known| known.name() == format).map_or(&[][..], |f| f.headers())
                    {
                        headers.remove(name);
                    }
                }
                Look::Found(extracted) => {
                    let single = extracted.single && *format == Format::B3;
                    found = (extracted, Some(if single { Format::B3Single } else { *format }));
                    break;
                }
            }
        }
        for name in &self.clear {
            headers.remove(name);
        }
        found
    }

    /// Tells the upstream, and logs.
    pub fn inject(&self, exchange: &mut Exchange, came_in: Option<Format>, told: &Injected) {
        let mut ids = Map::new();
        let mut written: Vec<Format> = Vec::new();
        for format in &self.inject {
            let format = format.or(came_in).unwrap_or(self.default);
            if !written.contains(&format) {
                written.push(format);
                let id = format.inject(&mut exchange.request.headers, told);
                ids.insert(format.name().to_owned(), id.into());
            }
        }
        if ids.is_empty() {
            return;
        }
        if let Some(trace) = &mut exchange.trace {
            trace.propagated = true;
        }
        exchange.log_values.set("trace_id", Mode::Set, Value::Object(ids));
    }
}

/// How many bytes an extracted trace id came with.
pub fn came_with(extracted: &Extracted) -> Option<u8> {
    extracted.trace_id.map(|_| if extracted.short { 8 } else { 16 })
}

/// A fresh id of 8 or 16 bytes.
pub fn fresh(bytes: u8) -> TraceId {
    if bytes == 16 {
        return TraceId::fresh();
    }
    let mut id = [0; 16];
    id[8..].copy_from_slice(&SpanId::fresh().0);
    TraceId(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::exchange;
    use serde_json::json;

    fn options(given: Value) -> Options {
        serde_json::from_value(given).expect("options")
    }

    /// What goes on: every trace header, as `name=begin of its value`.
    fn sent(propagation: &Propagation, headers: &[(&str, &str)]) -> Vec<String> {
        let mut exchange = exchange("/", headers);
        let (extracted, format) = propagation.extract(&mut exchange);
        let told = Injected {
            trace_id: extracted.trace_id.unwrap_or(TraceId([0xab; 16])),
            came_with: came_with(&extracted),
            span_id: SpanId([2; 8]),
            parent_id: None,
            sampled: true,
            debug: false,
        };
        propagation.inject(&mut exchange, format, &told);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(12).collect::<String>();
        exchange.request.headers.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect()
    }

    #[test]
    fn old_options_count_where_new_ones_say_nothing() {
        let plain = options(json!({ "default_format": "w3c" }));
        let of = |header_type| Propagation::new(&plain, header_type, None);
        let incoming = [("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1")];
        assert_eq!(sent(&of("preserve"), &incoming), ["b3=4bf92f3577b3"]);
        assert_eq!(sent(&of("w3c"), &incoming), ["b3=4bf92f3577b3", "traceparent=00-4bf92f357"]);
        assert_eq!(sent(&of("ignore"), &incoming), ["b3=4bf92f3577b3", "traceparent=00-ababababa"]);
        assert_eq!(sent(&of("preserve"), &[]), ["traceparent=00-ababababa".to_owned()]);
        let aws = Propagation::new(&plain, "preserve", Some(Format::Aws));
        assert_eq!(sent(&aws, &[]), ["x-amzn-trace=Root=1-ababa"]);
    }

    #[test]
    fn formats_are_read_cleared_and_written_as_configured() {
        let all = options(json!({
            "extract": ["w3c", "b3"], "clear": ["traceparent", "x-other"], "inject": ["preserve", "jaeger", "w3c"],
            "default_format": "gcp",
        }));
        let propagation = Propagation::new(&all, "preserve", None);
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let got = sent(&propagation, &[("x-other", "1"), ("traceparent", parent)]);
        assert_eq!(got, ["traceparent=00-4bf92f357", "uber-trace-i=4bf92f3577b3"].map(|line| line.to_owned()));
        assert_eq!(sent(&propagation, &[])[0], "x-cloud-trac=abababababab");
    }

    #[test]
    fn what_is_wrong_is_not_copied_on() {
        let propagation = Propagation::new(&options(json!({ "default_format": "b3" })), "preserve", None);
        let got = sent(&propagation, &[("traceparent", "00-zz"), ("x-b3-traceid", "nothex")]);
        assert!(got.iter().all(|line| !line.contains("zz") && !line.contains("nothex")), "{got:?}");
    }
}
