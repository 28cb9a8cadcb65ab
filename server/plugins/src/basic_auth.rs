//! `basic-auth`: username and password by the Basic scheme (RFC 7617).

use crate::auth::{self, Anonymous, Identifier};
use entities::{PluginSchema, Scopes};
use exchange::{About, Credential, Exchange, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use sha1::{Digest, Sha1};
use std::sync::Arc;
use uuid::Uuid;

/// Options of `basic-auth`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Id or username of the Consumer that stands in where authentication fails.
    pub anonymous: Option<String>,
    /// Whether the header with the credentials is taken out of the request before it goes to the upstream.
    #[field(default = false)]
    pub hide_credentials: bool,
    /// The realm of the challenge.
    #[field(default = "service")]
    pub realm: String,
}

/// The entity that holds usernames and passwords.
const CREDENTIALS: &str = "basicauth_credentials";

/// `basic-auth`, configured.
pub struct BasicAuth {
    config: Config,
    anonymous: Anonymous,
    challenge: String,
}

/// What a client presents.
#[derive(Debug, PartialEq, Eq)]
struct Presented {
    username: String,
    password: Vec<u8>,
}

impl BasicAuth {
    /// Reads a header, and takes it out of the request where it is to be hidden.
    fn presented(&self, exchange: &mut Exchange, header: &str) -> Option<Presented> {
        let presented = exchange.request.headers.get(header).and_then(parse);
        if self.config.hide_credentials {
            exchange.request.headers.remove(header);
        }
        presented
    }

    fn refuse<'a>(&self, exchange: &'a mut Exchange) -> Step<'a> {
        self.anonymous.refuse(exchange, auth::unauthorized("Unauthorized", &self.challenge))
    }

    /// `Authorization` decides where `Proxy-Authorization` names nobody.
    fn by_authorization<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let Some(presented) = self.presented(exchange, "authorization") else { return self.refuse(exchange) };
        let lookup = exchange.directory.credential(exchange.workspace, CREDENTIALS, &presented.username);
        auth::settled(exchange, lookup, move |exchange, found| match found {
            Ok(Some(credential)) => self.verify(exchange, credential, &presented.password),
            Ok(None) => self.refuse(exchange),
            Err(error) => auth::unavailable(&error).into(),
        })
    }

    fn verify<'a>(&'a self, exchange: &'a mut Exchange, credential: Arc<Credential>, password: &[u8]) -> Step<'a> {
        let stored = credential.text("password").unwrap_or_default();
        let given = credential.consumer.map(|consumer| digest(password, consumer));
        match given {
            Some(given) if auth::same(&given, stored.as_bytes()) => {
                auth::accept(exchange, credential, Identifier::Field("username"))
            }
            _ => self.refuse(exchange),
        }
    }
}

/// Username and password of a header value: what follows the first `Basic`, decoded, parted at the first colon that
/// has something before it. The password ends at a line break.
fn parse(value: &[u8]) -> Option<Presented> {
    let scheme = value.windows(5).position(|window| window == b"Basic" || window == b"basic")?;
    let text = value[scheme + 5..].trim_ascii_start();
    let text = text.split(|byte| *byte == b'=').next().unwrap_or_default();
    let decoded = auth::base64(text)?;
    let start = decoded.iter().position(|byte| *byte != b':')?;
    let colon = start + decoded[start..].iter().position(|byte| *byte == b':')?;
    let password = decoded[colon + 1..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    Some(Presented { username: String::from_utf8(decoded[start..colon].to_vec()).ok()?, password: password.to_vec() })
}

/// How a password is stored: SHA-1 of the password followed by the Consumer's id, in hexadecimal digits.
fn digest(password: &[u8], consumer: Uuid) -> [u8; 40] {
    let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
    let hash = Sha1::new().chain_update(password).chain_update(consumer.hyphenated().encode_lower(&mut id)).finalize();
    let mut out = [0; 40];
    for (index, byte) in hash.iter().enumerate() {
        out[index * 2] = b"0123456789abcdef"[usize::from(byte >> 4)];
        out[index * 2 + 1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    out
}

impl Plugin for BasicAuth {
    const NAME: &'static str = "basic-auth";
    const PRIORITY: i32 = 1100;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self {
            anonymous: Anonymous::new(config.anonymous.as_deref()),
            challenge: auth::challenge("Basic", Some(&config.realm)),
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if self.anonymous.satisfied(exchange) {
            return Step::NEXT;
        }
        let Some(presented) = self.presented(exchange, "proxy-authorization") else {
            return self.by_authorization(exchange);
        };
        let lookup = exchange.directory.credential(exchange.workspace, CREDENTIALS, &presented.username);
        auth::settled(exchange, lookup, move |exchange, found| match found {
            Ok(Some(credential)) => self.verify(exchange, credential, &presented.password),
            Ok(None) => self.by_authorization(exchange),
            Err(error) => auth::unavailable(&error).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MANNERS, Manner, People, access, message, plugin, request};
    use base64::Engine;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn header_values_are_read_as_clients_send_them() {
        for (value, username, password) in [
            ("Basic bmVkLWxvZ2luOnA0c3M6d29yZA==", "ned-login", "p4ss:word"),
            ("basic bmVkLWxvZ2luOnA0c3M6d29yZA==", "ned-login", "p4ss:word"),
            ("Basic   bmVkLWxvZ2luOnA0c3M6d29yZA", "ned-login", "p4ss:word"),
            ("BasicbmVkLWxvZ2luOnA0c3M6d29yZA==", "ned-login", "p4ss:word"),
            ("Basic bmVkLWxvZ2luOg==", "ned-login", ""),
            ("Basic bmVkLWxvZ2luOnDDpHNzd8O2cmQt4piD", "ned-login", "pässwörd-☃"),
            ("Basic OmE6Yg==", "a", "b"),
            ("Basic YTpiCmM=", "a", "b"),
        ] {
            let presented = Presented { username: username.into(), password: password.into() };
            assert_eq!(parse(value.as_bytes()), Some(presented), "{value}");
        }
        for value in
            ["", "Basic", "Basic ", "BASIC YTpi", "Bearer YTpi", "Basic YQ==", "Basic !!", "Basic OnB3", "Basic /zph"]
        {
            assert_eq!(parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn passwords_are_stored_as_salted_sha1() {
        let consumer = Uuid::try_parse("5b1d53b1-6ae0-4b35-a9a5-0d5b6c1f2a77").unwrap();
        assert_eq!(&digest(b"walnut", consumer), b"9e366e92d887a6a088d106f219163a80ebdf1478");
    }

    fn people(manner: Manner) -> People {
        let password =
            |consumer| String::from_utf8_lossy(&digest(b"p4ss:word", Uuid::from_u128(consumer))).into_owned();
        People::new(manner)
            .credential(CREDENTIALS, 11, 1, json!({ "username": "m-login", "password": password(1) }))
            .credential(CREDENTIALS, 12, 2, json!({ "username": "g-login", "password": password(2) }))
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials))
    }

    #[test]
    fn credentials_decide() {
        type Case<'a> = (Value, Option<&'a str>, Option<&'a str>, Result<&'a str, u16>);
        let guest = json!({ "anonymous": "guest" });
        let cases: &[Case<'_>] = &[
            (json!({}), None, Some("m-login:p4ss:word"), Ok("maya")),
            (json!({}), Some("m-login:p4ss:word"), None, Ok("maya")),
            (json!({}), Some("m-login:p4ss:word"), Some("g-login:p4ss:word"), Ok("maya")),
            (json!({}), Some("unknown:x"), Some("g-login:p4ss:word"), Ok("guest")),
            (json!({}), Some("m-login:bad"), Some("g-login:p4ss:word"), Err(401)),
            (json!({}), None, None, Err(401)),
            (json!({}), None, Some("m-login:"), Err(401)),
            (json!({}), None, Some("m-login:p4ss"), Err(401)),
            (json!({}), None, Some("M-login:p4ss:word"), Err(401)),
            (guest.clone(), None, None, Ok("guest")),
            (guest.clone(), None, Some("m-login:bad"), Ok("guest")),
            (guest, None, Some("m-login:p4ss:word"), Ok("maya")),
            (json!({ "anonymous": "nobody" }), None, None, Err(500)),
        ];
        for manner in MANNERS {
            for (config, proxy, authorization, expected) in cases {
                let mut exchange = request("GET", "/", &[("X-Consumer-Username", "root")], people(manner));
                for (name, value) in [("Proxy-Authorization", proxy), ("Authorization", authorization)] {
                    if let Some(value) = value {
                        exchange.request.headers.append(name, basic(value));
                    }
                }
                let status = access(&plugin::<BasicAuth>(config.clone()), &mut exchange);
                let name = exchange.request.headers.get_str("x-consumer-username").unwrap_or_default().to_owned();
                let case = format!("{manner:?} {config} {proxy:?} {authorization:?}");
                match expected {
                    Ok(consumer) => assert_eq!((status, name.as_str()), (None, *consumer), "{case}"),
                    Err(code) => assert_eq!(status, Some(*code), "{case}"),
                }
                if *expected == Err(401) {
                    let challenge = exchange.response.headers.get_str("www-authenticate");
                    assert_eq!(
                        (challenge, message(&exchange).as_str()),
                        (Some("Basic realm=\"service\""), "Unauthorized")
                    );
                }
            }
        }
    }

    #[test]
    fn the_upstream_learns_the_username_and_no_more_than_wanted() {
        for (config, kept) in [(json!({}), true), (json!({ "hide_credentials": true }), false)] {
            let value = basic("m-login:p4ss:word");
            let mut exchange = request("GET", "/", &[("Authorization", &value)], people(Manner::Knows));
            assert_eq!(access(&plugin::<BasicAuth>(config), &mut exchange), None);
            assert_eq!(exchange.request.headers.get_str("x-credential-identifier"), Some("m-login"));
            assert_eq!(exchange.request.headers.contains("authorization"), kept);
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read(username in "[^:]{1,9}", password in "[^\\n]{0,9}") {
            let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}")));
            prop_assert_eq!(parse(value.as_bytes()), Some(Presented { username, password: password.into() }));
        }

        #[test]
        fn any_value_is_read_without_panic(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            parse(&[b"Basic ", value.as_slice()].concat());
            parse(&value);
        }
    }
}
