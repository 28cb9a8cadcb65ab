//! `request-transformer`: changes method, path, query, headers and body of requests.

mod body;
mod config;
mod headers;
mod operations;
mod query;

pub use config::{Config, Pairs, Removed, Renamed, Replaced};

use crate::template::{Environment, Template};
use crate::{auth, form};
use body::Kind;
use bytes::Bytes;
use entities::{PluginSchema, Scopes};
use exchange::{About, Body, Exchange, Flow, Phases, Plugin, Services, Step};
use operations::{Operation, Operations};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use query::Arguments;

/// The largest body that is transformed, in bytes; larger ones are refused with 413.
const BODY_LIMIT: u64 = 8 << 20;

/// What cannot stand in a path as it is, escapes excepted.
pub(crate) const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// `request-transformer`, configured.
pub struct RequestTransformer {
    method: Option<String>,
    uri: Option<Result<Template, String>>,
    headers: Operations,
    query: Operations,
    body: Operations,
}

/// Everything that changes, with its values for a request.
struct Changes<'c> {
    path: Option<Vec<u8>>,
    headers: Vec<Operation<'c>>,
    query: Vec<Operation<'c>>,
    /// With the kind of the body, where it is one that can be changed.
    body: Option<(Kind, Vec<Operation<'c>>)>,
    /// The body is a form and goes into the query as well.
    joins_query: bool,
}

impl RequestTransformer {
    fn changes(&self, exchange: &Exchange) -> Result<Changes<'_>, String> {
        let environment = Environment::of(exchange);
        let path = match &self.uri {
            None => None,
            Some(uri) => {
                let path = uri.as_ref().map_err(Clone::clone)?.render(&environment)?;
                if !path.starts_with(b"/") {
                    return Err("the path must start with '/'".to_owned());
                }
                Some(percent_encode(&path, ESCAPED).to_string().into_bytes())
            }
        };
        let kind = exchange.request.headers.get("content-type").and_then(Kind::of);
        let bodiless = matches!(self.method.as_deref(), Some("GET" | "HEAD" | "TRACE"));
        Ok(Changes {
            path,
            headers: self.headers.rendered(&environment)?,
            query: self.query.rendered(&environment)?,
            joins_query: bodiless && kind == Some(Kind::Urlencoded),
            body: match kind {
                Some(kind) if !self.body.is_empty() => Some((kind, self.body.rendered(&environment)?)),
                _ => None,
            },
        })
    }

    fn apply(&self, exchange: &mut Exchange, changes: Changes<'_>, body: &Bytes) {
        if let Some(path) = &changes.path {
            exchange.forward.path = path.as_slice().into();
        }
        if let Some(method) = &self.method {
            exchange.request.method = method.as_bytes().into();
        }
        headers::apply(&changes.headers, exchange);
        if changes.joins_query || !changes.query.is_empty() {
            let mut arguments = Arguments::parse(exchange.forward.query.as_deref().unwrap_or_default());
            if changes.joins_query {
                arguments.extend(body);
            }
            arguments.apply(&changes.query);
            let text = arguments.sorted().encoded();
            exchange.forward.query = (!text.is_empty()).then(|| text.as_slice().into());
        }
        if let Some((kind, operations)) = &changes.body
            && let Some(body) = kind.apply(operations, body)
        {
            form::replace(exchange, body);
        }
    }
}

impl Plugin for RequestTransformer {
    const NAME: &'static str = "request-transformer";
    const PRIORITY: i32 = 801;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols().scopes(Scopes::GROUPS)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self {
            headers: Operations::on_headers(&config),
            query: Operations::on_query(&config),
            body: Operations::on_body(&config),
            uri: config.replace.uri.as_deref().map(Template::compile),
            method: config.http_method,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let changes = match self.changes(exchange) {
            Ok(changes) => changes,
            Err(error) => {
                tracing::error!(plugin = Self::NAME, "failed to render a template: {error}");
                return auth::failure().into();
            }
        };
        if changes.body.is_none() && !changes.joins_query || matches!(exchange.request.body, Body::Empty) {
            self.apply(exchange, changes, &Bytes::new());
            return Step::NEXT;
        }
        Step::Wait(Box::pin(async move {
            match exchange.request.body.read(BODY_LIMIT).await {
                Ok(body) => {
                    self.apply(exchange, changes, &body);
                    Flow::Next
                }
                Err(error) => form::broken(&error).into(),
            }
        }))
    }
}

#[cfg(test)]
mod tests;
