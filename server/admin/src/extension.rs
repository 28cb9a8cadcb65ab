//! Paths that are not about entities and that the Admin API does not know by itself: `/metrics`, a plugin's cache.

use crate::body::Body;
use crate::request::Asked;
use crate::respond::Answer;
use crate::state::Eventually;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// A path that someone else answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionPath {
    /// As `GET /endpoints` shows it, parameters in braces: `/proxy-cache/{cache_key}`.
    pub path: &'static str,
    /// The methods it takes, in the order of `Allow`; `HEAD` and `OPTIONS` come by themselves.
    pub methods: &'static [&'static str],
    /// Whether the status listener serves it too.
    pub on_status: bool,
}

/// A request to such a path.
#[derive(Clone, Debug, Default)]
pub struct ExtensionCall {
    /// The path as in [`ExtensionPath::path`].
    pub path: &'static str,
    /// `GET` (also for `HEAD`), `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// What stands for the path's parameters, decoded.
    pub parameters: Vec<String>,
    /// The arguments of the query; one without a value is `true`.
    pub query: Vec<(String, Value)>,
    /// The members of the body. Those of a form are texts.
    pub body: Map<String, Value>,
    /// The workspace that the path begins with, else the default one.
    pub workspace: Uuid,
}

/// What it is answered with.
#[derive(Clone, Debug, Default)]
pub struct ExtensionAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body; `None` without one.
    pub content_type: Option<&'static str>,
    /// Other headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl ExtensionAnswer {
    /// A JSON body.
    pub fn json(status: u16, body: &Value) -> ExtensionAnswer {
        let body = body.to_string().into();
        let content_type = Some("application/json; charset=utf-8");
        ExtensionAnswer { status, content_type, headers: Vec::new(), body }
    }
}

/// Answers paths of its own.
pub trait Extension: Send + Sync + 'static {
    /// The paths.
    fn paths(&self) -> Vec<ExtensionPath>;

    /// Answers a request to one of them.
    fn answer(&self, call: ExtensionCall) -> Eventually<'_, ExtensionAnswer>;
}

/// Hands a request over.
pub(crate) async fn answer(
    extension: &Arc<dyn Extension>,
    path: &'static str,
    asked: &Asked<'_>,
    workspace: Uuid,
    body: Body,
) -> Answer {
    let (body, _) = body.into_members();
    let text = |bytes: &&[u8]| String::from_utf8_lossy(bytes).into_owned();
    let call = ExtensionCall {
        path,
        method: asked.method.to_owned(),
        parameters: asked.parameters.iter().map(text).collect(),
        query: asked.query.clone(),
        body,
        workspace,
    };
    let ExtensionAnswer { status, content_type, headers, body } = extension.answer(call).await;
    let answer = match content_type {
        Some(content_type) => Answer::bytes(status, content_type, body),
        None => Answer::empty(status),
    };
    headers.into_iter().fold(answer, |answer, (name, value)| answer.with(name, value))
}
