//! Ways to a receiver.

mod datagram;
mod file;
mod http;
mod tcp;

use super::{Calls, Network};
use bytes::Bytes;
use datagram::{Local, Udp};
use exchange::shipping::{Destination, Receiver};
use file::Lines;
use http::Http;
use std::rc::Rc;
use std::sync::Arc;
use tcp::Tcp;

/// One way to one receiver.
pub(super) enum Carrier {
    Http(Http),
    Tcp(Box<Tcp>),
    Udp(Udp),
    Local(Local),
    File(Lines),
    Receiver(Arc<dyn Receiver>),
}

impl Carrier {
    /// To that receiver; nobody is asked yet.
    pub fn to(destination: &Destination, network: Arc<dyn Network>, calls: Rc<Calls>) -> Self {
        match destination.clone() {
            Destination::Http { method, url, headers, timeout, verify, failure_from } => {
                Self::Http(Http { calls, method, url, headers, timeout, verify, failure_from })
            }
            Destination::Tcp { host, port, timeout, keepalive, tls } => {
                Self::Tcp(Box::new(Tcp::new(network, (host, port), timeout, keepalive, tls)))
            }
            Destination::Udp { host, port } => Self::Udp(Udp::new(network, host, port)),
            Destination::Local { path } => Self::Local(Local::new(path)),
            Destination::File { path, reopen } => Self::File(Lines::new(path, reopen)),
            Destination::Receiver(recipient) => Self::Receiver(recipient.receiver),
        }
    }

    /// Does beforehand what can be done, and says what will not work: opens a file.
    pub async fn prepare(&mut self, epoch: u64) {
        if let Self::File(lines) = self {
            lines.prepare(epoch).await;
        }
    }

    /// Brings messages over, and takes those from `rest` that were. The error is a sentence.
    pub async fn carry(&mut self, rest: &mut &[Bytes], epoch: u64) -> Result<(), String> {
        match self {
            // In one write, together.
            Self::File(lines) => {
                lines.write(rest, epoch).await?;
                *rest = &[];
            }
            Self::Tcp(tcp) => {
                tcp.send(rest).await?;
                *rest = &[];
            }
            _ => {
                while let Some((first, others)) = rest.split_first() {
                    match self {
                        Self::Http(http) => http.send(first.clone()).await?,
                        Self::Udp(udp) => udp.send(first).await?,
                        Self::Local(local) => local.send(first).await?,
                        Self::Receiver(receiver) => receiver.receive(first.clone()).await?,
                        Self::File(_) | Self::Tcp(_) => {}
                    }
                    *rest = others;
                }
            }
        }
        Ok(())
    }
}
