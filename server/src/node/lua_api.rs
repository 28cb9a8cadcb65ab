//! Paths of the Admin API that plugins in folders answer.

use admin::{Eventually, Extension, ExtensionAnswer, ExtensionCall, ExtensionPath};
use lua::AdminCall;
use uuid::Uuid;

/// What `api.lua` of plugins in folders offers.
pub struct LuaApi {
    /// This node's id.
    pub node_id: Uuid,
}

impl Extension for LuaApi {
    fn paths(&self) -> Vec<ExtensionPath> {
        let path = |path: &lua::AdminPath| ExtensionPath { path: path.path, methods: path.methods, on_status: false };
        lua::admin_paths().iter().map(path).collect()
    }

    fn answer(&self, call: ExtensionCall) -> Eventually<'_, ExtensionAnswer> {
        let ExtensionCall { path, method, parameters, query, body, workspace } = call;
        let path = path.to_owned();
        let call = AdminCall { path, method, parameters, query, body, workspace, node_id: self.node_id };
        Box::pin(async move {
            let answer = lua::administrate(call).await;
            let content_type = answer.content_type.map(|given| match given.split(';').next() {
                Some("application/json") => "application/json; charset=utf-8",
                Some("text/html") => "text/html; charset=utf-8",
                _ => "text/plain; charset=utf-8",
            });
            let content_type = content_type.or((!answer.body.is_empty()).then_some("text/plain; charset=utf-8"));
            ExtensionAnswer { status: answer.status, content_type, headers: answer.headers, body: answer.body }
        })
    }
}
