//! Every path of the Admin API, made from the definitions, and what it stands for.

use crate::enterprise::Desk;
use crate::extension::{Extension, ExtensionPath};
use crate::telemetry::Telemetry;
use declarative::{Child, Kinds};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Methods of a path, in the order of `Allow`.
pub(crate) type Methods = &'static [&'static str];

const READ: Methods = &["GET"];
const READ_WRITE: Methods = &["GET", "POST"];
const ENTITY: Methods = &["DELETE", "GET", "PATCH", "PUT"];
const PUT: Methods = &["PUT"];
const POST: Methods = &["POST"];

/// What a path stands for. Kinds are positions in [`Kinds`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Root,
    Robots,
    OpenApi,
    Status,
    StatusReady,
    StatusDns,
    Endpoints,
    Timers,
    Nodes,
    Metrics,
    Config,
    ConfigPlan,
    ConfigApply,
    Cache,
    CacheKey,
    LogLevel,
    SetLogLevel,
    ClusterLogLevel,
    RouteMatch,
    Telemetry(Telemetry),
    Schema,
    SchemaValidate,
    SubschemaOfPlugin,
    SubschemaOfVault,
    Filters,
    PluginsEnabled,
    PluginSchema,
    Tags,
    Tag,
    Clustering,
    /// Of workspaces, users, admins and what belongs to them.
    Desk(Desk),
    /// Needs wasm.
    Wasm,
    /// In the list of endpoints, and nothing else.
    Disabled,
    /// Answered by the extension at this position.
    Extension {
        index: usize,
        path: &'static str,
    },
    /// `/services`
    Collection {
        kind: usize,
    },
    /// `/services/{id}`
    Entity {
        kind: usize,
    },
    /// `/services/{id}/routes`: entities whose `field` points to the parent.
    Nested {
        parent: usize,
        kind: usize,
        field: &'static str,
    },
    /// `/services/{id}/routes/{id}`
    NestedEntity {
        parent: usize,
        kind: usize,
        field: &'static str,
    },
    /// `/routes/{id}/service`: what `field` points to.
    Foreign {
        kind: usize,
        field: &'static str,
        target: usize,
    },
    /// `/upstreams/{id}/health`
    UpstreamHealth {
        kind: usize,
    },
    /// `/upstreams/{id}/targets/all`
    AllTargets {
        parent: usize,
        kind: usize,
        field: &'static str,
    },
    /// `/upstreams/{id}/targets/{id}[/{address}]/healthy|unhealthy`
    TargetHealth {
        parent: usize,
        kind: usize,
        field: &'static str,
        healthy: bool,
        address: bool,
    },
}

/// A place in the tree of paths.
#[derive(Debug, Default)]
struct Place {
    literal: BTreeMap<String, Place>,
    parameter: Option<Box<Place>>,
    endpoint: Option<(Endpoint, Methods)>,
    // The path as `GET /endpoints` shows it.
    shown: Vec<String>,
    // Whether it does.
    listed: bool,
}

/// All paths.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    top: Place,
}

/// What a path led to, with the segments that stand for its parameters.
pub(crate) struct Match<'p, 's> {
    pub(crate) endpoint: &'p Endpoint,
    pub(crate) methods: Methods,
    pub(crate) parameters: Vec<&'s [u8]>,
}

impl Paths {
    /// The paths of the Admin API.
    pub(crate) fn admin(kinds: &Kinds) -> Paths {
        let mut paths = Paths::default();
        for (path, endpoint, methods) in [
            ("/", Endpoint::Root, READ),
            ("/cache", Endpoint::Cache, &["DELETE"] as Methods),
            ("/cache/{key}", Endpoint::CacheKey, &["DELETE", "GET"]),
            ("/clustering/data-planes", Endpoint::Clustering, READ),
            ("/clustering/status", Endpoint::Clustering, READ),
            ("/config", Endpoint::Config, READ_WRITE),
            ("/debug/cluster/log-level/{log_level}", Endpoint::ClusterLogLevel, PUT),
            ("/debug/node/log-level", Endpoint::LogLevel, READ),
            ("/debug/node/log-level/{log_level}", Endpoint::SetLogLevel, PUT),
            ("/endpoints", Endpoint::Endpoints, READ),
            ("/metrics", Endpoint::Metrics, READ),
            ("/plugins/enabled", Endpoint::PluginsEnabled, READ),
            ("/plugins/schema/{name}", Endpoint::PluginSchema, READ),
            ("/schemas/filters/{name}", Endpoint::Filters, READ),
            ("/schemas/plugins/{name}", Endpoint::SubschemaOfPlugin, READ),
            ("/schemas/vaults/{name}", Endpoint::SubschemaOfVault, READ),
            ("/schemas/{name}", Endpoint::Schema, READ),
            ("/status", Endpoint::Status, READ),
            ("/status/dns", Endpoint::StatusDns, READ),
            ("/tags", Endpoint::Tags, &["DELETE", "GET", "PATCH", "POST", "PUT"]),
            ("/tags/{tags}", Endpoint::Tag, &["DELETE", "GET", "PATCH", "POST", "PUT"]),
            ("/timers", Endpoint::Timers, READ),
        ] {
            paths.add(path, endpoint, methods);
        }
        for name in ["plugins", "vaults", "{db_entity_name}"] {
            paths.add(&format!("/schemas/{name}/validate"), Endpoint::SchemaValidate, POST);
        }
        paths.hide("/config/plan", Endpoint::ConfigPlan, POST);
        paths.hide("/config/apply", Endpoint::ConfigApply, POST);
        paths.hide("/nodes", Endpoint::Nodes, READ);
        paths.hide("/debug/route-match", Endpoint::RouteMatch, READ_WRITE);
        for (path, telemetry) in [
            ("/telemetry/series", Telemetry::Series),
            ("/telemetry/stream", Telemetry::Stream),
            ("/telemetry/traces", Telemetry::Traces),
            ("/telemetry/traces/{id}", Telemetry::Trace),
        ] {
            paths.hide(path, Endpoint::Telemetry(telemetry), READ);
        }
        paths.hide("/openapi.json", Endpoint::OpenApi, READ);
        paths.hide("/robots.txt", Endpoint::Robots, READ);
        for parent in ["", "/routes/{routes}", "/services/{services}"] {
            paths.hide(&format!("{parent}/filter-chains"), Endpoint::Wasm, READ_WRITE);
            paths.hide(&format!("{parent}/filter-chains/{{filter_chains}}"), Endpoint::Wasm, ENTITY);
        }
        for part in ["all", "enabled", "disabled"] {
            paths.hide(&format!("/routes/{{routes}}/filters/{part}"), Endpoint::Wasm, READ);
        }
        for parent in ["route", "service"] {
            paths.hide(&format!("/filter-chains/{{filter_chains}}/{parent}"), Endpoint::Wasm, ENTITY);
        }
        for position in 0..kinds.len() {
            paths.add_kind(kinds, position);
        }
        paths
    }

    /// The paths of the status listener. `upstreams`: also the health of Upstreams, as without a database.
    pub(crate) fn status(kinds: &Kinds, upstreams: bool) -> Paths {
        let mut paths = Paths::default();
        paths.add("/status", Endpoint::Status, READ);
        paths.add("/status/ready", Endpoint::StatusReady, READ_WRITE);
        paths.add("/status/dns", Endpoint::StatusDns, READ);
        paths.add("/metrics", Endpoint::Metrics, READ);
        if let (true, Some(parent), Some(kind)) = (upstreams, kinds.position("upstreams"), kinds.position("targets")) {
            let field = "upstream";
            paths.add("/upstreams/{upstreams}/health", Endpoint::UpstreamHealth { kind: parent }, READ);
            paths.add("/upstreams/{upstreams}/targets", Endpoint::Nested { parent, kind, field }, READ);
            paths.add("/upstreams/{upstreams}/targets/all", Endpoint::AllTargets { parent, kind, field }, READ);
            paths.add("/upstreams/{upstreams}/targets/{targets}", Endpoint::NestedEntity { parent, kind, field }, READ);
        }
        paths
    }

    /// The paths of extensions; `status`: those that the status listener serves.
    pub(crate) fn extended(mut self, extensions: &[Arc<dyn Extension>], status: bool) -> Paths {
        for (index, extension) in extensions.iter().enumerate() {
            for ExtensionPath { path, methods, on_status } in extension.paths() {
                if on_status || !status {
                    self.add(path, Endpoint::Extension { index, path }, methods);
                }
            }
        }
        self
    }

    fn add_kind(&mut self, kinds: &Kinds, position: usize) {
        let kind = kinds.get(position);
        let Some(top) = kind.path else { return };
        let own = format!("{{{}}}", kind.name);
        let on = |endpoint: Endpoint| if kind.name == "targets" { Endpoint::Disabled } else { endpoint };
        self.add(&format!("/{top}"), on(Endpoint::Collection { kind: position }), READ_WRITE);
        self.add(&format!("/{top}/{own}"), on(Endpoint::Entity { kind: position }), ENTITY);
        for &(field, target) in &kind.references {
            if kinds.get(target).path.is_none() {
                continue;
            }
            let endpoint = match kind.name {
                "targets" | "snis" => Endpoint::Disabled,
                _ => Endpoint::Foreign { kind: position, field, target },
            };
            self.add(&format!("/{top}/{own}/{field}"), endpoint, ENTITY);
        }
        for child in kind.children.values() {
            let Child::Entities { kind: child, field } = *child else { continue };
            let definition = kinds.get(child);
            let Some(nested) = definition.nested_path else { continue };
            let (parent, kind) = (position, child);
            let list = format!("/{top}/{own}/{nested}");
            let item = format!("{list}/{{{}}}", definition.name);
            self.add(&list, Endpoint::Nested { parent, kind, field }, READ_WRITE);
            self.add(&item, Endpoint::NestedEntity { parent, kind, field }, ENTITY);
            if definition.name == "targets" {
                self.add(&format!("{list}/all"), Endpoint::AllTargets { parent, kind, field }, READ);
                for (word, healthy) in [("healthy", true), ("unhealthy", false)] {
                    let health = |address| Endpoint::TargetHealth { parent, kind, field, healthy, address };
                    self.add(&format!("{item}/{word}"), health(false), PUT);
                    self.add(&format!("{item}/{{address}}/{word}"), health(true), PUT);
                }
            }
        }
        if kind.name == "upstreams" {
            self.add(&format!("/{top}/{own}/health"), Endpoint::UpstreamHealth { kind: position }, READ);
        }
    }

    fn add(&mut self, path: &str, endpoint: Endpoint, methods: Methods) -> &mut Place {
        let mut place = &mut self.top;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            place = if segment.starts_with('{') {
                place.parameter.get_or_insert_default()
            } else {
                place.literal.entry(segment.to_owned()).or_default()
            };
        }
        place.endpoint = Some((endpoint, methods));
        place.shown = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        place.listed = true;
        place
    }

    /// A path that the list of endpoints does not show.
    pub(crate) fn hide(&mut self, path: &str, endpoint: Endpoint, methods: Methods) {
        self.add(path, endpoint, methods).listed = false;
    }

    /// Whether a path begins with this segment.
    pub(crate) fn begins(&self, segment: &[u8]) -> bool {
        std::str::from_utf8(segment).is_ok_and(|segment| self.top.literal.contains_key(segment))
    }

    /// Where decoded segments lead. A literal segment wins over a parameter.
    pub(crate) fn find<'p, 's>(&'p self, segments: &'s [Vec<u8>]) -> Option<Match<'p, 's>> {
        let mut parameters = Vec::new();
        let place = descend(&self.top, segments, &mut parameters)?;
        let (endpoint, methods) = place.endpoint.as_ref()?;
        Some(Match { endpoint, methods, parameters })
    }

    /// The paths as people write them, sorted by segments.
    pub(crate) fn list(&self) -> Vec<String> {
        self.places().into_iter().filter(|place| place.listed).map(|place| written(&place.shown)).collect()
    }

    /// Every path with its methods, those too that no list shows. A parameter is `{}`.
    pub(crate) fn every(&self) -> Vec<(String, Methods)> {
        fn descend(place: &Place, path: &str, out: &mut Vec<(String, Methods)>) {
            if let Some((_, methods)) = &place.endpoint {
                out.push((if path.is_empty() { "/".to_owned() } else { path.to_owned() }, methods));
            }
            for (segment, next) in &place.literal {
                descend(next, &format!("{path}/{segment}"), out);
            }
            if let Some(next) = &place.parameter {
                descend(next, &format!("{path}/{{}}"), out);
            }
        }
        let mut out = Vec::new();
        descend(&self.top, "", &mut out);
        out
    }

    /// The paths that are described, with what they stand for: those of the list that answer, and those that other
    /// gateways do not have.
    pub(crate) fn described(&self) -> Vec<Listed<'_>> {
        let places = self.places().into_iter();
        places
            .filter_map(|place| {
                let (endpoint, methods) = place.endpoint.as_ref()?;
                let answers = !matches!(endpoint, Endpoint::Disabled | Endpoint::Wasm);
                let own = matches!(endpoint, Endpoint::RouteMatch | Endpoint::Telemetry(_) | Endpoint::Nodes);
                let told = own || (answers && place.listed);
                told.then(|| Listed { path: written(&place.shown), endpoint, methods })
            })
            .collect()
    }

    fn places(&self) -> Vec<&Place> {
        let mut out = Vec::new();
        collect(&self.top, &mut out);
        out.sort_by_key(|place| &place.shown);
        out
    }
}

fn descend<'p, 's>(place: &'p Place, segments: &'s [Vec<u8>], parameters: &mut Vec<&'s [u8]>) -> Option<&'p Place> {
    let Some((segment, rest)) = segments.split_first() else { return place.endpoint.is_some().then_some(place) };
    let literal = std::str::from_utf8(segment).ok().and_then(|segment| place.literal.get(segment));
    if let Some(found) = literal.and_then(|next| descend(next, rest, parameters)) {
        return Some(found);
    }
    let next = place.parameter.as_ref()?;
    let depth = parameters.len();
    parameters.push(segment);
    let found = descend(next, rest, parameters);
    if found.is_none() {
        parameters.truncate(depth);
    }
    found
}

/// A path of the Admin API.
pub(crate) struct Listed<'p> {
    /// As people write it, parameters in braces.
    pub(crate) path: String,
    pub(crate) endpoint: &'p Endpoint,
    pub(crate) methods: Methods,
}

fn written(segments: &[String]) -> String {
    format!("/{}", segments.join("/"))
}

fn collect<'p>(place: &'p Place, out: &mut Vec<&'p Place>) {
    out.extend(place.endpoint.is_some().then_some(place));
    place.literal.values().chain(place.parameter.as_deref()).for_each(|next| collect(next, out));
}
