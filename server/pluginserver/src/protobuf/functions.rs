//! The functions that plugins may ask for, with the messages of their arguments and results.

use super::messages as m;
use super::values::{given, items, map, object, octets, small, taken, text, text_of, texts, whole};
use crate::wire::{self, WireError, member};
use prost::{DecodeError, Message};
use prost_types::{ListValue, Struct};
use rmpv::Value as Packed;

/// What a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Nothing,
    Bool,
    Int,
    Text,
    Octets,
    Pair,
    List,
    Object,
    Exit,
    Target,
    ConsumerSpec,
    Authenticate,
}

/// What it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    Nothing,
    Bool,
    Int,
    Number,
    Text,
    Octets,
    Value,
    Object,
    RawBody,
    Captures,
    Credential,
    Consumer,
    Route,
    Service,
    MemoryStats,
}

/// The messages of a function.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    takes: Takes,
    gives: Gives,
}

const FUNCTIONS: &[(&str, Takes, Gives)] = &[
    ("kong.client.authenticate", Takes::Authenticate, Gives::Nothing),
    ("kong.client.get_consumer", Takes::Nothing, Gives::Consumer),
    ("kong.client.get_credential", Takes::Nothing, Gives::Credential),
    ("kong.client.get_forwarded_ip", Takes::Nothing, Gives::Text),
    ("kong.client.get_forwarded_port", Takes::Nothing, Gives::Int),
    ("kong.client.get_ip", Takes::Nothing, Gives::Text),
    ("kong.client.get_port", Takes::Nothing, Gives::Int),
    ("kong.client.get_protocol", Takes::Bool, Gives::Text),
    ("kong.client.load_consumer", Takes::ConsumerSpec, Gives::Consumer),
    ("kong.ctx.shared.get", Takes::Text, Gives::Value),
    ("kong.ctx.shared.set", Takes::Pair, Gives::Nothing),
    ("kong.ip.is_trusted", Takes::Text, Gives::Bool),
    ("kong.log.alert", Takes::List, Gives::Nothing),
    ("kong.log.crit", Takes::List, Gives::Nothing),
    ("kong.log.debug", Takes::List, Gives::Nothing),
    ("kong.log.err", Takes::List, Gives::Nothing),
    ("kong.log.info", Takes::List, Gives::Nothing),
    ("kong.log.notice", Takes::List, Gives::Nothing),
    ("kong.log.serialize", Takes::Nothing, Gives::Text),
    ("kong.log.set_serialize_value", Takes::Pair, Gives::Nothing),
    ("kong.log.warn", Takes::List, Gives::Nothing),
    ("kong.nginx.get_ctx", Takes::Text, Gives::Value),
    ("kong.nginx.get_subsystem", Takes::Nothing, Gives::Text),
    ("kong.nginx.get_tls1_version_str", Takes::Nothing, Gives::Text),
    ("kong.nginx.get_var", Takes::Text, Gives::Text),
    ("kong.nginx.req_start_time", Takes::Nothing, Gives::Number),
    ("kong.nginx.set_ctx", Takes::Pair, Gives::Nothing),
    ("kong.node.get_id", Takes::Nothing, Gives::Text),
    ("kong.node.get_memory_stats", Takes::Nothing, Gives::MemoryStats),
    ("kong.request.get_forwarded_host", Takes::Nothing, Gives::Text),
    ("kong.request.get_forwarded_port", Takes::Nothing, Gives::Int),
    ("kong.request.get_forwarded_scheme", Takes::Nothing, Gives::Text),
    ("kong.request.get_header", Takes::Text, Gives::Text),
    ("kong.request.get_headers", Takes::Int, Gives::Object),
    ("kong.request.get_host", Takes::Nothing, Gives::Text),
    ("kong.request.get_http_version", Takes::Nothing, Gives::Number),
    ("kong.request.get_method", Takes::Nothing, Gives::Text),
    ("kong.request.get_path", Takes::Nothing, Gives::Text),
    ("kong.request.get_path_with_query", Takes::Nothing, Gives::Text),
    ("kong.request.get_port", Takes::Nothing, Gives::Int),
    ("kong.request.get_query", Takes::Int, Gives::Object),
    ("kong.request.get_query_arg", Takes::Text, Gives::Text),
    ("kong.request.get_raw_body", Takes::Nothing, Gives::RawBody),
    ("kong.request.get_raw_query", Takes::Nothing, Gives::Text),
    ("kong.request.get_scheme", Takes::Nothing, Gives::Text),
    ("kong.request.get_uri_captures", Takes::Nothing, Gives::Captures),
    ("kong.response.add_header", Takes::Pair, Gives::Nothing),
    ("kong.response.clear_header", Takes::Text, Gives::Nothing),
    ("kong.response.exit", Takes::Exit, Gives::Nothing),
    ("kong.response.get_header", Takes::Text, Gives::Text),
    ("kong.response.get_headers", Takes::Int, Gives::Object),
    ("kong.response.get_source", Takes::Nothing, Gives::Text),
    ("kong.response.get_status", Takes::Nothing, Gives::Int),
    ("kong.response.set_header", Takes::Pair, Gives::Nothing),
    ("kong.response.set_headers", Takes::Object, Gives::Nothing),
    ("kong.response.set_status", Takes::Int, Gives::Nothing),
    ("kong.router.get_route", Takes::Nothing, Gives::Route),
    ("kong.router.get_service", Takes::Nothing, Gives::Service),
    ("kong.service.request.add_header", Takes::Pair, Gives::Nothing),
    ("kong.service.request.clear_header", Takes::Text, Gives::Nothing),
    ("kong.service.request.set_header", Takes::Pair, Gives::Nothing),
    ("kong.service.request.set_headers", Takes::Object, Gives::Nothing),
    ("kong.service.request.set_method", Takes::Text, Gives::Nothing),
    ("kong.service.request.set_path", Takes::Text, Gives::Nothing),
    ("kong.service.request.set_query", Takes::Object, Gives::Nothing),
    ("kong.service.request.set_raw_body", Takes::Octets, Gives::Nothing),
    ("kong.service.request.set_raw_query", Takes::Text, Gives::Nothing),
    ("kong.service.request.set_scheme", Takes::Text, Gives::Nothing),
    ("kong.service.response.get_header", Takes::Text, Gives::Text),
    ("kong.service.response.get_headers", Takes::Int, Gives::Object),
    ("kong.service.response.get_raw_body", Takes::Nothing, Gives::Octets),
    ("kong.service.response.get_status", Takes::Nothing, Gives::Int),
    ("kong.service.set_target", Takes::Target, Gives::Nothing),
    ("kong.service.set_upstream", Takes::Text, Gives::Bool),
];

/// The messages of a function; none where this protocol does not have it.
pub fn shape(name: &str) -> Option<Shape> {
    let at = FUNCTIONS.binary_search_by_key(&name, |(known, ..)| *known).ok()?;
    let (_, takes, gives) = FUNCTIONS.get(at)?;
    Some(Shape { takes: *takes, gives: *gives })
}

impl Shape {
    /// The arguments that a message holds.
    pub fn arguments(self, message: &[u8]) -> Result<Vec<Packed>, WireError> {
        self.read(message).map_err(|_| WireError::NoArguments)
    }

    fn read(self, message: &[u8]) -> Result<Vec<Packed>, DecodeError> {
        Ok(match self.takes {
            Takes::Nothing => Vec::new(),
            Takes::Bool => vec![m::Bool::decode(message)?.v.into()],
            Takes::Int => vec![m::Int::decode(message)?.v.into()],
            Takes::Text => vec![m::Text::decode(message)?.v.into()],
            Takes::Octets => vec![Packed::Binary(m::Octets::decode(message)?.v)],
            Takes::Pair => {
                let pair = m::Pair::decode(message)?;
                vec![pair.k.into(), pair.v.map_or(Packed::Nil, taken)]
            }
            Takes::List => ListValue::decode(message)?.values.into_iter().map(taken).collect(),
            Takes::Object => vec![map(Struct::decode(message)?)],
            Takes::Exit => {
                let exit = m::Exit::decode(message)?;
                let body = if exit.body.is_empty() { Packed::Nil } else { Packed::Binary(exit.body) };
                vec![exit.status.into(), body, exit.headers.map_or(Packed::Nil, map)]
            }
            Takes::Target => {
                let target = m::Target::decode(message)?;
                vec![target.host.into(), target.port.into()]
            }
            Takes::ConsumerSpec => {
                let spec = m::ConsumerSpec::decode(message)?;
                vec![spec.id.into(), spec.by_username.into()]
            }
            Takes::Authenticate => {
                let given = m::Authenticate::decode(message)?;
                vec![
                    given.consumer.map_or(Packed::Nil, |consumer| {
                        let tags = consumer.tags.into_iter().map(Packed::from).collect();
                        filled([
                            ("id", consumer.id.into()),
                            ("username", consumer.username.into()),
                            ("custom_id", consumer.custom_id.into()),
                            ("tags", Packed::Array(tags)),
                        ])
                    }),
                    given.credential.map_or(Packed::Nil, |credential| {
                        filled([("id", credential.id.into()), ("consumer_id", credential.consumer_id.into())])
                    }),
                ]
            }
        })
    }

    /// The message of a result, or of what the function returned as an error.
    pub fn answer(self, result: &Packed, error: Option<String>) -> Vec<u8> {
        if result.is_nil() && self.gives != Gives::RawBody && self.gives != Gives::Value {
            return Vec::new();
        }
        match self.gives {
            Gives::Nothing => Vec::new(),
            Gives::Bool => m::Bool { v: result.as_bool().unwrap_or_default() }.encode_to_vec(),
            Gives::Int => m::Int { v: small(result) }.encode_to_vec(),
            Gives::Number => m::Number { v: result.as_f64().unwrap_or_default() }.encode_to_vec(),
            Gives::Text => m::Text { v: text(result) }.encode_to_vec(),
            Gives::Octets => m::Octets { v: octets(result) }.encode_to_vec(),
            Gives::Value => given(result).encode_to_vec(),
            Gives::Object => object(result).encode_to_vec(),
            Gives::RawBody => {
                let read = match result {
                    Packed::Nil => m::Read::Error(error.unwrap_or_else(|| "Can't read request body".to_owned())),
                    body => m::Read::Content(octets(body)),
                };
                m::RawBody { read: Some(read) }.encode_to_vec()
            }
            Gives::Captures => {
                let named = member(result, "named").as_map().map_or(&[][..], Vec::as_slice);
                m::Captures {
                    unnamed: items(member(result, "unnamed")).iter().map(octets).collect(),
                    named: named.iter().map(|(name, value)| (text(name), octets(value))).collect(),
                }
                .encode_to_vec()
            }
            Gives::Credential => {
                let consumer = text_of(result, "consumer_id");
                let of = if consumer.is_empty() { text_of(member(result, "consumer"), "id") } else { consumer };
                m::Credential { id: text_of(result, "id"), consumer_id: of }.encode_to_vec()
            }
            Gives::Consumer => m::Consumer {
                id: text_of(result, "id"),
                created_at: whole(member(result, "created_at")),
                username: text_of(result, "username"),
                custom_id: text_of(result, "custom_id"),
                tags: texts(member(result, "tags")),
            }
            .encode_to_vec(),
            Gives::Route => route(result).encode_to_vec(),
            Gives::Service => service(result).encode_to_vec(),
            Gives::MemoryStats => memory(result).encode_to_vec(),
        }
    }
}

/// A map of the members that are not empty.
fn filled<const N: usize>(members: [(&str, Packed); N]) -> Packed {
    let Packed::Map(mut all) = wire::map(members) else { return Packed::Nil };
    all.retain(|(_, value)| value.as_str() != Some("") && value.as_array().is_none_or(|items| !items.is_empty()));
    Packed::Map(all)
}

fn reference(value: &Packed) -> Option<m::Reference> {
    (!value.is_nil()).then(|| m::Reference { id: text_of(value, "id") })
}

fn route(of: &Packed) -> m::Route {
    let flag = |name: &str| member(of, name).as_bool().unwrap_or_default();
    m::Route {
        id: text_of(of, "id"),
        created_at: whole(member(of, "created_at")),
        updated_at: whole(member(of, "updated_at")),
        name: text_of(of, "name"),
        protocols: texts(member(of, "protocols")),
        methods: texts(member(of, "methods")),
        hosts: texts(member(of, "hosts")),
        paths: texts(member(of, "paths")),
        https_redirect_status_code: small(member(of, "https_redirect_status_code")),
        regex_priority: small(member(of, "regex_priority")),
        strip_path: flag("strip_path"),
        preserve_host: flag("preserve_host"),
        snis: texts(member(of, "snis")),
        tags: texts(member(of, "tags")),
        service: reference(member(of, "service")),
    }
}

fn service(of: &Packed) -> m::Service {
    m::Service {
        id: text_of(of, "id"),
        created_at: whole(member(of, "created_at")),
        updated_at: whole(member(of, "updated_at")),
        name: text_of(of, "name"),
        retries: small(member(of, "retries")),
        protocol: text_of(of, "protocol"),
        host: text_of(of, "host"),
        port: small(member(of, "port")),
        path: text_of(of, "path"),
        connect_timeout: small(member(of, "connect_timeout")),
        write_timeout: small(member(of, "write_timeout")),
        read_timeout: small(member(of, "read_timeout")),
        tags: texts(member(of, "tags")),
        client_certificate: reference(member(of, "client_certificate")),
    }
}

fn memory(of: &Packed) -> m::MemoryStats {
    let dictionaries = member(of, "lua_shared_dicts");
    let dictionary = |name: &str| {
        let found = member(dictionaries, name);
        (!found.is_nil()).then(|| m::Dictionary {
            allocated_slabs: whole(member(found, "allocated_slabs")),
            capacity: whole(member(found, "capacity")),
        })
    };
    let states = items(member(of, "workers_lua_vms")).iter();
    m::MemoryStats {
        lua_shared_dicts: (!dictionaries.is_nil())
            .then(|| m::Dictionaries { kong: dictionary("kong"), kong_db_cache: dictionary("kong_db_cache") }),
        workers_lua_vms: states
            .map(|state| m::State {
                http_allocated_gc: whole(member(state, "http_allocated_gc")),
                pid: whole(member(state, "pid")),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map<const N: usize>(members: [(&str, Packed); N]) -> Packed {
        wire::map(members)
    }

    #[test]
    fn functions_are_found() {
        assert!(FUNCTIONS.is_sorted_by_key(|(name, ..)| *name));
        for (name, takes, gives) in FUNCTIONS {
            let found = shape(name).expect("there");
            assert_eq!((found.takes, found.gives), (*takes, *gives), "{name}");
        }
        assert!(shape("kong.client").is_none() && shape("").is_none());
    }

    #[test]
    fn arguments_are_read() {
        let read = |name: &str, message: Vec<u8>| shape(name).expect("there").arguments(&message).expect("read");
        let headers = map([("a", "b".into())]);
        let exit = m::Exit { status: 418, body: b"tea".to_vec(), headers: Some(object(&headers)) };
        assert_eq!(
            read("kong.response.exit", exit.encode_to_vec()),
            [418.into(), Packed::Binary(b"tea".to_vec()), headers]
        );
        assert_eq!(
            read("kong.response.exit", m::Exit { status: 401, ..m::Exit::default() }.encode_to_vec()),
            [401.into(), Packed::Nil, Packed::Nil]
        );
        let pair = m::Pair { k: "x".to_owned(), v: Some(given(&Packed::Array(vec![1.5.into(), true.into()]))) };
        assert_eq!(
            read("kong.ctx.shared.set", pair.encode_to_vec()),
            ["x".into(), Packed::Array(vec![1.5.into(), true.into()])]
        );
        let consumer = m::Consumer { id: "c".to_owned(), username: "ann".to_owned(), ..m::Consumer::default() };
        let known = m::Authenticate { consumer: Some(consumer), credential: None };
        assert_eq!(
            read("kong.client.authenticate", known.encode_to_vec()),
            [map([("id", "c".into()), ("username", "ann".into())]), Packed::Nil]
        );
        assert_eq!(read("kong.request.get_header", Vec::new()), ["".into()]);
        assert_eq!(shape("kong.request.get_header").expect("there").arguments(&[0xff]), Err(WireError::NoArguments));
    }

    #[test]
    fn results_are_told() {
        let told = |name: &str, result: Packed, error: Option<&str>| {
            shape(name).expect("there").answer(&result, error.map(str::to_owned))
        };
        assert_eq!(told("kong.request.get_header", "here".into(), None), b"\x0a\x04here");
        assert!(told("kong.request.get_header", Packed::Nil, None).is_empty());
        assert!(told("kong.service.set_upstream", Packed::Nil, Some("no")).is_empty());
        assert_eq!(told("kong.request.get_query_arg", true.into(), None), b"\x0a\x04true");
        let body = |bytes: Vec<u8>| m::RawBody::decode(bytes.as_slice()).expect("a body").read.expect("read");
        let binary = Packed::Binary(vec![0xff]);
        assert_eq!(body(told("kong.request.get_raw_body", binary, None)), m::Read::Content(vec![0xff]));
        assert_eq!(
            body(told("kong.request.get_raw_body", Packed::Nil, Some("too large"))),
            m::Read::Error("too large".to_owned())
        );
        let credential = map([("id", "k".into()), ("consumer", map([("id", "c".into())]))]);
        let told_of = told("kong.client.get_credential", credential, None);
        let expected = m::Credential { id: "k".to_owned(), consumer_id: "c".to_owned() };
        assert_eq!(m::Credential::decode(told_of.as_slice()), Ok(expected));
        let service = map([("host", "h.test".into()), ("port", 80.into()), ("retries", 5.into())]);
        let told_of = told("kong.router.get_service", service, None);
        let expected = m::Service { host: "h.test".to_owned(), port: 80, retries: 5, ..m::Service::default() };
        assert_eq!(m::Service::decode(told_of.as_slice()), Ok(expected));
        // nothing that a function could give is a panic
        for (name, ..) in FUNCTIONS {
            for result in [Packed::Nil, 1e300.into(), "x".into(), Packed::Array(vec![Packed::Nil]), map([])] {
                told(name, result, None);
            }
        }
    }

    proptest! {
        #[test]
        fn no_argument_is_a_panic(which in 0..FUNCTIONS.len(), bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let (_, takes, gives) = FUNCTIONS[which];
            let _ = Shape { takes, gives }.arguments(&bytes);
        }
    }
}
