//! `/acme…` of the Admin API.

use super::issuance::{Issuance, Working};
use crate::node::Core;
use acme_client::Facts;
use admin::{Eventually, Extension, ExtensionAnswer, ExtensionCall, ExtensionPath};
use exchange::HttpRequest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::SystemTime;

const ORDER: &str = "/acme";
const ALL: &str = "/acme/certificates";
const ONE: &str = "/acme/certificates/{host}";

/// Orders, renews and shows certificates.
pub struct Acme(pub Arc<Core>);

fn message(status: u16, text: impl std::fmt::Display) -> ExtensionAnswer {
    ExtensionAnswer::json(status, &json!({ "message": text.to_string() }))
}

fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(|value| *value == true || *value == "true")
}

impl Acme {
    fn issuance(&self) -> &Issuance {
        &self.0.acme
    }

    async fn order(&self, working: &Working, call: &ExtensionCall) -> ExtensionAnswer {
        let member = |name: &str| {
            let in_query = call.query.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            call.body.get(name).or(in_query)
        };
        let Some(host) = member("host").and_then(Value::as_str) else {
            return message(400, "host must be provided and containing a single domain");
        };
        if host.contains(':') {
            return message(400, "port is not allowed in host");
        }
        if is_true(member("test_http_challenge_flow")) {
            return match self.sanity(working, host).await {
                Ok(()) => message(200, format_args!("sanity test for host {host} passed")),
                Err(error) => message(400, format_args!("problem found running sanity check for {host}: {error}")),
            };
        }
        match working.desk.issue(&host.to_ascii_lowercase()).await {
            Ok(_) => {
                if let Err(error) = self.issuance().show(working, &host.to_ascii_lowercase()).await {
                    tracing::error!(plugin = "acme", "the certificate of {host} cannot be shown: {error}");
                }
                message(201, format_args!("certificate for host {host} is created"))
            }
            Err(error) => message(500, format_args!("failed to update certificate: {error}")),
        }
    }

    /// Whether a request to the host would come to the plugin.
    async fn sanity(&self, working: &Working, host: &str) -> Result<(), String> {
        if !working.domains.contains(&host.to_ascii_lowercase()) {
            return Err("host is not included in plugin config.domains".to_owned());
        }
        let path = format!("http://{host}/.well-known/acme-challenge/");
        let asked = working.desk.http.send(HttpRequest::new("GET", format!("{path}x"), ""));
        let answer = asked.await.map_err(|error| error.to_string())?;
        let body = String::from_utf8_lossy(&answer.body);
        if body.contains("no Route matched with those values") {
            return Err(format!(
                "{path}* doesn't map to a Route in Kong; please refer to docs on how to create dummy Route and Service"
            ));
        }
        if body != "Not found\n" {
            let more = match answer.status {
                404 => String::new(),
                status => format!(", unexpected status code: {status}"),
            };
            return Err(format!("unexpected response found :{}{more}", body.chars().take(200).collect::<String>()));
        }
        Ok(())
    }

    async fn certificates(&self, working: &Working, call: &ExtensionCall) -> Result<ExtensionAnswer, String> {
        let invalid_only = call.query.iter().any(|(name, _)| name == "invalid_only");
        let now = SystemTime::now();
        let mut shown = Vec::new();
        for host in working.desk.hosts().await.map_err(|error| error.to_string())? {
            if let Some(facts) = self.facts(working, &host).await?
                && !(invalid_only && facts.is_valid(now))
            {
                shown.push(facts.shown(now));
            }
        }
        Ok(ExtensionAnswer::json(200, &json!({ "data": shown })))
    }

    async fn certificate(&self, working: &Working, host: &str) -> Result<ExtensionAnswer, String> {
        Ok(match self.facts(working, host).await? {
            Some(facts) => ExtensionAnswer::json(200, &json!({ "data": facts.shown(SystemTime::now()) })),
            None => message(404, format_args!("Certificate for host {host}not found in storage")),
        })
    }

    async fn facts(&self, working: &Working, host: &str) -> Result<Option<Facts>, String> {
        let found = working.desk.certificates.load(host).await.map_err(|error| error.to_string())?;
        found.map(|found| Facts::of(&found.cert).map_err(|error| error.to_string())).transpose()
    }
}

impl Extension for Acme {
    fn paths(&self) -> Vec<ExtensionPath> {
        let path = |path, methods| ExtensionPath { path, methods, on_status: false };
        vec![path(ORDER, &["POST", "PATCH"]), path(ALL, &["GET"]), path(ONE, &["GET"])]
    }

    fn answer(&self, call: ExtensionCall) -> Eventually<'_, ExtensionAnswer> {
        Box::pin(async move {
            let working = match self.issuance().configured().await {
                Ok(Some(working)) => working,
                Ok(None) => return message(404, "Not found"),
                Err(error) => return message(500, error),
            };
            let answer = match (call.path, call.method.as_str(), call.parameters.as_slice()) {
                (ORDER, "PATCH", _) => {
                    self.issuance().renewal.notify_one();
                    Ok(message(202, "Renewal process started successfully"))
                }
                (ORDER, ..) => Ok(self.order(&working, &call).await),
                (ONE, _, [host]) => self.certificate(&working, host).await,
                _ => self.certificates(&working, &call).await,
            };
            answer.unwrap_or_else(|error| message(500, error))
        })
    }
}
