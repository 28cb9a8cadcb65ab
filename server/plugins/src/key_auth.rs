//! `key-auth`: a key in a header, the query or the body names a credential.

use crate::auth::{self, Anonymous, Identifier};
use crate::form::{self, Form, Named};
use entities::{PluginSchema, Scopes};
use exchange::{About, Body, Exchange, Flow, Phases, Plugin, Services, Step};
use schema::Schema;
use serde::Deserialize;
use smallvec::SmallVec;

/// Options of `key-auth`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// Names under which a key may stand, tried in this order.
    #[field(default(["apikey"]), elements(is = header_name))]
    pub key_names: Vec<String>,
    /// Whether the key is taken out of the request before it goes to the upstream.
    #[field(default = false)]
    pub hide_credentials: bool,
    /// Id or username of the Consumer that stands in where authentication fails.
    pub anonymous: Option<String>,
    /// Whether headers are looked at.
    #[field(default = true)]
    pub key_in_header: bool,
    /// Whether the query is looked at.
    #[field(default = true)]
    pub key_in_query: bool,
    /// Whether the body is looked at: forms and JSON objects.
    #[field(default = false)]
    pub key_in_body: bool,
    /// Whether `OPTIONS` requests need a key, too.
    #[field(default = true)]
    pub run_on_preflight: bool,
    /// The realm of the challenge.
    #[field(required = false)]
    pub realm: Option<String>,
}

/// The entity that holds keys.
const CREDENTIALS: &str = "keyauth_credentials";

/// `key-auth`, configured.
pub struct KeyAuth {
    config: Config,
    anonymous: Anonymous,
    challenge: String,
}

/// Where the search for a key ended.
#[derive(Debug, PartialEq, Eq)]
enum Search {
    /// A key, and the place of its name in `key_names`. May be empty.
    Key(usize, SmallVec<[u8; 64]>),
    Duplicate,
    Missing,
    /// The body must be read to know.
    Body,
}

impl KeyAuth {
    fn search(&self, exchange: &Exchange, body: Option<Option<&Form>>) -> Search {
        for (index, name) in self.config.key_names.iter().enumerate() {
            let mut found = Named::Missing;
            if self.config.key_in_header {
                found = header(exchange, name);
            }
            if found == Named::Missing && self.config.key_in_query {
                let query = exchange.forward.query.as_ref().or(exchange.request.query.as_ref());
                found = query.map_or(Named::Missing, |query| form::named(query, name));
            }
            if found == Named::Missing && self.config.key_in_body {
                match body {
                    None => return Search::Body,
                    Some(form) => found = form.map_or(Named::Missing, |form| form.named(name)),
                }
            }
            match found {
                Named::Text(key) => return Search::Key(index, SmallVec::from_slice(&key)),
                Named::Several => return Search::Duplicate,
                Named::Missing | Named::Bare => {}
            }
        }
        Search::Missing
    }

    /// Authenticates by a search that is over. `body` as it was read, `None` where it was not.
    fn decide<'a>(&'a self, exchange: &'a mut Exchange, search: Search, body: Option<&Form>) -> Step<'a> {
        let key = match search {
            Search::Key(index, key) => {
                if self.config.hide_credentials {
                    hide(exchange, &self.config.key_names[index], body);
                }
                key
            }
            Search::Duplicate => return self.refuse(exchange, "Duplicate API key found"),
            Search::Missing | Search::Body => SmallVec::new(),
        };
        if key.is_empty() {
            return self.refuse(exchange, "No API key found in request");
        }
        let Ok(key) = std::str::from_utf8(&key) else { return self.refuse(exchange, "Unauthorized") };
        let lookup = exchange.directory.credential(exchange.workspace, CREDENTIALS, key);
        auth::settled(exchange, lookup, |exchange, found| match found {
            Ok(Some(credential)) => auth::accept(exchange, credential, Identifier::Id),
            Ok(None) => self.refuse(exchange, "Unauthorized"),
            Err(error) => auth::unavailable(&error).into(),
        })
    }

    fn refuse<'a>(&self, exchange: &'a mut Exchange, message: &'static str) -> Step<'a> {
        self.anonymous.refuse(exchange, auth::unauthorized(message, &self.challenge))
    }

    /// Whether the body may hold the key's name, and so must be read: to find the key, or to hide it.
    fn reads_body(&self, exchange: &Exchange, search: &Search) -> bool {
        self.config.key_in_body
            && !matches!(exchange.request.body, Body::Empty)
            && match search {
                Search::Body => true,
                Search::Key(..) => self.config.hide_credentials,
                _ => false,
            }
    }
}

/// A header by a configured name; `_` in the name also finds `-`.
fn header<'a>(exchange: &'a Exchange, name: &'a str) -> Named<'a> {
    let headers = &exchange.request.headers;
    if !headers.contains(name) && name.contains('_') {
        let dashed = name.replace('_', "-");
        let mut values = headers.get_all(&dashed);
        return match (values.next(), values.next()) {
            (None, _) => Named::Missing,
            (Some(value), None) => Named::Text(value.to_vec().into()),
            _ => Named::Several,
        };
    }
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Named::Missing,
        (Some(value), None) => Named::Text(value.into()),
        _ => Named::Several,
    }
}

/// Takes a name out of headers, query and body.
fn hide(exchange: &mut Exchange, name: &str, body: Option<&Form>) {
    exchange.request.headers.remove(name);
    if name.contains('_') {
        exchange.request.headers.remove(&name.replace('_', "-"));
    }
    if let Some(query) = &exchange.forward.query
        && form::named(query, name) != Named::Missing
    {
        let rest = form::without(query, name);
        exchange.forward.query = (!rest.is_empty()).then(|| rest.into());
    }
    if let Some(rest) = body.and_then(|body| body.without(name)) {
        form::replace(exchange, rest);
    }
}

impl Plugin for KeyAuth {
    const NAME: &'static str = "key-auth";
    const PRIORITY: i32 = 1250;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self {
            anonymous: Anonymous::new(config.anonymous.as_deref()),
            challenge: auth::challenge("Key", config.realm.as_deref()),
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        let preflight = exchange.request.method.as_slice() == b"OPTIONS";
        if (preflight && !self.config.run_on_preflight) || self.anonymous.satisfied(exchange) {
            return Step::NEXT;
        }
        let empty = matches!(exchange.request.body, Body::Empty);
        let search = self.search(exchange, empty.then_some(None));
        if !self.reads_body(exchange, &search) {
            return self.decide(exchange, search, None);
        }
        Step::Wait(Box::pin(async move {
            match form::read(exchange).await {
                Ok(form) => {
                    let search = self.search(exchange, Some(form.as_ref()));
                    auth::flow(self.decide(exchange, search, form.as_ref())).await
                }
                Err(answer) => Flow::from(answer),
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MANNERS, Manner, People, access, message, plugin, request, sent, with_body};
    use serde_json::{Value, json};

    fn people(manner: Manner) -> People {
        People::new(manner).credential(CREDENTIALS, 11, 1, json!({ "key": "k-1" }))
    }

    const MAYA: &str = "X-Consumer-ID=00000000-0000-0000-0000-000000000001 X-Consumer-Custom-ID=m-1 \
                        X-Consumer-Username=maya X-Credential-Identifier=00000000-0000-0000-0000-00000000000b";
    const GUEST: &str =
        "X-Consumer-ID=00000000-0000-0000-0000-000000000002 X-Consumer-Username=guest X-Anonymous-Consumer=true";

    #[test]
    fn keys_are_found_where_they_may_stand() {
        type Case<'a> = (Value, &'a str, &'a [(&'a str, &'a str)], Result<&'a str, &'a str>);
        let cases: &[Case<'_>] = &[
            (json!({}), "/", &[("ApiKey", "k-1")], Ok(MAYA)),
            (json!({}), "/?a=1&apikey=k-1", &[], Ok(MAYA)),
            (json!({}), "/?apikey=k%2D1", &[], Ok(MAYA)),
            (json!({}), "/", &[], Err("No API key found in request")),
            (json!({}), "/?apikey=", &[], Err("No API key found in request")),
            (json!({}), "/?apikey", &[], Err("No API key found in request")),
            (json!({}), "/?apikey=k-1", &[("apikey", "")], Err("No API key found in request")),
            (json!({}), "/?APIKEY=k-1", &[], Err("No API key found in request")),
            (json!({}), "/", &[("apikey", "K-1")], Err("Unauthorized")),
            (json!({}), "/?apikey=%ff", &[], Err("Unauthorized")),
            (json!({}), "/?apikey=k-1", &[("apikey", "no")], Err("Unauthorized")),
            (json!({}), "/?apikey=no", &[("apikey", "k-1")], Ok(MAYA)),
            (json!({}), "/", &[("apikey", "k-1"), ("apikey", "k-1")], Err("Duplicate API key found")),
            (json!({}), "/?apikey=k-1&apikey=k-1", &[], Err("Duplicate API key found")),
            (json!({ "key_in_header": false }), "/", &[("apikey", "k-1")], Err("No API key found in request")),
            (json!({ "key_in_query": false }), "/?apikey=k-1", &[], Err("No API key found in request")),
            (json!({ "key_names": ["x-a", "b_c"] }), "/?b_c=k-1", &[], Ok(MAYA)),
            (json!({ "key_names": ["x-a", "b_c"] }), "/", &[("b-c", "k-1")], Ok(MAYA)),
            (json!({ "key_names": ["x-a", "b_c"] }), "/?b_c=no", &[("x-a", "k-1")], Ok(MAYA)),
            (json!({ "key_names": ["x-a", "b_c"] }), "/?b_c=k-1", &[("x-a", "no")], Err("Unauthorized")),
            (
                json!({ "anonymous": "guest" }),
                "/",
                &[("x-anonymous-consumer", "false"), ("X-Consumer-ID", "root")],
                Ok(GUEST),
            ),
            (json!({ "anonymous": "00000000-0000-0000-0000-000000000002" }), "/?apikey=no", &[], Ok(GUEST)),
            (json!({ "anonymous": "guest" }), "/?apikey=k-1", &[("X-Credential-Identifier", "x")], Ok(MAYA)),
            (json!({ "anonymous": "nobody" }), "/", &[], Err("An unexpected error occurred")),
            (
                json!({ "anonymous": "00000000-0000-0000-0000-000000000009" }),
                "/",
                &[],
                Err("An unexpected error occurred"),
            ),
        ];
        for manner in MANNERS {
            for (config, target, headers, expected) in cases {
                let mut exchange = request("GET", target, headers, people(manner));
                let status = access(&plugin::<KeyAuth>(config.clone()), &mut exchange);
                let case = format!("{manner:?} {config} {target} {headers:?}");
                match expected {
                    Ok(identity) => assert_eq!((status, sent(&exchange, &[]).as_str()), (None, *identity), "{case}"),
                    Err(text) => {
                        let expected = if text.starts_with("An") { 500 } else { 401 };
                        assert_eq!((status, message(&exchange).as_str()), (Some(expected), *text), "{case}");
                        let challenge = exchange.response.headers.get_str("www-authenticate");
                        assert_eq!(challenge, (expected == 401).then_some("Key"), "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn bodies_are_read_where_asked_for() {
        let form = "application/x-www-form-urlencoded";
        for manner in MANNERS {
            for (kind, body, status) in [
                (form, "apikey=k-1&c=1", None),
                (form, "c=1", Some(401)),
                (form, "apikey=k-1&apikey=k-1", Some(401)),
                ("application/json", r#"{"apikey": "k-1"}"#, None),
                ("application/json", r#"{"apikey": ["k-1"]}"#, Some(401)),
                ("application/json", "{", Some(401)),
                ("text/plain", "apikey=k-1", Some(401)),
            ] {
                let mut exchange = with_body(request("POST", "/", &[], people(manner)), kind, body);
                let plugin = plugin::<KeyAuth>(json!({ "key_in_body": true }));
                assert_eq!(access(&plugin, &mut exchange), status, "{kind} {body}");
            }
        }
        let mut exchange = with_body(request("POST", "/", &[], people(Manner::Knows)), form, "apikey=k-1");
        assert_eq!(access(&plugin::<KeyAuth>(json!({})), &mut exchange), Some(401));
    }

    #[test]
    fn keys_are_hidden_everywhere() {
        let plugin = plugin::<KeyAuth>(json!({ "hide_credentials": true, "key_in_body": true }));
        let plain =
            request("POST", "/?apikey=k-1&page=2", &[("apikey", "k-1"), ("X-Stay", "1")], people(Manner::Knows));
        let mut exchange = with_body(plain, "application/x-www-form-urlencoded", "apikey=k-1&colour=teal");
        assert_eq!(access(&plugin, &mut exchange), None);
        assert_eq!(sent(&exchange, &["apikey", "x-stay"]), format!("X-Stay=1 {MAYA}"));
        assert_eq!(exchange.forward.query.as_deref(), Some(b"page=2".as_slice()));
        assert!(matches!(&exchange.request.body, Body::Buffered(body) if body == "colour=teal"));
        assert_eq!(exchange.request.content_length, Some(11));

        let mut exchange = request("GET", "/?apikey=k-1", &[], people(Manner::Waits));
        assert_eq!(access(&plugin, &mut exchange), None);
        assert_eq!(exchange.forward.query, None);
    }

    #[test]
    fn preflights_and_earlier_successes_pass() {
        let preflight =
            |config| access(&plugin::<KeyAuth>(config), &mut request("OPTIONS", "/", &[], people(Manner::Knows)));
        assert_eq!((preflight(json!({})), preflight(json!({ "run_on_preflight": false }))), (Some(401), None));
        for (config, status) in [(json!({ "anonymous": "guest" }), None), (json!({}), Some(401))] {
            let mut exchange = request("GET", "/", &[], people(Manner::Knows));
            exchange.authenticate(None, Some(Default::default()), Some("earlier"));
            assert_eq!(access(&plugin::<KeyAuth>(config), &mut exchange), status);
            assert_eq!(sent(&exchange, &[]), "X-Credential-Identifier=earlier");
        }
    }

    #[test]
    fn a_directory_out_of_order_lets_nobody_in() {
        for config in [json!({}), json!({ "anonymous": "guest" })] {
            let mut exchange = request("GET", "/?apikey=k-1", &[], people(Manner::Fails));
            assert_eq!(access(&plugin::<KeyAuth>(config), &mut exchange), Some(500));
            assert!(exchange.identity.consumer.is_none());
        }
    }

    #[test]
    fn the_realm_is_named() {
        let mut exchange = request("GET", "/", &[], people(Manner::Knows));
        access(&plugin::<KeyAuth>(json!({ "realm": "warehouse" })), &mut exchange);
        assert_eq!(exchange.response.headers.get_str("www-authenticate"), Some("Key realm=\"warehouse\""));
    }
}
