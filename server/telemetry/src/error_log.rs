//! The error log: `tracing` events as lines in nginx's form, with a level that can change while running.

use crate::{NodeSpans, Sink};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};

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

/// The crates of this workspace. Others are heard from when they warn, and when someone debugs.
const OURS: &[&str] = &[
    "access",
    "acme_client",
    "admin",
    "balancer",
    "config",
    "declarative",
    "directory",
    "entities",
    "exchange",
    "history",
    "jq",
    "ldap_client",
    "lua",
    "mail",
    "manager",
    "migration",
    "observability",
    "ocsp_client",
    "outbox",
    "plugins",
    "pluginserver",
    "proxy",
    "redis_client",
    "router",
    "schema",
    "silverback",
    "snapshot",
    "store",
    "store_sql",
    "telemetry",
];

fn is_worth_a_line(metadata: &Metadata<'_>) -> bool {
    let crate_name = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= tracing::Level::WARN || ErrorLog::level() == Level::Debug || OURS.contains(&crate_name)
}

/// A target may end in `::@` and the name of one of nginx's levels: it is more exact than `tracing`'s.
fn level_of(metadata: &Metadata<'_>) -> Level {
    let exact = metadata.target().rsplit_once("::@").and_then(|(_, last)| Level::parse(last));
    exact.unwrap_or(match *metadata.level() {
        tracing::Level::TRACE | tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Notice,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::ERROR => Level::Error,
    })
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Notice as u8);

/// The process's error log.
pub struct ErrorLog {
    sink: Sink,
}

/// Makes the process's one `tracing` subscriber of what is on: events of at least a level as lines of the error log,
/// spans of the node for an exporter. With neither, nothing is installed and nothing is recorded. Only the first call
/// installs; what later ones say but the level has no effect.
pub fn install(errors: Option<(Sink, Level)>, spans: Option<NodeSpans>) {
    if let Some((_, level)) = &errors {
        ErrorLog::set_level(*level);
    }
    if errors.is_some() || spans.is_some() {
        let _ = tracing::subscriber::set_global_default(subscriber(errors.map(|(sink, _)| sink), spans));
    }
}

/// The layers, each with a filter of its own: the level of the error log does not decide about spans.
pub(crate) fn subscriber(errors: Option<Sink>, spans: Option<NodeSpans>) -> impl Subscriber + Send + Sync {
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if let Some(sink) = errors {
        layers.push(ErrorLog { sink }.with_filter(InForce).boxed());
    }
    if let Some(spans) = spans {
        layers.push(spans.layer().boxed());
    }
    tracing_subscriber::registry().with(layers)
}

impl ErrorLog {
    /// Makes the sink the place where `tracing` events of at least `level` go. Later calls change the level only.
    pub fn install(sink: Sink, level: Level) {
        install(Some((sink, level)), None);
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

/// Lets through the events of the level in force. What it says of a callsite holds until the level changes.
struct InForce;

impl InForce {
    fn takes(metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && level_of(metadata) >= ErrorLog::level() && is_worth_a_line(metadata)
    }
}

impl<S> Filter<S> for InForce {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        Self::takes(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::takes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match ErrorLog::level() {
            Level::Debug => LevelFilter::TRACE,
            Level::Info | Level::Notice => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            _ => LevelFilter::ERROR,
        })
    }
}

impl<S: Subscriber> Layer<S> for ErrorLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = OffsetDateTime::now_utc().format(TIME).unwrap_or_default();
        let level = level_of(event.metadata());
        let _ = write!(line, " [{}] {}#0: ", level.as_str(), std::process::id());
        let start = line.len();
        event.record(&mut Text { line: &mut line, fields: false });
        // One event is one line, whatever a message holds.
        let message = line.split_off(start).replace('\n', "\\n").replace('\r', "\\r");
        crate::tap::tell(level, &message, event.metadata().target());
        line.push_str(&message);
        line.push('\n');
        self.sink.line_of(line.into_bytes(), level);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_crate_of_the_workspace_is_ours() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = |path: &str| std::fs::read_to_string(root.join(path)).expect("a readable file");
        let workspace = text("Cargo.toml");
        let members = workspace.lines().filter_map(|line| line.strip_prefix("  \"")?.strip_suffix("\","));
        // Nothing of these runs in the gateway.
        let members = members.filter(|path| !["e2e", "ui", "xtask", "server/schema/derive"].contains(path));
        let unknown: Vec<String> = members
            .take_while(|path| !path.contains(' '))
            .map(|path| {
                let manifest = text(&format!("{path}/Cargo.toml"));
                let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
                name.expect("a name").replace('-', "_")
            })
            .filter(|name| !OURS.contains(&name.as_str()))
            .collect();
        assert_eq!(unknown, [""; 0]);
    }
}
