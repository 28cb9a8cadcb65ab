//! What unit tests of plugins need: a directory, requests, and plugins configured as users do.

use bytes::Bytes;
use exchange::counters::{Taken, Window};
use exchange::redis::{
    Heard, NoRedis, Pending, Redis, RedisAddress, RedisError, RedisServer, RemoteCounter, Reply, SyncedCounters, Taking,
};
use exchange::{
    About, Body, Chunk, Consumer, Credential, Directory, DirectoryError, ErrorTemplates, Exchange, Flow, Lookup,
    Plugin, Records, Request, Services, Step, Timeline,
};
use schema::{Context, Map, Schema, Value};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, UNIX_EPOCH};
use uuid::Uuid;

/// How a directory answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// At once.
    Knows,
    /// After having been asked twice.
    Waits,
    /// With an error.
    Fails,
}

pub(crate) const MANNERS: [Manner; 2] = [Manner::Knows, Manner::Waits];

/// Consumers and credentials.
pub(crate) struct People {
    pub(crate) consumers: Vec<Arc<Consumer>>,
    pub(crate) credentials: Vec<Arc<Credential>>,
    /// CA certificates by id, DER.
    pub(crate) authorities: Vec<(Uuid, Arc<[u8]>)>,
    pub(crate) manner: Manner,
}

impl People {
    /// `maya` (custom id `m-1`) and `guest`; numbers are their ids.
    pub(crate) fn new(manner: Manner) -> Self {
        let consumer = |id: u128, name: &str, custom_id: Option<&str>| {
            Arc::new(Consumer {
                id: Uuid::from_u128(id),
                username: Some(name.into()),
                custom_id: custom_id.map(Arc::from),
                ..Consumer::default()
            })
        };
        Self {
            consumers: vec![consumer(1, "maya", Some("m-1")), consumer(2, "guest", None)],
            credentials: Vec::new(),
            authorities: Vec::new(),
            manner,
        }
    }

    /// With a credential of a Consumer.
    pub(crate) fn credential(mut self, entity: &'static str, id: u128, consumer: u128, record: Value) -> Self {
        let Value::Object(record) = record else { panic!("a record is an object") };
        let (id, consumer) = (Uuid::from_u128(id), Some(Uuid::from_u128(consumer)));
        self.credentials.push(Arc::new(Credential { id, entity, consumer, record, ..Credential::default() }));
        self
    }

    fn answer<T: 'static>(&self, found: Option<T>) -> Lookup<T> {
        match self.manner {
            Manner::Knows => Lookup::Known(found),
            Manner::Waits => Lookup::Wait(Box::pin(async move {
                let mut asked = false;
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                Ok(found)
            })),
            Manner::Fails => Lookup::Wait(Box::pin(async { Err(DirectoryError("out of order".into())) })),
        }
    }

    fn find(&self, is: impl Fn(&Consumer) -> bool) -> Lookup<Arc<Consumer>> {
        self.answer(self.consumers.iter().find(|consumer| is(consumer)).cloned())
    }
}

impl Directory for People {
    fn consumer(&self, _: Uuid, id: Uuid) -> Lookup<Arc<Consumer>> {
        self.find(|consumer| consumer.id == id)
    }
    fn consumer_by_username(&self, _: Uuid, username: &str) -> Lookup<Arc<Consumer>> {
        self.find(|consumer| consumer.username.as_deref() == Some(username))
    }
    fn consumer_by_custom_id(&self, _: Uuid, custom_id: &str) -> Lookup<Arc<Consumer>> {
        self.find(|consumer| consumer.custom_id.as_deref() == Some(custom_id))
    }
    fn credential(&self, _: Uuid, entity: &'static str, key: &str) -> Lookup<Arc<Credential>> {
        let is = |credential: &&Arc<Credential>| {
            credential.entity == entity
                && ["key", "username", "client_id", "access_token", "subject_name"]
                    .iter()
                    .any(|field| credential.text(field) == Some(key))
        };
        self.answer(self.credentials.iter().find(is).cloned())
    }
    fn authority(&self, id: Uuid) -> Option<Arc<[u8]>> {
        self.authorities.iter().find(|(one, _)| *one == id).map(|(_, der)| der.clone())
    }
    fn credential_by_id(&self, _: Uuid, entity: &'static str, id: Uuid) -> Lookup<Arc<Credential>> {
        let is = |credential: &&Arc<Credential>| credential.entity == entity && credential.id == id;
        self.answer(self.credentials.iter().find(is).cloned())
    }
    fn of_consumer(&self, _: Uuid, entity: &'static str, consumer: Uuid) -> Lookup<Vec<Arc<Credential>>> {
        let of = |credential: &&Arc<Credential>| credential.entity == entity && credential.consumer == Some(consumer);
        self.answer(Some(self.credentials.iter().filter(of).cloned().collect()))
    }
}

/// A routed request at second 1,700,000,000, from 10.0.0.1.
pub(crate) fn request(method: &str, target: &str, headers: &[(&str, &str)], people: People) -> Exchange {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.as_bytes().into())),
        None => (target, None),
    };
    let request = Request {
        method: method.as_bytes().into(),
        target: target.as_bytes().into(),
        path: path.as_bytes().into(),
        query,
        headers: headers.iter().copied().collect(),
        host: "api.test".as_bytes().into(),
        port: 8000,
        client_ip: Some([10, 0, 0, 1].into()),
        ..Request::default()
    };
    let mut exchange = Exchange::new(request, at(1_700_000_000), Arc::new(people));
    exchange.forward.query = exchange.request.query.clone();
    exchange
}

/// A timeline that begins at a second of the Unix epoch.
pub(crate) fn at(second: u64) -> Timeline {
    Timeline::starting(Instant::now(), UNIX_EPOCH + Duration::from_secs(second))
}

/// A Service.
pub(crate) fn service() -> Arc<entities::Service> {
    let fields = serde_json::json!({ "id": Uuid::from_u128(3), "name": "main", "host": "up.test", "retries": 5 });
    let Value::Object(fields) = fields else { panic!("an object") };
    let complete = entities::Service::record().insert(fields, &context()).expect("a valid Service");
    Arc::new(serde_json::from_value(complete.into()).expect("a complete Service"))
}

/// With a body.
pub(crate) fn with_body(mut exchange: Exchange, kind: &str, body: impl Into<Bytes>) -> Exchange {
    let body = body.into();
    exchange.request.headers.append("Content-Type", kind);
    exchange.request.content_length = Some(body.len() as u64);
    exchange.request.body = Body::Buffered(body);
    exchange
}

/// What plugins are given.
pub(crate) fn services() -> Services {
    Services::alone(Uuid::from_u128(99))
}

/// Records in memory; time to live is noted only.
#[derive(Clone, Default)]
pub(crate) struct Drawer(Arc<Mutex<Vec<Arc<Credential>>>>);

impl Drawer {
    /// What is stored of an entity.
    pub(crate) fn of(&self, entity: &str) -> Vec<Arc<Credential>> {
        self.0.lock().unwrap().iter().filter(|record| record.entity == entity).cloned().collect()
    }

    fn done<T: Send + 'static>(outcome: T) -> exchange::records::Pending<T> {
        Box::pin(std::future::ready(Ok(outcome)))
    }
}

impl Records for Drawer {
    fn find(
        &self,
        _: Uuid,
        entity: &'static str,
        field: &'static str,
        value: &str,
    ) -> exchange::records::Pending<Option<Arc<Credential>>> {
        Self::done(self.of(entity).into_iter().find(|record| record.text(field) == Some(value)))
    }
    fn insert(
        &self,
        _: Uuid,
        entity: &'static str,
        mut record: Map<String, Value>,
        ttl: Option<u64>,
    ) -> exchange::records::Pending<Arc<Credential>> {
        for (field, of) in [("code", "oauth2_authorization_codes"), ("access_token", "oauth2_tokens")] {
            if entity == of && !record.contains_key(field) {
                record.insert(field.into(), entities::random_token().into());
            }
        }
        record.entry("created_at").or_insert_with(|| 1_700_000_000.into());
        let (id, expires) = (Uuid::new_v4(), ttl.map(|ttl| 1_700_000_000 + ttl.cast_signed()));
        let stored = Arc::new(Credential { id, entity, consumer: None, expires, record });
        self.0.lock().unwrap().push(stored.clone());
        Self::done(stored)
    }
    fn update(
        &self,
        _: Uuid,
        _: &'static str,
        id: Uuid,
        changes: Map<String, Value>,
        ttl: Option<u64>,
    ) -> exchange::records::Pending<Option<Arc<Credential>>> {
        let mut records = self.0.lock().unwrap();
        let Some(slot) = records.iter_mut().find(|record| record.id == id) else { return Self::done(None) };
        let mut changed = (**slot).clone();
        changed.record.extend(changes);
        changed.expires = ttl.map(|ttl| 1_700_000_000 + ttl.cast_signed());
        *slot = Arc::new(changed);
        Self::done(Some(slot.clone()))
    }
    fn delete(&self, _: Uuid, _: &'static str, id: Uuid) -> exchange::records::Pending<bool> {
        let mut records = self.0.lock().unwrap();
        let before = records.len();
        records.retain(|record| record.id != id);
        Self::done(records.len() < before)
    }
}

/// Redis servers in memory, one per host; `gone` has none. Counters, and values by a few commands.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<BTreeMap<String, i64>>>, Values);

/// Values by `host/key`, each with the seconds for which it is kept; time does not pass.
type Values = Arc<Mutex<BTreeMap<String, (Vec<u8>, u64)>>>;

impl Shelf {
    /// The keys of values, as `host/key`, and for how long they are kept.
    pub(crate) fn keys(&self) -> Vec<(String, u64)> {
        self.1.lock().unwrap().iter().map(|(key, (_, seconds))| (key.clone(), *seconds)).collect()
    }

    /// Makes every value this one.
    pub(crate) fn overwrite(&self, value: &str) {
        self.1.lock().unwrap().values_mut().for_each(|(stored, _)| *stored = value.into());
    }

    /// What is stored, as `host/key=count`.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(key, count)| format!("{key}={count}")).collect()
    }
}

impl Redis for Shelf {
    fn server(&self, address: &RedisAddress) -> Result<Arc<dyn RedisServer>, RedisError> {
        if address.host == "gone" {
            return NoRedis.server(address);
        }
        Ok(Arc::new(Shelved { shelf: self.clone(), host: address.host.clone() }))
    }
}

#[derive(Clone)]
struct Shelved {
    shelf: Shelf,
    host: String,
}

impl Shelved {
    fn key(&self, counter: &RemoteCounter) -> String {
        format!("{}/{}", self.host, String::from_utf8_lossy(&counter.name))
    }
}

impl RedisServer for Shelved {
    fn take(&self, counters: Vec<RemoteCounter>) -> Pending<Taken> {
        let mut counts = self.shelf.0.lock().unwrap();
        let used: Vec<_> =
            counters.iter().map(|counter| counts.get(&self.key(counter)).copied().unwrap_or(0)).collect();
        let granted = counters.iter().zip(&used).all(|(counter, used)| used.cast_unsigned() < counter.limit);
        if granted {
            counters.iter().for_each(|counter| *counts.entry(self.key(counter)).or_default() += 1);
        }
        let used = used.into_iter().map(i64::cast_unsigned).collect();
        Box::pin(std::future::ready(Ok(Taken { granted, used })))
    }
    fn add(&self, amounts: Vec<(RemoteCounter, i64)>) -> Pending<Vec<u64>> {
        let mut counts = self.shelf.0.lock().unwrap();
        let sums = amounts.iter().map(|(counter, amount)| {
            let count = counts.entry(self.key(counter)).or_default();
            *count += amount;
            count.cast_unsigned()
        });
        Box::pin(std::future::ready(Ok(sums.collect())))
    }
    fn settle(&self, amounts: Vec<(RemoteCounter, i64)>) {
        let mut counts = self.shelf.0.lock().unwrap();
        for (counter, amount) in amounts {
            if let Some(count) = counts.get_mut(&self.key(&counter)) {
                *count += amount;
            }
        }
    }
    fn ask(&self, command: Vec<Vec<u8>>) -> Pending<Reply> {
        let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let mut values = self.shelf.1.lock().unwrap();
        let name = |key: &str| format!("{}/{key}", self.host);
        let reply = match words.as_slice() {
            ["GET", key] => values.get(&name(key)).map_or(Reply::Nil, |(value, _)| Reply::Bytes(value.clone())),
            ["SET", key, _, "EX", seconds] => {
                values.insert(name(key), (command[2].clone(), seconds.parse().expect("seconds")));
                Reply::Bytes("OK".into())
            }
            ["UNLINK", keys @ ..] => {
                Reply::Integer(keys.iter().filter(|key| values.remove(&name(key)).is_some()).count() as i64)
            }
            ["SCAN", "0", "MATCH", pattern, ..] => {
                let begin = name(pattern.strip_suffix('*').expect("a prefix"));
                let keys = values.keys().filter(|key| key.starts_with(&begin));
                let host = self.host.len() + 1;
                let keys = keys.map(|key| Reply::Bytes(key[host..].into())).collect();
                Reply::Array(vec![Reply::Bytes("0".into()), Reply::Array(keys)])
            }
            _ => panic!("a command that is known here: {words:?}"),
        };
        Box::pin(std::future::ready(Ok(reply)))
    }
    fn tell(&self, command: Vec<Vec<u8>>, done: Heard) {
        done(settle_now(self.ask(command)));
    }
    fn synced(&self, _: Duration) -> Arc<dyn SyncedCounters> {
        Arc::new(self.clone())
    }
}

impl SyncedCounters for Shelved {
    fn take(&self, _: &[Window], remote: &dyn Fn() -> Vec<RemoteCounter>, _: u64) -> Taking {
        match settle_now(RedisServer::take(self, remote())) {
            Ok(taken) => Taking::Done(taken),
            Err(error) => Taking::Wait(Box::pin(std::future::ready(Err(error)))),
        }
    }
    fn add(&self, _: &[Window], remote: &dyn Fn() -> Vec<RemoteCounter>, amount: i64) {
        self.settle(remote().into_iter().map(|counter| (counter, amount)).collect());
    }
}

/// A server on the network that always says the same, and remembers what it was asked.
#[derive(Clone)]
pub(crate) struct Oracle {
    answer: exchange::HttpResponse,
    asked: Arc<Mutex<Vec<exchange::HttpRequest>>>,
}

/// A question, as `METHOD url name=value… body`, and through which proxy.
pub(crate) fn shown(request: &exchange::HttpRequest) -> String {
    let lines: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = String::from_utf8_lossy(&request.body);
    let through = request.proxy.as_ref().map_or(String::new(), |proxy| format!(" through {proxy}"));
    format!("{} {} {} {body}{through}", request.method, request.url, lines.join(" "))
}

impl Oracle {
    /// One that says this.
    pub(crate) fn says(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let body = Bytes::copy_from_slice(body.as_bytes());
        Self { answer: exchange::HttpResponse { status, headers, body }, asked: Arc::default() }
    }

    /// What it was asked, as [`shown`].
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(shown).collect()
    }

    /// The body it was asked with last.
    pub(crate) fn body(&self) -> Bytes {
        self.asked.lock().unwrap().last().map(|request| request.body.clone()).unwrap_or_default()
    }
}

impl exchange::HttpClient for Oracle {
    fn send(&self, request: exchange::HttpRequest) -> exchange::http_client::Asking {
        self.asked.lock().unwrap().push(request);
        Box::pin(std::future::ready(Ok(self.answer.clone())))
    }
}

/// The outside world of a schema, without any chance in it.
pub(crate) fn context() -> Context {
    Context {
        now: 1_700_000_000.0,
        uuid: || Uuid::from_u128(7).to_string(),
        token: || "RANDOM32".to_owned(),
        regex: |_| Ok(()),
        updating: false,
    }
}

/// A plugin with a configuration as users write it.
pub(crate) fn plugin_with<P: Plugin>(config: Value, about: &About, services: &Services) -> P {
    let Value::Object(config) = config else { panic!("a configuration is an object") };
    let complete: Map<String, Value> = P::Config::record().insert(config, &context()).expect("a valid configuration");
    let config = serde_json::from_value(complete.into()).expect("a complete configuration");
    P::new(config, about, services).expect("a plugin")
}

/// A plugin with a configuration as users write it.
pub(crate) fn plugin<P: Plugin>(config: Value) -> P {
    plugin_with(config, &About::default(), &services())
}

/// Runs a step to its end.
pub(crate) fn settle(step: Step<'_>) -> Flow {
    match step {
        Step::Ready(flow) => flow,
        Step::Wait(future) => settle_now(future),
    }
}

/// Waits for what does not take long.
pub(crate) fn settle_now<T>(mut future: Pin<Box<dyn Future<Output = T> + '_>>) -> T {
    let mut context = std::task::Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

/// Runs access; on an answer makes it the response and tells its status.
pub(crate) fn access<P: Plugin>(plugin: &P, exchange: &mut Exchange) -> Option<u16> {
    let flow = settle(Plugin::access(plugin, exchange));
    answered(flow, exchange)
}

/// Makes an answer the response and tells its status.
pub(crate) fn answered(flow: Flow, exchange: &mut Exchange) -> Option<u16> {
    match flow {
        Flow::Next => None,
        Flow::Answer(answer) => {
            exchange.answer(*answer, &ErrorTemplates::default());
            Some(exchange.response.status)
        }
    }
}

/// The `message` of a JSON response.
pub(crate) fn message(exchange: &Exchange) -> String {
    let body: Value = serde_json::from_slice(&exchange.response.body).unwrap_or_default();
    body["message"].as_str().unwrap_or_default().to_owned()
}

/// Runs a body in pieces through a plugin's filter.
pub(crate) fn filter<P: Plugin>(plugin: &P, exchange: &mut Exchange, pieces: &[&str]) -> String {
    let mut out = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut chunk = Chunk { data: Bytes::copy_from_slice(piece.as_bytes()), last: index + 1 == pieces.len() };
        Plugin::body_filter(plugin, exchange, &mut chunk);
        out.extend_from_slice(&chunk.data);
    }
    String::from_utf8(out).expect("text")
}

/// The identity headers and those of `more`, as `name=value`, in the order they are sent in.
pub(crate) fn sent(exchange: &Exchange, more: &[&str]) -> String {
    let shown =
        |name: &str| exchange::directory::IDENTITY_HEADERS.iter().chain(more).any(|one| one.eq_ignore_ascii_case(name));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lines = exchange.request.headers.iter().map(|(name, value)| (text(name), text(value)));
    let lines: Vec<_> = lines.filter(|(name, _)| shown(name)).map(|(name, value)| format!("{name}={value}")).collect();
    lines.join(" ")
}
