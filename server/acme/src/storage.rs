//! Where challenges, accounts and certificates are kept: texts by key, some for a while only.

use exchange::redis::{RedisServer, Reply};
use papaya::{Compute, HashMap, Operation};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An outcome that is being waited for.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

/// Why a storage does not answer: a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(pub String);

impl StorageError {
    /// With this sentence.
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

/// Texts by key. An entry whose time is over is not there.
pub trait Storage: Send + Sync {
    /// The entry of a key.
    fn get<'a>(&'a self, key: &'a str) -> Waiting<'a, Option<String>>;

    /// Puts an entry, for ever or for a while.
    fn set<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, ()>;

    /// Puts an entry where there is none; tells whether it did. Of several who add one key one is told `true`.
    fn add<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, bool>;

    /// Removes an entry.
    fn remove<'a>(&'a self, key: &'a str) -> Waiting<'a, ()>;

    /// The keys that begin with a text.
    fn list<'a>(&'a self, prefix: &'a str) -> Waiting<'a, Vec<String>>;
}

/// Entries that memory holds at most; what is over is removed before one is refused.
const MOST: usize = 100_000;

/// Storage in this process's memory.
#[derive(Default)]
pub struct Memory(HashMap<String, (String, Option<Instant>)>);

impl Memory {
    fn put(&self, key: &str, value: &str, lifetime: Option<Duration>, anew: bool) -> Result<bool, StorageError> {
        let entries = self.0.pin();
        let now = Instant::now();
        let over = |end: Option<Instant>| end.is_some_and(|end| end <= now);
        if entries.len() >= MOST {
            entries.retain(|_, (_, end)| !over(*end));
            if entries.len() >= MOST {
                return Err(StorageError::new("the memory for certificates and challenges is full"));
            }
        }
        let put = entries.compute(key.to_owned(), |known| match known {
            Some((_, (_, end))) if anew && !over(*end) => Operation::Abort(()),
            _ => Operation::Insert((value.to_owned(), lifetime.map(|lifetime| now + lifetime))),
        });
        Ok(!matches!(put, Compute::Aborted(())))
    }

    /// The entry of a key.
    pub fn known(&self, key: &str) -> Option<String> {
        let entries = self.0.pin();
        let (value, end) = entries.get(key)?;
        end.is_none_or(|end| end > Instant::now()).then(|| value.clone())
    }
}

fn ready<'a, T: Send + 'a>(outcome: Result<T, StorageError>) -> Waiting<'a, T> {
    Box::pin(std::future::ready(outcome))
}

impl Storage for Memory {
    fn get<'a>(&'a self, key: &'a str) -> Waiting<'a, Option<String>> {
        ready(Ok(self.known(key)))
    }

    fn set<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, ()> {
        ready(self.put(key, &value, lifetime, false).map(drop))
    }

    fn add<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, bool> {
        ready(self.put(key, &value, lifetime, true))
    }

    fn remove<'a>(&'a self, key: &'a str) -> Waiting<'a, ()> {
        self.0.pin().remove(key);
        ready(Ok(()))
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Waiting<'a, Vec<String>> {
        let now = Instant::now();
        let entries = self.0.pin();
        let living = entries.iter().filter(|(_, (_, end))| end.is_none_or(|end| end > now));
        let found = living.map(|(key, _)| key).filter(|key| key.starts_with(prefix)).cloned().collect();
        ready(Ok(found))
    }
}

/// Storage on a Redis server, under keys that begin with a namespace.
pub struct RedisStorage {
    server: Arc<dyn RedisServer>,
    namespace: String,
    /// How many keys are asked for at once when they are listed.
    scan_count: u64,
}

impl RedisStorage {
    /// On this server.
    pub fn new(server: Arc<dyn RedisServer>, namespace: String, scan_count: u64) -> Self {
        Self { server, namespace, scan_count: scan_count.max(1) }
    }

    fn key(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.namespace).into_bytes()
    }

    async fn ask(&self, words: Vec<Vec<u8>>) -> Result<Reply, StorageError> {
        self.server.ask(words).await.map_err(|error| StorageError::new(format_args!("Redis: {error}")))
    }

    fn put(&self, key: &str, value: String, lifetime: Option<Duration>, anew: bool) -> Vec<Vec<u8>> {
        let mut words = vec![b"SET".to_vec(), self.key(key), value.into_bytes()];
        if let Some(lifetime) = lifetime {
            words.extend([b"PX".to_vec(), lifetime.as_millis().max(1).to_string().into_bytes()]);
        }
        if anew {
            words.push(b"NX".to_vec());
        }
        words
    }
}

fn text(bytes: Vec<u8>) -> Result<String, StorageError> {
    String::from_utf8(bytes).map_err(|_| StorageError::new("Redis: an entry is not a text"))
}

fn strange<T>() -> Result<T, StorageError> {
    Err(StorageError::new("Redis: an answer of another kind was expected"))
}

/// A text in which nothing stands for anything else, for `MATCH`.
fn literal(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        if matches!(letter, '*' | '?' | '[' | ']' | '^' | '\\') {
            out.push('\\');
        }
        out.push(letter);
        out
    })
}

impl Storage for RedisStorage {
    fn get<'a>(&'a self, key: &'a str) -> Waiting<'a, Option<String>> {
        Box::pin(async move {
            match self.ask(vec![b"GET".to_vec(), self.key(key)]).await? {
                Reply::Nil => Ok(None),
                Reply::Bytes(bytes) => text(bytes).map(Some),
                _ => strange(),
            }
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, ()> {
        Box::pin(async move { self.ask(self.put(key, value, lifetime, false)).await.map(drop) })
    }

    fn add<'a>(&'a self, key: &'a str, value: String, lifetime: Option<Duration>) -> Waiting<'a, bool> {
        Box::pin(async move { Ok(self.ask(self.put(key, value, lifetime, true)).await? != Reply::Nil) })
    }

    fn remove<'a>(&'a self, key: &'a str) -> Waiting<'a, ()> {
        Box::pin(async move { self.ask(vec![b"DEL".to_vec(), self.key(key)]).await.map(drop) })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> Waiting<'a, Vec<String>> {
        Box::pin(async move {
            let pattern = format!("{}*", literal(&format!("{}{prefix}", self.namespace)));
            let mut cursor = b"0".to_vec();
            let mut found = Vec::new();
            loop {
                let count = self.scan_count.to_string().into_bytes();
                let words = [b"SCAN".to_vec(), cursor, b"MATCH".to_vec(), pattern.clone().into(), b"COUNT".to_vec()];
                let Reply::Array(answer) = self.ask(words.into_iter().chain([count]).collect()).await? else {
                    return strange();
                };
                let Ok([Reply::Bytes(next), Reply::Array(keys)]) = <[Reply; 2]>::try_from(answer) else {
                    return strange();
                };
                for key in keys {
                    let Reply::Bytes(key) = key else { return strange() };
                    found.extend(text(key)?.strip_prefix(&self.namespace).map(str::to_owned));
                }
                if next == b"0" {
                    break;
                }
                cursor = next;
            }
            // A scan may show a key twice.
            found.sort();
            found.dedup();
            Ok(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::redis::{Heard, NoRedis, Pending, RemoteCounter, SyncedCounters};
    use std::sync::Mutex;

    fn now<T>(mut waiting: Waiting<'_, T>) -> T {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match waiting.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Ok(value)) => value,
            std::task::Poll::Ready(Err(error)) => panic!("{error}"),
            std::task::Poll::Pending => panic!("an answer at once"),
        }
    }

    #[test]
    fn memory_keeps_and_forgets() {
        let memory = Memory::default();
        let long = Some(Duration::from_secs(60));
        now(memory.set("a:1", "one".into(), None));
        now(memory.set("a:2", "two".into(), long));
        now(memory.set("a:3", "over".into(), Some(Duration::ZERO)));
        now(memory.set("b:1", "else".into(), None));
        let mut keys = now(memory.list("a:"));
        keys.sort();
        assert_eq!(keys, ["a:1", "a:2"]);
        assert_eq!(now(memory.get("a:2")).as_deref(), Some("two"));
        assert_eq!(now(memory.get("a:3")), None);
        assert!(!now(memory.add("a:1", "again".into(), None)));
        assert!(now(memory.add("a:3", "again".into(), long)));
        assert!(!now(memory.add("a:3", "and again".into(), long)));
        assert_eq!(now(memory.get("a:3")).as_deref(), Some("again"));
        now(memory.remove("a:1"));
        assert_eq!(now(memory.get("a:1")), None);
    }

    /// Answers in turn, and remembers what it was asked.
    struct Script(Mutex<Vec<String>>, Mutex<Vec<Reply>>);

    impl RedisServer for Script {
        fn take(&self, counters: Vec<RemoteCounter>) -> Pending<exchange::counters::Taken> {
            RedisServer::take(&NoRedis, counters)
        }
        fn add(&self, amounts: Vec<(RemoteCounter, i64)>) -> Pending<Vec<u64>> {
            RedisServer::add(&NoRedis, amounts)
        }
        fn ask(&self, command: Vec<Vec<u8>>) -> Pending<Reply> {
            let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            self.0.lock().unwrap().push(words.join(" "));
            let answer = self.1.lock().unwrap().remove(0);
            Box::pin(std::future::ready(Ok(answer)))
        }
        fn settle(&self, amounts: Vec<(RemoteCounter, i64)>) {
            NoRedis.settle(amounts);
        }
        fn tell(&self, command: Vec<Vec<u8>>, done: Heard) {
            NoRedis.tell(command, done);
        }
        fn synced(&self, every: Duration) -> Arc<dyn SyncedCounters> {
            RedisServer::synced(&NoRedis, every)
        }
    }

    #[test]
    fn redis_is_asked_in_its_words() {
        let bytes = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
        let page = |next: &str, keys: &[&str]| {
            Reply::Array(vec![bytes(next), Reply::Array(keys.iter().map(|k| bytes(k)).collect())])
        };
        let replies = vec![
            bytes("OK"),
            Reply::Nil,
            bytes("value"),
            Reply::Nil,
            Reply::Integer(1),
            page("7", &["n[1]:a:x", "n[1]:a:y"]),
            page("0", &["n[1]:a:y", "n[1]:a:z"]),
        ];
        let script = Arc::new(Script(Mutex::default(), Mutex::new(replies)));
        let redis = RedisStorage::new(script.clone(), "n[1]:".into(), 10);
        now(redis.set("a:x", "v".into(), Some(Duration::from_secs(3600))));
        assert!(!now(redis.add("a:x", "v".into(), None)));
        assert_eq!(now(redis.get("a:x")).as_deref(), Some("value"));
        assert_eq!(now(redis.get("a:q")), None);
        now(redis.remove("a:x"));
        assert_eq!(now(redis.list("a:")), ["a:x", "a:y", "a:z"]);
        assert_eq!(
            *script.0.lock().unwrap(),
            [
                "SET n[1]:a:x v PX 3600000",
                "SET n[1]:a:x v NX",
                "GET n[1]:a:x",
                "GET n[1]:a:q",
                "DEL n[1]:a:x",
                "SCAN 0 MATCH n\\[1\\]:a:* COUNT 10",
                "SCAN 7 MATCH n\\[1\\]:a:* COUNT 10",
            ]
        );
    }
}
