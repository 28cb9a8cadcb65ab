//! From a request to its answer: path, method, body, handler.

use crate::body::{self, Body};
use crate::config;
use crate::errors;
use crate::form::{self, Argument};
use crate::paths::{Endpoint, Match, Methods, Paths};
use crate::resource::Key;
use crate::respond::Answer;
use crate::state::{AdminState, Shared};
use crate::write::nothing_to_change;
use actix_web::web::{self, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;
use std::time::Instant;

/// Serves the Admin API: give it to an `actix_web::App`.
pub fn configure(cfg: &mut ServiceConfig, state: AdminState) {
    serve(cfg, state, |shared| &shared.admin_paths);
}

/// Serves the status API: `/status`, readiness, and the health of Upstreams where there is no database.
pub fn configure_status(cfg: &mut ServiceConfig, state: AdminState) {
    serve(cfg, state, |shared| &shared.status_paths);
}

fn serve(cfg: &mut ServiceConfig, state: AdminState, paths: fn(&Shared) -> &Paths) {
    let shared = state.shared;
    cfg.default_service(web::to(move |request: HttpRequest, payload: Payload| {
        let shared = shared.clone();
        async move { respond(shared, paths, request, payload).await }
    }));
}

async fn respond(
    shared: Arc<Shared>,
    paths: fn(&Shared) -> &Paths,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let started = Instant::now();
    let answer = match answer(shared.clone(), paths, &request, payload).await {
        Ok(answer) | Err(answer) => answer,
    };
    shared.headers.finish(answer, request.headers(), started.elapsed())
}

/// A path's segments, decoded; a slash at the end does not count.
fn segments(path: &str) -> Vec<Vec<u8>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').map(|segment| form::decode(segment.as_bytes())).collect()
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
    paths: fn(&Shared) -> &Paths,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Answer, Answer> {
    let path = request.uri().path();
    let segments = segments(path);
    let found = paths(&shared).find(&segments).ok_or_else(errors::not_found)?;
    match found.endpoint {
        Endpoint::Disabled => return Err(errors::not_found()),
        Endpoint::Wasm => return Err(errors::plain(400, "this endpoint is only available when wasm is enabled")),
        _ => {}
    }
    let method = match request.method().as_str() {
        "OPTIONS" => {
            let allow = allowed(found.methods);
            let asked = request.headers().get("Access-Control-Request-Headers").and_then(|value| value.to_str().ok());
            return Ok(Answer::empty(204)
                .with("Allow", allow.clone())
                .with("Access-Control-Allow-Methods", allow)
                .with("Access-Control-Allow-Headers", asked.unwrap_or("Content-Type")));
        }
        "HEAD" => "GET",
        method => method,
    };
    if !found.methods.contains(&method) {
        return Err(errors::method_not_allowed());
    }
    let query =
        form::arguments(request.uri().query().unwrap_or_default().as_bytes()).ok_or_else(errors::too_many_arguments)?;
    let is_config = *found.endpoint == Endpoint::Config;
    let mut bytes = web::Bytes::new();
    let mut sent = Body::None;
    if matches!(method, "POST" | "PUT" | "PATCH") {
        let limit = if is_config { shared.limits.configuration } else { shared.limits.body };
        if !body::is_supported(request.headers(), false, is_config) {
            return Err(errors::unsupported_media_type());
        }
        bytes = body::read(payload, request.headers(), limit).await?;
        if !body::is_supported(request.headers(), !bytes.is_empty(), is_config) {
            return Err(errors::unsupported_media_type());
        }
        if !is_config {
            sent = body::parse(request.headers(), &bytes)?;
        }
    }
    if is_config {
        return match method {
            "POST" => config::post(shared.clone(), request.headers().clone(), query, bytes).await,
            _ => config::get(shared.clone()).await,
        };
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    Call { shared: &shared, method, path, query: &query, segments: &segments }.dispatch(found, sent).await
}

/// A request whose path, method and body are understood.
struct Call<'c> {
    shared: &'c Shared,
    method: &'c str,
    path: &'c str,
    query: &'c [Argument],
    segments: &'c [Vec<u8>],
}

impl Call<'_> {
    async fn dispatch(&self, found: Match<'_, '_>, body: Body) -> Result<Answer, Answer> {
        let shared = self.shared;
        let parameter = |index: usize| found.parameters.get(index).copied().unwrap_or_default();
        match *found.endpoint {
            Endpoint::Root => shared.root().await,
            Endpoint::Robots => Ok(Answer::bytes(200, "text/plain", "User-agent: *\nDisallow: /")),
            Endpoint::Status => shared.status(self.query),
            Endpoint::StatusReady if self.method == "POST" => Ok(shared.set_ready(body)),
            Endpoint::StatusReady => Ok(shared.ready()),
            Endpoint::StatusDns => Ok(Shared::dns()),
            Endpoint::Endpoints => Ok(shared.endpoints()),
            Endpoint::Timers => Ok(shared.timers()),
            Endpoint::Cache => Ok(Answer::empty(204)),
            Endpoint::CacheKey if self.method == "DELETE" => Ok(Answer::empty(204)),
            Endpoint::CacheKey => Err(errors::not_found()),
            Endpoint::LogLevel => Ok(shared.log_level()),
            Endpoint::SetLogLevel | Endpoint::ClusterLogLevel => {
                Ok(shared.set_log_level(parameter(0), self.query, body))
            }
            Endpoint::Schema => Ok(shared.schema(parameter(0))),
            // "plugins" and "vaults" are literal there.
            Endpoint::SchemaValidate => shared.validate_only(self.segments.get(1).map_or(&[], Vec::as_slice), body),
            Endpoint::SubschemaOfPlugin => Ok(shared.plugin(parameter(0))),
            Endpoint::SubschemaOfVault => Ok(shared.vault(parameter(0))),
            Endpoint::Filters => Ok(Shared::filter(parameter(0))),
            Endpoint::PluginsEnabled => Ok(shared.enabled()),
            Endpoint::PluginSchema => Ok(shared.plugin_config(parameter(0))),
            Endpoint::Tags | Endpoint::Tag if self.method != "GET" => {
                let text = "does not support insert/upsert/update/delete operations";
                Err(errors::schema_violation(schema::Errors::of("tags", text)))
            }
            Endpoint::Tags => shared.tags(None, self.query).await,
            Endpoint::Tag => shared.tags(Some(parameter(0)), self.query).await,
            Endpoint::Clustering => Err(errors::plain(
                400,
                "this endpoint is only available when Kong is configured to run as Control Plane for the cluster",
            )),
            Endpoint::Collection { kind } if self.method == "POST" => shared.create(kind, body, None).await,
            Endpoint::Collection { kind } => shared.collection(kind, self.query).await,
            Endpoint::Entity { kind } => self.entity(kind, parameter(0), body).await,
            Endpoint::Nested { parent, kind, field } => self.nested(parent, kind, field, parameter(0), body).await,
            Endpoint::NestedEntity { parent, kind, field } => {
                self.nested_entity(parent, kind, field, (parameter(0), parameter(1)), body).await
            }
            Endpoint::Foreign { kind, field, target } => self.foreign(kind, field, target, parameter(0), body).await,
            Endpoint::UpstreamHealth { kind } => {
                let upstream = shared.existing(kind, parameter(0)).await?;
                shared.upstream_health(&upstream, self.path, self.query).await
            }
            Endpoint::AllTargets { parent, kind, field } => {
                let upstream = shared.existing(parent, parameter(0)).await?;
                shared.nested(kind, field, &upstream, self.path, self.query).await
            }
            Endpoint::TargetHealth { parent, kind, field, healthy, address } => {
                let upstream = shared.existing(parent, parameter(0)).await?;
                let key = shared.key(kind, parameter(1), true)?;
                let target = shared.child(kind, field, &upstream, &key).await?.ok_or_else(errors::not_found)?;
                shared.set_health(&upstream, &target, address.then(|| parameter(2)), healthy)
            }
            // Answered before.
            Endpoint::Config | Endpoint::Wasm | Endpoint::Disabled => Err(errors::not_found()),
        }
    }

    /// `/{kind}/{key}`
    async fn entity(&self, kind: usize, segment: &[u8], body: Body) -> Result<Answer, Answer> {
        let shared = self.shared;
        let key = shared.key(kind, segment, false)?;
        match self.method {
            "PUT" => shared.upsert(kind, &key, body, None).await,
            "PATCH" => match shared.find(kind, &key).await? {
                Some(existing) => shared.update(kind, &existing, key.by(), body).await,
                None => Err(nothing_to_change(&key)),
            },
            "DELETE" => match shared.find(kind, &key).await? {
                Some(_) => Err(shared.remove(kind, key.by())),
                None => Ok(Answer::empty(204)),
            },
            _ => match (shared.find(kind, &key).await?, &key) {
                (Some(record), _) => shared.shown(&record).await,
                // A Certificate may be looked for by a name too, so its answer says what was looked for.
                (None, Key::Id(id)) if shared.kinds.get(kind).name == "certificates" => {
                    Err(errors::no_such_id(&id.to_string()))
                }
                (None, _) => Err(errors::not_found()),
            },
        }
    }

    /// `/{parent}/{key}/{kind}`
    async fn nested(
        &self,
        parent: usize,
        kind: usize,
        field: &'static str,
        segment: &[u8],
        body: Body,
    ) -> Result<Answer, Answer> {
        let shared = self.shared;
        let parent = shared.existing(parent, segment).await?;
        match self.method {
            "POST" => shared.create(kind, body, Some((field, &parent))).await,
            _ if shared.kinds.get(kind).name == "targets" => {
                shared.targets(kind, field, &parent, self.path, self.query).await
            }
            _ => shared.nested(kind, field, &parent, self.path, self.query).await,
        }
    }

    /// `/{parent}/{key}/{kind}/{key}`
    async fn nested_entity(
        &self,
        parent: usize,
        kind: usize,
        field: &'static str,
        segments: (&[u8], &[u8]),
        body: Body,
    ) -> Result<Answer, Answer> {
        let shared = self.shared;
        let parent = shared.existing(parent, segments.0).await?;
        let key = shared.key(kind, segments.1, true)?;
        let found = shared.child(kind, field, &parent, &key).await?;
        // A Target's PUT changes one that is there.
        let as_patch = self.method == "PUT" && shared.kinds.get(kind).name == "targets";
        match (self.method, found) {
            ("PUT", _) if !as_patch => shared.upsert(kind, &key, body, Some((field, &parent))).await,
            (_, None) => Err(errors::not_found()),
            ("PATCH" | "PUT", Some(existing)) => shared.update(kind, &existing, key.by(), body).await,
            ("DELETE", Some(_)) => Err(shared.remove(kind, key.by())),
            (_, Some(record)) => shared.shown(&record).await,
        }
    }

    /// `/{kind}/{key}/{field}`
    async fn foreign(
        &self,
        kind: usize,
        field: &'static str,
        target: usize,
        segment: &[u8],
        body: Body,
    ) -> Result<Answer, Answer> {
        let shared = self.shared;
        match self.method {
            "PUT" => {
                let record = shared.existing(kind, segment).await?;
                let key = Key::Id(record.reference(field).ok_or_else(errors::not_found)?);
                shared.upsert(target, &key, body, None).await
            }
            method => {
                let record = shared.pointed_to(kind, field, target, segment).await?;
                match method {
                    "PATCH" => shared.update(target, &record, None, body).await,
                    "DELETE" => Err(errors::method_not_allowed()),
                    _ => shared.shown(&record).await,
                }
            }
        }
    }
}
