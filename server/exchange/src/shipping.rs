//! Sending what logging plugins say to whom it is for, as plugins see it: an [`Outbox`] that takes an entry at once,
//! whatever happens to it later.
//!
//! Nothing here knows a socket. Entries wait in bounded memory and go out in batches from another thread.

use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// Limits of a queue (`config.queue`).
#[derive(Clone, Debug, PartialEq)]
pub struct QueueLimits {
    /// Entries that go out together at most.
    pub max_batch_size: usize,
    /// How long a batch waits for more entries, from its first.
    pub max_coalescing_delay: Duration,
    /// Entries that wait, those on their way included; the oldest make room.
    pub max_entries: usize,
    /// Bytes that wait; `None` leaves the node's own bound.
    pub max_bytes: Option<usize>,
    /// How long a batch is tried; zero tries once.
    pub max_retry_time: Duration,
    /// Pause after the first failure; doubled by each further one.
    pub initial_retry_delay: Duration,
    /// The longest pause.
    pub max_retry_delay: Duration,
    /// Whether every entry goes out by itself and at once, beside those that are on their way.
    pub concurrent: bool,
}

impl QueueLimits {
    /// For entries that are tried once and wait for nobody: loggers without `config.queue`.
    pub fn once(max_batch_size: usize) -> Self {
        Self {
            max_batch_size,
            max_coalescing_delay: Duration::ZERO,
            max_entries: 10_000,
            max_bytes: None,
            max_retry_time: Duration::ZERO,
            initial_retry_delay: Duration::from_millis(10),
            max_retry_delay: Duration::from_secs(60),
            concurrent: false,
        }
    }
}

/// How the entries of a batch become messages.
#[derive(Clone)]
pub enum Pack {
    /// Each is a message.
    Each,
    /// All in one, one after the other.
    Joined,
    /// One is a message as it is, several are a JSON array of them.
    JsonArrayOfSeveral,
    /// A JSON array of them, also of one.
    JsonArray,
    /// As a function says.
    With(Arc<dyn Fn(Vec<Bytes>) -> Vec<Bytes> + Send + Sync>),
}

impl Pack {
    /// The messages of a batch.
    pub fn messages(&self, mut entries: Vec<Bytes>) -> Vec<Bytes> {
        match self {
            Self::Each => entries,
            Self::JsonArrayOfSeveral | Self::Joined if entries.len() == 1 => entries,
            Self::Joined => vec![entries.concat().into()],
            Self::JsonArray | Self::JsonArrayOfSeveral => {
                let mut out = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 1).sum::<usize>() + 1);
                out.push(b'[');
                for (index, entry) in entries.drain(..).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&entry);
                }
                out.push(b']');
                vec![out.into()]
            }
            Self::With(function) => function(entries),
        }
    }
}

/// Who gets messages.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Each message is the body of a request.
    Http {
        /// Method.
        method: String,
        /// Absolute URL without user information.
        url: String,
        /// Header lines.
        headers: Vec<(String, String)>,
        /// For one request.
        timeout: Duration,
        /// Whether the node's authorities must vouch for the server, with https.
        verify: bool,
        /// The first status that is no success: 300, or 201 where only 200 is one.
        failure_from: u16,
    },
    /// Each message goes into a connection that is kept open.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// For connecting and for writing.
        timeout: Duration,
        /// How long an idle connection is kept.
        keepalive: Duration,
        /// With TLS, asking for this name; the certificate is not verified.
        tls: Option<Option<String>>,
    },
    /// Each message is a datagram.
    Udp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// Each message is a datagram to a local socket (`/dev/log`).
    Local {
        /// Its path.
        path: PathBuf,
    },
    /// Each message is written at the end of a file by one write.
    File {
        /// Its path.
        path: PathBuf,
        /// Whether it is opened anew for every batch.
        reopen: bool,
    },
    /// Each message is taken by a receiver of this process.
    Receiver(Recipient),
}

/// A message that is on its way; the error is a sentence.
pub type Receiving = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// Takes messages where it needs more than a connection to bring them further: a request of its own for each, a mail.
pub trait Receiver: Send + Sync {
    /// Takes a message. One that is not taken is tried again as the queue's limits say.
    fn receive(&self, message: Bytes) -> Receiving;
}

/// A receiver with its name. Two are the same where the receiver is.
#[derive(Clone)]
pub struct Recipient {
    /// For logs; holds no secret.
    pub name: String,
    /// Who takes messages.
    pub receiver: Arc<dyn Receiver>,
}

impl Recipient {
    fn address(&self) -> usize {
        Arc::as_ptr(&self.receiver).addr()
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Recipient {}

impl Hash for Recipient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Destination {
    /// For logs: without headers, and without a query, in which secrets may be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { url, .. } => f.write_str(url.split(['?', '#']).next().unwrap_or_default()),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port} (TCP)"),
            Self::Udp { host, port } => write!(f, "{host}:{port} (UDP)"),
            Self::Local { path } | Self::File { path, .. } => write!(f, "{}", path.display()),
            Self::Receiver(recipient) => f.write_str(&recipient.name),
        }
    }
}

/// What an outbox is for.
#[derive(Clone)]
pub struct Shipment {
    /// The plugin, for logs and metrics.
    pub plugin: &'static str,
    /// Outboxes with the same name are one queue, so what waits outlives a configuration: everything that tells two
    /// queues apart stands in it.
    pub name: String,
    /// Limits.
    pub limits: QueueLimits,
    /// How entries become messages.
    pub pack: Pack,
    /// Who gets them.
    pub destination: Destination,
}

/// Takes entries.
pub trait Outbox: Send + Sync {
    /// Leaves an entry. Never waits; where there is no room the oldest entries are dropped, and counted.
    fn push(&self, entry: Bytes);
}

/// Opens outboxes.
pub trait Shipping: Send + Sync {
    /// An outbox. Nobody is asked yet, and nothing runs before the first entry.
    fn open(&self, shipment: Shipment) -> Arc<dyn Outbox>;
}

/// For nodes and tests without anyone to send to: everything is dropped.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoShipping;

impl Shipping for NoShipping {
    fn open(&self, _: Shipment) -> Arc<dyn Outbox> {
        Arc::new(Self)
    }
}

impl Outbox for NoShipping {
    fn push(&self, _: Bytes) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(pack: &Pack, entries: &[&'static str]) -> Vec<String> {
        let entries = entries.iter().map(|entry| Bytes::from_static(entry.as_bytes())).collect();
        pack.messages(entries).iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
    }

    #[test]
    fn batches_become_messages() {
        assert_eq!(packed(&Pack::Each, &["1", "2"]), ["1", "2"]);
        assert_eq!(packed(&Pack::Joined, &["1\n", "2\n"]), ["1\n2\n"]);
        assert_eq!(packed(&Pack::JsonArrayOfSeveral, &["{}"]), ["{}"]);
        assert_eq!(packed(&Pack::JsonArrayOfSeveral, &["{}", "1"]), ["[{},1]"]);
        assert_eq!(packed(&Pack::JsonArray, &["{}"]), ["[{}]"]);
        assert_eq!(packed(&Pack::With(Arc::new(|entries: Vec<Bytes>| entries[1..].to_vec())), &["1", "2"]), ["2"]);
    }

    #[test]
    fn a_destination_is_shown_without_its_secrets() {
        let destination = Destination::Http {
            method: "POST".into(),
            url: "https://a.test/in?token=secret".into(),
            headers: vec![("authorization".into(), "secret".into())],
            timeout: Duration::from_secs(1),
            verify: true,
            failure_from: 300,
        };
        assert_eq!(format!("{destination:?}"), "https://a.test/in");
    }
}
