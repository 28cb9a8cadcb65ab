//! Responses on a Redis server: one key each, which the server forgets by itself.

use super::{key_text, record};
use exchange::redis::{Pending, RedisError, RedisServer, Reply};
use exchange::{Fetching, KeptResponse, ResponseCache, ResponseKey, ResponseStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use uuid::Uuid;

/// Bytes on their way to a server: more than this is not kept, so that one that hangs costs no more memory.
const UNDER_WAY: usize = 32 << 20;

/// Keys that are looked at with one `SCAN`, and removed with one `UNLINK`.
const SCAN: &[u8] = b"256";

/// Responses on a Redis server.
pub(super) struct OnRedis {
    server: Arc<dyn RedisServer>,
    /// What counts failures.
    cache: Arc<ResponseCache>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Bytes on their way to the server.
    under_way: AtomicUsize,
    /// Whether it was already said that the server does not answer.
    complained: AtomicBool,
}

impl State {
    /// Says once that the server does not answer, and once that it does again.
    fn note<T>(&self, outcome: &Result<T, RedisError>, cache: &ResponseCache) {
        match outcome {
            Ok(_) if self.complained.load(Relaxed) && self.complained.swap(false, Relaxed) => {
                tracing::info!(plugin = "proxy-cache-advanced", "the Redis server answers again");
            }
            Ok(_) => {}
            Err(error) => {
                cache.note_failure();
                if !self.complained.swap(true, Relaxed) {
                    tracing::error!(
                        plugin = "proxy-cache-advanced",
                        "the Redis server of the cache does not answer: {error}"
                    );
                }
            }
        }
    }
}

/// What the keys of a plugin entity begin with.
fn prefix(plugin: Uuid) -> String {
    format!("proxy-cache-advanced:{plugin}:")
}

/// Where a response is: `proxy-cache-advanced:<plugin entity>:<digest>`.
fn name(plugin: Uuid, key: &ResponseKey) -> Vec<u8> {
    (prefix(plugin) + &key_text(key)).into_bytes()
}

fn words(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

impl OnRedis {
    pub(super) fn new(server: Arc<dyn RedisServer>, cache: Arc<ResponseCache>) -> Self {
        Self { server, cache, state: Arc::default() }
    }
}

impl ResponseStore for OnRedis {
    fn get(&self, plugin: Uuid, key: &ResponseKey) -> Fetching {
        let asking = self.server.ask(words(&[b"GET", &name(plugin, key)]));
        let (state, cache) = (self.state.clone(), self.cache.clone());
        Fetching::Wait(Box::pin(async move {
            let outcome = asking.await;
            state.note(&outcome, &cache);
            // What cannot be read was written by something else, or by another version: it is as if it were not there.
            let found = match outcome? {
                Reply::Bytes(bytes) => record::decode(bytes.into()),
                _ => None,
            };
            Ok(found.filter(|kept| kept.plugin == plugin).map(Arc::new))
        }))
    }

    fn put(&self, key: ResponseKey, response: KeptResponse) {
        let seconds = response.kept_for.as_secs();
        if seconds == 0 {
            return;
        }
        let value = record::encode(&response);
        let length = value.len();
        if self.state.under_way.fetch_add(length, Relaxed).saturating_add(length) > UNDER_WAY {
            self.state.under_way.fetch_sub(length, Relaxed);
            self.cache.note_failure();
            return;
        }
        let seconds = seconds.to_string().into_bytes();
        let command = vec![b"SET".to_vec(), name(response.plugin, &key), value, b"EX".to_vec(), seconds];
        let (state, cache) = (self.state.clone(), self.cache.clone());
        self.server.tell(
            command,
            Box::new(move |outcome| {
                state.under_way.fetch_sub(length, Relaxed);
                state.note(&outcome, &cache);
            }),
        );
    }

    fn remove(&self, plugin: Uuid, key: &ResponseKey) -> Pending<bool> {
        let removing = self.server.ask(words(&[b"UNLINK", &name(plugin, key)]));
        Box::pin(async move { Ok(matches!(removing.await?, Reply::Integer(1..))) })
    }

    fn clear(&self, plugin: Uuid) -> Pending<()> {
        let (server, pattern) = (self.server.clone(), format!("{}*", prefix(plugin)).into_bytes());
        Box::pin(async move {
            let mut cursor = b"0".to_vec();
            loop {
                let scan = words(&[b"SCAN", &cursor, b"MATCH", &pattern, b"COUNT", SCAN]);
                let Some((next, keys)) = page(server.ask(scan).await?) else {
                    return Err(RedisError::new("the Redis server gave an answer that makes no sense to SCAN"));
                };
                if !keys.is_empty() {
                    let unlink = std::iter::once(b"UNLINK".to_vec()).chain(keys).collect();
                    server.ask(unlink).await?;
                }
                if next == b"0" {
                    return Ok(());
                }
                cursor = next;
            }
        })
    }
}

/// The answer to `SCAN`: where to go on, and some keys.
fn page(reply: Reply) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let Reply::Array(parts) = reply else { return None };
    let Ok([Reply::Bytes(next), Reply::Array(keys)]) = <[Reply; 2]>::try_from(parts) else { return None };
    let key = |key| if let Reply::Bytes(key) = key { Some(key) } else { None };
    Some((next, keys.into_iter().map(key).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_after_their_plugin() {
        let found = String::from_utf8(name(Uuid::from_u128(1), &[0xab; 32])).unwrap();
        assert_eq!(found, format!("proxy-cache-advanced:00000000-0000-0000-0000-000000000001:{}", "ab".repeat(32)));
    }

    #[test]
    fn pages_of_keys_are_read_or_refused() {
        let bytes = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
        let good = Reply::Array(vec![bytes("7"), Reply::Array(vec![bytes("a"), bytes("b")])]);
        assert_eq!(page(good), Some((b"7".to_vec(), vec![b"a".to_vec(), b"b".to_vec()])));
        let short = Reply::Array(vec![bytes("7")]);
        let odd = Reply::Array(vec![bytes("7"), Reply::Array(vec![Reply::Nil])]);
        assert!([Reply::Nil, short, odd].into_iter().all(|reply| page(reply).is_none()));
    }
}
