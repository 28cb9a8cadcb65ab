//! `request-validator`: refuses requests whose body or parameters are not as a schema has them.

mod config;
mod fields;
mod media;
mod parameters;
mod serialized;

pub use config::{Config, Parameter};

use crate::form;
use bytes::Bytes;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Body, Exchange, Flow, Phases, Plugin, Services, Step};
use fields::Fields;
use media::MediaType;
use parameters::Checked;
use schema::Check;
use serde_json::{Value, json};

/// The largest body that is looked into, in bytes; larger ones are refused with 413.
const LARGEST: u64 = 8 << 20;

const BODY: &str = "request body doesn't conform to schema";
const PARAMETER: &str = "request param doesn't conform to schema";
const CONTENT_TYPE: &str = "specified Content-Type is not allowed";

/// What a body must be.
enum BodySchema {
    Kong(Fields),
    Draft4(Box<jsonschema::Validator>),
}

/// `request-validator`, configured.
pub struct RequestValidator {
    body: Option<BodySchema>,
    media_types: Vec<MediaType>,
    with_parameters: bool,
    parameters: Vec<Checked>,
    verbose: bool,
}

impl BodySchema {
    fn new(version: &str, text: &str) -> Result<Self, String> {
        Ok(match version {
            "draft4" => Self::Draft4(Box::new(draft4(&config::decoded(text)?)?)),
            _ => Self::Kong(Fields::new(&config::decoded(text)?)?),
        })
    }

    /// What is wrong, for the client.
    fn fault(&self, body: &Value) -> Option<Value> {
        match self {
            Self::Kong(fields) => fields.fault(body),
            Self::Draft4(validator) => validator.validate(body).err().map(|error| told(&error).into()),
        }
    }
}

/// A validator that reads nothing from elsewhere.
fn draft4(schema: &Value) -> Result<jsonschema::Validator, String> {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft4).should_validate_formats(true);
    options.build(schema).map_err(|error| format!("not a valid JSONschema draft 4 schema: {error}"))
}

/// A fault in words: where, and what.
fn told(error: &jsonschema::ValidationError<'_>) -> String {
    match error.instance_path().to_string() {
        place if place.is_empty() => error.to_string(),
        place => format!("property {} validation failed: {error}", place.trim_start_matches('/').replace('/', ".")),
    }
}

impl RequestValidator {
    fn refuse(&self, brief: &str, verbose: Value, data: Option<Value>) -> Answer {
        tracing::debug!(plugin = Self::NAME, "{brief}: {verbose}");
        if !self.verbose {
            return Answer::message(400, brief);
        }
        let mut body = json!({ "message": verbose });
        if let Some(data) = data {
            body["data"] = data;
        }
        Answer::json(400, body)
    }

    /// Whether the body must be looked into; `Err` is the answer to one of a type that is not allowed.
    fn looks_into(&self, exchange: &Exchange) -> Result<bool, Answer> {
        let given = exchange.request.headers.get_str("content-type").unwrap_or("application/json");
        let media = MediaType::parse(given);
        let allowed = |media: &MediaType| self.media_types.iter().any(|one| one.includes(media, self.with_parameters));
        match media.filter(allowed) {
            Some(media) => Ok(media.is_json()),
            None => Err(self.refuse(BODY, CONTENT_TYPE.into(), None)),
        }
    }

    fn check_parameters(&self, exchange: &Exchange) -> Option<Answer> {
        self.parameters.iter().find_map(|parameter| {
            let fault = parameter.fault(exchange)?;
            Some(self.refuse(PARAMETER, fault.text.into(), fault.data))
        })
    }

    fn check_body(&self, schema: &BodySchema, body: &Bytes) -> Option<Answer> {
        let document = match body.is_empty() {
            true => json!({}),
            false => match serde_json::from_slice(body) {
                Ok(document) => document,
                Err(_) => return Some(self.refuse(BODY, "request body is not valid JSON".into(), None)),
            },
        };
        let fault = schema.fault(&document)?;
        Some(self.refuse(BODY, fault, None))
    }
}

impl Plugin for RequestValidator {
    const NAME: &'static str = "request-validator";
    const PRIORITY: i32 = 999;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::ALL)
            .check(Check::at_least_one_of(["config.body_schema", "config.parameter_schema"]))
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let body = config.body_schema.as_deref().map(|text| BodySchema::new(&config.version, text));
        let parameters = config.parameter_schema.into_iter().flatten().map(Checked::new);
        let allowed = config.allowed_content_types.iter().flat_map(|types| types.iter());
        Ok(Self {
            body: body.transpose()?,
            media_types: allowed.filter_map(|text| MediaType::parse(text)).collect(),
            with_parameters: config.content_type_parameter_validation != Some(false),
            parameters: parameters.collect::<Result<_, _>>()?,
            verbose: config.verbose_response,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let schema = match &self.body {
            None => None,
            Some(schema) => match self.looks_into(exchange) {
                Ok(looks) => looks.then_some(schema),
                Err(answer) => return answer.into(),
            },
        };
        if let Some(answer) = self.check_parameters(exchange) {
            return answer.into();
        }
        let Some(schema) = schema else { return Step::NEXT };
        if matches!(exchange.request.body, Body::Empty) {
            return self.check_body(schema, &Bytes::new()).map_or(Step::NEXT, Step::from);
        }
        Step::Wait(Box::pin(async move {
            match exchange.request.body.read(LARGEST).await {
                Ok(body) => self.check_body(schema, &body).map_or(Flow::Next, Flow::from),
                Err(error) => form::broken(&error).into(),
            }
        }))
    }
}

#[cfg(test)]
mod tests;
