//! `/event-hooks`

use super::sources;
use super::telling::Hooks;
use crate::body::Body;
use crate::enterprise::desk::{Call, without};
use crate::errors;
use crate::respond::Answer;
use exchange::Scripts;
use schema::Errors;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Record};

fn shown(hook: &Record) -> Map<String, Value> {
    without(hook, &[])
}

/// Checks what depends on the handler, and fills in what it leaves out.
fn checked(mut hook: Record, scripts: &dyn Scripts) -> Result<Record, Answer> {
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
        _ => (&["functions"], json!({})),
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
            None | Some(Value::Null) => return wrong(name, "required field missing"),
            Some(Value::Array(functions)) if *name == "functions" && !functions.is_empty() => {
                for function in functions {
                    let checked = function.as_str().ok_or_else(|| "expected a string".to_owned());
                    if let Err(error) = checked.and_then(|function| scripts.check(function)) {
                        return wrong(name, &error);
                    }
                }
            }
            Some(_) if *name == "functions" => return wrong(name, "expected an array of functions"),
            Some(Value::String(text)) if !text.is_empty() => {}
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
    fn checked(&self, hook: Record) -> Result<Record, Answer> {
        checked(hook, &*self.gate.settings.scripts)
    }

    fn the_hook(&self) -> Result<Arc<Record>, Answer> {
        let id = Id::parse(self.parameter(0));
        let found = self.view.get("event_hooks", &id).filter(|hook| self.scope.pass.finds(hook));
        found.cloned().ok_or_else(errors::not_found)
    }

    pub(in crate::enterprise) fn list_hooks(&self) -> Result<Answer, Answer> {
        self.listed(self.view.all("event_hooks").cloned().collect(), shown)
    }

    pub(in crate::enterprise) async fn create_hook(&self, body: Body) -> Result<Answer, Answer> {
        let members = self.sent("event_hooks", body)?;
        let hook = self.checked(self.scope.made("event_hooks", None, members.into())?)?;
        self.write(vec![Operation::Insert(hook.clone())]).await?;
        Ok(Answer::json(201, &shown(&hook).into()))
    }

    pub(in crate::enterprise) async fn hook(&self, body: Body) -> Result<Answer, Answer> {
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
            let hook = self.checked(self.scope.made("event_hooks", None, members.into())?)?;
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
                let changed = self.checked(self.changed(&hook, members)?)?;
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

    pub(in crate::enterprise) async fn ping_hook(&self) -> Result<Answer, Answer> {
        let hook = self.the_hook()?;
        let event = json!({"source": "kong:event_hooks", "event": "ping", "event_hooks": shown(&hook)});
        self.tried(&hook, event).await
    }

    pub(in crate::enterprise) async fn test_hook(&self, body: Body) -> Result<Answer, Answer> {
        let hook = self.the_hook()?;
        let (members, _) = body.into_members();
        let mut event = json!({"source": hook.text("source"), "event": hook.text("event")});
        for (name, value) in members {
            event[name] = value;
        }
        self.tried(&hook, event).await
    }

    async fn tried(&self, hook: &Record, event: Value) -> Result<Answer, Answer> {
        match self.teller()?.try_out(hook, &event).await {
            Ok(result) => Ok(Answer::json(200, &json!({"data": event, "result": result}))),
            Err(error) => Err(errors::plain(500, &format!("the event hook was not reached: {error}"))),
        }
    }

    pub(in crate::enterprise) fn hook_sources(&self) -> Answer {
        Answer::json(200, &json!({"data": sources::all(&self.scope.kinds)}))
    }

    /// `/event-hooks/sources/{source}` and `/event-hooks/sources/{source}/{event}`
    pub(in crate::enterprise) fn hook_source(&self, event: Option<usize>) -> Result<Answer, Answer> {
        let sources = sources::all(&self.scope.kinds);
        let found = sources.get(self.parameter(0));
        let found = found.and_then(|found| event.map_or(Some(found), |at| found.get(self.parameter(at))));
        Ok(Answer::json(200, &json!({"data": found.ok_or_else(errors::not_found)?})))
    }
}
