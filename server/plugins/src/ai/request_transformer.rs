//! `ai-request-transformer`: has a model make another body of a request's.

use super::config::Llm;
use super::request::{body, replace};
use super::transform::{Asking, RequestTransformed, Transform, checks};
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;

/// Options of `ai-request-transformer`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// What the model is told to do with a request.
    pub prompt: String,
    /// A regular expression, letters of any case: what it matches of the model's answer is the new body, an answer without is refused.
    #[field(required = false)]
    pub transformation_extract_pattern: Option<String>,
    /// For how long the model may take, in ms.
    #[field(required = true, default = 60_000)]
    pub http_timeout: u64,
    /// Whether the model's server must be known, with https.
    #[field(required = true, default = true)]
    pub https_verify: bool,
    /// Largest body, in bytes; 8192 always may be.
    #[field(default = 8192, gt = 0)]
    pub max_request_body_size: Option<u64>,
    /// Host of a proxy for http. Not supported: configurations that name one are refused.
    #[field(is = host)]
    pub http_proxy_host: Option<String>,
    /// Its port.
    #[field(is = port)]
    pub http_proxy_port: Option<u16>,
    /// Host of a proxy for https. Not supported: configurations that name one are refused.
    #[field(is = host)]
    pub https_proxy_host: Option<String>,
    /// Its port.
    #[field(is = port)]
    pub https_proxy_port: Option<u16>,
    /// The model.
    #[field(required = true)]
    pub llm: Llm,
}

/// `ai-request-transformer`, configured.
pub struct AiRequestTransformer {
    transform: Transform,
    largest: u64,
}

impl AiRequestTransformer {
    async fn run(&self, exchange: &mut Exchange) -> Result<(), Answer> {
        let text = body(exchange, self.largest).await?;
        let made = self.transform.run(exchange, text.as_deref()).await?;
        replace(exchange, made.into());
        exchange.state.put(RequestTransformed);
        Ok(())
    }
}

impl Plugin for AiRequestTransformer {
    const NAME: &'static str = "ai-request-transformer";
    const PRIORITY: i32 = 777;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::NO_CONSUMER)
            .protocols_first()
            .checks(checks())
    }

    fn new(config: Config, about: &About, services: &Services) -> Result<Self, String> {
        let asking = Asking {
            prompt: &config.prompt,
            pattern: config.transformation_extract_pattern.as_deref(),
            timeout: config.http_timeout,
            verify: config.https_verify,
            proxies: [
                ("http_proxy_host", config.http_proxy_host.is_some()),
                ("https_proxy_host", config.https_proxy_host.is_some()),
            ],
        };
        let transform = Transform::new(Self::NAME, about.id, config.llm, &asking, &services.http)?;
        Ok(Self { transform, largest: config.max_request_body_size.unwrap_or_default() })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        Step::Wait(Box::pin(async move { self.run(exchange).await.map_or_else(Flow::from, |()| Flow::Next) }))
    }
}
