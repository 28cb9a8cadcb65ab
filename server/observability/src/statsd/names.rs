//! What Consumers, Services and workspaces are called in metrics.

use exchange::{Consumer, Exchange};
use schema::Schema;
use serde::Deserialize;

/// How a Consumer is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum ConsumerIdentifier {
    /// By its id.
    ConsumerId,
    /// By its id elsewhere.
    CustomId,
    /// By its name.
    Username,
}

impl ConsumerIdentifier {
    /// The Consumer's; `None` where it has none.
    pub fn of(self, consumer: &Consumer) -> Option<String> {
        match self {
            Self::ConsumerId => Some(consumer.id.to_string()),
            Self::CustomId => consumer.custom_id.as_deref().map(str::to_owned),
            Self::Username => consumer.username.as_deref().map(str::to_owned),
        }
    }
}

/// How a Service is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names are Kong's values")]
pub enum ServiceIdentifier {
    /// By its id.
    ServiceId,
    /// By its name; `unnamed` without one.
    ServiceName,
    /// By its host.
    ServiceHost,
    /// By its name, else its host.
    ServiceNameOrHost,
}

impl ServiceIdentifier {
    /// The Service's.
    pub fn of(self, service: &entities::Service) -> String {
        let name = service.name.as_deref();
        match self {
            Self::ServiceId => service.id.to_string(),
            Self::ServiceName => without_dots(name.unwrap_or("unnamed")),
            Self::ServiceHost => without_dots(&service.host),
            Self::ServiceNameOrHost => without_dots(name.unwrap_or(&service.host)),
        }
    }
}

/// How a workspace is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceIdentifier {
    /// By its id.
    WorkspaceId,
    /// By its name.
    WorkspaceName,
}

impl WorkspaceIdentifier {
    /// The request's workspace.
    pub fn of(self, exchange: &Exchange) -> String {
        let name = match self {
            Self::WorkspaceId => None,
            Self::WorkspaceName => exchange.directory.workspace_name(exchange.workspace),
        };
        name.map_or_else(|| exchange.workspace.to_string(), |name| name.to_string())
    }
}

/// Dots part the levels of a name.
pub fn without_dots(text: &str) -> String {
    text.replace('.', "_")
}
