//! Asking a model what to make of a body: what `ai-request-transformer` and `ai-response-transformer` share.

use super::config::{Llm, RouteType};
use super::course::in_use;
use super::endpoint::Asked;
use super::identity::Identity;
use super::request::{failed, refused};
use super::usage::{self, Told, Usage, cost, estimate_answer, figure};
use super::{drivers, endpoint};
use crate::bodies::LARGEST;
use bytes::Bytes;
use exchange::{Answer, Exchange, HttpClient, HttpProxies, HttpProxy, HttpRequest, Pattern};
use schema::{Check, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A model has made the request's body; `ai-proxy` leaves the answer alone.
pub(super) struct RequestTransformed;

/// A model has made the response.
pub(super) struct ResponseTransformed;

/// What a model is asked, and how.
pub(super) struct Transform {
    /// Name of the plugin.
    pub plugin: &'static str,
    pub id: Uuid,
    pub llm: Llm,
    pub prompt: String,
    /// What of the model's answer counts; an error where it is no regular expression.
    pub pattern: Option<Result<Pattern, String>>,
    pub timeout: Duration,
    pub verify: bool,
    pub identity: Identity,
    pub http: Arc<dyn HttpClient>,
}

/// What a model is told, and what counts of its answer.
#[derive(Debug, Deserialize, Schema)]
pub struct Telling {
    /// What the model is told to do with a body.
    pub prompt: String,
    /// A regular expression, letters of any case: what it matches of the model's answer is the new body, an answer without is refused.
    #[field(required = false)]
    pub transformation_extract_pattern: Option<String>,
}

/// How it is asked.
#[derive(Debug, Deserialize, Schema)]
pub struct Asking {
    /// For how long the model may take, in ms.
    #[field(required = true, default = 60_000)]
    http_timeout: u64,
    /// Whether the model's server must be known, with https.
    #[field(required = true, default = true)]
    https_verify: bool,
    /// Largest body of a request that a model is told, in bytes; 8192 always may be.
    #[field(default = 8192, gt = 0)]
    pub max_request_body_size: Option<u64>,
    /// Host of a proxy for a model that is asked with http.
    #[field(is = host)]
    http_proxy_host: Option<String>,
    /// Its port.
    #[field(is = port)]
    http_proxy_port: Option<u16>,
    /// Host of a proxy for a model that is asked with https; it opens a tunnel.
    #[field(is = host)]
    https_proxy_host: Option<String>,
    /// Its port.
    #[field(is = port)]
    https_proxy_port: Option<u16>,
    /// The model.
    #[field(required = true)]
    llm: Llm,
}

/// The checks that span several options.
pub(super) fn checks() -> [Check; 3] {
    let chat = Check::conditional(
        "config.llm.route_type",
        |route| route.not_one_of(["llm/v1/chat"]),
        "config.llm.route_type",
        |route| route.eq("llm/v1/chat"),
    );
    [
        chat.then_err("'config.llm.route_type' must be 'llm/v1/chat' for AI transformer plugins"),
        Check::mutually_required(["config.http_proxy_host", "config.http_proxy_port"]),
        Check::mutually_required(["config.https_proxy_host", "config.https_proxy_port"]),
    ]
}

impl Transform {
    /// Keys of a service account or of Amazon are asked for without the proxies, which are for the model.
    pub fn new(plugin: &'static str, id: Uuid, telling: Telling, asking: Asking, http: &Arc<dyn HttpClient>) -> Self {
        let proxy = |host: Option<String>, port: Option<u16>| Some(Arc::new(HttpProxy::new(&host?, port?)));
        let proxies = HttpProxies {
            http: proxy(asking.http_proxy_host, asking.http_proxy_port),
            https: proxy(asking.https_proxy_host, asking.https_proxy_port),
        };
        Self {
            plugin,
            id,
            prompt: telling.prompt,
            pattern: telling.transformation_extract_pattern.as_deref().map(Pattern::pcre_caseless),
            timeout: Duration::from_millis(asking.http_timeout),
            verify: asking.https_verify,
            identity: Identity::of(&asking.llm, http),
            http: proxies.through(http),
            llm: asking.llm,
        }
    }

    /// What the model makes of a text; none asks it without one.
    pub async fn run(&self, exchange: &mut Exchange, text: Option<&[u8]>) -> Result<String, Answer> {
        let made = self.made(exchange, text).await;
        made.map_err(|why| match why {
            Why::Refused(message) => refused(message),
            Why::NoIdentity(error) => {
                let provider = self.llm.model.provider.name();
                tracing::error!(
                    plugin = self.plugin,
                    "error authenticating with {provider} using native provider auth, {error}"
                );
                Answer::bytes(500, "LLM request failed before proxying")
            }
        })
    }

    async fn made(&self, exchange: &mut Exchange, text: Option<&[u8]>) -> Result<String, Why> {
        let region = self.identity.region().map_err(Why::NoIdentity)?;
        let mut asked =
            drivers::request(self.question(text), &self.llm.model, RouteType::Chat).map_err(Why::Refused)?;
        self.put_parameter(&mut asked);
        if self.llm.logging.log_payloads {
            let sent = match &exchange.request.body {
                exchange::Body::Buffered(sent) => String::from_utf8_lossy(sent).into_owned(),
                _ => String::new(),
            };
            usage::tell(exchange, self.plugin, "payload.request", sent.into());
        }
        let question = Value::Object(asked).to_string();
        let started = exchange.timeline.now();
        let request = self.request(exchange, question.into(), region).await?;
        let failed = |error: String| Why::Refused(format!("failed to introspect request with AI service: {error}"));
        let answer = exchange.ask(&*self.http, request).await;
        let answer =
            answer.map_err(|error| failed(format!("request to ai service failed: request failed: {error}")))?;
        if answer.status > 299 {
            return Err(failed(format!("status code {}", answer.status)));
        }
        let told = self.told(&answer.body);
        let told =
            told.map_err(|error| Why::Refused(format!("failed to convert AI response to Kong format: {error}")))?;
        let parsed: Value = serde_json::from_slice(&told)
            .map_err(|error| Why::Refused(format!("failed to convert AI response to JSON: {error}")))?;
        let latency = exchange.timeline.now().saturating_sub(started) / 1000;
        self.count(exchange, &parsed, latency);
        self.tell(exchange, &parsed, &told, latency);
        let content = parsed.pointer("/choices/0/message/content").and_then(Value::as_str);
        let content = content.ok_or_else(|| Why::Refused("no 'choices' in upstream AI service response".to_owned()))?;
        self.extracted(content).map(Cow::into_owned).map_err(Why::Refused)
    }

    /// The chat that a model is asked with, in the format of OpenAI.
    fn question(&self, text: Option<&[u8]>) -> Map<String, Value> {
        let mut said = json!({ "role": "user" });
        if let Some(text) = text {
            said["content"] = String::from_utf8_lossy(text).into_owned().into();
        }
        let system =
            self.llm.model.provider != super::config::Provider::Bedrock || drivers::takes_system(&self.llm.model);
        let messages = match system {
            true => json!([{ "role": "system", "content": self.prompt }, said]),
            false => json!([
                { "role": "user", "content": self.prompt },
                { "role": "assistant", "content": "What is the message?" },
                said,
            ]),
        };
        let mut question = Map::new();
        question.insert("messages".into(), messages);
        question.insert("stream".into(), false.into());
        question
    }

    fn put_parameter(&self, question: &mut Map<String, Value>) {
        let Some(auth) = &self.llm.auth else { return };
        if let (Some(name), Some(value), Some("body")) =
            (&auth.param_name, &auth.param_value, auth.param_location.as_deref())
            && (auth.allow_override != Some(true) || !question.contains_key(name))
        {
            question.insert(name.clone(), value.as_str().into());
        }
    }

    async fn request(&self, exchange: &Exchange, question: Bytes, region: &str) -> Result<HttpRequest, Why> {
        let model = &self.llm.model;
        let url = Asked { model, route: RouteType::Chat, stream: false, region }.url();
        let place = endpoint::Place::of(&url).map_err(|error| {
            Why::Refused(format!("failed to introspect request with AI service: request to ai service failed: {error}"))
        })?;
        const JSON: &str = "application/json";
        let mut request = HttpRequest::new("POST", url, question.clone()).header("accept", JSON);
        if let (super::config::Provider::Anthropic, Some(version)) =
            (model.provider, &model.options().anthropic_version)
        {
            request = request.header("anthropic-version", version);
        }
        let auth = self.llm.auth.as_ref().filter(|_| matches!(self.identity, Identity::Configured));
        if let Some((name, value)) = auth.and_then(|auth| auth.header_name.as_ref().zip(auth.header_value.as_ref())) {
            request = request.header(name.to_ascii_lowercase(), value);
        }
        let proof = self.identity.headers(&place, JSON, question, exchange.timeline.wall()).await;
        for (name, value) in proof.map_err(Why::NoIdentity)? {
            request = request.header(name, value);
        }
        if request.headers.iter().all(|(name, _)| name != "content-type") {
            request = request.header("content-type", JSON);
        }
        request.timeout = self.timeout;
        request.verify = self.verify;
        request.max_answer = LARGEST as usize;
        Ok(request)
    }

    /// The answer in the format of OpenAI.
    fn told(&self, body: &Bytes) -> Result<Bytes, String> {
        match drivers::withheld(body, &self.llm.model) {
            Some(why) => Err(why),
            None => drivers::answer(body, &self.llm.model, RouteType::Chat),
        }
    }

    /// What of an answer counts.
    fn extracted<'t>(&self, content: &'t str) -> Result<Cow<'t, str>, String> {
        match &self.pattern {
            None => Ok(content.into()),
            Some(Err(error)) => Err(format!("failed regex matching ai response: {error}")),
            Some(Ok(pattern)) => match pattern.find(content.as_bytes()) {
                Some(range) => Ok(String::from_utf8_lossy(&content.as_bytes()[range])),
                None => Err("AI response did not match specified regular expression".to_owned()),
            },
        }
    }

    /// Takes what it took.
    fn count(&self, exchange: &mut Exchange, answer: &Value, latency: u32) {
        let mut usage = Usage::of(exchange);
        usage.latency = latency;
        if answer["usage"].is_object() {
            usage.read(answer);
            let both = answer["usage"]["prompt_tokens"].is_number() && answer["usage"]["completion_tokens"].is_number();
            let costs = cost(&self.llm.model, usage.prompt, usage.completion).filter(|_| both);
            usage.cost = costs.unwrap_or(usage.cost);
        } else {
            usage.completion = estimate_answer(answer);
        }
        exchange.state.put(usage);
    }

    /// Tells logs what it took.
    fn tell(&self, exchange: &Exchange, answer: &Value, told: &[u8], latency: u32) {
        let model = &self.llm.model;
        if self.llm.logging.log_payloads {
            let text = String::from_utf8_lossy(told).into_owned();
            usage::tell(exchange, self.plugin, "payload.response", text.into());
        }
        if !self.llm.logging.log_statistics {
            return;
        }
        let given = answer.get("model").filter(|model| !matches!(model, Value::Null | Value::Bool(false))).cloned();
        let response_model = given.or_else(|| model.name.as_deref().map(Value::from)).unwrap_or_default();
        let (_, request_model) = in_use(exchange);
        let meta = Told { id: self.id, provider: model.provider.name(), request_model, response_model }.meta(latency);
        usage::tell(exchange, self.plugin, "meta", meta.into());
        let mut counts = Map::new();
        let count = |name: &str| answer["usage"][name].as_f64();
        if let Some(tokens) = count("completion_tokens") {
            let each = if tokens > 0.0 { (f64::from(latency) / tokens).floor() } else { 0.0 };
            counts.insert("time_per_token".into(), figure(each));
        }
        for name in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            if let Some(tokens) = count(name) {
                counts.insert(name.into(), figure(tokens));
            }
        }
        let costs = count("prompt_tokens").zip(count("completion_tokens"));
        if let Some(costs) = costs.and_then(|(prompt, completion)| cost(model, prompt, completion)) {
            counts.insert("cost".into(), figure(costs));
        }
        usage::tell(exchange, self.plugin, "usage", counts.into());
        usage::tell(exchange, self.plugin, "cache", json!({}));
    }
}

/// Why a model made nothing.
enum Why {
    /// What the client is told, with 400.
    Refused(String),
    /// The gateway could not prove who it is.
    NoIdentity(String),
}

/// An error of the gateway, in the format of OpenAI.
pub(super) fn broken(plugin: &str, error: &str) -> Answer {
    tracing::error!(plugin, "{error}");
    failed(500, error)
}
