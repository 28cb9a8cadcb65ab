//! Why a request is refused before anything looks at it.

use exchange::Answer;
use exchange::answer::{AnswerBody, Negotiation};
use exchange::response::Source;
use exchange::{Request, Unwelcome};

/// A request that is answered by the engine itself, and after which the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400
    #[error("{0}")]
    Malformed(&'static str),
    /// 400: `ssl_verify_client`
    #[error("{0}")]
    Client(Unwelcome),
    /// 405: TRACE would show credentials to scripts, CONNECT is for forward proxies.
    #[error("the method is not allowed")]
    Method,
    /// 413
    #[error("the body is larger than client_max_body_size")]
    TooLarge,
    /// 414
    #[error("the request line is too long")]
    UriTooLong,
    /// 494, which is sent as 400
    #[error("the header section is too large")]
    HeaderTooLarge,
    /// 501: no tunnel but a WebSocket is made.
    #[error("the protocol to switch to is not known here")]
    Protocol,
    /// 501
    #[error("the transfer coding is not known here")]
    TransferCoding,
    /// 505
    #[error("the protocol version is not spoken here")]
    Version,
}

impl Refusal {
    /// The answer it gets.
    pub fn answer(self) -> Answer {
        match self {
            Self::Malformed(_) => Answer::page(400),
            Self::Client(why) => Answer {
                status: 400,
                headers: vec![("Content-Type".into(), b"text/html".to_vec())],
                body: AnswerBody::Bytes(page(&why.to_string()).into()),
                negotiation: Negotiation::Page,
                source: Source::Error,
            },
            Self::Method => Answer::page(405),
            Self::TooLarge => Answer::page(413),
            Self::UriTooLong => Answer::page(414),
            Self::HeaderTooLarge => Answer {
                status: 400,
                headers: Vec::new(),
                body: AnswerBody::Error("Request header or cookie too large".into()),
                negotiation: Negotiation::Page,
                source: Source::Error,
            },
            Self::Protocol | Self::TransferCoding => Answer::page(501),
            Self::Version => Answer::page(505),
        }
    }
}

/// Whether the listener lets the client of a request in.
pub(crate) fn welcome(request: &Request) -> Result<(), Refusal> {
    match request.tls.as_ref().and_then(|tls| tls.unwelcome) {
        None => Ok(()),
        Some(why) => Err(Refusal::Client(why)),
    }
}

/// nginx's page of its statuses that are sent as 400.
pub fn page(why: &str) -> String {
    format!(
        "<html>\r\n<head><title>400 {why}</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n\
         <center>{why}</center>\r\n<hr><center>kong</center>\r\n</body>\r\n</html>\r\n"
    )
}
