//! Event hooks: what they are, and telling them.

use super::desk::{Call, without};
use super::health::HealthEvent;
use super::template::{filled, filled_value};
use crate::body::Body;
use crate::errors;
use crate::respond::Answer;
use access::Exclusion;
use aws_lc_rs::hmac;
use declarative::Kinds;
use exchange::{HttpClient, HttpRequest};
use schema::Errors;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::{Id, Operation, Record};

/// Pauses before the next attempt to deliver.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
/// What each event of changes holds.
const FIELDS: [&str; 4] = ["operation", "entity", "old_entity", "schema"];

/// Tells event hooks.
pub(crate) struct Hooks {
    kinds: Arc<Kinds>,
    http: Arc<dyn HttpClient>,
    exclusion: Exclusion,
    // Of each hook: the last event, and when.
    last: Mutex<HashMap<Id, (String, Instant)>>,
}

fn shown(hook: &Record) -> Map<String, Value> {
    without(hook, &[])
}

impl Hooks {
    pub(super) fn new(kinds: Arc<Kinds>, http: Arc<dyn HttpClient>) -> Hooks {
        Hooks { kinds, http, exclusion: Exclusion::new([]), last: Mutex::default() }
    }

    /// Tells those that want to know of a change.
    pub(super) fn tell(
        self: &Arc<Self>,
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
                "crud" => event.is_none_or(|event| event == entity || event == created).then_some(entity),
                "dao:crud" => event.is_none_or(|event| event == operation).then_some(operation),
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
            self.post(hook, message);
        }
    }

    /// Tells those that want to know of the health of Targets.
    pub(super) fn tell_health(self: &Arc<Self>, hooks: &[Arc<Record>], event: &HealthEvent) {
        let wants = |hook: &&Arc<Record>| {
            hook.text("source") == Some("balancer") && hook.text("event").is_none_or(|event| event == "health")
        };
        hooks.iter().filter(wants).for_each(|hook| self.post(hook, event.message()));
    }

    fn post(self: &Arc<Self>, hook: &Arc<Record>, message: Value) {
        if self.is_news(hook, &message) {
            let (own, hook) = (self.clone(), hook.clone());
            tokio::spawn(async move { own.deliver(&hook, &message).await });
        }
    }

    fn shown(&self, record: &Record) -> Value {
        let mut value = Value::Object(self.kinds.definitions().present(record.entity, &record.value));
        self.exclusion.apply(&mut value);
        crate::secrets::mask(record.entity, &mut value);
        value
    }

    /// Whether a hook wants an event, after `on_change` and `snooze`.
    fn is_news(&self, hook: &Record, event: &Value) -> bool {
        let on_change = hook.value.get("on_change") == Some(&Value::Bool(true));
        let snooze = hook.value.get("snooze").and_then(Value::as_u64).map(Duration::from_secs);
        if !on_change && snooze.is_none() {
            return true;
        }
        let digest = access::digest(&event.to_string());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let news = last.get(&hook.id).is_none_or(|(known, at)| {
            *known != digest || (!on_change && snooze.is_some_and(|snooze| at.elapsed() >= snooze))
        });
        if news {
            last.insert(hook.id.clone(), (digest, Instant::now()));
        }
        news
    }

    async fn deliver(&self, hook: &Record, event: &Value) {
        let mut pauses = PAUSES.iter();
        loop {
            let Err(error) = self.send(hook, event).await else { return };
            tracing::warn!(hook = %hook.id, error, "an event hook was not reached");
            let Some(pause) = pauses.next() else { return };
            tokio::time::sleep(*pause).await;
        }
    }

    /// Tells a hook; what it answered.
    async fn send(&self, hook: &Record, event: &Value) -> Result<Value, String> {
        let config = hook.value.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
        let handler = hook.text("handler").unwrap_or_default();
        if handler == "log" {
            tracing::info!(event = %event, "event hook");
            return Ok(Value::Bool(true));
        }
        let request = question(handler, &config, event)?;
        let answer = self.http.send(request).await.map_err(|error| error.to_string())?;
        match answer.status {
            200..=299 => Ok(json!({"status": answer.status, "body": String::from_utf8_lossy(&answer.body)})),
            status => Err(format!("it answered with status {status}")),
        }
    }
}

/// The request that tells a webhook of an event.
fn question(handler: &str, config: &Map<String, Value>, event: &Value) -> Result<HttpRequest, String> {
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    let flag = |name: &str, default: bool| config.get(name).and_then(Value::as_bool).unwrap_or(default);
    let url = text("url").ok_or("it has no url")?;
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in config.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = if flag("headers_format", false) { filled(&value, event) } else { value };
        headers.push((name.clone(), value));
    }
    let (method, body) = match handler {
        "webhook" => ("POST", event.to_string()),
        _ => {
            let payload = config.get("payload").filter(|payload| !payload.is_null());
            let body = match (payload, text("body")) {
                (Some(payload), _) if flag("payload_format", true) => filled_value(payload, event).to_string(),
                (Some(payload), _) => payload.to_string(),
                (None, Some(body)) if flag("body_format", true) => filled(body, event),
                (None, Some(body)) => body.to_owned(),
                (None, None) => String::new(),
            };
            (text("method").unwrap_or("POST"), body)
        }
    };
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) && !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    if let Some(secret) = text("secret") {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let tag = hmac::sign(&key, body.as_bytes());
        let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        headers.push(("x-kong-signature".to_owned(), format!("sha1={digits}")));
    }
    let mut request = HttpRequest::new(method, url, body);
    request.headers = headers;
    request.verify = flag("ssl_verify", false);
    Ok(request)
}

/// Checks what depends on the handler, and fills in what it leaves out.
fn checked(mut hook: Record) -> Result<Record, Answer> {
    let wrong = |field: &str, text: &str| {
        let inner = Map::from_iter([(field.to_owned(), Value::from(text))]);
        Err(errors::schema_violation(Errors::new(Map::from_iter([("config".to_owned(), inner.into())]))))
    };
    let handler = hook.text("handler").unwrap_or_default().to_owned();
    let mut config = match hook.value.get("config") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(config)) => config.clone(),
        Some(_) => return Err(errors::schema_violation(Errors::of("config", "expected a record"))),
    };
    let (required, defaults): (&[&str], Value) = match handler.as_str() {
        "webhook" => (&["url"], json!({"headers": {}, "secret": null, "ssl_verify": false})),
        "webhook-custom" => (
            &["url", "method"],
            json!({
                "headers": {}, "payload": null, "payload_format": true, "body": null, "body_format": true,
                "headers_format": false, "secret": null, "ssl_verify": false,
            }),
        ),
        "log" => (&[], json!({})),
        _ => return Err(errors::schema_violation(Errors::of("handler", "functions are not run by this gateway"))),
    };
    let mut known: Vec<&str> = required.to_vec();
    for (name, value) in defaults.as_object().into_iter().flatten() {
        known.push(name);
        config.entry(name.clone()).or_insert_with(|| value.clone());
    }
    if let Some(unknown) = config.keys().find(|name| !known.contains(&name.as_str())) {
        return wrong(unknown, "unknown field");
    }
    for name in required {
        match config.get(*name) {
            Some(Value::String(text)) if !text.is_empty() => {}
            None | Some(Value::Null) => return wrong(name, "required field missing"),
            Some(_) => return wrong(name, "expected a string"),
        }
    }
    if let Some(url) = config.get("url").and_then(Value::as_str)
        && !url.starts_with("http://")
        && !url.starts_with("https://")
    {
        return wrong("url", "missing host in url");
    }
    if config.get("headers").is_some_and(|headers| !headers.is_object() && !headers.is_null()) {
        return wrong("headers", "expected a map");
    }
    hook.value.insert("config".to_owned(), config.into());
    Ok(hook)
}

impl Call<'_> {
    fn the_hook(&self) -> Result<Arc<Record>, Answer> {
        let id = Id::parse(self.parameter(0));
        let found = self.view.get("event_hooks", &id).filter(|hook| self.scope.pass.finds(hook));
        found.cloned().ok_or_else(errors::not_found)
    }

    pub(super) fn list_hooks(&self) -> Result<Answer, Answer> {
        self.listed(self.view.all("event_hooks").cloned().collect(), shown)
    }

    pub(super) async fn create_hook(&self, body: Body) -> Result<Answer, Answer> {
        let members = self.sent("event_hooks", body)?;
        let hook = checked(self.scope.made("event_hooks", None, members.into())?)?;
        self.write(vec![Operation::Insert(hook.clone())]).await?;
        Ok(Answer::json(201, &shown(&hook).into()))
    }

    pub(super) async fn hook(&self, body: Body) -> Result<Answer, Answer> {
        if self.method == "PUT" {
            let key = self.parameter(0);
            if Id::parse(key).uuid().is_none() {
                return Err(errors::invalid_primary_key());
            }
            let known = self.view.get("event_hooks", &Id::parse(key));
            match known {
                None => self.check_making()?,
                Some(known) if !self.scope.pass.finds(known) => return Err(errors::not_found()),
                Some(_) => {}
            }
            let mut members = self.sent("event_hooks", body)?;
            members.insert("id".to_owned(), key.into());
            let hook = checked(self.scope.made("event_hooks", None, members.into())?)?;
            self.write(vec![Operation::Upsert(hook.clone())]).await?;
            return Ok(Answer::json(200, &shown(&hook).into()));
        }
        let hook = self.the_hook()?;
        match self.method {
            "PATCH" => {
                let mut members = self.sent("event_hooks", body)?;
                if let (Some(Value::Object(new)), Some(Value::Object(old))) =
                    (members.get("config"), hook.value.get("config"))
                {
                    let mut merged = old.clone();
                    merged.extend(new.clone());
                    members.insert("config".to_owned(), merged.into());
                }
                let changed = checked(self.changed(&hook, members)?)?;
                self.write(vec![Operation::Update(changed.clone())]).await?;
                Ok(Answer::json(200, &shown(&changed).into()))
            }
            "DELETE" => {
                self.write(vec![Operation::Delete { entity: "event_hooks", id: hook.id.clone() }]).await?;
                Ok(Answer::empty(204))
            }
            _ => Ok(Answer::json(200, &shown(&hook).into())),
        }
    }

    fn teller(&self) -> Result<&Arc<Hooks>, Answer> {
        self.gate.recorder.hooks().ok_or_else(|| errors::plain(400, "event hooks are not enabled"))
    }

    pub(super) async fn ping_hook(&self) -> Result<Answer, Answer> {
        let hook = self.the_hook()?;
        let event = json!({
            "source": "kong:event_hooks", "event": "ping", "event_hooks": [{"source": hook.text("source"), "event": hook.text("event"), "id": hook.id.to_string()}],
        });
        self.tried(&hook, event).await
    }

    pub(super) async fn test_hook(&self, body: Body) -> Result<Answer, Answer> {
        let hook = self.the_hook()?;
        let (members, _) = body.into_members();
        let mut event = json!({"source": hook.text("source"), "event": hook.text("event")});
        for (name, value) in members {
            event[name] = value;
        }
        self.tried(&hook, event).await
    }

    async fn tried(&self, hook: &Record, event: Value) -> Result<Answer, Answer> {
        match self.teller()?.send(hook, &event).await {
            Ok(result) => Ok(Answer::json(200, &json!({"data": event, "result": result}))),
            Err(error) => Err(errors::plain(500, &format!("the event hook was not reached: {error}"))),
        }
    }

    fn sources(&self) -> Value {
        let fields = json!({"fields": FIELDS});
        let kinds = self.scope.kinds.iter().map(|kind| kind.name);
        let crud: Map<String, Value> = kinds
            .flat_map(|name| {
                let each = ["create", "update", "delete"].map(|operation| format!("{name}:{operation}"));
                [name.to_owned()].into_iter().chain(each)
            })
            .map(|event| (event, fields.clone()))
            .collect();
        let dao = ["create", "update", "delete"].map(|event| (event.to_owned(), fields.clone()));
        let health = json!({"health": {"fields": ["upstream_id", "ip", "port", "hostname", "health"]}});
        json!({"crud": crud, "dao:crud": Map::from_iter(dao), "balancer": health})
    }

    pub(super) fn hook_sources(&self) -> Answer {
        Answer::json(200, &json!({"data": self.sources()}))
    }

    pub(super) fn hook_source(&self) -> Result<Answer, Answer> {
        let sources = self.sources();
        let found = sources.get(self.parameter(0)).ok_or_else(errors::not_found)?;
        Ok(Answer::json(200, &json!({"data": found})))
    }
}
