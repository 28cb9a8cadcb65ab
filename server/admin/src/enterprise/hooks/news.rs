//! Whether a hook wants an event once more: `on_change` and `snooze`.

use super::sources;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::Record;

/// Events that are remembered of a hook with `snooze`; beyond, the longest known is forgotten.
const REMEMBERED: usize = 1000;

/// What a hook was told.
#[derive(Debug, Default)]
pub(super) struct News {
    last: Option<String>,
    told: HashMap<String, Instant>,
}

impl News {
    /// Whether an event is to be told, after which it counts as told. With `on_change` an event is its key parts
    /// ([`sources::key_parts`]), else all of it; with `snooze` the same is told once in so many seconds, without it
    /// (and with `on_change`) the same is not told twice in a row.
    pub fn is_news(&mut self, hook: &Record, event: &Value, now: Instant) -> bool {
        let on_change = hook.value.get("on_change") == Some(&Value::Bool(true));
        let snooze = hook.value.get("snooze").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
        if !on_change && snooze.is_none() {
            return true;
        }
        let digest = access::digest(&if on_change { key_parts(event) } else { event.to_string() });
        let Some(snooze) = snooze.map(Duration::from_secs) else {
            let is_news = self.last.as_ref() != Some(&digest);
            self.last = Some(digest);
            return is_news;
        };
        let snoozes = |at: &Instant| now.saturating_duration_since(*at) < snooze;
        if self.told.get(&digest).is_some_and(snoozes) {
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.retain(|_, at| snoozes(at));
        }
        if self.told.len() >= REMEMBERED
            && let Some(oldest) = self.told.iter().min_by_key(|(_, at)| **at).map(|(digest, _)| digest.clone())
        {
            self.told.remove(&oldest);
        }
        self.told.insert(digest, now);
        true
    }
}

/// What of an event tells it from others of its kind.
fn key_parts(event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
    let parts = sources::key_parts(text("source"), text("event"));
    if parts.is_empty() {
        return event.to_string();
    }
    let named = parts.iter().map(|name| ((*name).to_owned(), event.get(*name).cloned().unwrap_or_default()));
    Value::Object(named.collect::<Map<_, _>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use store::Id;

    fn hook(on_change: Value, snooze: Value) -> Record {
        let Value::Object(value) = json!({"on_change": on_change, "snooze": snooze}) else { unreachable!() };
        Record { entity: "event_hooks", id: Id::Uuid(uuid::Uuid::nil()), ws: None, value, expires: None }
    }

    fn limit(ip: &str, rate: u64) -> Value {
        json!({"source": "rate-limiting", "event": "rate-limit-exceeded", "ip": ip, "rate": rate})
    }

    #[test]
    fn the_same_is_told_as_often_as_a_hook_wants() {
        let begin = Instant::now();
        // Seconds, the event, and whether it is told: by `on_change`, `snooze`, and both.
        let (a, b) = (limit("10.0.0.1", 5), limit("10.0.0.2", 5));
        let more = limit("10.0.0.1", 6);
        for (on_change, snooze, expected) in [
            (json!(null), json!(null), [true; 6]),
            (json!(true), json!(0), [true, false, false, true, true, false]),
            (json!(null), json!(10), [true, false, true, true, false, true]),
            (json!(true), json!(10), [true, false, false, true, false, true]),
        ] {
            let hook = hook(on_change, snooze);
            let mut news = News::default();
            let events = [(0, &a), (1, &a), (2, &more), (3, &b), (4, &a), (12, &more)];
            let told = events.map(|(at, event)| news.is_news(&hook, event, begin + Duration::from_secs(at)));
            assert_eq!(told, expected, "{:?}", hook.value);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (begin, hook) = (Instant::now(), hook(json!(true), json!(3600)));
        let mut news = News::default();
        for index in 0..REMEMBERED + 10 {
            let at = begin + Duration::from_millis(u64::try_from(index).unwrap());
            assert!(news.is_news(&hook, &limit(&format!("host {index}"), 1), at));
        }
        assert_eq!(news.told.len(), REMEMBERED);
    }
}
