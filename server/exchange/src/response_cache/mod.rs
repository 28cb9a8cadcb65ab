//! Responses that are kept for later requests: what is kept, and the places for it.

mod memory;
mod shared;

pub use memory::MemoryStore;
pub use shared::{ResponseCache, Shelf};

use crate::headers::Headers;
use crate::redis::Pending;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The name of a response: a digest.
pub type ResponseKey = [u8; 32];

/// A response as it was kept.
#[derive(Clone, Debug, Default)]
pub struct KeptResponse {
    /// The plugin entity that kept it.
    pub plugin: Uuid,
    /// Status code.
    pub status: u16,
    /// Header section.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
    /// When it came, in seconds of the Unix epoch.
    pub timestamp: u64,
    /// For how long it is fresh, in seconds.
    pub ttl: u64,
    /// For how long it is kept.
    pub kept_for: Duration,
}

/// A place where responses are kept.
pub trait ResponseStore: Send + Sync {
    /// A response that is still kept, and that this plugin entity kept.
    fn get(&self, plugin: Uuid, key: &ResponseKey) -> Fetching;

    /// Keeps a response in the place of an earlier one. Nobody waits for it: what cannot be kept is not kept.
    fn put(&self, key: ResponseKey, response: KeptResponse);

    /// Forgets a response of a plugin entity; tells whether there was one.
    fn remove(&self, plugin: Uuid, key: &ResponseKey) -> Pending<bool>;

    /// Forgets all responses of a plugin entity.
    fn clear(&self, plugin: Uuid) -> Pending<()>;
}

/// A response that was looked for.
pub enum Fetching {
    /// It is known whether it is kept.
    Done(Option<Arc<KeptResponse>>),
    /// Another server is being asked.
    Wait(Pending<Option<Arc<KeptResponse>>>),
}

/// What the cache was to a request: `X-Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// Answered from the cache.
    Hit,
    /// Nothing was kept; the response is.
    Miss,
    /// What was kept is too old; the response takes its place.
    Refresh,
    /// Neither the request nor its response is the cache's business.
    Bypass,
}

impl CacheStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Refresh, Self::Bypass];

    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Hit => "Hit",
            Self::Miss => "Miss",
            Self::Refresh => "Refresh",
            Self::Bypass => "Bypass",
        }
    }
}
