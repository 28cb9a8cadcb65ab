//! Options of `aws-lambda`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exchange::HttpProxy;
use percent_encoding::percent_decode_str;
use schema::{Map, Schema, Value};
use serde::Deserialize;
use url::Url;

/// Options of `aws-lambda`.
#[derive(Deserialize, Schema)]
pub struct Config {
    /// For how long a function may take, in ms.
    #[field(default = 60_000)]
    pub timeout: f64,
    /// For how long an idle connection is kept, in ms. Connections are kept by the node's own rules.
    #[field(default = 60_000)]
    pub keepalive: f64,
    /// Access key; without one that of the environment (`AWS_ACCESS_KEY_ID`), of the workload or of the machine.
    #[field(referenceable, encrypted)]
    pub aws_key: Option<String>,
    /// Secret of the access key.
    #[field(referenceable, encrypted)]
    pub aws_secret: Option<String>,
    /// Role to take on with these keys.
    #[field(referenceable, encrypted)]
    pub aws_assume_role_arn: Option<String>,
    /// Name of the session with that role.
    #[field(default = "kong")]
    pub aws_role_session_name: Option<String>,
    /// Where roles are taken on; without it at the region's endpoint.
    #[field(is = url)]
    pub aws_sts_endpoint_url: Option<String>,
    /// Region; without one that of the environment (`AWS_REGION`, `AWS_DEFAULT_REGION`).
    #[field(is = host)]
    pub aws_region: Option<String>,
    /// Name or ARN of the function.
    #[field(required = false)]
    pub function_name: Option<String>,
    /// Version or alias of the function.
    pub qualifier: Option<String>,
    /// How the function is invoked.
    #[field(default = "RequestResponse", one_of("RequestResponse", "Event", "DryRun"))]
    pub invocation_type: String,
    /// What of the function's log comes with the answer.
    #[field(default = "Tail", one_of("Tail", "None"))]
    pub log_type: String,
    /// Host to ask; without one that of the region.
    #[field(is = host)]
    pub host: Option<String>,
    /// Port of that host.
    #[field(default = 443, is = port)]
    pub port: Option<u16>,
    /// Whether to ask without TLS.
    #[field(default = false)]
    pub disable_https: Option<bool>,
    /// Status of the answer where the function fails; without one that of the answer.
    #[field(between(100, 999))]
    pub unhandled_status: Option<u16>,
    /// Whether the function is told the method.
    #[field(default = false)]
    pub forward_request_method: Option<bool>,
    /// Whether the function is told path and query.
    #[field(default = false)]
    pub forward_request_uri: Option<bool>,
    /// Whether the function is told the headers.
    #[field(default = false)]
    pub forward_request_headers: Option<bool>,
    /// Whether the function is told the body.
    #[field(default = false)]
    pub forward_request_body: Option<bool>,
    /// Whether the function's answer says status, headers and body of the response.
    #[field(default = false)]
    pub is_proxy_integration: Option<bool>,
    /// Whether the function is told the request as Amazon API Gateway tells it.
    #[field(default = false)]
    pub awsgateway_compatible: Option<bool>,
    /// An HTTP proxy to ask through, `http://[user:password@]host[:port]`: functions, and where roles are taken on.
    #[field(is = url)]
    pub proxy_url: Option<String>,
    /// Whether bodies of more than 1 MiB are left out.
    #[field(default = true)]
    pub skip_large_bodies: Option<bool>,
    /// Whether bodies that are no text are encoded in Base64.
    #[field(default = true)]
    pub base64_encode_body: Option<bool>,
    /// Version of the metadata service of Amazon EC2, which gives the machine's keys.
    #[field(default = "v1", one_of("v1", "v2"))]
    pub aws_imds_protocol_version: String,
    /// Whether empty lists in answers stay (`correct`) or become empty objects (`legacy`).
    #[field(default = "legacy", one_of("legacy", "correct"))]
    pub empty_arrays_mode: String,
}

/// The proxy of a URL.
///
/// # Errors
/// It names none.
pub(super) fn proxy(url: &str) -> Result<HttpProxy, String> {
    let wrong = || "config.proxy_url: expected http://[user:password@]host[:port]".to_owned();
    let url = Url::parse(url).map_err(|_| wrong())?;
    let mut proxy = HttpProxy::new(url.host_str().ok_or_else(wrong)?, url.port_or_known_default().unwrap_or(80));
    if !url.username().is_empty() {
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let pair = [decoded(url.username()), decoded(url.password().unwrap_or_default())].join(&b':');
        proxy.authorization = Some(format!("Basic {}", STANDARD.encode(pair)));
    }
    Ok(proxy)
}

/// A proxy is asked without TLS.
pub(super) fn proxy_scheme(plugin: &Map<String, Value>) -> Result<(), String> {
    let url = plugin.get("config").and_then(|config| config.get("proxy_url")?.as_str());
    match url {
        Some(url) if !url.starts_with("http://") => Err("proxy_url scheme must be http".to_owned()),
        _ => Ok(()),
    }
}
