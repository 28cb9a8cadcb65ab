//! From a request to its answer: path, method, body, handler.

use crate::body::{self, Body};
use crate::config;
use crate::enterprise::{self, Gate, Pass, Trace};
use crate::errors;
use crate::extension;
use crate::live;
use crate::paths::{Endpoint, Methods, Paths};
use crate::plan;
use crate::request::{Asked, Target};
use crate::resource::Key;
use crate::respond::Answer;
use crate::scope::Scope;
use crate::state::{AdminState, Shared};
use crate::telemetry::Telemetry;
use crate::write::nothing_to_change;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;
use std::time::Instant;

/// Serves the Admin API: give it to an `actix_web::App`.
pub fn configure(cfg: &mut ServiceConfig, state: AdminState) {
    serve(cfg, state, Door { paths: |shared| &shared.admin_paths, gate: |shared| shared.gate.as_deref() });
}

/// Serves the status API: `/status`, readiness, and the health of Upstreams where there is no database.
pub fn configure_status(cfg: &mut ServiceConfig, state: AdminState) {
    serve(cfg, state, Door { paths: |shared| &shared.status_paths, gate: |_| None });
}

/// Where requests come in: the paths behind it, and who lets them in.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    pub(crate) paths: fn(&Shared) -> &Paths,
    pub(crate) gate: fn(&Shared) -> Option<&Gate>,
}

fn serve(cfg: &mut ServiceConfig, state: AdminState, door: Door) {
    let shared = state.shared;
    cfg.default_service(web::to(move |request: HttpRequest, payload: Payload| {
        let shared = shared.clone();
        async move { respond(shared, door, request, payload).await }
    }));
}

async fn respond(shared: Arc<Shared>, door: Door, request: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let mut trace = Trace::new();
    let answer = match answer(shared.clone(), door, &request, payload, &mut trace).await {
        Ok(answer) | Err(answer) => answer,
    };
    let mut answer = match (door.gate)(&shared) {
        Some(gate) => gate.finish(&request, trace, answer).await,
        None => answer,
    };
    if let Some(live) = answer.live.take() {
        return match live::stream(*live, shared.clone(), door, request.clone()).await {
            Some(stream) => shared.headers.begin(&answer, request.headers(), started.elapsed()).streaming(stream),
            None => {
                let refused = errors::plain(503, "too many streams");
                shared.headers.finish(refused, request.headers(), started.elapsed())
            }
        };
    }
    shared.headers.finish(answer, request.headers(), started.elapsed())
}

fn allowed(methods: Methods) -> String {
    let mut names = methods.to_vec();
    if methods.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    names.join(", ")
}

async fn answer(
    shared: Arc<Shared>,
    door: Door,
    request: &HttpRequest,
    payload: Payload,
    trace: &mut Trace,
) -> Result<Answer, Answer> {
    let gate = (door.gate)(&shared);
    let (target, pass) = match gate {
        None => (Target::of(request), Pass::open()),
        Some(gate) => gate.decide(request, (door.paths)(&shared), trace).await?,
    };
    let asked = Asked::read(request, &target, (door.paths)(&shared), pass, trace.request_id.clone())?;
    if asked.method == "OPTIONS" {
        let allow = allowed(asked.methods);
        let headers = request.headers().get("Access-Control-Request-Headers").and_then(|value| value.to_str().ok());
        return Ok(Answer::empty(204)
            .with("Allow", allow.clone())
            .with("Access-Control-Allow-Methods", allow)
            .with("Access-Control-Allow-Headers", headers.unwrap_or("Content-Type")));
    }
    let is_config = matches!(asked.endpoint, Endpoint::Config | Endpoint::ConfigPlan | Endpoint::ConfigApply);
    let mut bytes = web::Bytes::new();
    let mut sent = Body::None;
    // What is taken from users and groups is named in the body.
    let names_in_body = asked.method == "DELETE" && matches!(asked.endpoint, Endpoint::Desk(_));
    if matches!(asked.method, "POST" | "PUT" | "PATCH") || names_in_body {
        let limit = if is_config { shared.limits.configuration } else { shared.limits.body };
        if !body::is_supported(request.headers(), false, is_config) {
            return Err(errors::unsupported_media_type());
        }
        bytes = body::read(payload, request.headers(), limit, shared.limits.patience).await?;
        // Whole configurations have secrets in too many places to be kept.
        if !is_config {
            trace.body = bytes.clone();
        }
        if !body::is_supported(request.headers(), !bytes.is_empty(), is_config) {
            return Err(errors::unsupported_media_type());
        }
        if !is_config {
            sent = body::parse(request.headers(), &bytes)?;
        }
    }
    if *asked.endpoint == Endpoint::ConfigPlan {
        return plan::post(asked.scope(&shared), request.headers().clone(), asked.query.clone(), bytes).await;
    }
    if *asked.endpoint == Endpoint::ConfigApply {
        let gate = gate.ok_or_else(|| errors::plain(400, config::NEEDS_DATABASE))?;
        let call = enterprise::Call::new(gate, asked.scope(&shared), request, &asked)?;
        return call.take_file(request.headers(), &asked.query, &bytes).await;
    }
    if is_config {
        return match asked.method {
            "POST" => config::post(shared.clone(), request.headers().clone(), asked.query, bytes).await,
            _ => config::get(shared.clone()).await,
        };
    }
    let scope = asked.scope(&shared);
    if let (Endpoint::Desk(desk), Some(gate)) = (asked.endpoint, gate) {
        return enterprise::Call::new(gate, scope, request, &asked)?.answer(*desk, sent).await;
    }
    Call { scope, asked: &asked }.dispatch(sent).await
}

/// A request whose path, method and body are understood.
struct Call<'c> {
    scope: Scope<'c>,
    asked: &'c Asked<'c>,
}

impl Call<'_> {
    async fn dispatch(&self, body: Body) -> Result<Answer, Answer> {
        let Call { scope: shared, asked } = self;
        let (method, query, path) = (asked.method, &*asked.query, &*asked.target.path);
        let parameter = |index: usize| asked.parameter(index);
        match *asked.endpoint {
            Endpoint::Root => shared.root().await,
            Endpoint::Robots => Ok(Answer::bytes(200, "text/plain", "User-agent: *\nDisallow: /")),
            Endpoint::OpenApi => Ok(shared.openapi()),
            Endpoint::Status => shared.status(query),
            Endpoint::StatusReady if method == "POST" => Ok(shared.set_ready(body)),
            Endpoint::StatusReady => Ok(shared.ready()),
            Endpoint::StatusDns => Ok(Shared::dns()),
            Endpoint::Endpoints => Ok(shared.endpoints()),
            Endpoint::Timers => Ok(shared.timers()),
            Endpoint::Nodes => shared.nodes().await,
            Endpoint::Metrics => Ok(Answer::bytes(200, "text/plain; charset=UTF-8", shared.node.metrics())),
            Endpoint::Cache => Ok(shared.forget(None)),
            Endpoint::CacheKey if method == "DELETE" => Ok(shared.forget(Some(parameter(0)))),
            Endpoint::CacheKey => shared.kept(parameter(0)),
            Endpoint::LogLevel => Ok(shared.log_level()),
            Endpoint::SetLogLevel => Ok(shared.set_log_level(parameter(0), query, body, false)),
            Endpoint::ClusterLogLevel => Ok(shared.set_log_level(parameter(0), query, body, true)),
            Endpoint::RouteMatch => shared.route_match(query, body.into_members().0).await,
            // Who only asks for the head waits for no event.
            Endpoint::Telemetry(Telemetry::Stream) if asked.is_head => Ok(Answer::empty(200)),
            Endpoint::Telemetry(telemetry) => shared.telemetry(telemetry, query, parameter(0), path).await,
            Endpoint::Schema => Ok(shared.schema(parameter(0), query)),
            // "plugins" and "vaults" are literal there.
            Endpoint::SchemaValidate => {
                shared.validate_only(asked.target.segments.get(1).map_or(&[], Vec::as_slice), body)
            }
            Endpoint::SubschemaOfPlugin => Ok(shared.plugin(parameter(0))),
            Endpoint::SubschemaOfVault => Ok(shared.vault(parameter(0))),
            Endpoint::Filters => Ok(Shared::filter(parameter(0))),
            Endpoint::PluginsEnabled => Ok(shared.enabled()),
            Endpoint::PluginSchema => Ok(shared.plugin_config(parameter(0))),
            Endpoint::Tags | Endpoint::Tag if method != "GET" => {
                let text = "does not support insert/upsert/update/delete operations";
                Err(errors::schema_violation(schema::Errors::of("tags", text)))
            }
            Endpoint::Tags => shared.tags(None, query).await,
            Endpoint::Tag => shared.tags(Some(parameter(0)), query).await,
            Endpoint::Clustering => Err(errors::plain(
                400,
                "this endpoint is only available when Kong is configured to run as Control Plane for the cluster",
            )),
            Endpoint::Collection { kind } if method == "POST" => shared.create(kind, body, None).await,
            Endpoint::Collection { kind } => shared.collection(kind, query).await,
            Endpoint::Entity { kind } => self.entity(kind, body).await,
            Endpoint::Nested { parent, kind, field } => self.nested(parent, kind, field, body).await,
            Endpoint::NestedEntity { parent, kind, field } => self.nested_entity(parent, kind, field, body).await,
            Endpoint::Foreign { kind, field, target } => self.foreign(kind, field, target, body).await,
            Endpoint::Extension { index, path } => match shared.extensions.get(index) {
                Some(extension) => Ok(extension::answer(extension, path, asked, shared.workspace, body).await),
                None => Err(errors::not_found()),
            },
            Endpoint::UpstreamHealth { kind } => {
                let upstream = shared.existing(kind, parameter(0)).await?;
                shared.check_path(&[(1, kind, &upstream)])?;
                shared.upstream_health(&upstream, path, query).await
            }
            Endpoint::AllTargets { parent, kind, field } => {
                let upstream = shared.existing(parent, parameter(0)).await?;
                shared.check_path(&[(1, parent, &upstream)])?;
                shared.nested(kind, field, &upstream, path, query).await
            }
            Endpoint::TargetHealth { parent, kind, field, healthy, address } => {
                let upstream = shared.existing(parent, parameter(0)).await?;
                let key = shared.key(kind, parameter(1), true)?;
                let target = shared.child(kind, field, &upstream, &key).await?.ok_or_else(errors::not_found)?;
                shared.check_path(&[(1, parent, &upstream), (3, kind, &target)])?;
                shared.set_health(&upstream, &target, address.then(|| parameter(2)), healthy)
            }
            // Answered before.
            Endpoint::Config
            | Endpoint::ConfigPlan
            | Endpoint::ConfigApply
            | Endpoint::Desk(_)
            | Endpoint::Wasm
            | Endpoint::Disabled => Err(errors::not_found()),
        }
    }

    /// `/{kind}/{key}`
    async fn entity(&self, kind: usize, body: Body) -> Result<Answer, Answer> {
        let shared = &self.scope;
        let key = shared.key(kind, self.asked.parameter(0), false)?;
        if self.asked.method == "PUT" {
            if shared.pass.subject.is_some()
                && let Some(found) = shared.find(kind, &key).await?
            {
                shared.check_target(kind, &found)?;
            }
            return shared.upsert(kind, &key, body, None).await;
        }
        let found = shared.find(kind, &key).await?;
        if let Some(found) = &found {
            shared.check_target(kind, found)?;
        }
        let name = shared.kinds.get(kind).name;
        match (self.asked.method, found, &key) {
            ("PATCH", Some(existing), _) => shared.update(kind, existing, key.by(), body).await,
            ("DELETE", Some(record), _) => shared.remove(kind, &record, key.by()).await,
            ("GET", Some(record), _) => shared.shown(200, &record).await,
            // A Certificate's name is looked up before anything else is done.
            (_, None, Key::Field("snis", _)) => Err(shared.missing(&key)),
            // A Plugin is read first: its name decides what a change may be.
            ("PATCH", None, _) if name == "plugins" => Err(errors::not_found()),
            ("PATCH", None, _) => Err(nothing_to_change(&key)),
            ("DELETE", None, _) => shared.absent(kind, &key).await,
            // A Certificate may be looked for by a name too, so its answer says what was looked for.
            (_, None, Key::Id(id)) if name == "certificates" => Err(errors::no_such_id(&id.to_string())),
            _ => Err(errors::not_found()),
        }
    }

    /// `/{parent}/{key}/{kind}`
    async fn nested(&self, parent: usize, kind: usize, field: &'static str, body: Body) -> Result<Answer, Answer> {
        let shared = &self.scope;
        let (path, query) = (&*self.asked.target.path, &*self.asked.query);
        let at = parent;
        let parent = shared.existing(at, self.asked.parameter(0)).await?;
        shared.check_path(&[(1, at, &parent)])?;
        match self.asked.method {
            "POST" => shared.create(kind, body, Some((field, &parent))).await,
            _ if shared.kinds.get(kind).name == "targets" => shared.targets(kind, field, &parent, path, query).await,
            _ => shared.nested(kind, field, &parent, path, query).await,
        }
    }

    /// `/{parent}/{key}/{kind}/{key}`
    async fn nested_entity(
        &self,
        parent: usize,
        kind: usize,
        field: &'static str,
        body: Body,
    ) -> Result<Answer, Answer> {
        let shared = &self.scope;
        let method = self.asked.method;
        let at = parent;
        let parent = shared.existing(at, self.asked.parameter(0)).await?;
        let key = shared.key(kind, self.asked.parameter(1), true)?;
        // A Target's PUT changes one that is there.
        let as_patch = method == "PUT" && shared.kinds.get(kind).name == "targets";
        let found = match method {
            "PUT" if !as_patch && shared.pass.subject.is_none() => None,
            "PUT" if !as_patch => shared.replaced(kind, &key, Some((field, &parent))).await?,
            _ => shared.child(kind, field, &parent, &key).await?,
        };
        match &found {
            Some(found) => {
                shared.check_path(&[(1, at, &parent), (3, kind, found)])?;
                shared.check_target(kind, found)?;
                if found.reference(field).as_ref() != Some(&parent.id) {
                    shared.check_taking(kind, found)?;
                }
            }
            None => shared.check_path(&[(1, at, &parent)])?,
        }
        if method == "PUT" && !as_patch {
            return shared.upsert(kind, &key, body, Some((field, &parent))).await;
        }
        match (method, found) {
            (_, None) => Err(shared.missing(&key)),
            ("PATCH" | "PUT", Some(existing)) => shared.update(kind, existing, key.by(), body).await,
            ("DELETE", Some(record)) => shared.remove(kind, &record, key.by()).await,
            (_, Some(record)) => shared.shown(200, &record).await,
        }
    }

    /// `/{kind}/{key}/{field}`
    async fn foreign(&self, kind: usize, field: &'static str, target: usize, body: Body) -> Result<Answer, Answer> {
        let shared = &self.scope;
        let record = shared.existing(kind, self.asked.parameter(0)).await?;
        shared.check_path(&[(1, kind, &record)])?;
        let pointed = match record.reference(field) {
            Some(id) => shared.by_id(target, &id).await?,
            None => None,
        };
        if let Some(pointed) = &pointed {
            shared.check_target(target, pointed)?;
        }
        match (self.asked.method, pointed) {
            ("PUT", Some(pointed)) => shared.upsert(target, &Key::Id(pointed.id.clone()), body, None).await,
            ("PUT", None) => shared.attach(kind, field, target, record, body).await,
            (_, None) => Err(errors::not_found()),
            ("PATCH", Some(pointed)) => shared.update(target, pointed, None, body).await,
            ("DELETE", Some(_)) => Err(errors::method_not_allowed()),
            (_, Some(pointed)) => shared.shown(200, &pointed).await,
        }
    }
}
