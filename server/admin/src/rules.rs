//! Rules between entities that no definition of one of them can hold.

use crate::errors;
use crate::respond::Answer;
use crate::scope::Scope;
use serde_json::{Map, Value};
use store::{Id, Record};

/// The id in a reference.
fn pointed(value: Option<&Value>) -> Option<Id> {
    value?.as_object()?.get("id")?.as_str().map(Id::parse)
}

fn share_a_protocol(protocols: &[Value], route: &Record) -> bool {
    let of_route = route.value.get("protocols").and_then(Value::as_array);
    of_route.is_some_and(|of_route| protocols.iter().any(|protocol| of_route.contains(protocol)))
}

/// The kinds that trust CA certificates.
pub(crate) const TRUSTING: [&str; 2] = ["services", "plugins"];

/// The ids of the CA certificates that a Service or a Plugin trusts.
pub(crate) fn trusted(record: &Record) -> impl Iterator<Item = &str> {
    let place = match record.entity {
        "plugins" => record.value.get("config").and_then(Value::as_object),
        _ => Some(&record.value),
    };
    let listed = place.and_then(|place| place.get("ca_certificates")).and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str)
}

impl Scope<'_> {
    /// A Plugin of a Route shares a protocol with it; one of a Service with at least one of the Service's Routes, if it
    /// has any. Holds for what a write names, before defaults are filled in.
    pub(crate) async fn check_protocols(&self, kind: usize, members: &Map<String, Value>) -> Result<(), Answer> {
        if self.name(kind) != "plugins" {
            return Ok(());
        }
        let (Some(Value::Array(protocols)), Some(routes)) = (members.get("protocols"), self.kinds.position("routes"))
        else {
            return Ok(());
        };
        let wrong = |text: &str| Err(errors::schema_violation(schema::Errors::of("protocols", text)));
        if let Some(id) = pointed(members.get("route")) {
            return match self.by_id(routes, &id).await? {
                Some(route) if !share_a_protocol(protocols, &route) => {
                    wrong("must match the associated route's protocols")
                }
                _ => Ok(()),
            };
        }
        let Some(id) = pointed(members.get("service")) else { return Ok(()) };
        let of_service = self.children(routes, "service", &id).await?;
        if of_service.is_empty() || of_service.iter().any(|route| share_a_protocol(protocols, route)) {
            return Ok(());
        }
        wrong("must match the protocols of at least one route pointing to this Plugin's service")
    }

    /// A CA certificate stays while a Service or a Plugin trusts it.
    pub(crate) async fn check_removal(&self, record: &Record) -> Result<(), Answer> {
        if record.entity != "ca_certificates" {
            return Ok(());
        }
        let id = record.id.to_string();
        for name in TRUSTING {
            let Some(kind) = self.kinds.position(name) else { continue };
            let user = self.search_everywhere(kind, |record| trusted(record).any(|trusted| trusted == id));
            if let Some(user) = user.await? {
                return Err(errors::still_trusted(&record.id, name, &user.id));
            }
        }
        Ok(())
    }
}
