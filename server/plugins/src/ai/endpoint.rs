//! Where a model is asked: the provider's own address, or the configured one.

use super::config::{Auth, Model, Provider, RouteType};
use exchange::escape::{NOT_IN_PATH, RESERVED};
use exchange::{Exchange, Scheme, form};
use percent_encoding::{AsciiSet, percent_encode, utf8_percent_encode};
use url::Url;

/// What the name of a model is written without escaping where it is one segment of a path: names may be ARNs.
const SEGMENT: &AsciiSet = &RESERVED.remove(b':').remove(b'@');

/// A place to ask at.
#[derive(Debug, PartialEq)]
pub(super) struct Place {
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
    /// Escaped, with its first `/`; `None` leaves the Service's path.
    pub path: Option<String>,
}

/// What is asked for at a place.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub model: &'a Model,
    pub route: RouteType,
    pub stream: bool,
    /// Region of Amazon.
    pub region: &'a str,
}

impl Place {
    /// The place of a URL; its query does not count.
    pub fn of(url: &str) -> Result<Self, String> {
        let parsed = Url::parse(url).map_err(|error| format!("{url}: {error}"))?;
        let scheme = match parsed.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => return Err(format!("{url}: invalid scheme: {other}")),
        };
        let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = parsed.port().unwrap_or(scheme.default_port());
        // As it is written: segments like `..` are the upstream's business.
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let path = rest.find('/').map(|at| escaped(&rest[at..]));
        Ok(Self { scheme, host, port, path })
    }

    /// `host`, with its port where that is not the scheme's.
    pub fn authority(&self) -> String {
        match self.port == self.scheme.default_port() {
            true => self.host.clone(),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Sends the request there.
    pub fn apply(&self, exchange: &mut Exchange) {
        let forward = &mut exchange.forward;
        forward.scheme = self.scheme;
        forward.host = self.host.as_bytes().into();
        forward.port = self.port;
        // The upstream's own name, also where the Route keeps the client's.
        forward.host_header = None;
        if let Some(path) = &self.path {
            forward.path = path.as_bytes().into();
        }
    }
}

fn escaped(path: &str) -> String {
    format!("/{}", utf8_percent_encode(path.trim_start_matches('/'), NOT_IN_PATH))
}

impl Asked<'_> {
    /// The provider's address, without the path of an operation.
    fn base(&self) -> String {
        let options = self.model.options();
        let text = |option: &Option<String>| option.clone().unwrap_or_default();
        match self.model.provider {
            Provider::OpenAi => "https://api.openai.com".to_owned(),
            Provider::Anthropic => "https://api.anthropic.com".to_owned(),
            Provider::Cohere => "https://api.cohere.com".to_owned(),
            Provider::Mistral => "https://api.mistral.ai".to_owned(),
            Provider::Azure => format!(
                "https://{}.openai.azure.com/openai/deployments/{}",
                text(&options.azure_instance),
                text(&options.azure_deployment_id)
            ),
            Provider::Gemini => match &options.gemini {
                Some(vertex) if vertex.api_endpoint.is_some() => format!("https://{}", text(&vertex.api_endpoint)),
                _ => "https://generativelanguage.googleapis.com".to_owned(),
            },
            Provider::Bedrock => format!("https://bedrock-runtime.{}.amazonaws.com", self.region),
            Provider::HuggingFace => {
                let name = utf8_percent_encode(self.model.name.as_deref().unwrap_or_default(), NOT_IN_PATH);
                format!("https://api-inference.huggingface.co/models/{name}")
            }
            Provider::Llama2 => String::new(),
        }
    }

    /// The path of what is asked for; none where the provider has no such thing.
    fn operation(&self) -> Option<String> {
        let name = self.model.name.as_deref().unwrap_or_default();
        let path = match (self.model.provider, self.route) {
            (Provider::OpenAi | Provider::Mistral, RouteType::Chat) => "/v1/chat/completions",
            (Provider::OpenAi, RouteType::Completions) => "/v1/completions",
            (Provider::Anthropic, RouteType::Chat) => "/v1/messages",
            (Provider::Anthropic, RouteType::Completions) => "/v1/complete",
            (Provider::Cohere, RouteType::Chat) => "/v1/chat",
            (Provider::Cohere, RouteType::Completions) => "/v1/generate",
            (Provider::Azure, RouteType::Chat) => "/chat/completions",
            (Provider::Azure, RouteType::Completions) => "/completions",
            (Provider::HuggingFace, RouteType::Completions) => "",
            (Provider::HuggingFace, _) => "/v1/chat/completions",
            (Provider::Gemini, RouteType::Chat) => return Some(self.of_gemini(name)),
            (Provider::Bedrock, RouteType::Chat) => {
                let operation = if self.stream { "converse-stream" } else { "converse" };
                return Some(format!("/model/{}/{operation}", utf8_percent_encode(name, SEGMENT)));
            }
            _ => return None,
        };
        Some(path.to_owned())
    }

    fn of_gemini(&self, name: &str) -> String {
        let operation = if self.stream { "streamGenerateContent" } else { "generateContent" };
        let name = utf8_percent_encode(name, SEGMENT);
        match &self.model.options().gemini {
            Some(vertex) if vertex.api_endpoint.is_some() => format!(
                "/v1/projects/{}/locations/{}/publishers/google/models/{name}:{operation}",
                vertex.project_id.as_deref().unwrap_or_default(),
                vertex.location_id.as_deref().unwrap_or_default()
            ),
            _ => format!("/v1beta/models/{name}:{operation}"),
        }
    }

    /// Where a client's request goes, whose path is `path`.
    ///
    /// # Errors
    /// A sentence: the URL is none.
    pub fn place(&self, path: &[u8]) -> Result<Place, String> {
        let options = self.model.options();
        let own = options.upstream_path.as_deref();
        let operation = self.operation();
        let provider = self.model.provider;
        let mut place = match (&options.upstream_url, provider) {
            (url, Provider::HuggingFace) => {
                let base = url.clone().unwrap_or_else(|| self.base());
                return Place::of(&format!("{base}{}", operation.unwrap_or_default()));
            }
            (Some(url), Provider::Gemini | Provider::Bedrock) => {
                let place = Place::of(url)?;
                Place { path: own.map(escaped).or(place.path), ..place }
            }
            (Some(url), _) => Place::of(url)?,
            // The path begins with the deployment.
            (None, Provider::Azure) => {
                let path = own.map(escaped).or(operation).unwrap_or_else(|| "/".to_owned());
                Place::of(&format!("{}{path}", self.base()))?
            }
            (None, _) => {
                let place = Place::of(&self.base())?;
                Place { path: own.map(escaped).or(operation), ..place }
            }
        };
        if self.route == RouteType::Preserve && own.is_none() {
            place.path = Some(percent_encode(path, NOT_IN_PATH).to_string());
        }
        place.path.get_or_insert_with(|| "/".to_owned());
        Ok(place)
    }

    /// Where a plugin asks by itself.
    pub fn url(&self) -> String {
        let options = self.model.options();
        let operation = self.operation().unwrap_or_default();
        match (&options.upstream_url, self.model.provider) {
            (Some(url), Provider::HuggingFace) => format!("{url}{operation}"),
            (Some(url), _) => url.clone(),
            (None, Provider::Azure) => {
                let path = options.upstream_path.as_deref().map_or(operation, escaped);
                let version = options.azure_api_version.as_deref().unwrap_or_default();
                format!("{}{path}?api-version={}", self.base(), utf8_percent_encode(version, RESERVED))
            }
            (None, _) => format!("{}{operation}", self.base()),
        }
    }
}

/// Puts what makes the gateway known into headers and query.
pub(super) fn authenticate(exchange: &mut Exchange, model: &Model, auth: Option<&Auth>) {
    let options = model.options();
    if let (Provider::Anthropic, Some(version)) = (model.provider, &options.anthropic_version) {
        exchange.request.headers.set("anthropic-version", version);
    }
    // Amazon is asked by signatures alone.
    let auth = auth.filter(|_| model.provider != Provider::Bedrock);
    let keeps = auth.is_some_and(|auth| auth.allow_override == Some(true));
    if let Some((name, value)) = auth.and_then(|auth| auth.header_name.as_deref().zip(auth.header_value.as_deref())) {
        let keeps = keeps && model.provider != Provider::HuggingFace;
        if !(keeps && exchange.request.headers.contains(name)) {
            exchange.request.headers.set(name, value);
        }
    }
    let mut query: Option<Vec<u8>> = None;
    let given = |exchange: &Exchange| exchange.forward.query.as_deref().unwrap_or_default().to_vec();
    if model.provider == Provider::Azure {
        let version = options.azure_api_version.as_deref().unwrap_or_default();
        query = Some(with_argument(&given(exchange), "api-version", version, true));
    }
    let in_query =
        |auth: &&Auth| auth.param_location.as_deref() == Some("query") && model.provider != Provider::HuggingFace;
    let parameter = auth.filter(in_query).and_then(|auth| auth.param_name.as_deref().zip(auth.param_value.as_deref()));
    if let Some((name, value)) = parameter {
        let before = query.unwrap_or_else(|| given(exchange));
        query = Some(with_argument(&before, name, value, keeps));
    }
    if let Some(query) = query {
        exchange.forward.query = (!query.is_empty()).then(|| query.as_slice().into());
    }
}

/// A query with an argument, in the order of names; `keeps`: one that is there stays.
fn with_argument(query: &[u8], name: &str, value: &str, keeps: bool) -> Vec<u8> {
    let mut pairs: Vec<(Vec<u8>, Option<Vec<u8>>)> =
        form::pairs(query).map(|(name, value)| (name.into_owned(), value.map(|value| value.into_owned()))).collect();
    let is = |pair: &(Vec<u8>, Option<Vec<u8>>)| pair.0 == name.as_bytes();
    if !(keeps && pairs.iter().any(is)) {
        pairs.retain(|pair| !is(pair));
        pairs.push((name.as_bytes().to_vec(), Some(value.as_bytes().to_vec())));
    }
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    let shown = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
        let name = percent_encode(name, RESERVED);
        match value {
            Some(value) => format!("{name}={}", percent_encode(value, RESERVED)),
            None => name.to_string(),
        }
    };
    pairs.iter().map(shown).collect::<Vec<_>>().join("&").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn model(provider: &str, options: Value) -> Model {
        let model = json!({ "provider": provider, "name": "m:1", "options": options });
        serde_json::from_value(model).expect("a model")
    }

    #[test]
    fn requests_go_where_the_provider_is_or_as_configured() {
        use RouteType::{Chat, Completions, Preserve};
        let vertex = json!({ "gemini": { "api_endpoint": "r.google.test", "project_id": "p", "location_id": "l" } });
        let url = json!({ "upstream_url": "http://llm.test:8080/a%20b/c d?x=1" });
        let root = json!({ "upstream_url": "http://llm.test" });
        let path = json!({ "upstream_path": "own/path" });
        let both = json!({ "upstream_url": "http://llm.test/u", "upstream_path": "/own" });
        let azure = json!({ "azure_instance": "i", "azure_deployment_id": "d" });
        let azure_path = json!({ "azure_instance": "i", "azure_deployment_id": "d", "upstream_path": "/x" });
        for (provider, options, route, stream, expected) in [
            ("openai", json!({}), Chat, false, "https api.openai.com:443 /v1/chat/completions"),
            ("openai", json!({}), Completions, true, "https api.openai.com:443 /v1/completions"),
            ("openai", json!({}), Preserve, false, "https api.openai.com:443 /in/%20x"),
            ("openai", url, Chat, false, "http llm.test:8080 /a%20b/c%20d"),
            ("openai", root.clone(), Chat, false, "http llm.test:80 /"),
            ("openai", path.clone(), Chat, false, "https api.openai.com:443 /own/path"),
            ("openai", path, Preserve, false, "https api.openai.com:443 /own/path"),
            ("openai", both.clone(), Chat, false, "http llm.test:80 /u"),
            ("openai", both.clone(), Preserve, false, "http llm.test:80 /u"),
            ("anthropic", json!({}), Chat, false, "https api.anthropic.com:443 /v1/messages"),
            ("anthropic", json!({}), Completions, false, "https api.anthropic.com:443 /v1/complete"),
            ("cohere", json!({}), Chat, false, "https api.cohere.com:443 /v1/chat"),
            ("cohere", json!({}), Completions, false, "https api.cohere.com:443 /v1/generate"),
            ("mistral", json!({}), Chat, false, "https api.mistral.ai:443 /v1/chat/completions"),
            (
                "azure",
                azure.clone(),
                Chat,
                false,
                "https i.openai.azure.com:443 /openai/deployments/d/chat/completions",
            ),
            (
                "azure",
                azure.clone(),
                Completions,
                false,
                "https i.openai.azure.com:443 /openai/deployments/d/completions",
            ),
            ("azure", azure, Preserve, false, "https i.openai.azure.com:443 /in/%20x"),
            ("azure", azure_path, Preserve, false, "https i.openai.azure.com:443 /openai/deployments/d/x"),
            (
                "gemini",
                json!({}),
                Chat,
                false,
                "https generativelanguage.googleapis.com:443 /v1beta/models/m:1:generateContent",
            ),
            (
                "gemini",
                vertex,
                Chat,
                true,
                "https r.google.test:443 /v1/projects/p/locations/l/publishers/google/models/m:1:streamGenerateContent",
            ),
            ("gemini", both.clone(), Chat, false, "http llm.test:80 /own"),
            ("bedrock", json!({}), Chat, false, "https bedrock-runtime.eu-1.amazonaws.com:443 /model/m:1/converse"),
            (
                "bedrock",
                json!({}),
                Chat,
                true,
                "https bedrock-runtime.eu-1.amazonaws.com:443 /model/m:1/converse-stream",
            ),
            ("bedrock", both, Chat, false, "http llm.test:80 /own"),
            ("huggingface", json!({}), Completions, false, "https api-inference.huggingface.co:443 /models/m:1"),
            (
                "huggingface",
                json!({}),
                Chat,
                false,
                "https api-inference.huggingface.co:443 /models/m:1/v1/chat/completions",
            ),
            ("huggingface", root.clone(), Completions, false, "http llm.test:80 -"),
            ("huggingface", root, Preserve, false, "http llm.test:80 /v1/chat/completions"),
        ] {
            let model = model(provider, options.clone());
            let asked = Asked { model: &model, route, stream, region: "eu-1" };
            let place = asked.place(b"/in/ x").expect("a place");
            let path = place.path.as_deref().unwrap_or("-");
            let shown = format!("{} {}:{} {path}", place.scheme.as_str(), place.host, place.port);
            assert_eq!(shown, expected, "{provider} {options} {route:?}");
        }
    }

    #[test]
    fn arguments_are_put_into_a_query() {
        for (query, keeps, expected) in [
            ("", false, "key=a%20b"),
            ("x=1&b", false, "b&key=a%20b&x=1"),
            ("key=own&key=2", false, "key=a%20b"),
            ("key=own", true, "key=own"),
            ("z=%2F", true, "key=a%20b&z=%2F"),
        ] {
            let made = with_argument(query.as_bytes(), "key", "a b", keeps);
            assert_eq!(String::from_utf8_lossy(&made), expected, "{query} {keeps}");
        }
    }

    #[test]
    fn plugins_ask_at_urls() {
        for (provider, options, expected) in [
            ("openai", json!({ "upstream_path": "/x" }), "https://api.openai.com/v1/chat/completions"),
            ("openai", json!({ "upstream_url": "http://l.test/a?b=c" }), "http://l.test/a?b=c"),
            (
                "azure",
                json!({ "azure_instance": "i", "azure_deployment_id": "d", "azure_api_version": "v" }),
                "https://i.openai.azure.com/openai/deployments/d/chat/completions?api-version=v",
            ),
            ("huggingface", json!({ "upstream_url": "http://l.test" }), "http://l.test/v1/chat/completions"),
        ] {
            let model = model(provider, options);
            let asked = Asked { model: &model, route: RouteType::Chat, stream: false, region: "" };
            assert_eq!(asked.url(), expected);
        }
    }
}
