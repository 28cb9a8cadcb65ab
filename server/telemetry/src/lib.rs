//! What an operator reads: access and error logs, rendered from the Exchange's timeline and from `tracing` events, and
//! spans of requests and of the node, exported to a collector.
//!
//! Invariants: a worker never waits for a disk, a terminal or a collector: lines and spans go to threads of their own
//! through bounded queues, and what does not fit is dropped and counted. A sink that fails says so once and keeps
//! trying. What is off costs nothing: no thread, no span, no decision.

mod access;
mod error_log;
pub mod export;
pub mod log_format;
mod masks;
pub mod ship;
mod sink;
mod syslog;
mod tap;
pub mod trace;

pub use access::{AccessFormat, AccessLog};
pub use error_log::{ErrorLog, Level, install};
pub use export::{Counts, ExportError, ExportSettings, Exporter};
pub use log_format::{Escape, FormatError, LogFormat};
pub use masks::masks;
pub use sink::{Sink, SinkTarget};
pub use syslog::{SyslogError, SyslogTarget, hostname};
pub use tap::{LogTap, report, tap_log};
pub use trace::{Detailed, Kinds, NodeSpans, Rate, RequestTracer, admin_request};
