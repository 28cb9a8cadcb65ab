//! `ai-proxy`: one interface, that of OpenAI, to the models of many providers.

use super::adapters::Format;
use super::config::{Both, Llm, Logging, Model, Provider, RouteType};
use super::endpoint::{Asked, authenticate};
use super::identity::Identity;
use super::request::{Parsed, failed, given, parse, refused, replace};
use super::template::Templates;
use super::usage::{Usage, estimate};
use super::{course::Course, drivers};
use crate::bodies::LARGEST;
use crate::{auth, form};
use bytes::Bytes;
use entities::PluginSchema;
use exchange::{About, Answer, Body, Chunk, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Check, Schema};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Options of `ai-proxy`: those of a model, and how clients are served.
pub type Config = Both<Llm, Serving>;

/// How clients are served.
#[derive(Debug, Deserialize, Schema)]
pub struct Serving {
    /// Whether answers may be streamed as server-sent events: where clients ask for it, never, or in any case.
    #[field(required = false, default = "allow", one_of("allow", "deny", "always"))]
    response_streaming: Option<String>,
    /// Largest body, in bytes; 8192 always may be.
    #[field(default = 8192, gt = 0)]
    max_request_body_size: Option<u64>,
    /// Whether the response names provider and model in `X-Kong-LLM-Model`.
    #[field(default = true)]
    model_name_header: Option<bool>,
    /// The format of requests and answers.
    #[field(required = false, default = "openai", one_of("openai", "bedrock", "gemini"))]
    llm_format: Option<String>,
}

/// `ai-proxy`, configured.
pub struct AiProxy {
    pub(super) id: Uuid,
    pub(super) route: RouteType,
    pub(super) logging: Logging,
    pub(super) templates: Templates,
    pub(super) model_header: bool,
    auth: Option<super::config::Auth>,
    streaming: Option<String>,
    largest: u64,
    format: Format,
    identity: Identity,
}

/// A client's request, made ready for the provider.
struct Ready {
    model: Model,
    /// What is sent instead of the client's body; none leaves it.
    body: Option<Map<String, Value>>,
    streams: bool,
}

/// Whether there is something to answer.
fn has_prompt(request: &Map<String, Value>) -> bool {
    is_chat(request) || request.get("prompt").is_some_and(Value::is_string)
}

fn is_chat(request: &Map<String, Value>) -> bool {
    request.get("messages").and_then(Value::as_array).is_some_and(|messages| !messages.is_empty())
}

/// Whether a request is of the type that a Route is for.
fn compatible(request: &Map<String, Value>, route: RouteType) -> Result<(), String> {
    let of = match (is_chat(request), request.get("prompt").is_some_and(Value::is_string)) {
        _ if route == RouteType::Preserve => return Ok(()),
        (true, true) => return Err("request matches multiple LLM request formats".to_owned()),
        (true, false) => RouteType::Chat,
        (false, true) => RouteType::Completions,
        (false, false) => return Err("request format not recognised".to_owned()),
    };
    match of == route {
        true => Ok(()),
        false => {
            let (of, route) = (of.name(), route.name());
            Err(format!("[{of}] message format is not compatible with [{route}] route type"))
        }
    }
}

impl AiProxy {
    /// The model that a request is for.
    fn model(&self, exchange: &Exchange, request: &Map<String, Value>) -> Result<Model, String> {
        let mut model = self.templates.fill(exchange)?;
        // What a template makes of it does not count.
        model.provider = self.templates.configured().provider;
        if self.route != RouteType::Preserve && !has_prompt(request) {
            return Err("request body doesn't contain valid prompts".to_owned());
        }
        let named = request.get("model").and_then(Value::as_str);
        if model.name.is_none() {
            model.name = named.map(str::to_owned);
        }
        match (&model.name, named) {
            (Some(name), Some(named)) if !named.is_empty() && named != name => {
                Err(format!("cannot use own model - must be: {name}"))
            }
            (None, _) if self.route != RouteType::Preserve => {
                Err("model parameter not found in request, nor in gateway configuration".to_owned())
            }
            _ => Ok(model),
        }
    }

    /// Whether the answer is to be a stream.
    fn streams(&self, request: &Map<String, Value>) -> Result<bool, String> {
        let asked = given(request, "stream").is_some();
        match self.streaming.as_deref() {
            Some("always") => Ok(true),
            Some("deny") if asked => Err("response streaming is not enabled for this LLM".to_owned()),
            _ => Ok(asked),
        }
    }

    /// Makes a request ready; from where the model is known, logs tell of it.
    fn ready(&self, exchange: &mut Exchange) -> Result<Ready, String> {
        let parsed = exchange.state.get::<Parsed>();
        let mut request = parsed.and_then(|parsed| parsed.request.clone()).unwrap_or_default();
        let format = parsed.map(|parsed| parsed.format).unwrap_or_default();
        let changed = parsed.is_some_and(|parsed| parsed.changed);
        let takes_gzip = parsed.is_some_and(|parsed| parsed.takes_gzip);
        let model = self.model(exchange, &request)?;
        exchange.state.put(Course::new(model.clone(), self.route, format, takes_gzip));
        compatible(&request, self.route)?;
        let streams = self.streams(&request)?;
        if streams {
            request.insert("stream".into(), true.into());
        }
        if self.route == RouteType::Preserve || (format.native().is_some() && !changed) {
            self.estimate(exchange, &request, streams);
            return Ok(Ready { model, body: None, streams });
        }
        let mut body = drivers::request(request, &model, self.route)?;
        self.put_parameter(&model, &mut body);
        self.estimate(exchange, &body, streams);
        Ok(Ready { model, body: Some(body), streams })
    }

    /// Puts the key into the body, with the providers that keep further members.
    fn put_parameter(&self, model: &Model, body: &mut Map<String, Value>) {
        use Provider::{Azure, Cohere, HuggingFace, Llama2, Mistral, OpenAi};
        let Some(auth) = self.auth.as_ref().filter(|auth| auth.param_location.as_deref() == Some("body")) else {
            return;
        };
        let formats = [&model.options().llama2_format, &model.options().mistral_format];
        let keeps = match model.provider {
            OpenAi | Azure | Cohere | HuggingFace => true,
            Llama2 | Mistral => formats.iter().any(|format| format.as_deref() == Some("openai")),
            Provider::Anthropic | Provider::Gemini | Provider::Bedrock => false,
        };
        if let (true, Some(name), Some(value)) = (keeps, &auth.param_name, &auth.param_value)
            && (auth.allow_override != Some(true) || !body.contains_key(name))
        {
            body.insert(name.clone(), value.as_str().into());
        }
    }

    /// Estimates the prompt's tokens, with the providers that do not count them in streams.
    fn estimate(&self, exchange: &mut Exchange, request: &Map<String, Value>, streams: bool) {
        use Provider::{Azure, HuggingFace, Mistral, OpenAi};
        if matches!(self.templates.configured().provider, OpenAi | Azure | Mistral | HuggingFace) {
            let prompt = estimate(request, if streams { 1.8 } else { 1.0 });
            exchange.state.put(Usage { prompt, ..Usage::of(exchange) });
        }
    }

    async fn run(&self, exchange: &mut Exchange) -> Result<(), Answer> {
        parse(exchange, self.largest, self.format).await?;
        let Ready { model, body, streams } = self.ready(exchange).map_err(refused)?;
        exchange.buffer_response |= !streams;
        // What is packed otherwise cannot be read.
        let asks = self.route != RouteType::Preserve && exchange.request.headers.contains("accept-encoding");
        let accepted = match model.provider {
            Provider::OpenAi | Provider::Azure | Provider::Bedrock => Some("gzip, identity"),
            Provider::Gemini => Some("identity"),
            _ => asks.then_some("gzip, identity"),
        };
        if let Some(accepted) = accepted {
            exchange.request.headers.set("Accept-Encoding", accepted);
        }
        if let Some(body) = body {
            replace(exchange, Value::Object(body).to_string().into());
            exchange.request.headers.set("Content-Type", "application/json");
        }
        let before = |error: String| {
            let provider = model.provider.name();
            tracing::error!(
                plugin = Self::NAME,
                "error authenticating with {provider} using native provider auth, {error}"
            );
            failed(500, "LLM request failed before proxying")
        };
        let region = self.identity.region().map_err(before)?;
        let place = Asked { model: &model, route: self.route, stream: streams, region }.place(&exchange.request.path);
        let place = place.map_err(|error| {
            tracing::error!(plugin = Self::NAME, "failed to configure request for AI service: {error}");
            auth::failure()
        })?;
        place.apply(exchange);
        authenticate(exchange, &model, self.auth.as_ref());
        let body = match self.identity.signs() {
            true => exchange.request.body.read(LARGEST).await.map_err(|error| form::broken(&error))?,
            false => Bytes::new(),
        };
        let kind = exchange.request.headers.get_str("content-type").unwrap_or("application/json").to_owned();
        let lines = self.identity.headers(&place, &kind, body, exchange.timeline.wall()).await.map_err(before)?;
        for (name, value) in lines {
            exchange.request.headers.set(&name, value);
        }
        let sent = match &exchange.request.body {
            Body::Buffered(sent) if self.logging.log_statistics && self.logging.log_payloads => Some(sent.clone()),
            _ => None,
        };
        if let Some(course) = exchange.state.get_mut::<Course>() {
            (course.streams, course.sent) = (streams, sent);
        }
        Ok(())
    }
}

impl Plugin for AiProxy {
    const NAME: &'static str = "ai-proxy";
    const PRIORITY: i32 = 770;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::BODY_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        let of = |format: &'static str| {
            Check::conditional(
                "config.llm_format",
                move |given| given.eq(format),
                "config.model.provider",
                move |provider| provider.eq(format),
            )
            .then_err(format!("native llm_format '{format}' can only be used with the '{format}' model.provider"))
        };
        let chat = Check::conditional(
            "config.llm_format",
            |format| format.one_of(["bedrock", "gemini"]),
            "config.route_type",
            |route| route.eq("llm/v1/chat"),
        );
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .check(
                chat.then_err(
                    "native provider options in llm_format can only be used with the 'llm/v1/chat' route_type",
                ),
            )
            .check(of("bedrock"))
            .check(of("gemini"))
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let Both(llm, serving) = config;
        Ok(Self {
            id: about.id,
            route: llm.route_type,
            logging: llm.logging,
            model_header: serving.model_name_header == Some(true),
            streaming: serving.response_streaming,
            largest: serving.max_request_body_size.unwrap_or_default(),
            format: Format::named(serving.llm_format.as_deref()),
            identity: Identity::of(&llm, &services.http),
            auth: llm.auth,
            templates: Templates::new(llm.model),
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move { self.run(exchange).await.map_or_else(Flow::from, |()| Flow::Next) }))
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        self.answered(exchange);
        Flow::Next
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        self.pass(exchange, chunk);
    }
}

#[cfg(test)]
mod tests;
