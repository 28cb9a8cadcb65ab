//! What a session is, and for how long.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Who logged in for one audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// The Consumer.
    pub consumer: Uuid,
    /// The credential it logged in with.
    pub credential: Uuid,
    /// Groups that an authentication plugin found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Name for people: the Consumer's.
    #[serde(default)]
    pub subject: String,
}

/// A session: its times and, where it is kept with them, its logins. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// 43 letters, digits, `-` and `_`.
    pub id: String,
    /// When it began.
    pub created: u64,
    /// When it was last replaced.
    pub rolled: u64,
    /// When it was last used.
    pub touched: u64,
    /// By audience; empty where they are in the database.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logins: BTreeMap<String, Login>,
}

/// How long a session lasts, in seconds; 0 = for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Without use.
    pub idling: u64,
    /// Without being replaced.
    pub rolling: u64,
    /// At all.
    pub absolute: u64,
}

/// What a use of a session does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing.
    Nothing,
    /// The time of use is noted.
    Touch,
    /// Another one takes its place.
    Replace,
}

/// Uses closer to each other than so many seconds are not noted.
const TOUCH_THRESHOLD: u64 = 60;

impl Session {
    /// A session that begins now.
    pub fn begin(now: u64) -> Self {
        Self { id: id(), created: now, rolled: now, touched: now, logins: BTreeMap::new() }
    }

    /// The session that takes this one's place.
    pub fn replaced(&self, now: u64) -> Self {
        Self { id: id(), rolled: now, touched: now, ..self.clone() }
    }

    /// Whether it is over.
    pub fn over(&self, limits: &Limits, now: u64) -> bool {
        let past = |since: u64, limit: u64| limit > 0 && now.saturating_sub(since) >= limit;
        past(self.touched, limits.idling) || past(self.rolled, limits.rolling) || past(self.created, limits.absolute)
    }

    /// What a use at this time does: after three quarters of the rolling time it is replaced.
    pub fn used(&self, limits: &Limits, now: u64) -> Use {
        if limits.rolling > 0 && now.saturating_sub(self.rolled) > limits.rolling / 4 * 3 {
            Use::Replace
        } else if limits.idling > 0 && now.saturating_sub(self.touched) > TOUCH_THRESHOLD.min(limits.idling / 2) {
            Use::Touch
        } else {
            Use::Nothing
        }
    }

    /// Seconds that are left of each limit that there is: idling, rolling, absolute.
    pub fn left(&self, limits: &Limits, now: u64) -> [Option<u64>; 3] {
        let left = |since: u64, limit: u64| (limit > 0).then(|| (since + limit).saturating_sub(now));
        [left(self.touched, limits.idling), left(self.rolled, limits.rolling), left(self.created, limits.absolute)]
    }

    /// A property by the name it has in options; `None` where there is none.
    pub fn property(&self, name: &str, audience: &str, limits: &Limits, now: u64) -> Option<String> {
        let [idling, rolling, absolute] = self.left(limits, now);
        let seconds = |left: Option<u64>| left.map(|left| left.to_string());
        match name {
            "id" => Some(self.id.clone()),
            "audience" => Some(audience.to_owned()),
            "subject" => self.logins.get(audience).map(|login| login.subject.clone()),
            "timeout" => seconds([idling, rolling, absolute].into_iter().flatten().min()),
            "idling-timeout" => seconds(idling),
            "rolling-timeout" => seconds(rolling),
            "absolute-timeout" => seconds(absolute),
            _ => None,
        }
    }
}

/// 32 random bytes.
fn id() -> String {
    URL_SAFE_NO_PAD.encode([*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { idling: 900, rolling: 3600, absolute: 86_400 };

    #[test]
    fn sessions_end() {
        let session = Session { rolled: 5_000, touched: 6_000, created: 1_000, ..Session::begin(0) };
        for (now, over) in [(6_000, false), (6_899, false), (6_900, true), (0, false)] {
            assert_eq!(session.over(&LIMITS, now), over, "{now}");
        }
        for (limits, now, over) in [
            (Limits { idling: 0, ..LIMITS }, 8_599, false),
            (Limits { idling: 0, ..LIMITS }, 8_600, true),
            (Limits { idling: 0, rolling: 0, ..LIMITS }, 87_399, false),
            (Limits { idling: 0, rolling: 0, ..LIMITS }, 87_400, true),
            (Limits { idling: 0, rolling: 0, absolute: 0 }, u64::MAX, false),
        ] {
            assert_eq!(session.over(&limits, now), over, "{limits:?} {now}");
        }
    }

    #[test]
    fn use_is_noted_now_and_then() {
        let session = Session::begin(1_000);
        for (limits, now, outcome) in [
            (LIMITS, 1_060, Use::Nothing),
            (LIMITS, 1_061, Use::Touch),
            (Limits { idling: 10, ..LIMITS }, 1_006, Use::Touch),
            (Limits { idling: 0, ..LIMITS }, 1_800, Use::Nothing),
            (LIMITS, 3_700, Use::Touch),
            (LIMITS, 3_701, Use::Replace),
            (Limits { rolling: 0, ..LIMITS }, 9_000, Use::Touch),
        ] {
            assert_eq!(session.used(&limits, now), outcome, "{limits:?} {now}");
        }
        let next = session.replaced(3_701);
        assert!(next.id != session.id && next.created == 1_000 && next.rolled == 3_701);
    }

    #[test]
    fn properties_are_told_by_name() {
        let login = Login { consumer: Uuid::nil(), credential: Uuid::nil(), groups: vec![], subject: "maya".into() };
        let mut session = Session::begin(1_000);
        session.logins.insert("shop".into(), login);
        for (name, value) in [
            ("audience", Some("shop")),
            ("subject", Some("maya")),
            ("timeout", Some("890")),
            ("idling-timeout", Some("890")),
            ("rolling-timeout", Some("3590")),
            ("absolute-timeout", Some("86390")),
        ] {
            assert_eq!(session.property(name, "shop", &LIMITS, 1_010).as_deref(), value, "{name}");
        }
        assert_eq!(session.property("id", "shop", &LIMITS, 0).map(|id| id.len()), Some(43));
        assert_eq!(session.property("timeout", "shop", &Limits { idling: 0, rolling: 0, absolute: 0 }, 0), None);
    }
}
