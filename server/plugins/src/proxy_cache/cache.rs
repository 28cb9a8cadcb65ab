//! What both plugins do: which requests and responses are the cache's business, what responses are kept under, how long
//! they are fresh, and what clients are told.

use super::config::Config;
use super::control::{Directives, MediaType, lifetime};
use crate::{auth, form};
use aws_lc_rs::digest::{Context, SHA256};
use bytes::BytesMut;
use exchange::response::Source;
use exchange::response_cache::{CacheStatus, Fetching, KeptResponse, ResponseCache, ResponseKey, Shelf};
use exchange::{Answer, Chunk, Exchange, Flow, Headers, Services, Step};
use std::fmt::Write;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// The cache of a configured plugin.
pub(super) struct Cache {
    config: Config,
    types: Vec<MediaType>,
    /// For how long responses are fresh, where their headers do not count.
    ttl: u64,
    /// Whether requests pass where the store cannot be asked.
    bypass_on_err: bool,
    shelf: Arc<Shelf>,
    /// What counts for all plugins, and bounds bodies.
    all: Arc<ResponseCache>,
}

/// What an Exchange remembers for plugin `P`: both may see the same request.
struct Remembered<P>(Progress, PhantomData<fn() -> P>);

/// How far a request has come.
enum Progress {
    /// The request goes by the cache.
    Bypass,
    /// No response was kept that could be used; this says why.
    Absent(ResponseKey, CacheStatus),
    /// The response is on its way, and will be kept when it is whole.
    Keeping(Box<Keeping>),
    /// The response comes from the cache, or from nowhere.
    Over,
}

struct Keeping {
    key: ResponseKey,
    response: KeptResponse,
    body: BytesMut,
}

fn remember<P: 'static>(exchange: &mut Exchange, progress: Progress) {
    exchange.state.put(Remembered::<P>(progress, PhantomData));
}

fn take<P: 'static>(exchange: &mut Exchange) -> Option<Progress> {
    exchange.state.take::<Remembered<P>>().map(|remembered| remembered.0)
}

/// Headers of a kept response that are not sent again: those of a connection (RFC 9110 §7.6.1), the length, which
/// follows from the body, and what the cache itself said. What remains of a rate limit is of no use later, either.
fn is_sent_again(name: &[u8]) -> bool {
    const NOT: [&str; 13] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "age",
        "x-cache-status",
        "x-cache-key",
    ];
    let name = name.to_ascii_lowercase();
    !NOT.iter().any(|not| not.as_bytes() == name) && !name.windows(19).any(|window| window == b"ratelimit-remaining")
}

fn now(exchange: &Exchange) -> u64 {
    exchange.timeline.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A key as clients and the Admin API see it.
pub fn key_text(key: &ResponseKey) -> String {
    key.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A key from its text; `None` where it is none.
pub fn key_of_text(text: &str) -> Option<ResponseKey> {
    let mut key = ResponseKey::default();
    if text.len() != 2 * key.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

impl Cache {
    pub(super) fn new(config: Config, bypass_on_err: bool, shelf: Shelf, services: &Services) -> Self {
        let types = config.content_type.iter().filter_map(|text| MediaType::parse(text)).collect();
        let ttl = config.cache_ttl.unwrap_or(300);
        Self { types, ttl, bypass_on_err, shelf: services.desks.open(shelf), all: services.responses.clone(), config }
    }

    /// What all plugins share.
    #[cfg(test)]
    pub(super) fn all(&self) -> &ResponseCache {
        &self.all
    }

    fn is_cacheable(&self, exchange: &Exchange, directives: &Directives) -> bool {
        let method = exchange.request.method_str();
        let refused = self.config.cache_control
            && (directives.has("no-store")
                || directives.has("no-cache")
                // RFC 9111 §3.5: what is meant for one client is not for others.
                || exchange.request.headers.contains("authorization"));
        self.config.request_method.iter().any(|known| known == method) && !refused
    }

    /// What a response is kept under: plugin entity, Consumer, Route, method, path, and what the configuration tells
    /// apart.
    fn key(&self, exchange: &Exchange) -> ResponseKey {
        let mut digest = Context::new(&SHA256);
        let mut part = |text: &[u8]| {
            digest.update(&(text.len() as u64).to_be_bytes());
            digest.update(text);
        };
        part(self.shelf.plugin.as_bytes());
        part(exchange.identity.consumer.as_ref().map_or(&[], |consumer| consumer.id.as_bytes()));
        part(exchange.route.as_ref().map_or(&[], |route| route.id.as_bytes()));
        let request = &exchange.request;
        part(&request.method);
        let path = request.target.split(|byte| *byte == b'?').next().unwrap_or_default();
        match self.config.ignore_uri_case {
            Some(true) => part(&path.to_ascii_lowercase()),
            _ => part(path),
        }
        let mut arguments: Vec<_> = form::pairs(request.query.as_deref().unwrap_or_default()).collect();
        if let Some(names) = self.config.vary_query_params.as_deref().filter(|names| !names.is_empty()) {
            arguments.retain(|(name, _)| names.iter().any(|known| known.as_bytes() == name.as_ref()));
        }
        arguments.sort();
        part(&(arguments.len() as u64).to_be_bytes());
        for (name, value) in &arguments {
            part(name);
            part(&[u8::from(value.is_some())]);
            part(value.as_deref().unwrap_or_default());
        }
        for name in self.config.vary_headers.iter().flatten() {
            part(name.to_ascii_lowercase().as_bytes());
            for value in request.headers.get_all(name) {
                part(value);
            }
        }
        let mut key = ResponseKey::default();
        key.copy_from_slice(digest.finish().as_ref());
        key
    }

    /// Why a kept response cannot be used for a request.
    fn is_stale(&self, kept: &KeptResponse, directives: &Directives, now: u64) -> bool {
        let age = now.saturating_sub(kept.timestamp);
        if !self.config.cache_control {
            return age > self.ttl;
        }
        directives.seconds("max-age").is_some_and(|most| age > most)
            || directives.seconds("max-stale").is_some_and(|most| age > kept.ttl.saturating_add(most))
            || directives.seconds("min-fresh").is_some_and(|least| kept.ttl.saturating_sub(age) < least)
    }

    /// A kept response as an answer.
    fn hit(&self, exchange: &Exchange, key: &ResponseKey, kept: &KeptResponse, now: u64) -> Answer {
        let mut answer = Answer { source: Source::Service, ..Answer::bytes(kept.status, kept.body.clone()) };
        for (name, value) in kept.headers.iter().filter(|(name, _)| is_sent_again(name)) {
            answer = answer.header(String::from_utf8_lossy(name).into_owned(), value);
        }
        let told = &self.config.response_headers;
        if self.tells(exchange, told.age) {
            answer = answer.header("Age", now.saturating_sub(kept.timestamp).to_string());
        }
        if self.tells(exchange, told.status) {
            answer = answer.header("X-Cache-Status", CacheStatus::Hit.text());
        }
        if self.tells(exchange, told.key) {
            answer = answer.header("X-Cache-Key", key_text(key));
        }
        answer
    }

    fn tells(&self, exchange: &Exchange, option: Option<bool>) -> bool {
        option == Some(true) || exchange.request.headers.contains("kong-debug")
    }

    /// For how long a response is fresh; `None` where it is not to be kept.
    fn freshness(&self, exchange: &Exchange) -> Option<u64> {
        let response = &exchange.response;
        let mut types = response.headers.get_all("content-type");
        let given = types.next().and_then(|line| std::str::from_utf8(line).ok()).and_then(MediaType::parse)?;
        let kept = types.next().is_none()
            && response.source == Source::Service
            && self.config.response_code.contains(&response.status)
            && self.types.iter().any(|known| known.covers(&given));
        if !kept {
            return None;
        }
        if !self.config.cache_control {
            return Some(self.ttl);
        }
        let directives = Directives::of(&response.headers);
        let refused = ["private", "no-store", "no-cache"].iter().any(|name| directives.has(name));
        let seconds = lifetime(&response.headers, &directives, now(exchange));
        (!refused && seconds > 0).then_some(seconds)
    }

    /// Before the upstream is asked.
    pub(super) fn access<'a, P: 'static>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let directives = match self.config.cache_control {
            true => Directives::of(&exchange.request.headers),
            false => Directives::default(),
        };
        if !self.is_cacheable(exchange, &directives) {
            remember::<P>(exchange, Progress::Bypass);
            return Step::NEXT;
        }
        let key = self.key(exchange);
        match self.shelf.store.get(self.shelf.plugin, &key) {
            Fetching::Done(kept) => Step::Ready(self.found::<P>(exchange, key, &directives, kept.as_deref())),
            Fetching::Wait(pending) => Step::Wait(Box::pin(async move {
                match pending.await {
                    Ok(kept) => self.found::<P>(exchange, key, &directives, kept.as_deref()),
                    Err(_) if self.bypass_on_err => {
                        remember::<P>(exchange, Progress::Bypass);
                        Flow::Next
                    }
                    Err(_) => {
                        remember::<P>(exchange, Progress::Over);
                        auth::failure().into()
                    }
                }
            })),
        }
    }

    /// The store has been asked.
    fn found<P: 'static>(
        &self,
        exchange: &mut Exchange,
        key: ResponseKey,
        directives: &Directives,
        kept: Option<&KeptResponse>,
    ) -> Flow {
        let now = now(exchange);
        let (progress, flow) = match kept {
            Some(kept) if !self.is_stale(kept, directives, now) => {
                self.all.note(CacheStatus::Hit);
                (Progress::Over, self.hit(exchange, &key, kept, now).into())
            }
            Some(_) => (Progress::Absent(key, CacheStatus::Refresh), Flow::Next),
            None if directives.has("only-if-cached") => {
                self.all.note(CacheStatus::Miss);
                (Progress::Over, Answer::bytes(504, "").into())
            }
            None => (Progress::Absent(key, CacheStatus::Miss), Flow::Next),
        };
        remember::<P>(exchange, progress);
        flow
    }

    /// The head of the response is there.
    pub(super) fn header_filter<P: 'static>(&self, exchange: &mut Exchange) {
        let Some(progress) = take::<P>(exchange) else { return };
        let told = &self.config.response_headers;
        let (status, key) = (self.tells(exchange, told.status), self.tells(exchange, told.key));
        let tell = |headers: &mut Headers, what: CacheStatus| {
            self.all.note(what);
            if status {
                headers.set("X-Cache-Status", what.text());
            }
        };
        match progress {
            Progress::Bypass => tell(&mut exchange.response.headers, CacheStatus::Bypass),
            Progress::Absent(digest, reason) => {
                let freshness = self.freshness(exchange);
                let headers = &mut exchange.response.headers;
                if key {
                    headers.set("X-Cache-Key", key_text(&digest));
                }
                let Some(ttl) = freshness else {
                    tell(headers, CacheStatus::Bypass);
                    return;
                };
                tell(headers, reason);
                let keeping = self.keeping(exchange, digest, ttl);
                remember::<P>(exchange, Progress::Keeping(Box::new(keeping)));
            }
            Progress::Keeping(_) | Progress::Over => {}
        }
    }

    /// What will be kept of a response, but for its body.
    fn keeping(&self, exchange: &Exchange, key: ResponseKey, ttl: u64) -> Keeping {
        // Copied line by line: a clone would keep the whole buffer that the head was read into.
        let mut headers = Headers::default();
        for (name, value) in exchange.response.headers.iter() {
            headers.append(&String::from_utf8_lossy(name), value);
        }
        let kept_for = self.config.storage_ttl.map_or(ttl, |seconds| u64::try_from(seconds).unwrap_or(0));
        let response = KeptResponse {
            plugin: self.shelf.plugin,
            status: exchange.response.status,
            headers,
            timestamp: now(exchange),
            ttl,
            kept_for: Duration::from_secs(kept_for),
            ..KeptResponse::default()
        };
        Keeping { key, response, body: BytesMut::new() }
    }

    /// A piece of the response's body is there.
    pub(super) fn body_filter<P: 'static>(&self, exchange: &mut Exchange, chunk: &Chunk) {
        let Some(Remembered(Progress::Keeping(keeping), _)) = exchange.state.get_mut::<Remembered<P>>() else { return };
        if keeping.body.len() + chunk.data.len() > self.all.largest_body() {
            take::<P>(exchange);
            return;
        }
        keeping.body.extend_from_slice(&chunk.data);
        if !chunk.last {
            return;
        }
        if let Some(Progress::Keeping(keeping)) = take::<P>(exchange) {
            let Keeping { key, mut response, body } = *keeping;
            response.body = body.freeze();
            self.shelf.store.put(key, response);
        }
    }
}
