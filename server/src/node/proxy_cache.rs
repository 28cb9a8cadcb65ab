//! What `proxy-cache` keeps, at the Admin API.

use admin::{Eventually, Extension, ExtensionAnswer, ExtensionCall, ExtensionPath};
use exchange::{KeptResponse, ResponseCache};
use plugins::proxy_cache::key_of_text;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

const ALL: &str = "/proxy-cache";
const ENTRY: &str = "/proxy-cache/{cache_key}";
const ENTRY_OF_PLUGIN: &str = "/proxy-cache/{plugin_id}/caches/{cache_key}";

/// `/proxy-cache…`: shows and removes kept responses.
pub struct ProxyCache(pub Arc<ResponseCache>);

impl ProxyCache {
    /// A kept response, of a certain plugin entity where one is named.
    fn entry(&self, plugin: Option<&str>, key: &str, method: &str) -> ExtensionAnswer {
        let key = key_of_text(key);
        let kept = key.and_then(|key| self.0.get(&key).map(|kept| (key, kept)));
        let of_plugin = |kept: &KeptResponse| plugin.is_none_or(|id| Uuid::try_parse(id).ok() == Some(kept.plugin));
        match kept.filter(|(_, kept)| of_plugin(kept)) {
            Some((key, _)) if method == "DELETE" => {
                self.0.remove(&key);
                ExtensionAnswer { status: 204, ..ExtensionAnswer::default() }
            }
            Some((_, kept)) => ExtensionAnswer::json(200, &shown(&kept)),
            None => ExtensionAnswer::json(404, &json!({ "message": "Not found" })),
        }
    }
}

/// A kept response as Kong shows it.
fn shown(kept: &KeptResponse) -> Value {
    let mut headers = Map::new();
    for (name, value) in kept.headers.iter() {
        let name = String::from_utf8_lossy(name);
        exchange::form::insert(&mut headers, &name, exchange::form::lossy(value));
    }
    json!({
        "status": kept.status,
        "headers": headers,
        "body": exchange::form::lossy(&kept.body),
        "body_len": kept.body.len(),
        "timestamp": kept.timestamp,
        "ttl": kept.ttl,
        "version": 1,
    })
}

impl Extension for ProxyCache {
    fn paths(&self) -> Vec<ExtensionPath> {
        let path = |path, methods| ExtensionPath { path, methods, on_status: false };
        vec![path(ALL, &["DELETE"]), path(ENTRY, &["GET", "DELETE"]), path(ENTRY_OF_PLUGIN, &["GET", "DELETE"])]
    }

    fn answer(&self, call: ExtensionCall) -> Eventually<'_, ExtensionAnswer> {
        let answer = match (call.path, call.parameters.as_slice()) {
            (ENTRY, [key]) => self.entry(None, key, &call.method),
            (ENTRY_OF_PLUGIN, [plugin, key]) => self.entry(Some(plugin), key, &call.method),
            _ => {
                self.0.clear();
                ExtensionAnswer { status: 204, ..ExtensionAnswer::default() }
            }
        };
        Box::pin(std::future::ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn call(cache: &ProxyCache, method: &str, path: &'static str, parameters: &[&str]) -> (u16, Value) {
        let parameters = parameters.iter().map(|text| (*text).to_owned()).collect();
        let call = ExtensionCall { path, method: method.to_owned(), parameters, ..ExtensionCall::default() };
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(answer) = cache.answer(call).as_mut().poll(&mut context) else {
            panic!("an answer at once");
        };
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    #[test]
    fn entries_are_shown_and_removed() {
        let cache = ProxyCache(Arc::new(ResponseCache::new(1 << 20)));
        let keep = |number: u8| {
            let headers = [("X-Upstream", "one"), ("Set-Cookie", "a"), ("Set-Cookie", "b")].into_iter().collect();
            let body = "{}".into();
            let (plugin, kept_for) = (Uuid::from_u128(5), Duration::from_secs(60));
            let kept = KeptResponse { plugin, status: 200, headers, body, timestamp: 7, ttl: 300, kept_for };
            cache.0.put([number; 32], kept);
            format!("{number:02x}").repeat(32)
        };
        let (key, of_five) = (keep(1), Uuid::from_u128(5).to_string());
        let shown = json!({
            "status": 200, "headers": { "X-Upstream": "one", "Set-Cookie": ["a", "b"] }, "body": "{}", "body_len": 2,
            "timestamp": 7, "ttl": 300, "version": 1,
        });
        assert_eq!(call(&cache, "GET", ENTRY, &[&key]), (200, shown.clone()));
        assert_eq!(call(&cache, "GET", ENTRY_OF_PLUGIN, &[&of_five, &key]), (200, shown));
        let other = Uuid::from_u128(6).to_string();
        assert_eq!(call(&cache, "DELETE", ENTRY_OF_PLUGIN, &[&other, &key]).0, 404);
        assert_eq!(call(&cache, "GET", ENTRY, &["abc"]), (404, json!({ "message": "Not found" })));
        assert_eq!(call(&cache, "DELETE", ENTRY, &[&key]).0, 204);
        assert_eq!(call(&cache, "DELETE", ENTRY, &[&key]).0, 404);
        let key = keep(2);
        assert_eq!(call(&cache, "DELETE", ALL, &[]).0, 204);
        assert_eq!(call(&cache, "GET", ENTRY, &[&key]).0, 404);
    }
}
