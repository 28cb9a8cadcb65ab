//! What tests of plugins need: requests that are over, plugins, and a shelf for what they send.

use bytes::Bytes;
use exchange::directory::Nobody;
use exchange::{About, Exchange, Outbox, Plugin, Request, Services, Shipment, Shipping, Stamp, Timeline, Try};
use schema::{Context, Map, Schema, Value};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};
use uuid::Uuid;

/// Keeps what is sent.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<(Vec<Shipment>, Vec<Bytes>)>>);

impl Shelf {
    /// The outboxes that were opened.
    pub(crate) fn shipments(&self) -> Vec<Shipment> {
        self.0.lock().unwrap().0.clone()
    }

    /// What was left in any of them.
    pub(crate) fn entries(&self) -> Vec<String> {
        self.raw().iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
    }

    /// The same as bytes.
    pub(crate) fn raw(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Shipping for Shelf {
    fn open(&self, shipment: Shipment) -> Arc<dyn Outbox> {
        self.0.lock().unwrap().0.push(shipment);
        Arc::new(self.clone())
    }
}

impl Outbox for Shelf {
    fn push(&self, entry: Bytes) {
        self.0.lock().unwrap().1.push(entry);
    }
}

/// The outside world of a schema, without any chance in it.
fn context() -> Context {
    Context {
        now: 1_700_000_000.0,
        uuid: || Uuid::from_u128(7).to_string(),
        token: || "RANDOM32".to_owned(),
        regex: |_| Ok(()),
        updating: false,
    }
}

/// What plugins are given.
pub(crate) fn services(shelf: &Shelf) -> Services {
    Services { shipping: Arc::new(shelf.clone()), ..Services::alone(Uuid::from_u128(99)) }
}

/// A plugin with a configuration as users write it.
pub(crate) fn plugin<P: Plugin>(config: Value, shelf: &Shelf) -> P {
    plugin_with(config, &services(shelf))
}

/// A plugin with a configuration as users write it.
pub(crate) fn plugin_with<P: Plugin>(config: Value, services: &Services) -> P {
    let Value::Object(config) = config else { panic!("a configuration is an object") };
    let complete: Map<String, Value> = P::Config::record().insert(config, &context()).expect("a valid configuration");
    let config = serde_json::from_value(complete.into()).expect("a complete configuration");
    P::new(config, &About::default(), services).expect("a plugin")
}

/// An entity as users write it.
pub(crate) fn entity<T: Schema + DeserializeOwned>(fields: Value) -> Arc<T> {
    let Value::Object(fields) = fields else { panic!("an object") };
    let complete = T::record().insert(fields, &context()).expect("valid");
    Arc::new(serde_json::from_value(complete.into()).expect("complete"))
}

/// A request of the Route `r` and the Service `main` that the upstream answered with 200, at second 1,700,000,000:
/// 2 ms until it was sent on, 7 ms until the answer, 12 ms altogether.
pub(crate) fn exchange(target: &str, headers: &[(&str, &str)]) -> Exchange {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let request = Request {
        method: b"GET".as_slice().into(),
        target: target.as_bytes().into(),
        path: path.as_bytes().into(),
        query: query.map(|query| query.as_bytes().into()),
        headers: headers.iter().copied().collect(),
        host: b"api.test".as_slice().into(),
        port: 8000,
        client_ip: Some([10, 0, 0, 1].into()),
        client_port: 5555,
        head_bytes: 100,
        ..Request::default()
    };
    let timeline = Timeline::starting(Instant::now(), UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let mut exchange = Exchange::new(request, timeline, Arc::new(Nobody));
    let route: Arc<entities::Route> =
        entity(json!({ "name": "r", "paths": ["/"], "service": { "id": Uuid::from_u128(3) } }));
    exchange.route = Some(route.into());
    exchange.service = Some(entity(json!({ "name": "main", "host": "up.test" })));
    exchange.forward.host = b"up.test".as_slice().into();
    exchange.forward.path = path.as_bytes().into();
    exchange.forward.query = exchange.request.query.clone();
    exchange.response.status = 200;
    exchange.response.upstream_status = 200;
    exchange.response.head_sent = 150;
    exchange.response.body_sent = 50;
    let stamps = [(Stamp::Parsed, 10), (Stamp::Routed, 100), (Stamp::Accessed, 2000), (Stamp::Balanced, 2000)];
    for (stamp, at) in stamps.into_iter().chain([(Stamp::Answered, 9000), (Stamp::Headed, 9100)]) {
        exchange.timeline.mark_at(stamp, at);
    }
    exchange.timeline.mark_at(Stamp::Received, 11_000);
    exchange.timeline.mark_at(Stamp::Finished, 12_000);
    let address = ([10, 0, 0, 9], 80).into();
    exchange.timeline.tries.push(Try { address, start: 2100, connect: 300, tls: 0, pooled: false, error: None });
    exchange.upstream_address = Some(address);
    exchange
}
