//! `azure-functions`: hands requests to a function of Microsoft Azure.

use crate::functions::{OF_CONNECTION, answered, timeout};
use crate::{auth, form};
use entities::PluginSchema;
use exchange::{About, Exchange, Flow, HttpClient, HttpRequest, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use std::sync::Arc;

/// The largest body that is handed over, and that may come back, in bytes.
const BODY_LIMIT: u64 = 32 << 20;

/// Options of `azure-functions`.
#[derive(Deserialize, Schema)]
pub struct Config {
    /// For how long a function may take, in ms.
    #[field(default = 600_000)]
    pub timeout: Option<f64>,
    /// For how long an idle connection is kept, in ms. Connections are kept by the node's own rules.
    #[field(default = 60_000)]
    pub keepalive: Option<f64>,
    /// Whether to use TLS.
    #[field(default = true)]
    pub https: Option<bool>,
    /// Whether to verify the certificate.
    #[field(default = false)]
    pub https_verify: Option<bool>,
    /// The function's key.
    #[field(referenceable, encrypted)]
    pub apikey: Option<String>,
    /// The client's id, where several keys are known.
    #[field(referenceable, encrypted)]
    pub clientid: Option<String>,
    /// The app's name.
    pub appname: String,
    /// The domain of the app's host.
    #[field(default = "azurewebsites.net")]
    pub hostdomain: String,
    /// What the function's path begins with.
    #[field(default = "api")]
    pub routeprefix: Option<String>,
    /// The function's name.
    pub functionname: String,
}

/// `azure-functions`, configured.
pub struct AzureFunctions {
    config: Config,
    url: String,
    http: Arc<dyn HttpClient>,
}

impl AzureFunctions {
    fn request(&self, exchange: &Exchange, body: bytes::Bytes) -> HttpRequest {
        let mut url = self.url.clone();
        if let Some(query) = exchange.request.query.as_deref().filter(|query| !query.is_empty()) {
            url.push('?');
            url.push_str(&String::from_utf8_lossy(query));
        }
        let mut request = HttpRequest::new(exchange.request.method_str(), url, body);
        for (name, value) in exchange.request.headers.iter() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            let own = matches!(name.as_str(), "host" | "x-functions-key" | "x-functions-clientid" | "expect");
            if !own && !OF_CONNECTION.contains(&name.as_str()) {
                request = request.header(name, String::from_utf8_lossy(value));
            }
        }
        if let Some(key) = &self.config.apikey {
            request = request.header("x-functions-key", key);
        }
        if let Some(id) = &self.config.clientid {
            request = request.header("x-functions-clientid", id);
        }
        request.timeout = timeout(self.config.timeout.unwrap_or(600_000.0));
        request.verify = self.config.https_verify.unwrap_or(false);
        request.max_answer = BODY_LIMIT as usize;
        request
    }
}

impl Plugin for AzureFunctions {
    const NAME: &'static str = "azure-functions";
    const PRIORITY: i32 = 749;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols()
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        let scheme = if config.https.unwrap_or(true) { "https" } else { "http" };
        let trimmed = |text: &str| text.trim_matches('/').to_owned();
        let prefix = config.routeprefix.as_deref().map(trimmed).filter(|prefix| !prefix.is_empty());
        let prefix = prefix.map_or_else(String::new, |prefix| format!("/{prefix}"));
        let (app, domain, function) = (&config.appname, &config.hostdomain, trimmed(&config.functionname));
        Ok(Self { url: format!("{scheme}://{app}.{domain}{prefix}/{function}"), http: services.http.clone(), config })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move {
            let body = match exchange.request.body.read(BODY_LIMIT).await {
                Ok(body) => body,
                Err(error) => return form::broken(&error).into(),
            };
            let request = self.request(exchange, body);
            match exchange.ask(&*self.http, request).await {
                Ok(response) => Flow::from(answered(response)),
                Err(error) => {
                    tracing::error!(plugin = Self::NAME, "the function cannot be asked: {error}");
                    auth::failure().into()
                }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, Oracle, People, access, message, plugin_with, request, services, with_body};
    use serde_json::json;

    #[test]
    fn requests_are_handed_over() {
        let oracle = Oracle::says(203, &[("x-fn", "yes"), ("transfer-encoding", "chunked")], "made");
        let services = Services { http: Arc::new(oracle.clone()), ..services() };
        let config = json!({ "appname": "app", "functionname": "/sort/", "apikey": "k", "routeprefix": "/r/" });
        let plugin = plugin_with::<AzureFunctions>(config, &About::default(), &services);
        let headers = [("Host", "gate.test"), ("X-Functions-Key", "forged"), ("X-Mark", "m"), ("Connection", "close")];
        let plain = request("PUT", "/in?x=1", &headers, People::new(Manner::Knows));
        let mut exchange = with_body(plain, "text/plain", "hello");
        assert_eq!(access(&plugin, &mut exchange), Some(203));
        assert_eq!(exchange.response.body, "made");
        assert_eq!(exchange.response.headers.get_str("x-fn"), Some("yes"));
        assert!(!exchange.response.headers.contains("transfer-encoding"));
        assert_eq!(
            oracle.asked(),
            ["PUT https://app.azurewebsites.net/r/sort?x=1 x-mark=m content-type=text/plain x-functions-key=k hello"]
        );
    }

    #[test]
    fn a_function_that_does_not_answer_is_an_error() {
        let config = json!({ "appname": "127", "hostdomain": "0.0.1", "functionname": "f", "https": false });
        let plugin = plugin_with::<AzureFunctions>(config, &About::default(), &services());
        assert_eq!(plugin.url, "http://127.0.0.1/api/f");
        let mut exchange = request("GET", "/", &[], People::new(Manner::Knows));
        assert_eq!(access(&plugin, &mut exchange), Some(500));
        assert_eq!(message(&exchange), "An unexpected error occurred");
    }
}
