//! What did not change since the configuration before is not compiled again, and what follows from a change is.

use entities::{DEFAULT_WORKSPACE, Definitions, PluginSchemas, VaultSchemas};
use exchange::{Registry, Services};
use router::Flavor;
use serde_json::{Value, json};
use snapshot::{Builder, CompiledRoute, CompiledUpstream, Snapshot};
use std::sync::Arc;
use std::time::SystemTime;
use store::{Catalog, Change, ChangeKind, Id, Record, View};
use uuid::Uuid;

fn definitions() -> Arc<Definitions> {
    Arc::new(Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true))
}

fn builder() -> Builder {
    let services = Services::alone(Uuid::nil());
    Builder::new(definitions(), Arc::new(Registry::default()), services, Flavor::TraditionalCompatible, Arc::default())
}

const fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn record(entity: &'static str, number: u128, fields: Value) -> Record {
    let Value::Object(mut members) = fields else { panic!("no object") };
    members.insert("id".into(), json!(uuid(number)));
    let value = definitions().process_insert(entity, members, 1_700_000_000.0);
    let value = value.unwrap_or_else(|fault| panic!("{entity}: {fault:?}"));
    Record { entity, id: Id::Uuid(uuid(number)), ws: Some(DEFAULT_WORKSPACE), value, expires: None }
}

fn pem() -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["client".to_owned()]).expect("parameters");
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

const PLAIN: u128 = 1;
const SECURE: u128 = 2;
const CERTIFICATE: u128 = 3;
const POOL: u128 = 10;
const OTHER_POOL: u128 = 11;
const TARGET: u128 = 20;
const ROUTES: [u128; 3] = [31, 32, 33];

fn upstream(client: Option<u128>) -> Record {
    let client = client.map(|id| json!({"id": uuid(id)}));
    record("upstreams", POOL, json!({"name": "pool", "client_certificate": client}))
}

fn route(number: u128, service: u128, path: &str) -> Record {
    record("routes", number, json!({"paths": [path], "service": {"id": uuid(service)}}))
}

/// Two Services, three Routes, two Upstreams, a certificate.
fn configuration() -> View {
    let (cert, key) = pem();
    let records = vec![
        record("services", PLAIN, json!({"host": "a.test"})),
        record("services", SECURE, json!({"host": "pool", "protocol": "https"})),
        record("certificates", CERTIFICATE, json!({"cert": cert, "key": key})),
        upstream(None),
        record("upstreams", OTHER_POOL, json!({"name": "other"})),
        record("targets", TARGET, json!({"target": "127.0.0.1:1", "upstream": {"id": uuid(POOL)}})),
        route(ROUTES[0], PLAIN, "/one"),
        route(ROUTES[1], PLAIN, "/two"),
        route(ROUTES[2], SECURE, "/three"),
    ];
    View::of(Arc::new(Catalog::of(&definitions())), records, 1).expect("is consistent")
}

fn with(view: &View, record: Record) -> View {
    let kind = ChangeKind::Record {
        entity: record.entity,
        id: record.id.clone(),
        ws: record.ws,
        before: None,
        after: Some(Arc::new(record)),
    };
    let revision = view.revision() + 1;
    let change = Change { revision, at: SystemTime::now(), author: "".into(), request_id: "".into(), kind };
    view.followed(&[change], revision).expect("nothing was replaced")
}

fn build(builder: &Builder, view: &View, previous: &Snapshot) -> Snapshot {
    builder.build(view, previous).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn routed(snapshot: &Snapshot, number: u128) -> &CompiledRoute {
    let mut routes = snapshot.routes().iter();
    routes.find(|route| route.entity.id == uuid(number)).expect("is there")
}

fn pool<'s>(snapshot: &'s Snapshot, name: &str) -> &'s Arc<CompiledUpstream> {
    snapshot.upstream(DEFAULT_WORKSPACE, name).expect("is there")
}

/// Which parts two Snapshots share: Routes by their place, Services by their Routes', Upstreams, the router, the
/// certificates.
fn shared(one: &Snapshot, other: &Snapshot) -> String {
    let mut out = String::new();
    let mut add = |name: &str, same: bool| {
        if same {
            out.push_str(name);
            out.push(' ');
        }
    };
    for (index, number) in ROUTES.into_iter().enumerate() {
        let (one, other) = (routed(one, number), routed(other, number));
        let same_service = match (&one.service, &other.service) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        let same = Arc::ptr_eq(&one.entity, &other.entity) && Arc::ptr_eq(&one.chain, &other.chain);
        add(&format!("route{index}"), same && same_service);
    }
    for (name, number) in [("plain", ROUTES[0]), ("secure", ROUTES[2])] {
        let service = |snapshot| routed(snapshot, number).service.clone().expect("has one");
        add(name, Arc::ptr_eq(&service(one), &service(other)));
    }
    for name in ["pool", "other"] {
        add(name, Arc::ptr_eq(pool(one, name), pool(other, name)));
    }
    add("router", std::ptr::eq(one.router(), other.router()));
    add("certificates", Arc::ptr_eq(one.certificates(), other.certificates()));
    out.trim_end().to_owned()
}

#[test]
fn a_rebuild_touches_only_what_changed() {
    let (builder, view) = (builder(), configuration());
    let first = build(&builder, &view, &Snapshot::empty(Flavor::TraditionalCompatible));
    let everything = "route0 route1 route2 plain secure pool other router certificates";
    let (cert, key) = pem();
    for (what, change, expected) in [
        ("nothing", None, everything),
        ("a Route", Some(route(ROUTES[1], PLAIN, "/zwei")), "route0 route2 plain secure pool other certificates"),
        (
            "a Service",
            Some(record("services", PLAIN, json!({"host": "b.test"}))),
            "route2 secure pool other router certificates",
        ),
        (
            "a Target",
            Some(record("targets", 21, json!({"target": "127.0.0.1:2", "upstream": {"id": uuid(POOL)}}))),
            "route0 route1 route2 plain secure other router certificates",
        ),
        // The Service that names the Upstream shows the Upstream's certificate.
        (
            "a client certificate of an Upstream",
            Some(upstream(Some(CERTIFICATE))),
            "route0 route1 plain other router certificates",
        ),
        (
            "a certificate",
            Some(record("certificates", CERTIFICATE, json!({"cert": cert, "key": key}))),
            "route0 route1 plain pool other router",
        ),
        ("a Route more", Some(route(40, SECURE, "/four")), "route0 route1 route2 plain secure pool other certificates"),
        (
            "a Service that no Route leads to",
            Some(record("services", 50, json!({"host": "c.test", "enabled": false}))),
            everything,
        ),
    ] {
        let next = change.map_or_else(|| view.clone(), |record| with(&view, record));
        let second = build(&builder, &next, &first);
        assert_eq!(shared(&first, &second), expected, "{what}");
        assert!(second.generation > first.generation);
    }
}

#[test]
fn a_client_certificate_that_changes_changes_the_way_of_speaking() {
    let (builder, view) = (builder(), configuration());
    let speaking = |snapshot: &Snapshot| {
        let service = routed(snapshot, ROUTES[2]).service.clone().expect("has one");
        service.tls.as_ref().expect("speaks TLS").id()
    };
    let none = build(&builder, &view, &Snapshot::empty(Flavor::TraditionalCompatible));
    let view = with(&view, upstream(Some(CERTIFICATE)));
    let one = build(&builder, &view, &none);
    let (cert, key) = pem();
    let view = with(&view, record("certificates", CERTIFICATE, json!({"cert": cert, "key": key})));
    let other = build(&builder, &view, &one);
    assert_ne!(speaking(&none), speaking(&one));
    assert_ne!(speaking(&one), speaking(&other));
    assert!(pool(&other, "pool").tls.is_some());
    let back = build(&builder, &with(&view, upstream(None)), &other);
    assert_eq!(speaking(&back), speaking(&none));
}

#[test]
fn what_is_switched_off_leaves_the_router_and_comes_back() {
    let (builder, view) = (builder(), configuration());
    let first = build(&builder, &view, &Snapshot::empty(Flavor::TraditionalCompatible));
    let switched = |enabled: bool| record("services", PLAIN, json!({"host": "a.test", "enabled": enabled}));
    let off = build(&builder, &with(&view, switched(false)), &first);
    assert_eq!(off.routes().len(), 1);
    assert!(!std::ptr::eq(first.router(), off.router()));
    let on = build(&builder, &with(&view, switched(true)), &off);
    assert_eq!(on.routes().len(), 3);
    assert!(!std::ptr::eq(on.router(), off.router()));
}

#[test]
fn routes_of_streams_are_found_by_sessions_only() {
    struct Asked(router::NetProtocol);
    impl router::Request for Asked {
        fn net_protocol(&self) -> router::NetProtocol {
            self.0
        }
        fn source(&self) -> std::net::SocketAddr {
            ([127, 0, 0, 1], 1).into()
        }
        fn destination(&self) -> std::net::SocketAddr {
            ([127, 0, 0, 1], 9000).into()
        }
        fn header_values<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8]) -> bool) {}
    }
    let (builder, view) = (builder(), configuration());
    let stream = json!({"protocols": ["tcp", "udp"], "destinations": [{"port": 9000}], "service": {"id": uuid(PLAIN)}});
    let with_stream = with(&view, record("routes", 40, stream));
    let built = build(&builder, &with_stream, &Snapshot::empty(Flavor::TraditionalCompatible));
    for protocol in [router::NetProtocol::Tcp, router::NetProtocol::Udp] {
        let found = built.find_session(&Asked(protocol)).expect("a Route").route;
        assert_eq!((found.entity.id, found.protocols.is_stream()), (uuid(40), true));
    }
    assert!(built.find_session(&Asked(router::NetProtocol::Http)).is_none());
}
