//! `aws-lambda`: hands requests to a function of Amazon Web Services.

mod answer;
mod config;
mod payload;

pub use config::Config;

use crate::aws::credentials::{Keeper, Wanted};
use crate::aws::sign::Target;
use crate::aws::{region, variable};
use crate::functions::timeout;
use crate::{auth, form};
use bytes::Bytes;
use entities::PluginSchema;
use exchange::escape::RESERVED;
use exchange::{About, Body, Exchange, Flow, HttpClient, HttpProxies, HttpRequest, Phases, Plugin, Services, Step};
use percent_encoding::utf8_percent_encode;
use schema::Check;
use std::sync::Arc;

/// The largest body that is handed over or comes back, in bytes: more than AWS takes or gives.
const BODY_LIMIT: u64 = 8 << 20;

/// `aws-lambda`, configured.
pub struct AwsLambda {
    config: Config,
    keeper: Keeper,
    /// Where to ask; none where neither host nor region is known.
    place: Option<Place>,
    http: Arc<dyn HttpClient>,
}

struct Place {
    /// `http` or `https`
    scheme: &'static str,
    /// With its port, where that is not the scheme's.
    authority: String,
    region: String,
    path: String,
    query: String,
}

impl Place {
    fn of(config: &Config) -> Option<Self> {
        let region = config.aws_region.clone().or_else(region);
        let host = match (&config.host, &region) {
            (Some(host), _) => host.clone(),
            (None, Some(region)) => format!("lambda.{region}.amazonaws.com"),
            (None, None) => return None,
        };
        let (scheme, usual) = if config.disable_https == Some(true) { ("http", 80) } else { ("https", 443) };
        let port = config.port.unwrap_or(443);
        let authority = if port == usual { host } else { format!("{host}:{port}") };
        let name = utf8_percent_encode(config.function_name.as_deref().unwrap_or_default(), RESERVED);
        let qualifier = config.qualifier.as_deref().map(|text| utf8_percent_encode(text, RESERVED).to_string());
        Some(Self {
            scheme,
            authority,
            region: region.unwrap_or_else(|| "us-east-1".to_owned()),
            path: format!("/2015-03-31/functions/{name}/invocations"),
            query: qualifier.map_or_else(String::new, |qualifier| format!("Qualifier={qualifier}")),
        })
    }
}

impl AwsLambda {
    /// The signed invocation for a payload.
    async fn invocation(&self, exchange: &Exchange, payload: String) -> Result<HttpRequest, String> {
        let place = self.place.as_ref().ok_or("no region or host specified")?;
        let now = exchange.timeline.wall();
        let credentials = self.keeper.keys(now).await?;
        let mark = if place.query.is_empty() { "" } else { "?" };
        let target = Target {
            url: &format!("{}://{}{}{mark}{}", place.scheme, place.authority, place.path, place.query),
            host: &place.authority,
            path: &place.path,
            query: &place.query,
            region: &place.region,
            service: "lambda",
        };
        let further = [
            ("x-amz-invocation-type", self.config.invocation_type.clone()),
            ("x-amz-log-type", self.config.log_type.clone()),
        ];
        let mut request = target.post("application/x-amz-json-1.1", further, payload, &credentials, now);
        request.timeout = timeout(self.config.timeout);
        request.max_answer = BODY_LIMIT as usize;
        Ok(request)
    }

    async fn invoke(&self, exchange: &mut Exchange, body: &Bytes) -> Flow {
        let payload = payload::payload(&self.config, exchange, body).to_string();
        let request = match self.invocation(exchange, payload).await {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(plugin = Self::NAME, "{error}");
                return auth::failure().into();
            }
        };
        match exchange.ask(&*self.http, request).await {
            Ok(found) => answer::response(&self.config, found).into(),
            Err(error) => {
                tracing::error!(plugin = Self::NAME, "the function cannot be asked: {error}");
                auth::failure().into()
            }
        }
    }
}

impl Plugin for AwsLambda {
    const NAME: &'static str = "aws-lambda";
    const PRIORITY: i32 = 750;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .check(Check::mutually_required(["config.aws_key", "config.aws_secret"]))
            .check(Check::custom(["config.proxy_url"], config::proxy_scheme))
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        let proxies = HttpProxies::both(config.proxy_url.as_deref().map(config::proxy).transpose()?);
        let http = proxies.clone().through(&services.http);
        let place = Place::of(&config);
        let wanted = Wanted {
            key: config.aws_key.as_deref().zip(config.aws_secret.as_deref()),
            role: config.aws_assume_role_arn.as_deref(),
            session: config.aws_role_session_name.as_deref().unwrap_or("kong"),
            endpoint: config.aws_sts_endpoint_url.as_deref(),
            region: place.as_ref().map(|place| place.region.as_str()),
            imds_v2: config.aws_imds_protocol_version == "v2",
            proxies,
        };
        let keeper = Keeper::new(&wanted, &variable, &services.http);
        Ok(Self { keeper, place, http, config })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let skips = self.config.skip_large_bodies == Some(true);
        let limit = if skips { form::BODY_LIMIT } else { BODY_LIMIT };
        let left_out = skips && exchange.request.content_length > Some(limit);
        Step::Wait(Box::pin(async move {
            if left_out || matches!(exchange.request.body, Body::Empty) {
                return self.invoke(exchange, &Bytes::new()).await;
            }
            match exchange.request.body.read(limit).await {
                Ok(body) => self.invoke(exchange, &body).await,
                Err(error) => form::broken(&error).into(),
            }
        }))
    }
}

#[cfg(test)]
mod tests;
