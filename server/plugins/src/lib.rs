//! The bundled plugins, one file or folder each, and the [`registry`] of them.
//!
//! Invariants: no socket, no database, no runtime. What a plugin remembers of a request it keeps in the Exchange;
//! what outlives a configuration belongs to the [`exchange::Services`].

pub mod acl;
pub mod acme;
pub mod ai;
pub mod auth;
pub mod aws_lambda;
pub mod azure_functions;
pub mod basic_auth;
pub mod bot_detection;
pub mod canary;
pub mod cookies;
pub mod correlation_id;
pub mod cors;
pub mod datamask;
pub mod grpc_gateway;
pub mod grpc_web;
pub mod hmac_auth;
pub mod injection_protection;
pub mod ip_restriction;
pub mod jq;
pub mod json_threat_protection;
pub mod jwt;
pub mod key_auth;
pub mod ldap_auth;
pub mod mtls_auth;
pub mod number;
pub mod oauth2;
pub mod opa;
pub mod proxy_cache;
pub mod quota;
pub mod rate_limiting;
pub mod redirect;
pub mod redis;
pub mod request_size_limiting;
pub mod request_termination;
pub mod request_transformer;
pub mod request_validator;
pub mod response_ratelimiting;
pub mod response_transformer;
pub mod session;
pub mod standard_webhooks;
pub mod template;
pub mod upstream_timeout;
pub mod xml_json;

mod bodies;
mod counting;
mod functions;
mod members;
mod pairs;
mod protobuf;

#[cfg(test)]
mod testing;

pub use self::jq::Jq;
pub use acl::Acl;
pub use acme::Acme;
pub use ai::prompt_decorator::AiPromptDecorator;
pub use ai::prompt_guard::AiPromptGuard;
pub use ai::prompt_template::AiPromptTemplate;
pub use aws_lambda::AwsLambda;
pub use azure_functions::AzureFunctions;
pub use basic_auth::BasicAuth;
pub use bot_detection::BotDetection;
pub use canary::Canary;
pub use correlation_id::CorrelationId;
pub use cors::Cors;
pub use datamask::Datamask;
pub use grpc_gateway::GrpcGateway;
pub use grpc_web::GrpcWeb;
pub use hmac_auth::HmacAuth;
pub use injection_protection::InjectionProtection;
pub use ip_restriction::IpRestriction;
pub use json_threat_protection::JsonThreatProtection;
pub use jwt::Jwt;
pub use key_auth::KeyAuth;
pub use ldap_auth::LdapAuth;
pub use mtls_auth::MtlsAuth;
pub use oauth2::Oauth2;
pub use opa::Opa;
pub use proxy_cache::{ProxyCache, ProxyCacheAdvanced};
pub use quota::Quota;
pub use rate_limiting::RateLimiting;
pub use redirect::Redirect;
pub use request_size_limiting::RequestSizeLimiting;
pub use request_termination::RequestTermination;
pub use request_transformer::RequestTransformer;
pub use request_validator::RequestValidator;
pub use response_ratelimiting::ResponseRatelimiting;
pub use response_transformer::ResponseTransformer;
pub use session::SessionPlugin;
pub use standard_webhooks::StandardWebhooks;
pub use upstream_timeout::UpstreamTimeout;
pub use xml_json::XmlJson;

pub use exchange::form;
use exchange::{PluginType, Registry};

/// Every bundled plugin.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add(PluginType::of::<Acl>());
    registry.add(PluginType::of::<Acme>());
    registry.add(PluginType::of::<AiPromptDecorator>());
    registry.add(PluginType::of::<AiPromptGuard>());
    registry.add(PluginType::of::<AiPromptTemplate>());
    registry.add(PluginType::of::<AwsLambda>());
    registry.add(PluginType::of::<AzureFunctions>());
    registry.add(PluginType::of::<BasicAuth>());
    registry.add(PluginType::of::<BotDetection>());
    registry.add(PluginType::of::<Canary>());
    registry.add(PluginType::of::<CorrelationId>());
    registry.add(PluginType::of::<Cors>());
    registry.add(PluginType::of::<Datamask>());
    registry.add(PluginType::of::<GrpcGateway>());
    registry.add(PluginType::of::<GrpcWeb>());
    registry.add(PluginType::of::<HmacAuth>());
    registry.add(PluginType::of::<InjectionProtection>());
    registry.add(PluginType::of::<IpRestriction>());
    registry.add(PluginType::of::<JsonThreatProtection>());
    registry.add(PluginType::of::<Jq>());
    registry.add(PluginType::of::<Jwt>());
    registry.add(PluginType::of::<KeyAuth>());
    registry.add(PluginType::of::<LdapAuth>());
    registry.add(PluginType::of::<MtlsAuth>());
    registry.add(PluginType::of::<Oauth2>());
    registry.add(PluginType::of::<Opa>());
    registry.add(PluginType::of::<ProxyCache>());
    registry.add(PluginType::of::<ProxyCacheAdvanced>());
    registry.add(PluginType::of::<Quota>());
    registry.add(PluginType::of::<RateLimiting>());
    registry.add(PluginType::of::<Redirect>());
    registry.add(PluginType::of::<RequestSizeLimiting>());
    registry.add(PluginType::of::<RequestTermination>());
    registry.add(PluginType::of::<RequestTransformer>());
    registry.add(PluginType::of::<RequestValidator>());
    registry.add(PluginType::of::<ResponseRatelimiting>());
    registry.add(PluginType::of::<ResponseTransformer>());
    registry.add(PluginType::of::<SessionPlugin>());
    registry.add(PluginType::of::<StandardWebhooks>());
    registry.add(PluginType::of::<UpstreamTimeout>());
    registry.add(PluginType::of::<XmlJson>());
    registry
}
