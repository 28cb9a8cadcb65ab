//! A request, understood: what it asks for, of which workspace, on whose behalf. Made once, before any handler runs;
//! whatever decides on requests (permissions, say) decides on this.

use crate::enterprise::Pass;
use crate::errors;
use crate::form::{self, Argument};
use crate::paths::{Endpoint, Match, Methods, Paths};
use crate::query;
use crate::respond::Answer;
use crate::scope::Scope;
use crate::state::Shared;
use actix_web::HttpRequest;
use entities::DEFAULT_WORKSPACE;
use uuid::Uuid;

/// A path, split and decoded.
pub(crate) struct Target {
    /// The workspace; none when there is none of that name.
    pub(crate) workspace: Option<Uuid>,
    /// The workspace as the path begins with it, with a slash before it; empty where it does not.
    pub(crate) prefix: String,
    /// The path as sent, without a slash at its end.
    pub(crate) path: String,
    /// The segments within the workspace, decoded.
    pub(crate) segments: Vec<Vec<u8>>,
}

impl Target {
    /// Reads the path of a request to a node without workspaces.
    pub(crate) fn of(request: &HttpRequest) -> Target {
        let path = request.uri().path();
        let path = path.strip_suffix('/').unwrap_or(path);
        let prefix = String::new();
        Target { workspace: Some(DEFAULT_WORKSPACE), prefix, path: path.to_owned(), segments: segments(path) }
    }
}

/// A path's segments, decoded; a slash at the end does not count.
fn segments(path: &str) -> Vec<Vec<u8>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').map(|segment| form::decode(segment.as_bytes())).collect()
}

/// A request whose path is known and whose method that path takes.
pub(crate) struct Asked<'r> {
    /// `GET` (also for `HEAD`), `POST`, `PUT`, `PATCH`, `DELETE` or `OPTIONS`.
    pub(crate) method: &'r str,
    /// Whether only the head of the answer is wanted.
    pub(crate) is_head: bool,
    /// Where it goes.
    pub(crate) target: &'r Target,
    /// What that stands for.
    pub(crate) endpoint: &'r Endpoint,
    /// The methods that the path takes.
    pub(crate) methods: Methods,
    /// The decoded segments that stand for the path's parameters.
    pub(crate) parameters: Vec<&'r [u8]>,
    /// The arguments of the query.
    pub(crate) query: Vec<Argument>,
    /// Who asks.
    pub(crate) author: String,
    /// What it may see and touch.
    pub(crate) pass: Pass,
    /// 32 hexadecimal digits that name this request.
    pub(crate) request_id: String,
}

impl<'r> Asked<'r> {
    /// Understands a request, or says why not: unknown path, a method the path does not take, too many arguments.
    pub(crate) fn read(
        request: &'r HttpRequest,
        target: &'r Target,
        paths: &'r Paths,
        pass: Pass,
        request_id: String,
    ) -> Result<Asked<'r>, Answer> {
        let Match { endpoint, methods, parameters } = paths.find(&target.segments).ok_or_else(errors::not_found)?;
        match endpoint {
            Endpoint::Disabled => return Err(errors::not_found()),
            Endpoint::Wasm => return Err(errors::plain(400, "this endpoint is only available when wasm is enabled")),
            _ => {}
        }
        let method = match request.method().as_str() {
            "HEAD" => "GET",
            method => method,
        };
        if method != "OPTIONS" && !methods.contains(&method) {
            return Err(errors::method_not_allowed());
        }
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let query = form::arguments(query).ok_or_else(errors::too_many_arguments)?;
        let author = pass.subject.as_deref().map_or_else(|| "admin".to_owned(), |subject| subject.name.clone());
        let is_head = request.method() == "HEAD";
        Ok(Asked { method, is_head, target, endpoint, methods, parameters, query, author, pass, request_id })
    }

    /// The Admin API as this request sees it.
    pub(crate) fn scope<'s>(&'s self, shared: &'s Shared) -> Scope<'s> {
        Scope {
            shared,
            workspace: self.target.workspace.unwrap_or(DEFAULT_WORKSPACE),
            author: &self.author,
            request_id: &self.request_id,
            pass: &self.pass,
            prefix: &self.target.prefix,
            beyond: self.method == "GET" && query::flag(&self.query, "beyond_kong"),
        }
    }

    /// A segment that stands for a parameter of the path.
    pub(crate) fn parameter(&self, index: usize) -> &'r [u8] {
        self.parameters.get(index).copied().unwrap_or_default()
    }
}
