//! A finished span, before any wire format.

use exchange::{SpanId, TraceId};
use std::borrow::Cow;

/// Longest text of an attribute, in bytes; the rest is cut off.
const MAX_TEXT: usize = 4096;

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Neither.
    Internal,
    /// The one that was called.
    Server,
    /// The one that calls.
    Client,
    /// The one that sends a message.
    Producer,
    /// The one that receives a message.
    Consumer,
}

impl Kind {
    /// By OTLP's number.
    pub fn of_number(number: u8) -> Self {
        match number {
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Internal,
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(Cow<'static, str>),
    /// A whole number.
    Int(i64),
    /// Another number.
    Double(f64),
    /// Yes or no.
    Bool(bool),
    /// Several values.
    List(Vec<Value>),
}

impl Value {
    /// Text of bytes that may be no UTF-8, cut to a bounded length.
    pub fn lossy(bytes: &[u8]) -> Self {
        let cut = &bytes[..bytes.len().min(MAX_TEXT)];
        Self::Text(Cow::Owned(String::from_utf8_lossy(cut).into_owned()))
    }

    /// None for what no attribute can be: nothing, and objects.
    pub fn of_json(json: &serde_json::Value) -> Option<Self> {
        use serde_json::Value as Json;
        Some(match json {
            Json::Null | Json::Object(_) => return None,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Double(number.as_f64()?),
            },
            Json::String(text) => text.clone().into(),
            Json::Array(items) => Self::List(items.iter().filter_map(Self::of_json).collect()),
        })
    }

    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(values) => values.iter().map(Self::size).sum(),
            _ => 0,
        }
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(mut text: String) -> Self {
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
        }
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// Attributes in the order they were set.
pub type Attributes = Vec<(Cow<'static, str>, Value)>;

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its name; `exception` for errors.
    pub name: Cow<'static, str>,
    /// ns since 1970.
    pub at: u64,
    /// What is known of it.
    pub attributes: Attributes,
}

/// How what a span covers ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Status {
    /// Nothing is said.
    #[default]
    Unset,
    /// Well.
    Ok,
    /// Badly, and why where that is known.
    Error(Cow<'static, str>),
}

/// A finished span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The span that contains it.
    pub parent: Option<SpanId>,
    /// Whether `parent` is in another process.
    pub remote_parent: bool,
    /// Its name.
    pub name: Cow<'static, str>,
    /// Which side of a call it is.
    pub kind: Kind,
    /// ns since 1970.
    pub start: u64,
    /// ns since 1970.
    pub end: u64,
    /// What is known of it.
    pub attributes: Attributes,
    /// What happened during it.
    pub events: Vec<Event>,
    /// How it ended.
    pub status: Status,
}

impl Span {
    /// Adds an attribute.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.attributes.push((name.into(), value.into()));
    }

    /// Notes an error as an event `exception`, and as the status.
    pub fn record_error(&mut self, message: impl Into<Cow<'static, str>>) {
        let message = message.into();
        let attributes = vec![("exception.message".into(), Value::Text(message.clone()))];
        self.events.push(Event { name: "exception".into(), at: self.end, attributes });
        self.status = Status::Error(message);
    }

    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        let of = |attributes: &Attributes| -> usize {
            attributes.iter().map(|(name, value)| 64 + name.len() + value.size()).sum()
        };
        let events: usize = self.events.iter().map(|event| 64 + of(&event.attributes)).sum();
        size_of::<Self>() + self.name.len() + of(&self.attributes) + events
    }
}
