//! The built manager, inside the binary.

use std::borrow::Cow;

use rust_embed::RustEmbed;

/// `ui/dist` as `cargo xtask ui` left it; empty when it was not built.
#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Dist;

/// The front page, which is every page: where the base path is `/`.
pub(crate) fn page() -> Option<String> {
    String::from_utf8(Dist::get("index.html")?.data.into_owned()).ok()
}

/// A file below `assets/`; its name changes with its content.
pub(crate) fn asset(name: &str) -> Option<Cow<'static, [u8]>> {
    Some(Dist::get(&format!("assets/{name}"))?.data)
}

/// What is served instead of a manager that was not built.
pub(crate) const MISSING: &str = "<!doctype html><html lang=\"en\"><title>Silverback</title>\
    <h1>The manager is not in this binary</h1>\
    <p>Build it with <code>cargo xtask ui</code>, then build the gateway again. The Admin API works without.</p></html>";

/// The type of an asset.
pub(crate) fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("json") => "application/json",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
