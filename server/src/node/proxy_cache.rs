//! What `proxy-cache` and `proxy-cache-advanced` keep, at the Admin API.

use super::cluster_events::ClusterEvents;
use super::core::Core;
use admin::{Eventually, Extension, ExtensionAnswer, ExtensionCall, ExtensionPath};
use exchange::redis::RedisError;
use exchange::{Desks, Fetching, KeptResponse, Plugin, ResponseKey, Shelf};
use plugins::proxy_cache::key_of_text;
use plugins::{ProxyCache, ProxyCacheAdvanced};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::Store;
use uuid::Uuid;

/// The paths of one of the plugins.
#[derive(Clone, Copy)]
struct Paths {
    plugin: &'static str,
    all: &'static str,
    entry: &'static str,
    entry_of_plugin: &'static str,
}

const PLAIN: Paths = Paths {
    plugin: ProxyCache::NAME,
    all: "/proxy-cache",
    entry: "/proxy-cache/{cache_key}",
    entry_of_plugin: "/proxy-cache/{plugin_id}/caches/{cache_key}",
};

const ADVANCED: Paths = Paths {
    plugin: ProxyCacheAdvanced::NAME,
    all: "/proxy-cache-advanced",
    entry: "/proxy-cache-advanced/{cache_key}",
    entry_of_plugin: "/proxy-cache-advanced/{plugin_id}/caches/{cache_key}",
};

/// `/proxy-cache…` and `/proxy-cache-advanced…`: shows and removes kept responses, those of plugins of the workspace.
pub struct KeptResponses {
    cluster_events: Arc<ClusterEvents>,
    desks: Arc<Desks>,
    store: Arc<dyn Store>,
}

impl KeptResponses {
    pub fn new(core: &Core) -> Self {
        Self { cluster_events: core.cluster_events.clone(), desks: core.desks.clone(), store: core.store() }
    }

    async fn act(&self, call: ExtensionCall) -> Result<ExtensionAnswer, String> {
        let paths = if call.path.starts_with(ADVANCED.all) { ADVANCED } else { PLAIN };
        let of = |shelf: &Shelf| (shelf.plugin, shelf.workspace);
        let opened = super::desks::opened(&self.desks, self.store.as_ref(), call.workspace, of).await;
        let mut shelves: Vec<Arc<Shelf>> = opened.map_err(|error| error.to_string())?;
        shelves.retain(|shelf| shelf.name == paths.plugin);
        let Some((shelves, key)) = asked(shelves, &call) else { return Ok(missing()) };
        if call.method == "DELETE" {
            // Whatever is here: another node may keep what this one does not.
            let plugins = shelves.iter().map(|shelf| shelf.plugin).collect();
            self.cluster_events.tell_purge(plugins, key.as_ref());
        }
        let answer = act(&shelves, key.as_ref(), &call.method).await;
        answer.map_err(|error| format!("the Redis server of the cache cannot be asked: {error}"))
    }
}

/// The shelves that are asked, and the key of one response, or none for all that is there. `None` where the path has
/// something else in the place of a key.
fn asked(mut shelves: Vec<Arc<Shelf>>, call: &ExtensionCall) -> Option<(Vec<Arc<Shelf>>, Option<ResponseKey>)> {
    let key = match call.parameters.as_slice() {
        [key] => key,
        [plugin, key] => {
            let plugin = Uuid::try_parse(plugin).ok();
            shelves.retain(|shelf| Some(shelf.plugin) == plugin);
            key
        }
        _ => return Some((shelves, None)),
    };
    Some((shelves, Some(key_of_text(key)?)))
}

/// Shows or removes what is on these shelves.
async fn act(shelves: &[Arc<Shelf>], key: Option<&ResponseKey>, method: &str) -> Result<ExtensionAnswer, RedisError> {
    let Some(key) = key else {
        for shelf in shelves {
            shelf.store.clear(shelf.plugin).await?;
        }
        return Ok(gone());
    };
    for shelf in shelves {
        let answer = match method {
            "DELETE" => shelf.store.remove(shelf.plugin, key).await?.then(gone),
            _ => get(shelf, key).await?.map(|kept| ExtensionAnswer::json(200, &shown(&kept))),
        };
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
    Ok(missing())
}

async fn get(shelf: &Shelf, key: &ResponseKey) -> Result<Option<Arc<KeptResponse>>, RedisError> {
    match shelf.store.get(shelf.plugin, key) {
        Fetching::Done(kept) => Ok(kept),
        Fetching::Wait(pending) => pending.await,
    }
}

fn gone() -> ExtensionAnswer {
    ExtensionAnswer { status: 204, ..ExtensionAnswer::default() }
}

fn missing() -> ExtensionAnswer {
    ExtensionAnswer::json(404, &json!({ "message": "Not found" }))
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

impl Extension for KeptResponses {
    fn paths(&self) -> Vec<ExtensionPath> {
        let path = |path, methods| ExtensionPath { path, methods, on_status: false };
        let of = |paths: Paths| {
            [
                path(paths.all, &["DELETE"][..]),
                path(paths.entry, &["GET", "DELETE"]),
                path(paths.entry_of_plugin, &["GET", "DELETE"]),
            ]
        };
        [of(PLAIN), of(ADVANCED)].concat()
    }

    fn answer(&self, call: ExtensionCall) -> Eventually<'_, ExtensionAnswer> {
        Box::pin(async move {
            let answer = self.act(call).await;
            answer.unwrap_or_else(|message| ExtensionAnswer::json(503, &json!({ "message": message })))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::redis::Pending;
    use exchange::{MemoryStore, ResponseStore};
    use std::future::ready;
    use std::time::Duration;

    fn answered(shelves: &[&Arc<Shelf>], method: &str, parameters: &[&str]) -> Result<(u16, Value), RedisError> {
        let parameters = parameters.iter().map(|text| (*text).to_owned()).collect();
        let call = ExtensionCall { method: method.to_owned(), parameters, ..ExtensionCall::default() };
        let shelves = shelves.iter().map(|shelf| Arc::clone(shelf)).collect();
        let mut acting = Box::pin(async move {
            let Some((shelves, key)) = asked(shelves, &call) else { return Ok(missing()) };
            act(&shelves, key.as_ref(), method).await
        });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(answer) = acting.as_mut().poll(&mut context) else { panic!("an answer at once") };
        let answer = answer?;
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
    }

    fn shelf(plugin: u128, store: Arc<dyn ResponseStore>) -> Arc<Shelf> {
        let plugin = Uuid::from_u128(plugin);
        Arc::new(Shelf { name: PLAIN.plugin, plugin, workspace: Uuid::nil(), store })
    }

    fn keep(shelf: &Shelf, number: u8) -> String {
        let headers = [("X-Upstream", "one"), ("Set-Cookie", "a"), ("Set-Cookie", "b")].into_iter().collect();
        let (body, plugin, kept_for) = ("{}".into(), shelf.plugin, Duration::from_secs(60));
        let kept = KeptResponse { plugin, status: 200, headers, body, timestamp: 7, ttl: 300, kept_for };
        shelf.store.put([number; 32], kept);
        format!("{number:02x}").repeat(32)
    }

    #[test]
    fn entries_are_shown_and_removed() {
        let memory = Arc::new(MemoryStore::new(1 << 20));
        let (five, six) = (shelf(5, memory.clone()), shelf(6, memory));
        let both = [&five, &six];
        let status = |method: &str, parameters: &[&str]| answered(&both, method, parameters).expect("memory").0;
        let (key, of_five) = (keep(&five, 1), Uuid::from_u128(5).to_string());
        let shown = json!({
            "status": 200, "headers": { "X-Upstream": "one", "Set-Cookie": ["a", "b"] }, "body": "{}", "body_len": 2,
            "timestamp": 7, "ttl": 300, "version": 1,
        });
        assert_eq!(answered(&both, "GET", &[&key]), Ok((200, shown.clone())));
        assert_eq!(answered(&both, "GET", &[&of_five, &key]), Ok((200, shown)));
        assert_eq!(answered(&both, "GET", &["abc"]), Ok((404, json!({ "message": "Not found" }))));
        assert_eq!(status("DELETE", &[&Uuid::from_u128(6).to_string(), &key]), 404);
        assert_eq!((status("DELETE", &[&key]), status("DELETE", &[&key])), (204, 404));
        // What another plugin keeps, that is not asked, stays.
        let (key, elsewhere) = (keep(&five, 2), keep(&six, 9));
        assert_eq!(answered(&[&five], "DELETE", &[]).map(|answer| answer.0), Ok(204));
        assert_eq!((status("GET", &[&key]), status("GET", &[&elsewhere])), (404, 200));
    }

    struct Gone;

    impl ResponseStore for Gone {
        fn get(&self, _: Uuid, _: &ResponseKey) -> Fetching {
            Fetching::Wait(refuse())
        }
        fn put(&self, _: ResponseKey, _: KeptResponse) {}
        fn remove(&self, _: Uuid, _: &ResponseKey) -> Pending<bool> {
            refuse()
        }
        fn clear(&self, _: Uuid) -> Pending<()> {
            refuse()
        }
    }

    fn refuse<T: Send + 'static>() -> Pending<T> {
        Box::pin(ready(Err(RedisError::new("connection refused"))))
    }

    #[test]
    fn a_server_that_is_gone_is_an_error() {
        let (gone, key) = (shelf(5, Arc::new(Gone)), "01".repeat(32));
        for (method, parameters) in [("GET", &[key.as_str()][..]), ("DELETE", &[&key]), ("DELETE", &[])] {
            assert_eq!(answered(&[&gone], method, parameters), Err(RedisError::new("connection refused")));
        }
    }
}
