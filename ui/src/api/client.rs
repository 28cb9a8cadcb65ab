//! Requests.

use js_sys::Reflect;
use serde_json::Value;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Headers, Request, RequestInit, Response};

use super::failure::{Answer, Failure};
use crate::state::root;

/// Names and values of headers.
pub type Sent = Vec<(String, String)>;

/// How long an answer may take, in ms.
const PATIENCE: u32 = 30_000;

/// Where the Admin API is, without a slash at the end: `admin_gui_api_url`, otherwise `api` below the manager's path.
pub fn base() -> String {
    match setting("ADMIN_API_URL") {
        Some(url) if url.contains("://") || url.starts_with('/') => url.trim_end_matches('/').to_owned(),
        // Kong takes host and port too: over the scheme of this page.
        Some(url) => format!("//{}", url.trim_end_matches('/')),
        None => format!("{}api", root()),
    }
}

/// What the gateway told this page, by its name in `kconfig.js`; none when it is not set.
pub fn setting(name: &str) -> Option<String> {
    let window = web_sys::window()?;
    let known = Reflect::get(&window, &"K_CONFIG".into()).ok()?;
    Reflect::get(&known, &name.into()).ok()?.as_string().filter(|value| !value.is_empty())
}

/// Asks; `path` without a slash in front.
pub async fn request(method: &str, path: &str, body: Option<&Value>, sent: &Sent) -> Answer {
    let (status, text) = exchange(method, path, body, sent).await.map_err(|_| Failure::unreachable())?;
    let body: Option<Value> = if text.is_empty() { Some(Value::Null) } else { serde_json::from_str(&text).ok() };
    match (status, body) {
        (200..=299, Some(body)) => Ok(body),
        // Something answers there, but not an Admin API.
        (200..=299, None) => Err(Failure::unreachable()),
        // A gateway in front of a node that is gone.
        (502 | 504, _) => Err(Failure::unreachable()),
        (status, body) => Err(Failure { status, body: body.unwrap_or_default() }),
    }
}

async fn exchange(method: &str, path: &str, body: Option<&Value>, sent: &Sent) -> Result<(u16, String), JsValue> {
    let headers = Headers::new()?;
    for (name, value) in sent {
        headers.set(name, value)?;
    }
    headers.set("accept", "application/json")?;
    let options = RequestInit::new();
    options.set_method(method);
    options.set_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE)));
    if let Some(body) = body {
        headers.set("content-type", "application/json")?;
        options.set_body(&JsValue::from_str(&body.to_string()));
    }
    options.set_headers(&headers);
    let request = Request::new_with_str_and_init(&format!("{}/{path}", base()), &options)?;
    let window = web_sys::window().ok_or(JsValue::NULL)?;
    let response: Response = JsFuture::from(window.fetch_with_request(&request)).await?.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?;
    Ok((response.status(), text.as_string().unwrap_or_default()))
}
