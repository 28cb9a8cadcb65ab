//! `ldap-auth`: username and password that a directory knows.

use crate::auth::{self, Anonymous};
use entities::{PluginSchema, Scopes};
use exchange::ldap::{Binding, Ldap, LdapSecurity, LdapServer, escaped};
use exchange::{About, Credential, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::{Check, Map, Schema};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Options of `ldap-auth`.
#[derive(Debug, Deserialize, Schema)]
#[schema(check = one_kind_of_tls())]
pub struct Config {
    /// Host name or address of the directory.
    #[field(is = host)]
    pub ldap_host: String,
    /// Port of the directory.
    #[field(default = 389, between(0, 65_535))]
    pub ldap_port: u16,
    /// Whether connections are TLS from the first byte.
    #[field(default = false)]
    pub ldaps: bool,
    /// Whether connections become TLS by a request.
    #[field(default = false)]
    pub start_tls: bool,
    /// Whether the directory must prove its name, with TLS.
    #[field(default = false)]
    pub verify_ldap_host: bool,
    /// The entry under which people are.
    pub base_dn: String,
    /// The attribute that names people.
    pub attribute: String,
    /// Seconds for which an answer of the directory is kept.
    #[field(default = 60)]
    pub cache_ttl: f64,
    /// Whether the headers with credentials are taken out of the request before it goes to the upstream.
    #[field(default = false)]
    pub hide_credentials: bool,
    /// Time-out of a question, in ms.
    #[field(default = 10_000)]
    pub timeout: Option<f64>,
    /// How long a connection is kept that nobody uses, in ms.
    #[field(default = 60_000)]
    pub keepalive: Option<f64>,
    /// Id or username of the Consumer that stands in where authentication fails.
    pub anonymous: Option<String>,
    /// The scheme of the header.
    #[field(default = "ldap")]
    pub header_type: Option<String>,
    /// The realm of the challenge.
    #[field(required = false)]
    pub realm: Option<String>,
}

fn one_kind_of_tls() -> Check {
    Check::conditional("ldaps", |on| on.eq(true), "start_tls", |on| on.eq(false))
        .then_err("'ldaps' and 'start_tls' cannot be enabled simultaneously")
}

/// The kind of the credential that a request gets; no entity is stored.
const CREDENTIALS: &str = "ldap_credentials";

/// `ldap-auth`, configured.
pub struct LdapAuth {
    config: Config,
    directory: Arc<dyn Ldap>,
    server: LdapServer,
    scheme: String,
    keep: Duration,
    anonymous: Anonymous,
    challenge: String,
}

/// What a client presents.
#[derive(Debug, PartialEq, Eq)]
struct Presented {
    username: String,
    password: String,
}

impl LdapAuth {
    /// Asks the directory about one header; `None` where it is not for this plugin.
    fn ask(&self, exchange: &Exchange, header: &str) -> Option<(Presented, Binding)> {
        let presented = parse(exchange.request.headers.get(header)?, &self.scheme)?;
        let dn = format!("{}={},{}", self.config.attribute, escaped(&presented.username), self.config.base_dn);
        let binding = self.directory.bind(&self.server, &dn, &presented.password, self.keep);
        Some((presented, binding))
    }

    /// Goes on with what the directory says of a header.
    fn settle<'a>(
        &'a self,
        exchange: &'a mut Exchange,
        asked: Option<(Presented, Binding)>,
        otherwise: impl FnOnce(&'a Self, &'a mut Exchange) -> Step<'a> + 'a,
    ) -> Step<'a> {
        let Some((presented, binding)) = asked else { return otherwise(self, exchange) };
        match binding {
            Binding::Known(true) => self.accept(exchange, &presented),
            Binding::Known(false) => otherwise(self, exchange),
            Binding::Wait(future) => Step::Wait(Box::pin(async move {
                match future.await {
                    Ok(true) => auth::flow(self.accept(exchange, &presented)).await,
                    Ok(false) => auth::flow(otherwise(self, exchange)).await,
                    Err(error) => {
                        let LdapServer { host, port, .. } = &self.server;
                        tracing::error!(%error, "the directory {host}:{port} cannot be asked");
                        Flow::from(auth::failure())
                    }
                }
            })),
        }
    }

    fn accept<'a>(&self, exchange: &'a mut Exchange, presented: &Presented) -> Step<'a> {
        if self.config.hide_credentials {
            exchange.request.headers.remove("authorization");
            exchange.request.headers.remove("proxy-authorization");
        }
        let mut record = Map::new();
        record.insert("username".into(), presented.username.as_str().into());
        let id = Uuid::new_v5(&Uuid::NAMESPACE_X500, presented.username.as_bytes());
        let credential = Credential { id, entity: CREDENTIALS, record, ..Credential::default() };
        exchange.authenticate(None, Some(Arc::new(credential)), Some(&presented.username));
        Step::NEXT
    }

    fn refuse<'a>(&self, exchange: &'a mut Exchange) -> Step<'a> {
        self.anonymous.refuse(exchange, auth::unauthorized("Unauthorized", &self.challenge))
    }
}

/// Username and password of a header value: after the scheme and a blank, in base64, parted at the first colon. Neither
/// may be empty.
fn parse(value: &[u8], scheme: &str) -> Option<Presented> {
    let value = value.trim_ascii_start();
    let (given, rest) = value.split_at_checked(scheme.len())?;
    if !given.eq_ignore_ascii_case(scheme.as_bytes()) || !rest.first()?.is_ascii_whitespace() {
        return None;
    }
    let text = String::from_utf8(auth::base64(rest.trim_ascii())?).ok()?;
    let (username, password) = text.split_once(':')?;
    let given = !username.is_empty() && !password.is_empty();
    given.then(|| Presented { username: username.to_owned(), password: password.to_owned() })
}

fn milliseconds(option: Option<f64>, default: f64) -> Duration {
    Duration::try_from_secs_f64(option.unwrap_or(default) / 1000.0).unwrap_or(Duration::ZERO)
}

impl Plugin for LdapAuth {
    const NAME: &'static str = "ldap-auth";
    const PRIORITY: i32 = 1200;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, services: &Services) -> Result<Self, String> {
        let scheme = config.header_type.clone().unwrap_or_else(|| "ldap".to_owned());
        // Kong writes its own scheme in capitals, others as they are configured.
        let shown = if scheme == "ldap" { "LDAP" } else { &scheme };
        let security = match (config.ldaps, config.start_tls) {
            (true, _) => LdapSecurity::Tls,
            (_, true) => LdapSecurity::StartTls,
            _ => LdapSecurity::None,
        };
        Ok(Self {
            directory: services.ldap.clone(),
            server: LdapServer {
                host: config.ldap_host.clone(),
                port: config.ldap_port,
                security,
                verify: config.verify_ldap_host,
                timeout: milliseconds(config.timeout, 10_000.0),
                keepalive: milliseconds(config.keepalive, 60_000.0),
            },
            keep: Duration::try_from_secs_f64(config.cache_ttl).unwrap_or(Duration::ZERO),
            anonymous: Anonymous::new(config.anonymous.as_deref()),
            challenge: auth::challenge(shown, config.realm.as_deref()),
            scheme,
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if self.anonymous.satisfied(exchange) {
            return Step::NEXT;
        }
        let asked = self.ask(exchange, "proxy-authorization");
        self.settle(exchange, asked, |plugin, exchange| {
            let asked = plugin.ask(exchange, "authorization");
            plugin.settle(exchange, asked, |plugin, exchange| plugin.refuse(exchange))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin_with, request, sent, services};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use exchange::ldap::LdapError;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::sync::Mutex;

    /// Knows one entry; of `cn=gone` it says nothing.
    #[derive(Default)]
    struct Grove {
        waits: bool,
        asked: Mutex<Vec<(LdapServer, String, Duration)>>,
    }

    impl Ldap for Grove {
        fn bind(&self, server: &LdapServer, dn: &str, password: &str, keep: Duration) -> Binding {
            self.asked.lock().unwrap().push((server.clone(), dn.to_owned(), keep));
            let said = dn == "cn=hazel,dc=grove" && password == "nut:brown";
            if dn.starts_with("cn=gone") {
                return Binding::Wait(Box::pin(std::future::ready(Err(LdapError::new("gone")))));
            }
            if self.waits { Binding::Wait(Box::pin(std::future::ready(Ok(said)))) } else { Binding::Known(said) }
        }
    }

    fn plugin(grove: &Arc<Grove>, mut config: Value) -> LdapAuth {
        for (name, value) in [("ldap_host", "d.test"), ("base_dn", "dc=grove"), ("attribute", "cn")] {
            config[name] = value.into();
        }
        let services = Services { ldap: grove.clone(), ..services() };
        plugin_with(config, &About::default(), &services)
    }

    fn header(scheme: &str, credentials: &str) -> String {
        format!("{scheme} {}", STANDARD.encode(credentials))
    }

    #[test]
    fn header_values_are_read() {
        for (value, scheme, found) in [
            (header("ldap", "hazel:nut-brown"), "ldap", Some(("hazel", "nut-brown"))),
            (header("  LDAP  ", "hazel:nut-brown"), "ldap", Some(("hazel", "nut-brown"))),
            (header("lDaP", "a:b:c"), "ldap", Some(("a", "b:c"))),
            (header("ldap", "a:b:"), "ldap", Some(("a", "b:"))),
            (header("Basic", "a:b"), "basic", Some(("a", "b"))),
            (header("Basic", "a:b"), "ldap", None),
            (header("ldapx", "a:b"), "ldap", None),
            (header("ldap", "nocolon"), "ldap", None),
            (header("ldap", ":b"), "ldap", None),
            (header("ldap", "a:"), "ldap", None),
            ("ldap".to_owned(), "ldap", None),
            ("ldap ???".to_owned(), "ldap", None),
            (String::new(), "ldap", None),
        ] {
            let seen = parse(value.as_bytes(), scheme);
            let seen = seen.as_ref().map(|seen| (seen.username.as_str(), seen.password.as_str()));
            assert_eq!(seen, found, "{value}");
        }
    }

    #[test]
    fn the_directory_decides() {
        let (good, bad) = (header("ldap", "hazel:nut:brown"), header("ldap", "hazel:nut"));
        let basic = header("Basic", "hazel:nut:brown");
        let gone = header("ldap", "gone:x");
        for waits in [false, true] {
            for (config, headers, status) in [
                (json!({}), vec![("Authorization", &good)], None),
                (json!({}), vec![("Proxy-Authorization", &good)], None),
                (json!({}), vec![("Proxy-Authorization", &bad), ("Authorization", &good)], None),
                (json!({}), vec![("Authorization", &bad)], Some(401)),
                (json!({}), vec![("Authorization", &basic)], Some(401)),
                (json!({ "header_type": "basic" }), vec![("Authorization", &basic)], None),
                (json!({}), vec![], Some(401)),
                (json!({}), vec![("Authorization", &gone)], Some(500)),
                (json!({ "anonymous": "guest" }), vec![("Authorization", &gone)], Some(500)),
            ] {
                let grove = Arc::new(Grove { waits, ..Grove::default() });
                let lines: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let mut exchange = request("GET", "/", &lines, People::new(Manner::Knows));
                exchange.request.headers.append("X-Consumer-Username", "root");
                assert_eq!(access(&plugin(&grove, config.clone()), &mut exchange), status, "{config} {headers:?}");
                if status.is_none() {
                    assert_eq!(sent(&exchange, &[]), "X-Credential-Identifier=hazel", "{config}");
                    assert!(exchange.identity.consumer.is_none() && exchange.identity.credential.is_some());
                }
                if status == Some(401) {
                    assert_eq!(exchange.response.headers.get_str("www-authenticate"), Some("LDAP"));
                }
            }
        }
    }

    #[test]
    fn options_reach_the_directory_and_the_answer() {
        let config = json!({
            "ldaps": true, "verify_ldap_host": true, "timeout": 500, "cache_ttl": 1.5, "realm": "grove",
            "header_type": "Company", "anonymous": null, "hide_credentials": true, "ldap_port": 636,
        });
        let grove = Arc::new(Grove::default());
        let value = header("company", "ash:leaf");
        let mut exchange = request("GET", "/", &[("Authorization", &value)], People::new(Manner::Knows));
        assert_eq!(access(&plugin(&grove, config), &mut exchange), Some(401));
        assert_eq!(exchange.response.headers.get_str("www-authenticate"), Some("Company realm=\"grove\""));
        let server = LdapServer {
            host: "d.test".into(),
            port: 636,
            security: LdapSecurity::Tls,
            verify: true,
            timeout: Duration::from_millis(500),
            keepalive: Duration::from_secs(60),
        };
        let asked = (server, "cn=ash,dc=grove".to_owned(), Duration::from_millis(1500));
        assert_eq!(*grove.asked.lock().unwrap(), [asked]);
    }

    #[test]
    fn hidden_headers_and_the_anonymous_consumer() {
        let grove = Arc::new(Grove::default());
        let good = header("ldap", "hazel:nut:brown");
        let headers = [("Authorization", good.as_str()), ("Proxy-Authorization", "x")];
        let mut exchange = request("GET", "/", &headers, People::new(Manner::Knows));
        assert_eq!(access(&plugin(&grove, json!({ "hide_credentials": true })), &mut exchange), None);
        assert_eq!(sent(&exchange, &["authorization", "proxy-authorization"]), "X-Credential-Identifier=hazel");
        let mut exchange = request("GET", "/", &[], People::new(Manner::Waits));
        assert_eq!(access(&plugin(&grove, json!({ "anonymous": "guest" })), &mut exchange), None);
        assert!(sent(&exchange, &[]).ends_with("X-Consumer-Username=guest X-Anonymous-Consumer=true"));
    }

    proptest! {
        #[test]
        fn any_value_is_read_without_panic(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            parse(&value, "ldap");
            parse(&[b"ldap ", value.as_slice()].concat(), "ldap");
        }
    }
}
