//! From the first request to the last: signals, and who serves meanwhile.

use super::handover::{Link, aside};
use super::succession::{Line, Successor};
use super::{Failure, SettingsArguments};
use crate::node::Node;
use config::Loaded;
use proxy::listen::Sockets;
use rustix::process::Signal as Kind;
use std::future::pending;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that mean something.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Signals {
    /// From now on they no longer do what signals do by themselves.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next one that ends everything: gracefully or not. The others wait.
    async fn ending(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = self.quit.recv() => true,
        }
    }

    async fn next(&mut self) -> Kind {
        tokio::select! {
            _ = self.terminate.recv() => Kind::TERM,
            _ = self.interrupt.recv() => Kind::TERM,
            _ = self.quit.recv() => Kind::QUIT,
            _ = self.hangup.recv() => Kind::HUP,
            _ = self.reopen.recv() => Kind::USR1,
            _ = self.upgrade.recv() => Kind::USR2,
        }
    }
}

/// A process and what it was started with.
pub(super) struct Reign<'a> {
    pub arguments: &'a SettingsArguments,
    pub line: Line,
    /// The settings of whoever serves.
    pub loaded: Loaded,
    pub signals: &'a mut Signals,
}

/// How a node stops serving.
enum End {
    At(bool),
    Replaced(Box<Successor>),
}

impl Reign<'_> {
    /// Serves until a signal ends it, or a successor has taken over; then watches over that one until its end. `watched`:
    /// somebody watches over this process, which ends with whoever does.
    pub async fn until_the_end(mut self, node: Node, watched: Option<Link>) -> Result<(), Failure> {
        let may_be_succeeded = watched.is_none();
        let mut orphaned = watched.map(|link| aside(move || link.ended()));
        let end = loop {
            let alone = async {
                match &mut orphaned {
                    Some(ended) => drop(ended.await),
                    None => pending().await,
                }
            };
            let signal = tokio::select! {
                signal = self.signals.next() => signal,
                () = alone => Kind::QUIT,
            };
            match signal {
                Kind::TERM => break End::At(false),
                Kind::QUIT => break End::At(true),
                Kind::USR1 => node.reopen_logs(),
                Kind::HUP | Kind::USR2 => {
                    if signal == Kind::HUP {
                        node.reopen_logs();
                    }
                    match self.fresh(signal) {
                        Some(fresh) if may_be_succeeded => match self.succeed(node.sockets(), fresh).await {
                            Ok(Some(successor)) => break End::Replaced(Box::new(successor)),
                            Ok(None) => {}
                            Err(gracefully) => break End::At(gracefully),
                        },
                        _ if signal == Kind::HUP => node.reload().await,
                        _ => {}
                    }
                }
                _ => {}
            }
        };
        match end {
            End::At(gracefully) => {
                node.stop(gracefully).await;
                Ok(())
            }
            End::Replaced(successor) => {
                tracing::warn!("another process has taken over; this one ends what it has in flight");
                let ending = actix_rt::spawn(async move {
                    node.leave_apis().await;
                    node.stop(true).await;
                });
                let done = self.watch(*successor).await;
                // What is in flight here has its time also where the successor ended before.
                let _ = ending.await;
                done
            }
        }
    }

    /// The settings that a successor would have, where a signal asks for one: always, or where they are others than those of
    /// whoever serves. Wrong ones are told in the log.
    fn fresh(&self, signal: Kind) -> Option<Loaded> {
        match super::start::settings(self.arguments) {
            Ok(fresh) => (signal == Kind::USR2 || fresh.differs(&self.loaded)).then_some(fresh),
            Err(Failure(problems)) => {
                tracing::error!("the settings were refused, those in use stay: {problems}");
                None
            }
        }
    }

    /// A successor on these sockets; `None` where it did not come to serve. The error is that this process was told
    /// meanwhile to end, gracefully or not: who was about to take over notices by itself.
    async fn succeed(&mut self, sockets: &Sockets, fresh: Loaded) -> Result<Option<Successor>, bool> {
        let taken = tokio::select! {
            taken = self.line.succeed(sockets) => taken,
            gracefully = self.signals.ending() => return Err(gracefully),
        };
        Ok(match taken {
            Ok(successor) => {
                self.loaded = fresh;
                Some(successor)
            }
            Err(Failure(error)) => {
                tracing::error!("{error}; the one that serves goes on");
                None
            }
        })
    }

    /// Passes signals on to a successor, and has it succeeded, until it ends.
    async fn watch(&mut self, mut successor: Successor) -> Result<(), Failure> {
        loop {
            let signal = tokio::select! {
                signal = self.signals.next() => signal,
                status = successor.ended() => {
                    let status = status?;
                    return match status.success() {
                        true => Ok(()),
                        false => Err(Failure(format!("the process that served ended with {status}"))),
                    };
                }
            };
            let fresh = if matches!(signal, Kind::HUP | Kind::USR2) { self.fresh(signal) } else { None };
            let next = match (fresh, signal) {
                (Some(fresh), _) => self.succeed(&successor.sockets, fresh).await,
                (None, Kind::TERM) => Err(false),
                (None, Kind::QUIT) => Err(true),
                (None, Kind::USR2) => Ok(None),
                (None, signal) => {
                    successor.signal(signal);
                    Ok(None)
                }
            };
            match next {
                Ok(None) => {}
                Ok(Some(next)) => {
                    successor.signal(Kind::QUIT);
                    successor = next;
                }
                Err(gracefully) => {
                    // Who comes now is to be refused, not to wait.
                    successor.sockets.clear();
                    successor.signal(if gracefully { Kind::QUIT } else { Kind::TERM });
                }
            }
        }
    }
}
