//! Syslog as nginx sends it: RFC 3164 messages by datagram.

use crate::Level;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");

/// RFC 3164 §4.1.1, by number.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp",
    "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// RFC 3164 §4.1.1, by number.
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

/// Longest tag (RFC 3164 §4.1.3).
const MAX_TAG: usize = 32;

/// The port of syslog.
const PORT: u16 = 514;

/// The largest message that is sent: what fits into one UDP datagram.
const MAX_MESSAGE: usize = 65_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Server {
    Udp(String, u16),
    Unix(PathBuf),
}

/// A syslog server, and how lines are marked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyslogTarget {
    server: Server,
    facility: u8,
    severity: u8,
    tag: String,
    hostname: bool,
}

/// Why parameters of `syslog:` are no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyslogError {
    /// No server.
    #[error("syslog: no server is given, such as server=127.0.0.1:514")]
    NoServer,
    /// An unknown parameter.
    #[error("syslog: unknown parameter '{0}' (server, facility, severity, tag and nohostname are known)")]
    Unknown(String),
    /// A value that cannot be.
    #[error("syslog: {name} '{value}' is not valid (expected {expected})")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: String,
    },
}

impl SyslogTarget {
    /// Reads nginx's parameters, those behind `syslog:`: `server=127.0.0.1:514,facility=local7,tag=kong,severity=info`
    /// and `nohostname`; a server may be `unix:/dev/log`.
    pub fn parse(parameters: &str) -> Result<Self, SyslogError> {
        let mut server = None;
        let mut target = Self {
            server: Server::Unix(PathBuf::new()),
            facility: 23,
            severity: 6,
            tag: "silverback".into(),
            hostname: true,
        };
        for parameter in parameters.split(',').map(str::trim) {
            match parameter.split_once('=') {
                Some(("server", value)) => server = Some(Server::parse(value)?),
                Some(("facility", value)) => target.facility = number("facility", value, &FACILITIES)?,
                Some(("severity", value)) => target.severity = number("severity", value, &SEVERITIES)?,
                Some(("tag", value)) => {
                    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    if value.is_empty() || value.len() > MAX_TAG || !value.chars().all(known) {
                        let expected = "1 to 32 letters, digits and underscores".to_owned();
                        return Err(SyslogError::Value { name: "tag", value: value.into(), expected });
                    }
                    target.tag = value.to_owned();
                }
                None if parameter == "nohostname" => target.hostname = false,
                _ => return Err(SyslogError::Unknown(parameter.to_owned())),
            }
        }
        target.server = server.ok_or(SyslogError::NoServer)?;
        Ok(target)
    }

    /// The message for a line.
    fn message(&self, line: &[u8], level: Option<Level>, hostname: &str, time: OffsetDateTime) -> Vec<u8> {
        let severity = level.map_or(self.severity, severity);
        let mut out = Vec::with_capacity(64 + line.len());
        let _ = write!(out, "<{}>{} ", self.facility * 8 + severity, time.format(TIME).unwrap_or_default());
        if self.hostname {
            let _ = write!(out, "{hostname} ");
        }
        let _ = write!(out, "{}: ", self.tag);
        out.extend_from_slice(line.trim_ascii_end());
        out.truncate(MAX_MESSAGE);
        out
    }
}

impl Server {
    fn parse(value: &str) -> Result<Self, SyslogError> {
        let wrong = || SyslogError::Value {
            name: "server",
            value: value.to_owned(),
            expected: "an address such as 127.0.0.1:514, [::1]:514, a name, or unix:/dev/log".to_owned(),
        };
        if let Some(path) = value.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        let (host, port) = match value.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                host.parse::<Ipv6Addr>().map_err(|_| wrong())?;
                (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(wrong)?) })
            }
            None => value.split_once(':').map_or((value, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(PORT), |port| port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong))?;
        if host.is_empty() || host.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self::Udp(host.to_owned(), port))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(host, port) => write!(f, "{host} port {port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

fn number(name: &'static str, value: &str, known: &[&str]) -> Result<u8, SyslogError> {
    let found = known.iter().position(|word| *word == value).and_then(|at| u8::try_from(at).ok());
    let error = || SyslogError::Value { name, value: value.to_owned(), expected: known.join(", ") };
    found.ok_or_else(error)
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Emerg => 0,
        Level::Alert => 1,
        Level::Crit => 2,
        Level::Error => 3,
        Level::Warn => 4,
        Level::Notice => 5,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

/// This host's name.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".into() } else { name.to_owned() }
}

enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

/// A target, reached.
pub(crate) struct Syslog {
    target: SyslogTarget,
    hostname: String,
    socket: Socket,
}

impl Syslog {
    /// Looks the server up and opens a socket. A server that does not listen (yet) is no error where that cannot be
    /// known; a Unix socket that is not there is.
    pub fn open(target: &SyslogTarget) -> io::Result<Self> {
        let explain = |error: io::Error| io::Error::new(error.kind(), format!("syslog {}: {error}", target.server));
        let socket = match &target.server {
            Server::Udp(host, port) => Socket::Udp(udp(host, *port).map_err(explain)?),
            Server::Unix(path) => {
                let socket = UnixDatagram::unbound().map_err(explain)?;
                socket.connect(path).map_err(explain)?;
                Socket::Unix(socket)
            }
        };
        Ok(Self { target: target.clone(), hostname: hostname(), socket })
    }

    /// Sends a line as one message.
    pub fn send(&self, line: &[u8], level: Option<Level>) -> io::Result<()> {
        let message = self.target.message(line, level, &self.hostname, OffsetDateTime::now_utc());
        match &self.socket {
            Socket::Udp(socket) => socket.send(&message).map(drop),
            Socket::Unix(socket) => match (socket.send(&message), &self.target.server) {
                // The server was started anew: its socket is another one.
                (Err(_), Server::Unix(path)) => {
                    socket.connect(path)?;
                    socket.send(&message).map(drop)
                }
                (result, _) => result.map(drop),
            },
        }
    }
}

fn udp(host: &str, port: u16) -> io::Result<UdpSocket> {
    let mut addresses = (host, port).to_socket_addrs()?;
    let server = addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?;
    let any = if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(server)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sink, SinkTarget};
    use std::time::Duration;

    #[test]
    fn parameters_are_nginx_s() {
        for (parameters, expected) in [
            ("server=127.0.0.1", "127.0.0.1 port 514 23 6 silverback true"),
            ("server=127.0.0.1:1514,facility=local0,severity=debug,tag=kong", "127.0.0.1 port 1514 16 7 kong true"),
            ("server=[::1]:99,nohostname", "::1 port 99 23 6 silverback false"),
            ("server=[::1]", "::1 port 514 23 6 silverback true"),
            ("server=logs.example", "logs.example port 514 23 6 silverback true"),
            ("server=unix:/dev/log,tag=a_1", "/dev/log 23 6 a_1 true"),
        ] {
            let got = SyslogTarget::parse(parameters).unwrap();
            let text = format!("{} {} {} {} {}", got.server, got.facility, got.severity, got.tag, got.hostname);
            assert_eq!(text, expected, "{parameters}");
        }
        for (parameters, named) in [
            ("tag=kong", "no server"),
            ("server=", "server ''"),
            ("server=a:0", "server 'a:0'"),
            ("server=a:b", "server 'a:b'"),
            ("server=[::1", "server '[::1'"),
            ("server=[x]:1", "server '[x]:1'"),
            ("server=unix:", "server 'unix:'"),
            ("server=a,facility=local8", "facility 'local8'"),
            ("server=a,severity=loud", "severity 'loud'"),
            ("server=a,tag=a-b", "tag 'a-b'"),
            ("server=a,color=red", "'color=red'"),
            ("server=a,hostname", "'hostname'"),
        ] {
            let error = SyslogTarget::parse(parameters).unwrap_err().to_string();
            assert!(error.contains(named), "{parameters}: {error}");
        }
    }

    #[test]
    fn messages_are_those_of_rfc_3164() {
        let time = OffsetDateTime::from_unix_timestamp(1_700_000_000 - 10 * 86_400).unwrap();
        for (parameters, level, expected) in [
            ("server=a,facility=local0,tag=kong", None, "<134>Nov  4 22:13:20 host kong: line"),
            ("server=a,tag=kong", Some(Level::Error), "<187>Nov  4 22:13:20 host kong: line"),
            ("server=a,facility=kern,severity=emerg,nohostname,tag=k", None, "<0>Nov  4 22:13:20 k: line"),
        ] {
            let target = SyslogTarget::parse(parameters).unwrap();
            let message = target.message(b"line\n", level, "host", time);
            assert_eq!(String::from_utf8(message).unwrap(), expected, "{parameters}");
        }
    }

    #[test]
    fn each_line_is_a_datagram() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let parameters = format!("server={},tag=kong,nohostname", server.local_addr().unwrap());
        let sink = Sink::open(SinkTarget::Syslog(SyslogTarget::parse(&parameters).unwrap())).unwrap();
        sink.line(b"one\n".to_vec());
        sink.line_of(b"two\n".to_vec(), Level::Warn);
        let receive = || {
            let mut buffer = [0; 256];
            let length = server.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let (one, two) = (receive(), receive());
        assert!(one.starts_with("<190>") && one.ends_with(" kong: one"), "{one}");
        assert!(two.starts_with("<188>") && two.ends_with(" kong: two"), "{two}");
        sink.flush();
        assert_eq!(sink.dropped(), 0);
    }

    #[test]
    fn a_server_that_cannot_be_is_named() {
        let target = SyslogTarget::parse("server=unix:/proc/none/log").unwrap();
        let error = Sink::open(SinkTarget::Syslog(target)).err().unwrap();
        assert!(error.to_string().contains("/proc/none/log"), "{error}");
    }
}
