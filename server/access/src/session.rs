//! Sessions of admins: the settings, and the cookie.

use serde_json::{Map, Value};
use std::time::Duration;

/// `SameSite` of the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never sent from other sites.
    Strict,
    /// Sent when a link of another site is followed.
    Lax,
    /// Sent always.
    None,
}

/// What `admin_gui_session_conf` says, with the defaults of the plugin `session`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Name of the cookie.
    pub name: String,
    /// Whether it is for TLS only.
    pub secure: bool,
    /// Whether scripts cannot read it.
    pub http_only: bool,
    /// Which sites it is sent from.
    pub same_site: SameSite,
    /// Path.
    pub path: String,
    /// Domain, where one is set.
    pub domain: Option<String>,
    /// After how long the cookie is replaced.
    pub rolling: Duration,
    /// After how long without use the session ends.
    pub idling: Duration,
    /// After how long it ends in any case.
    pub absolute: Duration,
    /// For how long a replaced cookie still counts, for requests under way.
    pub stale: Duration,
}

impl Default for SessionSettings {
    fn default() -> Self {
        SessionSettings {
            name: "session".to_owned(),
            secure: true,
            http_only: true,
            same_site: SameSite::Strict,
            path: "/".to_owned(),
            domain: None,
            rolling: Duration::from_secs(3600),
            idling: Duration::from_secs(900),
            absolute: Duration::from_secs(86_400),
            stale: Duration::from_secs(10),
        }
    }
}

impl SessionSettings {
    /// Reads the setting. What is not there or of another type has its default.
    pub fn read(setting: &Map<String, Value>) -> SessionSettings {
        let default = SessionSettings::default();
        let text = |name: &str| setting.get(name).and_then(Value::as_str).filter(|text| is_plain(text));
        let flag = |name: &str, other: bool| setting.get(name).and_then(Value::as_bool).unwrap_or(other);
        // 0 turns a time-out off, as in the plugin.
        let time = |name: &str, other: Duration| match setting.get(name).and_then(Value::as_u64) {
            Some(0) => Duration::from_secs(i32::MAX as u64),
            Some(seconds) => Duration::from_secs(seconds.min(i32::MAX as u64)),
            None => other,
        };
        SessionSettings {
            name: text("cookie_name").unwrap_or(&default.name).to_owned(),
            secure: flag("cookie_secure", default.secure),
            http_only: flag("cookie_http_only", default.http_only),
            same_site: match text("cookie_same_site") {
                Some("Lax" | "Default") => SameSite::Lax,
                Some("None") => SameSite::None,
                _ => SameSite::Strict,
            },
            path: text("cookie_path").unwrap_or(&default.path).to_owned(),
            domain: text("cookie_domain").map(str::to_owned),
            rolling: time("rolling_timeout", default.rolling),
            idling: time("idling_timeout", default.idling),
            absolute: time("absolute_timeout", default.absolute),
            stale: time("stale_ttl", default.stale),
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"'))
}

/// The cookie of a session.
#[derive(Clone, Debug)]
pub struct Cookie<'s>(pub &'s SessionSettings);

impl Cookie<'_> {
    /// The header that sets it.
    pub fn set(&self, value: &str) -> String {
        self.header(value, "")
    }

    /// The header that removes it.
    pub fn clear(&self) -> String {
        self.header("", "; Max-Age=0")
    }

    fn header(&self, value: &str, more: &str) -> String {
        let settings = self.0;
        let same_site = match settings.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        let mut text = format!("{}={value}; Path={}; SameSite={same_site}", settings.name, settings.path);
        if let Some(domain) = &settings.domain {
            text.push_str("; Domain=");
            text.push_str(domain);
        }
        if settings.http_only {
            text.push_str("; HttpOnly");
        }
        if settings.secure {
            text.push_str("; Secure");
        }
        text.push_str(more);
        text
    }

    /// Its values in a `Cookie` header. Several cookies of the name are several tries.
    pub fn values<'h>(&self, header: &'h str) -> impl Iterator<Item = &'h str> {
        header.split(';').filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.0.name).then_some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_have_the_defaults_of_the_plugin() {
        let read = |setting: Value| SessionSettings::read(setting.as_object().expect("an object"));
        assert_eq!(read(json!({"secret": "s"})), SessionSettings::default());
        let own =
            read(json!({"cookie_secure": false, "idling_timeout": 0, "cookie_name": "a;b", "cookie_same_site": "Lax"}));
        assert!(!own.secure);
        assert!(own.idling > Duration::from_secs(1 << 30));
        assert_eq!(own.name, "session");
        assert_eq!(own.same_site, SameSite::Lax);
    }

    #[test]
    fn the_cookie_is_written_and_found() {
        let settings = SessionSettings::default();
        let cookie = Cookie(&settings);
        assert_eq!(cookie.set("v"), "session=v; Path=/; SameSite=Strict; HttpOnly; Secure");
        assert!(cookie.clear().ends_with("; Max-Age=0"));
        assert_eq!(cookie.values("a=b; session=x;session=y ; sessions=z").collect::<Vec<_>>(), ["x", "y"]);
    }
}
