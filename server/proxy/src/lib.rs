//! Listeners, the HTTP engine, upstream connections, the life of an Exchange.
//!
//! Invariants: names no plugin and no Admin API; a request takes no lock, waits for no mailbox and arms no timer; what
//! cannot be read in one way only is refused; no byte of one answer reaches another client.
//!
//! * [`h1`] and [`h2`](crate::h2) speak HTTP/1 and HTTP/2 with clients; [`life`] is what happens to each Exchange, whatever protocol it came in.
//! * [`session`] is TCP, TLS and UDP without HTTP.
//! * [`upstream`] speaks with upstreams; [`dns`] and [`targets`] say where they are.
//! * [`worker`] is what one arbiter owns: snapshot cache, idle connections, buffers, the sweep of time limits.

pub mod buffers;
pub mod date;
pub mod dns;
mod engine;
pub mod h1;
pub mod h2;
pub mod health;
pub mod imagine;
pub mod life;
pub mod listen;
mod outgoing;
pub mod product;
mod real_ip;
pub mod session;
pub mod settings;
pub mod stream;
pub mod sweep;
pub mod targets;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod traffic;
pub mod upstream;
pub mod worker;

pub use engine::Engine;
pub use h1::connection::{refuse_cleartext, serve};
pub use session::{SessionSettings, Sessions};
pub use settings::{HeaderTokens, ProxySettings, RealIpHeader};
pub use stream::ClientStream;
pub use traffic::Traffic;
pub use worker::{Ends, ListenerContext, Observer, Purpose, Shared, Watcher, Watching, Worker};
