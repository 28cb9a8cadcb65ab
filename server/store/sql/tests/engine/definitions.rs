//! The tables of the real definitions.

use crate::postgres;
use crate::support::{background, batch, insert, open_on, settings};
use entities::{Definitions, Flavor, PluginSchemas, VaultSchemas};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Catalog, Error, Id, Operation, Record, Store};
use store_sql::{Blueprint, Database, Sql, Sqlite};
use uuid::Uuid;

const WS: Uuid = Uuid::from_u128(0xA);

fn definitions(flavor: Flavor) -> Definitions {
    Definitions::new(PluginSchemas::default(), VaultSchemas::default(), flavor, true)
}

fn catalog(flavor: Flavor) -> Arc<Catalog> {
    Arc::new(Catalog::of(&definitions(flavor)))
}

fn blueprint(flavor: Flavor) -> Blueprint {
    Blueprint::of(catalog(flavor), &definitions(flavor))
}

fn open(database: Database) -> Sql {
    let blueprint = blueprint(Flavor::TraditionalCompatible);
    open_on(background(), settings(database), blueprint).expect("opens")
}

fn record(entity: &str, input: Value) -> Record {
    let definitions = definitions(Flavor::TraditionalCompatible);
    let Value::Object(input) = input else { panic!("an object") };
    let value: Map<String, Value> = definitions.process_insert(entity, input, 1_700_000_000.25).expect("is valid");
    let definition = definitions.entity(entity).expect("is there");
    let id = Id::of(definition.primary_key, &value).expect("has a key");
    let ws = definition.workspaceable.then_some(WS);
    Record { entity: definition.name, id, ws, value, expires: None }
}

#[test]
fn the_tables_are_the_same_for_every_flavour() {
    let tables = |flavor| blueprint(flavor).tables();
    assert_eq!(tables(Flavor::TraditionalCompatible), tables(Flavor::Traditional));
    assert_eq!(tables(Flavor::TraditionalCompatible), tables(Flavor::Expressions));
}

#[test]
fn every_kind_of_the_definitions_has_a_table_of_its_own() {
    let tables = blueprint(Flavor::TraditionalCompatible).tables();
    let table = |name: &str| tables.iter().find(|table| table.name == name).expect(name);
    assert_eq!(table("keyauth_credentials").namespace, "key-auth");
    assert_eq!(table("services").namespace, "core");
    assert_eq!(table("parameters").key.kind, migration::Kind::Text);
    let kind = |table: &migration::Table, name: &str| {
        table.columns.iter().find(|column| column.name == name).map(|column| column.kind)
    };
    for (name, expected) in [
        ("service", migration::Kind::Uuid),
        ("name", migration::Kind::Text),
        ("regex_priority", migration::Kind::Integer),
        ("strip_path", migration::Kind::Boolean),
        ("paths", migration::Kind::Json),
        ("expression", migration::Kind::Text),
    ] {
        assert_eq!(kind(table("routes"), name), Some(expected), "{name}");
    }
}

#[tokio::test]
async fn entities_come_back_as_they_were_written() {
    let databases = [Database::Sqlite(Sqlite::memory()), postgres::empty()];
    for database in databases {
        let store = open(database);
        let service = record("services", json!({"name": "s", "host": "example.com", "tags": ["b", "a"], "port": 8080}));
        let reference = json!({"id": service.id.to_string()});
        let route = record(
            "routes",
            json!({"name": "r", "paths": ["/b", "/a"], "service": reference, "headers": {"z": ["1"], "a": ["2"]}}),
        );
        let upstream = record("upstreams", json!({"name": "u", "healthchecks": {"threshold": 12.5}}));
        let target = record("targets", json!({"target": "127.0.0.1:80", "upstream": {"id": upstream.id.to_string()}}));
        let consumer = record("consumers", json!({"username": "jane", "custom_id": "ß"}));
        let who = json!({"id": consumer.id.to_string()});
        let key = record("keyauth_credentials", json!({"key": "secret", "consumer": who}));
        let group = record("consumer_groups", json!({"name": "g"}));
        let member = record(
            "consumer_group_consumers",
            json!({"consumer": who, "consumer_group": {"id": group.id.to_string()}}),
        );
        let all = vec![service, route, upstream, target, consumer, key, group, member];
        store.apply(insert(all.clone())).await.expect("inserts");
        for record in &all {
            let found = store.get(record.entity, &record.id).await.expect("reads").expect("is there");
            assert_eq!(*found, *record);
            // Byte for byte, but for the order of an entity's own fields.
            for (field, value) in &record.value {
                assert_eq!(found.value[field].to_string(), value.to_string(), "{}.{field}", record.entity);
            }
        }
        let [service, route, .., group, member] = &all[..] else { panic!("eight") };
        let kept = store.apply(batch(vec![Operation::Delete { entity: "services", id: service.id.clone() }])).await;
        assert!(matches!(kept, Err(Error::Referenced { entity: "services", by: "routes", .. })), "{kept:?}");
        let gone = Operation::Delete { entity: "consumer_groups", id: group.id.clone() };
        store
            .apply(batch(vec![gone, Operation::Delete { entity: "routes", id: route.id.clone() }]))
            .await
            .expect("deletes");
        assert_eq!(store.get(member.entity, &member.id).await, Ok(None));
        // And through the log.
        let changes = store.changes(0, 1000).await.expect("has a log");
        assert_eq!(changes.len(), all.len() + 3);
    }
}
