//! Loggers: the entry of a request, sent as each of them does it.

mod custom_fields;
mod file_log;
mod http_log;
mod loggly;
mod severity;
mod syslog;
mod tcp_log;
mod udp_log;

pub use custom_fields::logger;
pub use file_log::FileLog;
pub use http_log::HttpLog;
pub use loggly::Loggly;
pub use syslog::Syslog;
pub use tcp_log::TcpLog;
pub use udp_log::UdpLog;
