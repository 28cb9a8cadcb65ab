//! The error log: `tracing` events as lines in nginx's form, with a level that can change while running.

use crate::Sink;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");

/// `log_level`, from the most to the least talkative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Everything.
    Debug,
    /// What normally happens.
    Info,
    /// What happens normally but rarely.
    Notice,
    /// What may become a problem.
    Warn,
    /// What failed.
    Error,
    /// What endangers the node.
    Crit,
    /// What must be mended at once.
    Alert,
    /// The node is unusable.
    Emerg,
}

impl Level {
    /// All of them, in order.
    pub const ALL: [Self; 8] =
        [Self::Debug, Self::Info, Self::Notice, Self::Warn, Self::Error, Self::Crit, Self::Alert, Self::Emerg];

    /// As in `log_level`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Crit => "crit",
            Self::Alert => "alert",
            Self::Emerg => "emerg",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}

/// Ours are the crates of this workspace: others speak only when they warn.
fn level_of(metadata: &tracing::Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::TRACE | tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Notice,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::ERROR => Level::Error,
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Notice as u8);

/// The process's error log.
pub struct ErrorLog {
    sink: Sink,
}

impl ErrorLog {
    /// Makes the sink the place where `tracing` events of at least `level` go. Later calls change the level only.
    pub fn install(sink: Sink, level: Level) {
        Self::set_level(level);
        let subscriber = tracing_subscriber::registry().with(Self { sink });
        let _ = tracing::subscriber::set_global_default(subscriber);
    }

    /// The level in force.
    pub fn level() -> Level {
        Level::ALL.get(LEVEL.load(Relaxed) as usize).copied().unwrap_or(Level::Notice)
    }

    /// Changes the level at once, everywhere.
    pub fn set_level(level: Level) {
        LEVEL.store(level as u8, Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }
}

impl<S: Subscriber> Layer<S> for ErrorLog {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        level_of(metadata) >= Self::level()
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        use tracing::level_filters::LevelFilter;
        Some(match Self::level() {
            Level::Debug => LevelFilter::TRACE,
            Level::Info | Level::Notice => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            _ => LevelFilter::ERROR,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = OffsetDateTime::now_utc().format(TIME).unwrap_or_default();
        let level = level_of(event.metadata());
        let _ = write!(line, " [{}] {}#0: ", level.as_str(), std::process::id());
        let start = line.len();
        event.record(&mut Text { line: &mut line, fields: false });
        // One event is one line, whatever a message holds.
        let message = line.split_off(start).replace('\n', "\\n").replace('\r', "\\r");
        line.push_str(&message);
        line.push('\n');
        self.sink.line(line.into_bytes());
    }
}

/// The message first, then `name=value` for every other field.
struct Text<'a> {
    line: &'a mut String,
    fields: bool,
}

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.line, "{value:?}");
        } else {
            let separator = if self.fields { ", " } else { " (" };
            let _ = write!(self.line, "{separator}{}={value:?}", field.name());
            self.fields = true;
        }
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        if self.fields {
            self.line.push(')');
        }
    }
}
