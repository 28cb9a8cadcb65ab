//! Telling hooks of events.

use super::message::question;
use super::news::News;
use super::sources::{CRUD, DAO};
use access::Exclusion;
use bytes::Bytes;
use declarative::Kinds;
use exchange::{
    Destination, HttpClient, Outbox, Pack, QueueLimits, Receiver, Receiving, Recipient, Scripts, Shipment, Shipping,
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::{Id, Record};

/// What the queues of hooks hold, and how often they try.
fn limits() -> QueueLimits {
    QueueLimits {
        max_entries: 1000,
        max_bytes: Some(16 << 20),
        max_retry_time: Duration::from_secs(60),
        initial_retry_delay: Duration::from_secs(1),
        max_retry_delay: Duration::from_secs(30),
        ..QueueLimits::once(1)
    }
}

/// Tells event hooks.
pub(crate) struct Hooks {
    kinds: Arc<Kinds>,
    shipping: Arc<dyn Shipping>,
    ways: Ways,
    exclusion: Exclusion,
    known: Mutex<HashMap<Id, Known>>,
}

/// What is kept of a hook between events.
struct Known {
    hook: Arc<Record>,
    news: News,
    outbox: Arc<dyn Outbox>,
}

/// How hooks are reached.
#[derive(Clone)]
struct Ways {
    http: Arc<dyn HttpClient>,
    scripts: Arc<dyn Scripts>,
}

impl Hooks {
    pub fn new(
        kinds: Arc<Kinds>,
        shipping: Arc<dyn Shipping>,
        http: Arc<dyn HttpClient>,
        scripts: Arc<dyn Scripts>,
    ) -> Hooks {
        let ways = Ways { http, scripts };
        Hooks { kinds, shipping, ways, exclusion: Exclusion::new([]), known: Mutex::default() }
    }

    /// Tells those that want to know of a change. `hooks` are all there are.
    pub fn tell(
        &self,
        hooks: &[Arc<Record>],
        entity: &'static str,
        operation: &'static str,
        before: Option<&Record>,
        after: Option<&Record>,
    ) {
        let created = format!("{entity}:{operation}");
        for hook in hooks {
            let (source, event) = (hook.text("source").unwrap_or_default(), hook.text("event"));
            let told = match source {
                CRUD => event.is_none_or(|event| event == entity || event == created).then_some(entity),
                DAO => event.is_none_or(|event| event == operation).then_some(operation),
                _ => None,
            };
            let Some(event) = told else { continue };
            let mut message = json!({
                "source": source,
                "event": event,
                "entity": after.or(before).map(|record| self.shown(record)),
                "operation": operation,
                "schema": entity,
            });
            if let (Some(before), Some(_)) = (before, after) {
                message["old_entity"] = self.shown(before);
            }
            self.post(hook, &message);
        }
        self.forget(hooks);
    }

    /// Tells those that want to know of an event of one of these sources; `hooks` are all there are. Whether there was one.
    pub fn tell_of(
        &self,
        hooks: &[Arc<Record>],
        sources: &[&str],
        event: &str,
        message: impl Fn(&str) -> Value,
    ) -> bool {
        let mut any = false;
        for hook in hooks {
            let source = hook.text("source").filter(|source| sources.contains(source));
            let Some(source) = source.filter(|_| hook.text("event").is_none_or(|wanted| wanted == event)) else {
                continue;
            };
            any = true;
            self.post(hook, &message(source));
        }
        self.forget(hooks);
        any
    }

    /// Lets go of what is kept of hooks that are gone.
    fn forget(&self, hooks: &[Arc<Record>]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|id, _| hooks.iter().any(|hook| hook.id == *id));
    }

    /// Leaves an event for a hook, where it wants it.
    fn post(&self, hook: &Arc<Record>, message: &Value) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.entry(hook.id.clone()).or_insert_with(|| self.know(hook));
        if !Arc::ptr_eq(&known.hook, hook) && known.hook.value != hook.value {
            *known = self.know(hook);
        }
        if !known.news.is_news(hook, message, Instant::now()) {
            return;
        }
        if hook.text("handler") == Some("log") {
            log(message);
        } else {
            known.outbox.push(message.to_string().into());
        }
    }

    fn know(&self, hook: &Arc<Record>) -> Known {
        let receiver = Arc::new(Told { hook: hook.clone(), ways: self.ways.clone() });
        let digest = access::digest(&Value::Object(hook.value.clone()).to_string());
        let outbox = self.shipping.open(Shipment {
            plugin: "event-hooks",
            name: format!("event-hooks {} {digest}", hook.id),
            limits: limits(),
            pack: Pack::Each,
            destination: Destination::Receiver(Recipient { name: format!("event hook {}", hook.id), receiver }),
        });
        Known { hook: hook.clone(), news: News::default(), outbox }
    }

    fn shown(&self, record: &Record) -> Value {
        let mut value = Value::Object(self.kinds.definitions().present(record.entity, &record.value));
        self.exclusion.apply(&mut value);
        crate::secrets::mask(record.entity, &mut value);
        value
    }

    /// Tells a hook now; what it answered.
    pub async fn try_out(&self, hook: &Record, event: &Value) -> Result<Value, String> {
        self.ways.send(hook, event).await
    }
}

/// A hook, told by the node's `Shipper`.
struct Told {
    hook: Arc<Record>,
    ways: Ways,
}

impl Receiver for Told {
    fn receive(&self, message: Bytes) -> Receiving {
        let (hook, ways) = (self.hook.clone(), self.ways.clone());
        Box::pin(async move {
            let event: Value = serde_json::from_slice(&message).map_err(|error| error.to_string())?;
            ways.send(&hook, &event).await.map(drop)
        })
    }
}

fn log(event: &Value) {
    tracing::info!("log callback: {event}");
}

impl Ways {
    async fn send(&self, hook: &Record, event: &Value) -> Result<Value, String> {
        let none = Map::new();
        let config = hook.value.get("config").and_then(Value::as_object).unwrap_or(&none);
        match hook.text("handler").unwrap_or_default() {
            "log" => {
                log(event);
                Ok(Value::Bool(true))
            }
            "lambda" => self.run(config, event).await,
            handler => {
                let request = question(handler, config, event)?;
                let answer = self.http.send(request).await.map_err(|error| error.to_string())?;
                match answer.status {
                    200..=299 => Ok(json!({"status": answer.status, "body": String::from_utf8_lossy(&answer.body)})),
                    status => Err(format!("it answered with status {status}")),
                }
            }
        }
    }

    /// Functions, each with the event, its name, its source and the process; what is not true is a failure.
    async fn run(&self, config: &Map<String, Value>, event: &Value) -> Result<Value, String> {
        let functions = config.get("functions").and_then(Value::as_array).into_iter().flatten();
        for function in functions.filter_map(Value::as_str) {
            let of = |name: &str| event.get(name).cloned().unwrap_or_default();
            let arguments = vec![event.clone(), of("event"), of("source"), std::process::id().into()];
            let returned = self.scripts.run(function, arguments).await?;
            if returned != Value::Bool(true) {
                return Err("its function did not return true".to_owned());
            }
        }
        Ok(Value::Bool(true))
    }
}
