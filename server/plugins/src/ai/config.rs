//! Options that the plugins share which speak to language models: where a model is, how it is asked, what is logged.

use schema::{Check, Map, Record, Schema, Value};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};

/// Options in two parts; in the schema, the first stand before the second.
#[derive(Debug)]
pub struct Both<First, Second>(pub First, pub Second);

impl<First: Schema, Second: Schema> Schema for Both<First, Second> {
    fn record() -> Record {
        First::record().merged(&Second::record())
    }
}

impl<'de, First: DeserializeOwned, Second: DeserializeOwned> Deserialize<'de> for Both<First, Second> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let options = serde_json::Value::deserialize(deserializer)?;
        let first = First::deserialize(&options).map_err(D::Error::custom)?;
        let second = Second::deserialize(&options).map_err(D::Error::custom)?;
        Ok(Self(first, second))
    }
}

/// Who runs a model, and thereby in which format it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI.
    OpenAi,
    /// OpenAI's models on Microsoft Azure.
    Azure,
    /// Anthropic.
    Anthropic,
    /// Cohere.
    Cohere,
    /// Mistral.
    Mistral,
    /// Llama 2, run by oneself.
    Llama2,
    /// Google, in public or on Vertex.
    Gemini,
    /// Amazon Bedrock.
    Bedrock,
    /// Hugging Face.
    HuggingFace,
}

impl Provider {
    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Cohere => "cohere",
            Self::Mistral => "mistral",
            Self::Llama2 => "llama2",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::HuggingFace => "huggingface",
        }
    }
}

/// What requests of a Route are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
pub enum RouteType {
    /// Chats: `messages`.
    #[serde(rename = "llm/v1/chat")]
    Chat,
    /// Completions: a `prompt`.
    #[serde(rename = "llm/v1/completions")]
    Completions,
    /// Anything; it is passed on as it is.
    #[serde(rename = "preserve")]
    Preserve,
}

impl RouteType {
    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "llm/v1/chat",
            Self::Completions => "llm/v1/completions",
            Self::Preserve => "preserve",
        }
    }
}

/// A model and how it is asked.
#[derive(Debug, Deserialize, Schema)]
#[schema(with = checked)]
pub struct Llm {
    /// What requests are: chats, completions, or anything, which is passed on as it is.
    pub route_type: RouteType,
    /// How the gateway makes itself known to the provider.
    #[field(required = false)]
    pub auth: Option<Auth>,
    /// The model.
    #[field(required = true)]
    pub model: Model,
    /// What logs say of it.
    #[field(required = true)]
    pub logging: Logging,
}

/// How the gateway makes itself known.
#[derive(Clone, Debug, Default, Deserialize, Schema)]
pub struct Auth {
    /// Name of the header with the key.
    #[field(required = false, referenceable)]
    pub header_name: Option<String>,
    /// The whole value of that header, such as `Bearer …`.
    #[field(required = false, referenceable, encrypted)]
    pub header_value: Option<String>,
    /// Name of the parameter with the key.
    #[field(required = false, referenceable)]
    pub param_name: Option<String>,
    /// The parameter's value.
    #[field(required = false, referenceable, encrypted)]
    pub param_value: Option<String>,
    /// Where the parameter goes.
    #[field(required = false, one_of("query", "body"))]
    pub param_location: Option<String>,
    /// Whether Google is asked with a token of a service account.
    #[field(required = false, default = false)]
    pub gcp_use_service_account: Option<bool>,
    /// The service account's key file, as JSON; without one that of the environment (`GCP_SERVICE_ACCOUNT`), or the machine's account.
    #[field(required = false, referenceable)]
    pub gcp_service_account_json: Option<String>,
    /// Access key of Amazon; without one that of the environment (`AWS_ACCESS_KEY_ID`), of the workload or of the machine.
    #[field(required = false, referenceable, encrypted)]
    pub aws_access_key_id: Option<String>,
    /// Secret of the access key.
    #[field(required = false, referenceable, encrypted)]
    pub aws_secret_access_key: Option<String>,
    /// Whether a client's own header or parameter of that name stays.
    #[field(required = false, default = false)]
    pub allow_override: Option<bool>,
}

/// A model. Texts may have `$(headers.name)`, `$(query_params.name)` or `$(uri_captures.name)` in them.
#[derive(Clone, Debug, Deserialize, Serialize, Schema)]
pub struct Model {
    /// Who runs it, and thereby the format it is spoken to in.
    pub provider: Provider,
    /// Its name; without one that of the request.
    #[field(required = false)]
    pub name: Option<String>,
    /// Settings of it.
    #[field(required = false)]
    pub options: Option<Options>,
}

impl Model {
    /// Its settings.
    pub fn options(&self) -> &Options {
        const NONE: &Options = &Options::NONE;
        self.options.as_ref().unwrap_or(NONE)
    }
}

/// Settings of a model. What is set here goes before what a request says.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Schema)]
pub struct Options {
    /// Tokens of an answer at most.
    #[field(required = false)]
    pub max_tokens: Option<i64>,
    /// Cost of a million tokens of a prompt.
    #[field(required = false, gt = 0)]
    pub input_cost: Option<f64>,
    /// Cost of a million tokens of an answer.
    #[field(required = false, gt = 0)]
    pub output_cost: Option<f64>,
    /// Temperature of sampling.
    #[field(required = false, between(0, 5))]
    pub temperature: Option<f64>,
    /// Share of the probability that tokens are sampled from.
    #[field(required = false, between(0, 1))]
    pub top_p: Option<f64>,
    /// Number of the most probable tokens that are sampled from.
    #[field(required = false, between(0, 500))]
    pub top_k: Option<i64>,
    /// Version of the interface, at Anthropic.
    #[field(required = false)]
    pub anthropic_version: Option<String>,
    /// Name of the instance, at Azure.
    #[field(required = false)]
    pub azure_instance: Option<String>,
    /// Version of the interface, at Azure.
    #[field(required = false, default = "2023-05-15")]
    pub azure_api_version: Option<String>,
    /// Id of the deployment, at Azure.
    #[field(required = false)]
    pub azure_deployment_id: Option<String>,
    /// Format of the upstream, with Llama 2.
    #[field(required = false, one_of("raw", "openai", "ollama"))]
    pub llama2_format: Option<String>,
    /// Format of the upstream, with Mistral.
    #[field(required = false, one_of("openai", "ollama"))]
    pub mistral_format: Option<String>,
    /// The whole URL that is asked, instead of the provider's.
    #[field(required = false, is = url)]
    pub upstream_url: Option<String>,
    /// The path that is asked, instead of the provider's; not with `upstream_url` but for Gemini and Bedrock.
    #[field(required = false)]
    pub upstream_path: Option<String>,
    /// Settings of Gemini on Vertex.
    #[field(required = false)]
    pub gemini: Option<Vertex>,
    /// Settings of Bedrock.
    #[field(required = false)]
    pub bedrock: Option<Bedrock>,
    /// Settings of Hugging Face.
    #[field(required = false)]
    pub huggingface: Option<HuggingFace>,
}

impl Options {
    const NONE: Self = Self {
        max_tokens: None,
        input_cost: None,
        output_cost: None,
        temperature: None,
        top_p: None,
        top_k: None,
        anthropic_version: None,
        azure_instance: None,
        azure_api_version: None,
        azure_deployment_id: None,
        llama2_format: None,
        mistral_format: None,
        upstream_url: None,
        upstream_path: None,
        gemini: None,
        bedrock: None,
        huggingface: None,
    };
}

/// Where a model of Gemini is on Vertex.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Schema)]
#[schema(check = Check::mutually_required(["api_endpoint", "project_id", "location_id"]))]
pub struct Vertex {
    /// Host of the region's endpoint.
    #[field(required = false)]
    pub api_endpoint: Option<String>,
    /// The project.
    #[field(required = false)]
    pub project_id: Option<String>,
    /// The location.
    #[field(required = false)]
    pub location_id: Option<String>,
}

/// Settings of Bedrock.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Schema)]
pub struct Bedrock {
    /// Region; without one that of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`).
    #[field(required = false)]
    pub aws_region: Option<String>,
}

/// Settings of Hugging Face.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Schema)]
pub struct HuggingFace {
    /// Whether answers may come from its cache.
    #[field(required = false)]
    pub use_cache: Option<bool>,
    /// Whether to wait for a model that is not ready.
    #[field(required = false)]
    pub wait_for_model: Option<bool>,
}

/// What logs say of requests.
#[derive(Clone, Copy, Debug, Default, Deserialize, Schema)]
pub struct Logging {
    /// Whether they say model, tokens, costs and time.
    #[field(required = true, default = false)]
    pub log_statistics: bool,
    /// Whether they have requests and answers whole.
    #[field(required = true, default = false)]
    pub log_payloads: bool,
}

/// The checks that span several options.
fn checked(record: schema::Record) -> schema::Record {
    let needs = |provider: &'static str, option: &str, whose: &str| {
        let when = move |field: schema::Field| field.one_of([provider]);
        let needed = format!("model.options.{option}");
        Check::conditional_at_least_one_of("model.provider", when, [needed])
            .then_err(format!("must set %s for {whose}"))
    };
    let keeps = Check::conditional(
        "model.provider",
        |provider| provider.one_of(["bedrock", "gemini"]),
        "auth.allow_override",
        |allow| allow.eq(false),
    );
    [
        keeps.then_err("bedrock and gemini only support auth.allow_override = false"),
        Check::mutually_required(["auth.header_name", "auth.header_value"]),
        Check::mutually_required(["auth.param_name", "auth.param_value", "auth.param_location"]),
        needs("llama2", "llama2_format", "llama2 provider"),
        needs("mistral", "mistral_format", "mistral provider"),
        needs("anthropic", "anthropic_version", "anthropic provider"),
        needs("azure", "azure_instance", "azure provider"),
        needs("azure", "azure_api_version", "azure provider"),
        needs("azure", "azure_deployment_id", "azure provider"),
        needs("llama2", "upstream_url", "self-hosted providers/models"),
        Check::custom(["route_type", "model", "logging"], counted),
    ]
    .into_iter()
    .fold(record, schema::Record::check)
}

/// Anthropic does not say what completions took.
fn counted(llm: &Map<String, Value>) -> Result<(), String> {
    let text = |path: &str| schema::path::get(llm, path).and_then(Value::as_str).unwrap_or_default();
    let (provider, route_type) = (text("model.provider"), text("route_type"));
    let counts = schema::path::get(llm, "logging.log_statistics") == Some(&Value::Bool(true));
    match counts && (provider, route_type) == ("anthropic", "llm/v1/completions") {
        true => Err(format!("{provider} does not support statistics when route_type is {route_type}")),
        false => Ok(()),
    }
}
