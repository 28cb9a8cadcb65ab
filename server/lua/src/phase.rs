//! The phases that Lua may run in, and the sets of them that functions are allowed in.

use std::fmt::Write;

/// A phase, by Kong's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Phase {
    /// When a worker starts.
    InitWorker = 1,
    /// The TLS handshake, once the server name is known.
    Certificate = 1 << 1,
    /// The TLS handshake's first message.
    ClientHello = 1 << 2,
    /// Before routing.
    Rewrite = 1 << 3,
    /// After routing.
    Access = 1 << 4,
    /// Before each try.
    Balancer = 1 << 5,
    /// The upstream's answer is there, whole.
    Response = 1 << 6,
    /// The response's head is about to go out.
    HeaderFilter = 1 << 7,
    /// Each piece of the response's body.
    BodyFilter = 1 << 8,
    /// The response has gone out.
    Log = 1 << 9,
    /// A stream connection.
    Preread = 1 << 10,
    /// An error page is made.
    Error = 1 << 11,
    /// A request of the Admin API.
    AdminApi = 1 << 12,
    /// A timer's turn.
    Timer = 1 << 13,
}

const NAMES: [(Phase, &str); 14] = [
    (Phase::InitWorker, "init_worker"),
    (Phase::Certificate, "certificate"),
    (Phase::ClientHello, "client_hello"),
    (Phase::Rewrite, "rewrite"),
    (Phase::Access, "access"),
    (Phase::Balancer, "balancer"),
    (Phase::Response, "response"),
    (Phase::HeaderFilter, "header_filter"),
    (Phase::BodyFilter, "body_filter"),
    (Phase::Log, "log"),
    (Phase::Preread, "preread"),
    (Phase::Error, "error"),
    (Phase::AdminApi, "admin_api"),
    (Phase::Timer, "timer"),
];

impl Phase {
    /// As in Kong's messages, in `ngx.get_phase`, and as a handler's method.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(phase, _)| *phase == self).map_or("", |(_, name)| name)
    }
}

/// Phases that a function may be called in.
#[derive(Clone, Copy, Debug)]
pub enum Phases {
    /// In these.
    Only(u16),
    /// In all but these.
    Except(u16),
}

const fn of(phases: &[Phase]) -> u16 {
    let (mut bits, mut at) = (0, 0);
    while at < phases.len() {
        bits |= phases[at] as u16;
        at += 1;
    }
    bits
}

use Phase::{Access, AdminApi, Balancer, BodyFilter, Error, HeaderFilter, InitWorker, Log, Preread, Response, Rewrite};

impl Phases {
    /// Everywhere with a request.
    pub const REQUEST: Self =
        Self::Only(of(&[Rewrite, Access, Balancer, Response, HeaderFilter, BodyFilter, Log, Error, AdminApi]));
    /// Everywhere but at the start of a worker.
    pub const STARTED: Self = Self::Except(of(&[InitWorker]));
    /// Once a Route is known.
    pub const ROUTED: Self = Self::Only(of(&[Access, HeaderFilter, Response, BodyFilter, Log]));
    /// Where a request's body can be read.
    pub const BODY: Self = Self::Only(of(&[Rewrite, Access, Response, Error, AdminApi]));
    /// Where the request to the upstream can be changed.
    pub const FORWARD: Self = Self::Only(of(&[Rewrite, Access]));
    /// The same, and at each try.
    pub const BALANCED: Self = Self::Only(of(&[Rewrite, Access, Balancer]));
    /// In access alone.
    pub const ACCESS: Self = Self::Only(of(&[Access]));
    /// Where the target can be set.
    pub const TARGET: Self = Self::Only(of(&[Rewrite, Access, Balancer, Preread]));
    /// Where there is a response to read.
    pub const ANSWERED: Self = Self::Only(of(&[Response, HeaderFilter, BodyFilter, Log, Error, AdminApi]));
    /// Where the response's head can be changed.
    pub const HEAD: Self = Self::Only(of(&[Rewrite, Access, Response, Balancer, HeaderFilter, Error, AdminApi]));
    /// Where there is an upstream's response.
    pub const UPSTREAM: Self = Self::Only(of(&[Response, HeaderFilter, BodyFilter, Log]));
    /// While the body passes.
    pub const CHUNK: Self = Self::Only(of(&[BodyFilter]));
    /// At the end.
    pub const LOG: Self = Self::Only(of(&[Log]));
    /// Where a value can be given to the log.
    pub const SERIALIZED: Self = Self::Only(of(&[Rewrite, Access, HeaderFilter, Response, BodyFilter, Log]));
    /// In the handshake, once the server name is known.
    pub const CERTIFICATE: Self = Self::Only(of(&[Phase::Certificate]));
    /// In the handshake's first message.
    pub const CLIENT_HELLO: Self = Self::Only(of(&[Phase::ClientHello]));
    /// Where the client's certificate is known.
    pub const CLIENT_CHAIN: Self = Self::Only(of(&[Rewrite, Access, Response, Balancer, Log]));
    /// Where what is said of it can be changed.
    pub const CLIENT_VERIFY: Self = Self::Only(of(&[Rewrite, Access, Response, Balancer]));
    /// In streams, and at each try.
    pub const STREAM: Self = Self::Only(of(&[Preread, Balancer]));
    /// Where Lua may wait for someone.
    pub const WAITING: Self =
        Self::Only(of(&[Phase::Certificate, Rewrite, Access, Preread, Response, AdminApi, Phase::Timer]));

    /// Whether a phase is allowed.
    pub fn has(self, phase: Phase) -> bool {
        match self {
            Self::Only(bits) => bits & phase as u16 != 0,
            Self::Except(bits) => bits & phase as u16 == 0,
        }
    }

    /// Kong's text for a call elsewhere.
    pub fn refusal(self, phase: Phase) -> String {
        let (bits, mut text) = match self {
            Self::Only(bits) => (bits, format!("function cannot be called in {} phase (only in: ", phase.name())),
            Self::Except(bits) => (
                bits,
                format!("function cannot be called in {} phase (can be called in any phases except: ", phase.name()),
            ),
        };
        let mut first = true;
        for (phase, name) in NAMES {
            if bits & phase as u16 != 0 {
                let _ = write!(text, "{}{name}", if first { "" } else { ", " });
                first = false;
            }
        }
        text.push(')');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_phases() {
        assert_eq!(
            Phases::FORWARD.refusal(Phase::Log),
            "function cannot be called in log phase (only in: rewrite, access)"
        );
        assert_eq!(
            Phases::STARTED.refusal(Phase::InitWorker),
            "function cannot be called in init_worker phase (can be called in any phases except: init_worker)"
        );
        assert!(Phases::STARTED.has(Phase::Log) && !Phases::STARTED.has(Phase::InitWorker));
    }
}
