//! Services, Routes and Upstreams, from records to what requests need.

use crate::build::{BuildError, id, workspace};
use crate::chain::Chains;
use crate::reuse::Before;
use crate::service::{CompiledRoute, CompiledService, CompiledUpstream, Protocols, Upstreams};
use crate::upstream_tls::{self, UpstreamTls};
use entities::{Route, Service, Target, Upstream};
use exchange::Scheme;
use router::offer_turn;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Record, View};
use uuid::Uuid;

/// Services by their ids.
pub(crate) type Services = HashMap<Uuid, Arc<CompiledService>>;

/// Every Service.
pub(crate) fn compile_services(
    view: &View,
    before: &Before<'_>,
    tls: &upstream_tls::Material,
    errors: &mut Vec<BuildError>,
) -> Arc<Services> {
    let mut services = Services::with_capacity(view.count("services"));
    for (number, record) in view.all("services").enumerate() {
        offer_turn(number);
        if let Some(kept) = before.service(record) {
            services.insert(id(record), kept);
            continue;
        }
        match Service::deserialize(&record.value) {
            Ok(entity) => match compile_service(entity, tls) {
                Ok(service) => _ = services.insert(id(record), Arc::new(service)),
                Err(message) => errors.push(BuildError::new("services", id(record), message)),
            },
            Err(error) => errors.push(BuildError::new("services", id(record), error)),
        }
    }
    Arc::new(services)
}

/// Every Route whose Service is enabled. Routes of the two subsystems have plugins by themselves.
pub(crate) fn compile_routes(
    view: &View,
    before: &Before<'_>,
    services: &Services,
    (chains, sessions): (&Chains<'_>, &Chains<'_>),
    errors: &mut Vec<BuildError>,
) -> Vec<CompiledRoute> {
    let known = before.routes();
    let same_plugins = before.has_same(&["plugins"]);
    let mut routes = Vec::with_capacity(view.count("routes"));
    for (number, record) in view.all("routes").enumerate() {
        offer_turn(number);
        let kept = known.get(&id(record)).filter(|_| before.has(record)).copied();
        let entity = match kept
            .map_or_else(|| Route::deserialize(&record.value).map(Arc::new), |kept| Ok(kept.entity.clone()))
        {
            Ok(entity) => entity,
            Err(error) => {
                errors.push(BuildError::new("routes", id(record), error));
                continue;
            }
        };
        let protocols = Protocols::of(entity.protocols.iter().map(String::as_str));
        let service = entity.service.as_ref().and_then(|service| services.get(&service.id)).cloned();
        let disabled = service.as_ref().is_some_and(|service| !service.entity.enabled);
        if disabled || !(protocols.is_http() || protocols.is_stream()) {
            continue;
        }
        if let Some(kept) = kept.filter(|kept| same_plugins && is_same(kept.service.as_ref(), service.as_ref())) {
            routes.push(kept.clone());
            continue;
        }
        let chain = if protocols.is_http() { chains } else { sessions }.of(
            workspace(record),
            entity.id,
            entity.service.as_ref().map(|service| service.id),
        );
        routes.push(CompiledRoute {
            id: entity.id,
            service,
            chain,
            protocols,
            strip_path: entity.strip_path,
            preserve_host: entity.preserve_host,
            https_redirect_status_code: entity.https_redirect_status_code,
            workspace: workspace(record),
            entity,
        });
    }
    routes
}

fn is_same(one: Option<&Arc<CompiledService>>, other: Option<&Arc<CompiledService>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn compile_service(entity: Service, tls: &upstream_tls::Material) -> Result<CompiledService, String> {
    let (scheme, grpc) = match entity.protocol.as_str() {
        "https" => (Scheme::Https, false),
        "grpc" => (Scheme::Http, true),
        "grpcs" => (Scheme::Https, true),
        _ => (Scheme::Http, false),
    };
    let milliseconds = |given: Option<u32>| Duration::from_millis(u64::from(given.unwrap_or(60_000)));
    let tls: Option<Arc<UpstreamTls>> = match scheme == Scheme::Https || entity.protocol == "tls" {
        true => Some(tls.of_service(&entity)?),
        false => None,
    };
    Ok(CompiledService {
        scheme,
        grpc,
        ip: entity.host.trim_start_matches('[').trim_end_matches(']').parse().ok(),
        port: entity.port,
        connect_timeout: milliseconds(entity.connect_timeout),
        write_timeout: milliseconds(entity.write_timeout),
        read_timeout: milliseconds(entity.read_timeout),
        retries: entity.retries.unwrap_or(5),
        tls,
        entity: Arc::new(entity),
    })
}

/// Every Upstream with its Targets.
pub(crate) fn compile_upstreams(
    view: &View,
    before: &Before<'_>,
    tls: &upstream_tls::Material,
    errors: &mut Vec<BuildError>,
) -> Upstreams {
    let mut upstreams = Upstreams::default();
    for record in view.all("upstreams") {
        let workspace = workspace(record);
        let compiled = match record.text("name").and_then(|name| before.upstream(record, workspace, name)) {
            Some(kept) => kept,
            None => match compile_upstream(view, record, tls, errors) {
                Some(compiled) => Arc::new(compiled),
                None => continue,
            },
        };
        upstreams.entry(workspace).or_default().insert(compiled.entity.name.clone(), compiled);
    }
    upstreams
}

fn compile_upstream(
    view: &View,
    record: &Record,
    tls: &upstream_tls::Material,
    errors: &mut Vec<BuildError>,
) -> Option<CompiledUpstream> {
    let mut targets: Vec<Arc<Target>> = Vec::new();
    for target in view.children("targets", "upstream", &record.id) {
        match Target::deserialize(&target.value) {
            Ok(target) => targets.push(Arc::new(target)),
            Err(error) => errors.push(BuildError::new("targets", id(target), error)),
        }
    }
    targets.sort_by(|a, b| a.target.cmp(&b.target).then(b.created_at.total_cmp(&a.created_at)));
    targets.dedup_by(|a, b| a.target == b.target);
    let entity = match Upstream::deserialize(&record.value) {
        Ok(entity) => entity,
        Err(error) => {
            errors.push(BuildError::new("upstreams", id(record), error));
            return None;
        }
    };
    match tls.of_upstream(&entity) {
        Ok(tls) => Some(CompiledUpstream { workspace: workspace(record), entity: Arc::new(entity), targets, tls }),
        Err(message) => {
            errors.push(BuildError::new("upstreams", id(record), message));
            None
        }
    }
}
