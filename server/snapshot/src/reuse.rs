//! What a configuration has in common with the one before it: that much is not compiled again.

use crate::Snapshot;
use crate::service::{CompiledRoute, CompiledService, CompiledUpstream};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use store::{Record, View};
use uuid::Uuid;

/// The configuration before, beside the one that is being compiled.
pub(crate) struct Before<'a> {
    snapshot: &'a Snapshot,
    now: &'a View,
    // Whether what TLS towards upstreams is made of is what it was.
    tls: bool,
}

impl<'a> Before<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, now: &'a View) -> Self {
        let mut before = Self { snapshot, now, tls: false };
        before.tls = before.has_same(&["certificates", "ca_certificates"]);
        before
    }

    /// Whether all records of these kinds are what they were.
    pub(crate) fn has_same(&self, kinds: &[&str]) -> bool {
        let Some(view) = &self.snapshot.view else { return false };
        kinds.iter().all(|kind| view.count(kind) == self.now.count(kind) && equal(view.all(kind), self.now.all(kind)))
    }

    /// Whether a record is what it was.
    pub(crate) fn has(&self, record: &Arc<Record>) -> bool {
        let held = self.snapshot.view.as_ref().and_then(|view| view.get(record.entity, &record.id));
        held.is_some_and(|held| is_same(held, record))
    }

    /// Whether the records of `kind` whose `field` points to a record are what they were.
    pub(crate) fn has_children(&self, kind: &str, field: &str, record: &Record) -> bool {
        let children = |view: &'a View| view.children(kind, field, &record.id);
        self.snapshot.view.as_ref().is_some_and(|view| equal(children(view), children(self.now)))
    }

    /// What was compiled from a Service that is what it was, as is what its TLS follows from: certificates, and the
    /// Upstream it names.
    pub(crate) fn service(&self, record: &Arc<Record>) -> Option<Arc<CompiledService>> {
        let found = self.snapshot.services.get(&record.id.uuid()?)?;
        let same_tls = || {
            let host = record.value.get("host").unwrap_or(&Value::Null);
            let named = |view: &'a View| view.by_unique("upstreams", record.ws, "name", host).into_iter();
            self.tls && self.snapshot.view.as_ref().is_some_and(|view| equal(named(view), named(self.now)))
        };
        (self.has(record) && (found.tls.is_none() || same_tls())).then(|| found.clone())
    }

    /// What was compiled from an Upstream that is what it was, its Targets included.
    pub(crate) fn upstream(&self, record: &Arc<Record>, workspace: Uuid, name: &str) -> Option<Arc<CompiledUpstream>> {
        let found = self.snapshot.upstream(workspace, name)?;
        let same = self.has(record) && self.has_children("targets", "upstream", record);
        (same && (found.tls.is_none() || self.tls)).then(|| found.clone())
    }

    /// What was compiled from Routes, by their ids.
    pub(crate) fn routes(&self) -> HashMap<Uuid, &'a CompiledRoute, foldhash::fast::RandomState> {
        self.snapshot.routes.iter().map(|route| (route.entity.id, route)).collect()
    }

    /// The router, where these Routes are the ones it was built from.
    pub(crate) fn router_of(&self, routes: &[CompiledRoute]) -> Option<Arc<router::Router>> {
        let held = &self.snapshot.routes;
        let same = |(one, other): (&CompiledRoute, &CompiledRoute)| Arc::ptr_eq(&one.entity, &other.entity);
        let all = held.len() == routes.len() && held.iter().zip(routes).all(same);
        // A Snapshot of nothing may be of another flavor.
        (all && self.snapshot.view.is_some()).then(|| self.snapshot.router.clone())
    }
}

/// Most records are shared with the view before, so that few are compared.
fn is_same(one: &Arc<Record>, other: &Arc<Record>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

fn equal<'v>(one: impl Iterator<Item = &'v Arc<Record>>, mut other: impl Iterator<Item = &'v Arc<Record>>) -> bool {
    let mut one = one;
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if is_same(one, other) => {}
            _ => return false,
        }
    }
}
