//! One request with its response: the [`Exchange`], what happens to it over time ([`Timeline`]), and the
//! [`Plugin`] trait whose methods are the phases of its life.
//!
//! Invariants: no socket, no runtime, no database; nothing here waits except through a [`Step::Wait`] future that
//! a plugin returned. An Exchange belongs to one worker and is never shared between threads.

pub mod answer;
pub mod body;
pub mod challenges;
pub mod counters;
pub mod custom_metrics;
pub mod desks;
pub mod directory;
pub mod escape;
mod exchange;
pub mod form;
mod handshake;
pub mod headers;
pub mod http_client;
mod http_proxy;
pub mod ldap;
pub mod log_entry;
pub mod mails;
pub mod mask;
mod matched;
pub mod meters;
pub mod names;
pub mod notices;
pub mod plugin;
pub mod programs;
pub mod records;
pub mod redis;
pub mod request;
pub mod request_id;
pub mod response;
pub mod response_cache;
pub mod scripts;
pub mod services;
pub mod session;
pub mod shipping;
pub mod state;
pub mod timeline;
pub mod trace;

pub use answer::{Answer, AnswerBody, ErrorTemplates};
pub use body::{Body, BodyError, BodySource};
pub use challenges::{ChallengeError, Challenges, NoChallenges};
pub use desks::Desks;
pub use directory::{Consumer, Credential, Directory, DirectoryError, Lookup};
pub use exchange::{Captures, Exchange, Identity, TRACE_ID};
pub use handshake::Handshake;
pub use headers::Headers;
pub use http_client::{HttpClient, HttpError, HttpRequest, HttpResponse};
pub use http_proxy::{HttpProxies, HttpProxy};
pub use mails::{Mail, Mailer};
pub use matched::MatchedRoute;
pub use meters::{Meter, Meters, NoMeters};
pub use notices::{LimitExceeded, NoNotices, Notices};
pub use plugin::{About, Chunk, Flow, Instance, Phases, Plugin, PluginType, Registry, Step};
pub use programs::{NoPrograms, Programs};
pub use records::{NoRecords, Records, RecordsError};
pub use request::{Forward, Instead, Request, Retarget, Scheme, TlsSession, Unwelcome, Version};
pub use request_id::RequestId;
pub use response::{Response, Source};
pub use response_cache::{
    CacheStatus, Fetching, KeptResponse, MemoryStore, ResponseCache, ResponseKey, ResponseStore, Shelf,
};
/// A regular expression over bytes, as plugins are configured with.
pub use router::Pattern;
pub use scripts::{LogScripts, NoScripts, Returning, Scripts};
pub use services::{Services, TracingDefaults};
pub use session::{Session, Transport};
pub use shipping::{
    Destination, NoShipping, Outbox, Pack, QueueLimits, Receiver, Receiving, Recipient, Shipment, Shipping,
};
pub use timeline::{Asked, Debugged, Look, Section, Spent, Stamp, Timeline, Try, TryError};
pub use trace::{SpanId, TraceContext, TraceId, Tracer};
