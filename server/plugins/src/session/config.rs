//! Options of `session`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::{Field, Map, Record, Schema, Set, Shorthand, Value};
use serde::Deserialize;
use std::sync::LazyLock;

/// Options of `session`.
#[derive(Debug, Deserialize, Schema)]
#[schema(with = shorthands)]
pub struct Config {
    /// What sessions are sealed with; nodes and plugins that share it share sessions.
    #[field(required = false, default = secret(), referenceable, encrypted)]
    pub secret: Option<String>,
    /// Where sessions are kept: in the cookie itself, or in the database.
    #[field(default = "cookie")]
    pub storage: Option<Storage>,
    /// The application that a session is for.
    #[field(default = "default")]
    pub audience: Option<String>,
    /// Seconds without a request after which a session is over; 0 = any number.
    #[field(default = 900)]
    pub idling_timeout: Option<f64>,
    /// Seconds after which a session is replaced by a new one, or over; 0 = never.
    #[field(default = 3600)]
    pub rolling_timeout: Option<f64>,
    /// Seconds after which a session is over however often it is used; 0 = never.
    #[field(default = 86_400)]
    pub absolute_timeout: Option<f64>,
    /// Seconds for which a session that was replaced can still be used.
    #[field(default = 10)]
    pub stale_ttl: Option<f64>,
    /// Name of the cookie.
    #[field(default = "session")]
    pub cookie_name: Option<String>,
    /// Path of the cookie.
    #[field(default = "/")]
    pub cookie_path: Option<String>,
    /// Domain of the cookie.
    pub cookie_domain: Option<String>,
    /// Whether the cookie goes with requests from other sites.
    #[field(default = "Strict", one_of("Strict", "Lax", "None", "Default"))]
    pub cookie_same_site: Option<String>,
    /// Whether scripts cannot read the cookie.
    #[field(default = true)]
    pub cookie_http_only: Option<bool>,
    /// Whether the cookie goes over TLS only.
    #[field(default = true)]
    pub cookie_secure: Option<bool>,
    /// Whether a second cookie outlives the browser's session.
    #[field(default = false)]
    pub remember: Option<bool>,
    /// Name of the second cookie.
    #[field(default = "remember")]
    pub remember_cookie_name: Option<String>,
    /// Seconds after which a remembered session is replaced, or over; 0 = never.
    #[field(default = 604_800)]
    pub remember_rolling_timeout: Option<f64>,
    /// Seconds after which a remembered session is over; 0 = never.
    #[field(default = 2_592_000)]
    pub remember_absolute_timeout: Option<f64>,
    /// What clients are told of their session, by headers `Session-…`.
    #[field(elements(one_of(
        "id",
        "audience",
        "subject",
        "timeout",
        "idling-timeout",
        "rolling-timeout",
        "absolute-timeout"
    )))]
    pub response_headers: Option<Set<String>>,
    /// What upstreams are told of the session, by headers `Session-…`.
    #[field(elements(one_of(
        "id",
        "audience",
        "subject",
        "timeout",
        "idling-timeout",
        "rolling-timeout",
        "absolute-timeout"
    )))]
    pub request_headers: Option<Set<String>>,
    /// Whether the body is looked at for `logout_post_arg`.
    #[field(default = false)]
    pub read_body_for_logout: Option<bool>,
    /// Methods with which one can log out.
    #[field(default(["POST", "DELETE"]), elements(one_of("GET", "POST", "DELETE")))]
    pub logout_methods: Option<Set<String>>,
    /// Query argument that logs out.
    #[field(default = "session_logout")]
    pub logout_query_arg: Option<String>,
    /// Form field that logs out.
    #[field(default = "session_logout")]
    pub logout_post_arg: Option<String>,
}

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Schema)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// In the cookie.
    Cookie,
    /// In the database.
    Kong,
}

/// The secret of configurations that name none: 44 random letters and digits, the same until the node ends.
fn secret() -> String {
    static SECRET: LazyLock<String> = LazyLock::new(|| {
        let bytes: Vec<u8> = (0..2).flat_map(|_| *uuid::Uuid::new_v4().as_bytes()).collect();
        // Random letters stand for what is neither a letter nor a digit.
        let spare = entities::random_token() + &entities::random_token();
        STANDARD
            .encode(bytes)
            .chars()
            .zip(spare.chars())
            .map(|(letter, spare)| if letter.is_ascii_alphanumeric() { letter } else { spare })
            .collect()
    });
    SECRET.clone()
}

/// The names that options had before 3.2.
fn shorthands(record: Record) -> Record {
    let to =
        |field: Field, target: &'static str| Shorthand::computed(field, move |value, _| Ok(one(target, value.clone())));
    let idling = |value: &Value, _: &Map<String, Value>| {
        Ok(one("idling_timeout", if value.is_null() { 0.into() } else { value.clone() }))
    };
    let same_site = |value: &Value, _: &Map<String, Value>| {
        Ok(one("cookie_same_site", if *value == "off" { "Lax".into() } else { value.clone() }))
    };
    record
        .shorthand(to(Field::number("cookie_lifetime"), "rolling_timeout"))
        .shorthand(Shorthand::computed(Field::number("cookie_idletime"), idling))
        .shorthand(Shorthand::computed(Field::number("cookie_renew"), |_, _| Ok(Map::new())))
        .shorthand(to(Field::number("cookie_discard"), "stale_ttl"))
        .shorthand(Shorthand::computed(Field::string("cookie_samesite"), same_site))
        .shorthand(to(Field::boolean("cookie_httponly"), "cookie_http_only"))
        .shorthand(to(Field::boolean("cookie_persistent"), "remember"))
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}
