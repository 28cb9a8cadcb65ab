//! Which clients are asked for a certificate, and by which authorities plugins judge it.

use entities::{DEFAULT_WORKSPACE, Definitions, PluginSchema, VaultSchemas};
use exchange::{Chunk, Directory, Exchange, Flow, Instance, Phases, PluginType, Registry, Services, Step};
use router::Flavor;
use serde_json::{Value, json};
use snapshot::{Builder, Snapshot};
use std::sync::Arc;
use store::{Catalog, Id, Record, View};
use uuid::Uuid;

/// Needs certificates where its name says so.
struct Curious(&'static str);

impl Instance for Curious {
    fn name(&self) -> &'static str {
        self.0
    }
    fn priority(&self) -> i32 {
        1
    }
    fn phases(&self) -> Phases {
        Phases::ACCESS
    }
    fn rewrite<'a>(&'a self, _: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }
    fn access<'a>(&'a self, _: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }
    fn response<'a>(&'a self, _: &'a mut Exchange) -> Step<'a> {
        Step::NEXT
    }
    fn header_filter(&self, _: &mut Exchange) -> Flow {
        Flow::Next
    }
    fn body_filter(&self, _: &mut Exchange, _: &mut Chunk) {}
    fn log(&self, _: &Exchange) {}
    fn asks_for_certificate(&self) -> bool {
        self.0 == "asking"
    }
}

fn plugin(name: &'static str) -> PluginType {
    let schema = PluginSchema::with_config(name, schema::Record::new());
    PluginType::new(name, "1", schema, move |_, _, _| Ok(Arc::new(Curious(name))))
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add(plugin("asking"));
    registry.add(plugin("quiet"));
    registry
}

fn definitions() -> Arc<Definitions> {
    let schemas = registry().iter().map(|plugin| plugin.schema.clone()).collect();
    Arc::new(Definitions::new(schemas, VaultSchemas::default(), Flavor::TraditionalCompatible, true))
}

const fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn record(entity: &'static str, number: u128, fields: Value) -> Record {
    let Value::Object(mut members) = fields else { panic!("no object") };
    members.insert("id".into(), json!(uuid(number)));
    let value = definitions().process_insert(entity, members, 1_700_000_000.0);
    let value = value.unwrap_or_else(|fault| panic!("{entity}: {fault:?}"));
    let ws = (entity != "ca_certificates").then_some(DEFAULT_WORKSPACE);
    Record { entity, id: Id::Uuid(uuid(number)), ws, value, expires: None }
}

fn built(records: Vec<Record>, previous: &Snapshot) -> Snapshot {
    let builder = Builder::new(
        definitions(),
        Arc::new(registry()),
        Services::alone(Uuid::nil()),
        Flavor::TraditionalCompatible,
        Arc::default(),
    );
    let view = View::of(Arc::new(Catalog::of(&definitions())), records, 1).expect("is consistent");
    builder.build(&view, previous).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn nothing() -> Snapshot {
    Snapshot::empty(Flavor::TraditionalCompatible)
}

#[test]
fn those_who_are_needed_are_asked() {
    let https = |path: &str, names: Value| json!({ "paths": [path], "service": { "id": uuid(1) }, "protocols": ["https"], "snis": names });
    let routes = || {
        vec![
            record("services", 1, json!({ "host": "a.test" })),
            record("routes", 2, https("/two", json!(["two.test", "Also.Test"]))),
            record("routes", 3, https("/three", json!(["three.test"]))),
            record("routes", 4, https("/four", Value::Null)),
        ]
    };
    let at = |entity: &str, id: u128| json!({ "id": uuid(id) }).as_object().map(|id| (entity.to_owned(), json!(id)));
    let (two, three) = (Some("two.test"), Some("THREE.test"));
    for (name, place, asked) in [
        ("asking", at("route", 2), [true, false, false, false]),
        ("asking", at("route", 3), [false, true, false, false]),
        // One of the Routes has no name, so nobody can be told apart.
        ("asking", at("route", 4), [true, true, true, true]),
        ("asking", at("service", 1), [true, true, true, true]),
        ("asking", None, [true, true, true, true]),
        ("quiet", None, [false, false, false, false]),
    ] {
        let mut members = json!({ "name": name });
        if let Some((field, id)) = place.clone() {
            members[field] = id;
        }
        let mut records = routes();
        records.push(record("plugins", 9, members));
        let snapshot = built(records, &nothing());
        let found = [two, three, Some("other.test"), None].map(|name| snapshot.asks_for_certificate(name));
        assert_eq!(found, asked, "{name} {place:?}");
        assert_eq!(snapshot.asks_anyone_for_certificate(), asked.contains(&true), "{name} {place:?}");
    }
    assert!(!built(routes(), &nothing()).asks_anyone_for_certificate());
}

#[test]
fn an_authority_is_the_same_until_its_certificate_changes() {
    let pem = || {
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").pem()
    };
    let authority = |pem: &str, tag: &str| record("ca_certificates", 5, json!({ "cert": pem, "tags": [tag] }));
    let (one, other) = (pem(), pem());
    let first = built(vec![authority(&one, "a")], &nothing());
    let again = built(vec![authority(&one, "b")], &first);
    let changed = built(vec![authority(&other, "b")], &again);
    let of = |snapshot: &Snapshot| snapshot.authority(uuid(5)).expect("is there");
    assert!(Arc::ptr_eq(&of(&first), &of(&again)));
    assert_ne!(of(&again), of(&changed));
    assert!(built(Vec::new(), &changed).authority(uuid(5)).is_none());
}
