//! `acl`: who may pass by the groups of the Consumer, or by those that an authentication plugin found.

use crate::auth;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Credential, Exchange, Phases, Plugin, Services, Step};
use schema::{Check, Schema};
use serde::Deserialize;
use std::sync::Arc;

/// Options of `acl`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Groups that may pass; nobody else may.
    pub allow: Option<Vec<String>>,
    /// Groups that may not pass; everybody else may.
    pub deny: Option<Vec<String>>,
    /// Whether the header with the groups is kept from the upstream.
    #[field(default = false)]
    pub hide_groups_header: bool,
    /// Whether groups that an authentication plugin found count even for a Consumer that has groups of its own.
    #[field(default = false)]
    pub always_use_authenticated_groups: bool,
}

/// The entity that holds memberships.
const MEMBERSHIPS: &str = "acls";

/// Tells the upstream the Consumer's groups.
const CONSUMER_GROUPS: &str = "X-Consumer-Groups";

/// Tells the upstream the groups an authentication plugin found.
const AUTHENTICATED_GROUPS: &str = "X-Authenticated-Groups";

/// `acl`, configured.
pub struct Acl {
    config: Config,
    /// Whether `groups` are refused; else nobody but them passes.
    deny: bool,
    groups: Vec<String>,
}

impl Acl {
    /// Lets those through whose groups may pass, and tells the upstream which they are.
    fn decide(&self, exchange: &mut Exchange, groups: &[&str], header: &'static str) -> Step<'static> {
        let listed = groups.iter().any(|group| self.groups.iter().any(|listed| listed == group));
        if listed == self.deny {
            return forbidden();
        }
        for name in [CONSUMER_GROUPS, AUTHENTICATED_GROUPS] {
            exchange.request.headers.remove(name);
        }
        if !self.config.hide_groups_header && !groups.is_empty() {
            exchange.request.headers.append(header, groups.join(", "));
        }
        Step::NEXT
    }

    fn by_memberships(&self, exchange: &mut Exchange, memberships: &[Arc<Credential>]) -> Step<'static> {
        if memberships.is_empty() && !self.deny {
            return nobody(exchange);
        }
        let groups: Vec<_> = memberships.iter().filter_map(|membership| membership.text("group")).collect();
        self.decide(exchange, &groups, CONSUMER_GROUPS)
    }

    fn by_authenticated(&self, exchange: &mut Exchange) -> Step<'static> {
        let found = std::mem::take(&mut exchange.identity.authenticated_groups);
        let groups: Vec<_> = found.iter().map(String::as_str).collect();
        let step = self.decide(exchange, &groups, AUTHENTICATED_GROUPS);
        exchange.identity.authenticated_groups = found;
        step
    }
}

fn forbidden() -> Step<'static> {
    Answer::error(403, "You cannot consume this service").into()
}

/// Who has no group at all is told apart: 403 with a credential, 401 without.
fn nobody(exchange: &Exchange) -> Step<'static> {
    if exchange.identity.credential.is_some() { forbidden() } else { Answer::error(401, "").into() }
}

impl Plugin for Acl {
    const NAME: &'static str = "acl";
    const PRIORITY: i32 = 950;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME)
            .priority(Self::PRIORITY)
            .scopes(Scopes::NO_CONSUMER)
            .check(Check::only_one_of(["config.allow", "config.deny"]))
            .check(Check::at_least_one_of(["config.allow", "config.deny"]))
    }

    fn new(mut config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let denied = config.deny.take().filter(|denied| !denied.is_empty());
        let deny = denied.is_some();
        let groups = denied.or_else(|| config.allow.take()).unwrap_or_default();
        Ok(Self { config, deny, groups })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let identity = &exchange.identity;
        let authenticated = !identity.authenticated_groups.is_empty();
        let Some(consumer) = &identity.consumer else {
            return if authenticated { self.by_authenticated(exchange) } else { nobody(exchange) };
        };
        if authenticated && (identity.credential.is_none() || self.config.always_use_authenticated_groups) {
            return self.by_authenticated(exchange);
        }
        let lookup = exchange.directory.of_consumer(exchange.workspace, MEMBERSHIPS, consumer.id);
        auth::settled(exchange, lookup, |exchange, found| match found {
            Ok(memberships) => self.by_memberships(exchange, &memberships.unwrap_or_default()),
            Err(error) => auth::unavailable(&error).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MANNERS, Manner, People, access, message, plugin, request, sent};
    use serde_json::{Value, json};
    use uuid::Uuid;

    fn people(manner: Manner) -> People {
        People::new(manner).credential(MEMBERSHIPS, 21, 1, json!({ "group": "gold" })).credential(
            MEMBERSHIPS,
            22,
            1,
            json!({ "group": "extra" }),
        )
    }

    /// The request of `consumer` (1 has groups, 2 has none), with or without a credential, with groups found outside.
    fn outcome(config: &Value, consumer: u128, credential: bool, found: &[&str], manner: Manner) -> (u16, String) {
        let people = people(manner);
        let known = people.consumers.iter().find(|known| known.id == Uuid::from_u128(consumer)).cloned();
        let headers = [("X-Consumer-Groups", "root"), ("x-authenticated-groups", "root")];
        let mut exchange = request("GET", "/", &headers, people);
        exchange.identity.consumer = known;
        exchange.identity.credential = credential.then(Arc::default);
        exchange.identity.authenticated_groups = found.iter().map(|group| (*group).to_owned()).collect();
        match access(&plugin::<Acl>(config.clone()), &mut exchange) {
            None => (0, sent(&exchange, &["x-consumer-groups", "x-authenticated-groups"])),
            Some(status) => {
                assert!(!exchange.response.headers.contains("www-authenticate"));
                (status, message(&exchange))
            }
        }
    }

    #[test]
    fn groups_decide() {
        let allow = json!({ "allow": ["silver", "gold"] });
        let other = json!({ "allow": ["Gold"] });
        let deny = json!({ "deny": ["extra"] });
        let always = json!({ "allow": ["beta"], "always_use_authenticated_groups": true });
        let own = |text: &str| (0, format!("X-Consumer-Groups={text}"));
        let outside = |text: &str| (0, format!("X-Authenticated-Groups={text}"));
        let forbidden = (403, "You cannot consume this service".to_owned());
        let unauthorized = (401, "Unauthorized".to_owned());
        for manner in MANNERS {
            for (config, consumer, credential, found, expected) in [
                (&allow, 1, true, vec![], own("gold, extra")),
                (&allow, 1, false, vec![], own("gold, extra")),
                (&allow, 2, true, vec![], forbidden.clone()),
                (&allow, 2, false, vec![], unauthorized.clone()),
                (&allow, 9, false, vec![], unauthorized.clone()),
                (&allow, 9, true, vec![], forbidden.clone()),
                (&allow, 9, true, vec!["beta", "gold"], outside("beta, gold")),
                (&allow, 9, true, vec!["beta"], forbidden.clone()),
                (&allow, 1, true, vec!["beta"], own("gold, extra")),
                (&allow, 1, false, vec!["beta"], forbidden.clone()),
                (&other, 1, true, vec![], forbidden.clone()),
                (&always, 1, true, vec!["beta"], outside("beta")),
                (&always, 1, true, vec![], forbidden.clone()),
                (&deny, 1, true, vec![], forbidden.clone()),
                (&deny, 2, true, vec![], (0, String::new())),
                (&deny, 2, false, vec![], (0, String::new())),
                (&deny, 9, false, vec![], unauthorized.clone()),
                (&deny, 9, false, vec!["extra"], forbidden.clone()),
                (&json!({ "allow": ["gold"], "hide_groups_header": true }), 1, true, vec![], (0, String::new())),
            ] {
                let seen = outcome(config, consumer, credential, &found, manner);
                assert_eq!(seen, expected, "{manner:?} {config} {consumer} {credential} {found:?}");
            }
        }
    }

    #[test]
    fn a_directory_out_of_order_lets_nobody_in() {
        assert_eq!(outcome(&json!({ "deny": ["x"] }), 1, true, &[], Manner::Fails).0, 500);
    }
}
