//! `/config`: the whole configuration at once.

use crate::body::{self, Body};
use crate::errors;
use crate::form::Argument;
use crate::query;
use crate::respond::Answer;
use crate::scope::{now, seconds};
use crate::state::{LoadError, Shared};
use actix_web::http::header::HeaderMap;
use actix_web::web::{self, Bytes};
use declarative::{EMPTY_HASH, Invalid, export};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::Batch;

const NEEDS_NO_DATABASE: &str = "this endpoint is only available when Kong is configured to not use a database";
pub(crate) const NEEDS_DATABASE: &str =
    "this endpoint needs a database: without one POST /config puts a file in the place of everything";
/// Seconds until a second attempt makes sense.
const RETRY_AFTER: &str = "1";

/// Held while a configuration is loaded: one at a time.
struct Loading<'l>(&'l AtomicBool);

impl<'l> Loading<'l> {
    fn start(flag: &'l AtomicBool) -> Option<Loading<'l>> {
        flag.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok().map(|_| Loading(flag))
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// `GET /config`
pub(crate) async fn get(shared: Arc<Shared>) -> Result<Answer, Answer> {
    if shared.kinds.definitions().database() {
        return Err(errors::plain(400, NEEDS_NO_DATABASE));
    }
    let view = shared.store.view().await.map_err(|error| errors::store(&error))?;
    let written = web::block(move || {
        let text = export::text(&view, &shared.kinds, seconds());
        json!({"config": text}).to_string()
    });
    Ok(Answer::json_text(200, written.await.map_err(|_| errors::unexpected())?))
}

/// What a request asks to be loaded.
pub(crate) struct Request {
    pub(crate) document: Value,
    /// The hash that comes with the document; absent when it is that of the body.
    hash: String,
    pub(crate) flatten: bool,
}

/// How a request's body ends before anything is loaded.
pub(crate) enum Early {
    Answer(Answer),
    Invalid { invalid: Invalid, flatten: bool },
}

impl From<Early> for Answer {
    fn from(early: Early) -> Answer {
        match early {
            Early::Answer(answer) => answer,
            Early::Invalid { invalid, flatten } => errors::invalid_configuration(&invalid, flatten),
        }
    }
}

/// `POST /config`
pub(crate) async fn post(
    shared: Arc<Shared>,
    headers: HeaderMap,
    query: Vec<Argument>,
    body: Bytes,
) -> Result<Answer, Answer> {
    if shared.kinds.definitions().database() {
        return Err(errors::plain(400, NEEDS_NO_DATABASE));
    }
    let Some(loading) = Loading::start(&shared.loading) else {
        let busy = errors::plain(429, "Currently loading previous configuration");
        return Err(busy.with("Retry-After", RETRY_AFTER));
    };
    let current = shared.node.configuration_hash();
    let (kinds, node) = (shared.kinds.clone(), shared.node.clone());
    // Parsing and validating a large configuration takes long; no worker waits for it.
    let prepared = web::block(move || -> Result<_, Early> {
        let request = read(&headers, &query, &body, &current)?;
        let flatten = request.flatten;
        let loaded = declarative::load_together(&request.document, &kinds, now(), &|| node.assist())
            .map_err(|invalid| Early::Invalid { invalid, flatten })?;
        let answer = export::by_id(&loaded.records);
        let hash = if loaded.empty { EMPTY_HASH.to_owned() } else { request.hash };
        Ok((loaded.records, hash, flatten, answer))
    });
    let (records, hash, flatten, answer) = match prepared.await {
        Ok(Ok(prepared)) => prepared,
        Ok(Err(early)) => return Err(early.into()),
        Err(_) => return Err(errors::unexpected()),
    };
    let batch = Batch { author: "declarative configuration".into(), ..Batch::replace_all(records) };
    let outcome = shared.publish.load(batch, hash).await;
    drop(loading);
    match outcome {
        Ok(()) => Ok(Answer::json_text(201, answer)),
        Err(LoadError::Refused(reason)) => Err(errors::invalid_configuration(&Invalid::text(reason), flatten)),
        Err(LoadError::Store(store::Error::Unavailable(reason))) => {
            tracing::error!(reason, "a configuration was not stored");
            Err(errors::unexpected())
        }
        Err(LoadError::Store(error)) => Err(errors::invalid_configuration(&Invalid::of_store(&error), flatten)),
        Err(error @ LoadError::TimedOut) => Err(errors::plain(504, &error.to_string())),
        Err(error @ LoadError::Exiting) => Err(errors::plain(503, &error.to_string())),
    }
}

/// Reads a body that holds a configuration. `current`: the hash of the one at work.
pub(crate) fn read(headers: &HeaderMap, query: &[Argument], bytes: &Bytes, current: &str) -> Result<Request, Early> {
    let parsed = body::parse(headers, bytes).map_err(Early::Answer)?;
    let mut options = Options::default();
    options.query(query);
    let expected = || Early::Answer(errors::plain(400, "expected a declarative configuration"));
    let text = match parsed {
        Body::None => return Err(expected()),
        Body::Yaml => String::from_utf8(bytes.to_vec()).map_err(|_| expected())?,
        Body::Json(mut members) => {
            options.members(&mut members);
            match members.shift_remove("config") {
                Some(Value::String(text)) => text,
                Some(document @ Value::Object(_)) => return Ok(options.request(document, declarative::hash(bytes))),
                Some(_) => return Err(expected()),
                // An object is the configuration itself; its hash is known only now, so it is never skipped.
                None => return Ok(options.request(Value::Object(members), declarative::hash(bytes))),
            }
        }
        Body::Form(mut members) => {
            options.members(&mut members);
            match members.shift_remove("config") {
                Some(Value::String(text)) => text,
                _ => return Err(expected()),
            }
        }
    };
    if text.trim().is_empty() {
        return Err(expected());
    }
    let hash = declarative::hash(text.as_bytes());
    if options.check_hash && hash == current {
        return Err(Early::Answer(Answer::empty(304)));
    }
    let flatten = options.flatten;
    let document = declarative::parse(&text).map_err(|invalid| Early::Invalid { invalid, flatten })?;
    Ok(options.request(document, hash))
}

#[derive(Default)]
struct Options {
    check_hash: bool,
    flatten: bool,
}

impl Options {
    fn query(&mut self, query: &[Argument]) {
        self.check_hash |= query::first(query, "check_hash").is_some_and(is_yes);
        self.flatten |= query::first(query, "flatten_errors").is_some_and(is_yes);
    }

    /// Options may also stand in the body.
    fn members(&mut self, members: &mut Map<String, Value>) {
        self.check_hash |= members.shift_remove("check_hash").as_ref().is_some_and(is_yes);
        self.flatten |= members.shift_remove("flatten_errors").as_ref().is_some_and(is_yes);
    }

    fn request(&self, document: Value, hash: String) -> Request {
        Request { document, hash, flatten: self.flatten }
    }
}

/// `1`, `true`, `on` and `yes` in any case.
fn is_yes(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() == Some(1.0),
        Value::String(text) => ["1", "true", "on", "yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes)),
        _ => false,
    }
}
