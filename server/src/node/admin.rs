//! What the Admin API is given of this node.

use super::core::{Core, LoadError};
use super::route_table::{Replace, RouteTable};
use crate::supervise::Supervised;
use admin::{
    Counters, Eventually, Extension, HealthFault, HealthView, NodeMemory, NodeView, Publisher, Readiness,
    RouteQuestion, Seen,
};
use history::History;
use proxy::targets::SetHealthError;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{Batch, Record, Revision};
use telemetry::{ErrorLog, Level};

/// Hands configurations to the `RouteTable`.
pub struct Publish(pub Supervised<RouteTable>);

impl Publisher for Publish {
    fn load(&self, batch: Batch, hash: String) -> Eventually<'_, Result<(), admin::LoadError>> {
        Box::pin(async move {
            let replace = Replace::new(batch, hash);
            match self.0.ask(|| replace.clone()).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(LoadError::Store(error))) => Err(admin::LoadError::Store(error)),
                Ok(Err(error)) => Err(admin::LoadError::Refused(error.to_string())),
                Err(_) => Err(admin::LoadError::TimedOut),
            }
        })
    }
}

/// The health of Targets, as the proxy's balancers see it.
pub struct Health(pub Arc<Core>);

impl HealthView for Health {
    fn targets(&self, upstream: &Record, targets: &[Arc<Record>]) -> Vec<Map<String, Value>> {
        let known = upstream.id.uuid().and_then(|id| self.0.targets.health(id)).unwrap_or_default();
        let members = |target: &Arc<Record>| {
            let found = known.iter().find(|health| Some(health.target) == target.id.uuid());
            match found.map(serde_json::to_value) {
                Some(Ok(Value::Object(members))) => members,
                _ => Map::from_iter([("health".to_owned(), json!("HEALTHCHECKS_OFF"))]),
            }
        };
        targets.iter().map(members).collect()
    }

    fn upstream(&self, upstream: &Record) -> Value {
        let health = upstream.id.uuid().and_then(|id| self.0.targets.balancer_health(id));
        health.and_then(|health| serde_json::to_value(health).ok()).unwrap_or(Value::Null)
    }

    fn set(&self, upstream: &Record, target: &Record, address: Option<&str>, healthy: bool) -> Result<(), HealthFault> {
        let (Some(upstream), Some(target)) = (upstream.id.uuid(), target.id.uuid()) else {
            return Err(HealthFault::NoTarget);
        };
        let address = match address {
            None => None,
            Some(text) => Some(socket_of(text).ok_or(HealthFault::NoTarget)?),
        };
        self.0.targets.set_health(upstream, target, address, healthy).map_err(|error| match error {
            SetHealthError::Refused(balancer::OverrideError::NoHealthChecker) => HealthFault::NoChecker,
            _ => HealthFault::NoTarget,
        })?;
        self.0.cluster_events.tell_health(upstream, target, address, healthy);
        Ok(())
    }
}

/// `ip[:port]`, port 8000 where none is given (Kong's default for Targets).
fn socket_of(text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| Some(SocketAddr::new(text.trim_matches(['[', ']']).parse().ok()?, 8000)))
}

/// What this node tells of itself.
pub struct View(pub Arc<Core>);

impl NodeView for View {
    fn counters(&self) -> Counters {
        let now = self.0.traffic.now();
        Counters {
            active: now.active,
            reading: now.active.saturating_sub(now.writing + now.waiting),
            writing: now.writing,
            waiting: now.waiting,
            accepted: now.accepted,
            handled: now.accepted,
            requests: now.requests,
        }
    }

    fn memory(&self) -> NodeMemory {
        super::memory::memory(&self.0)
    }

    fn assist(&self) {
        super::priority::spread();
    }

    fn configuration_hash(&self) -> String {
        self.0.hash.load().to_string()
    }

    fn readiness(&self) -> Readiness {
        match self.0.published.load().generation {
            0 => Readiness::NotReady("router builds not yet complete".into()),
            _ => Readiness::Ready,
        }
    }

    fn database_reachable(&self) -> bool {
        self.0.database().is_none_or(|database| database.store.is_reachable())
    }

    fn kept(&self, name: &str) -> Option<Value> {
        self.0.people.as_ref()?.inspect(name)
    }

    fn forget(&self, name: Option<&str>) {
        match (&self.0.people, name) {
            (Some(people), Some(name)) => people.forget_named(name),
            (Some(people), None) => people.forget(),
            (None, _) => {}
        }
    }

    fn changed<'a>(&'a self, revision: Revision, kinds: &'a [&'static str]) -> Eventually<'a, ()> {
        Box::pin(async move {
            if let Some(people) = &self.0.people {
                people.forget_changed(revision, kinds).await;
            }
        })
    }

    fn extensions(&self) -> Vec<Arc<dyn Extension>> {
        let kept: Arc<dyn Extension> = Arc::new(super::proxy_cache::KeptResponses::new(&self.0));
        let quotas: Arc<dyn Extension> = Arc::new(super::quota::Quotas::new(&self.0));
        let acme: Arc<dyn Extension> = Arc::new(super::acme::Acme(self.0.clone()));
        let lua: Arc<dyn Extension> = Arc::new(super::lua_api::LuaApi { node_id: self.0.node_id });
        vec![kept, quotas, acme, lua]
    }

    fn metrics(&self) -> String {
        super::metrics::exposition(&self.0)
    }

    fn route_match(&self, question: &RouteQuestion, seen: &Seen) -> Result<Value, String> {
        super::route_match::answer(&self.0, question, seen)
    }

    fn history(&self) -> Option<Arc<History>> {
        self.0.history.clone()
    }

    fn in_use(&self) -> Option<Arc<store::View>> {
        super::metrics::view(&self.0)
    }

    fn log_level(&self) -> String {
        ErrorLog::level().as_str().into()
    }

    fn set_log_level(&self, level: &str, duration: Duration) {
        let Some(level) = Level::parse(level) else { return };
        self.0.log_level.set(level, duration);
    }

    fn set_cluster_log_level(&self, level: &str, duration: Duration) {
        self.set_log_level(level, duration);
        self.0.cluster_events.tell_log_level(level, super::core::now() + duration.as_secs_f64());
    }
}
