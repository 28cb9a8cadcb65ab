//! The SQL engine does what the memory engine does, whatever is asked of them.

use crate::postgres;
use crate::support::open;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{
    Batch, ChangeKind, Filter, Id, Memory, Operation, Precondition, Query, Record, Store, TagFilter, conformance,
};
use store_sql::{Database, Sql, Sqlite};
use uuid::Uuid;

const KINDS: [&str; 4] = ["parents", "children", "guards", "notes"];

fn uuid(number: u8) -> Uuid {
    // Spread, so that order is not the order of insertion.
    Uuid::from_u128(u128::from(number.wrapping_mul(151)) << 120 | u128::from(number))
}

fn ws(number: u8) -> Uuid {
    Uuid::from_u128(0xF0 + u128::from(number))
}

#[derive(Clone, Debug)]
struct Shape {
    kind: usize,
    id: u8,
    ws: u8,
    name: Option<u8>,
    parent: Option<u8>,
    tags: Vec<u8>,
    expired: bool,
    extra: Option<Value>,
}

impl Shape {
    fn record(&self) -> Record {
        let mut value = Map::new();
        value.insert("id".into(), json!(uuid(self.id)));
        if self.kind < 3 {
            value.insert("name".into(), self.name.map_or(Value::Null, |name| json!(format!("n{name}"))));
        }
        if self.kind > 0 {
            value.insert("parent".into(), self.parent.map_or(Value::Null, |parent| json!({"id": uuid(parent)})));
        }
        if !self.tags.is_empty() {
            value.insert("tags".into(), self.tags.iter().map(|tag| format!("t{tag}")).collect());
        }
        if let Some(extra) = &self.extra {
            value.insert("extra".into(), extra.clone());
        }
        Record {
            entity: KINDS[self.kind],
            id: Id::Uuid(uuid(self.id)),
            ws: Some(ws(self.ws)),
            value,
            expires: self.expired.then_some(1),
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000i32..1000).prop_map(|number| json!(f64::from(number) / 4.0)),
        "[a-z\0'\"\\\\é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[a-z]{0,3}", inner), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        0..4usize,
        0u8..6,
        prop_oneof![4 => Just(0u8), 1 => Just(1u8)],
        prop::option::of(0u8..4),
        prop::option::of(0u8..6),
        prop::collection::vec(0u8..3, 0..3),
        prop::bool::weighted(0.05),
        prop::option::of(json_value()),
    )
        .prop_map(|(kind, id, ws, name, parent, tags, expired, extra)| Shape {
            kind,
            id,
            ws,
            name,
            parent,
            tags,
            expired,
            extra,
        })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => shape().prop_map(|shape| Operation::Insert(shape.record())),
        2 => shape().prop_map(|shape| Operation::Update(shape.record())),
        4 => shape().prop_map(|shape| Operation::Upsert(shape.record())),
        3 => (0..4usize, 0u8..6).prop_map(|(kind, id)| Operation::Delete { entity: KINDS[kind], id: Id::Uuid(uuid(id)) }),
        1 => prop::collection::vec(shape(), 0..5)
            .prop_map(|all| Operation::ReplaceAll(all.iter().map(Shape::record).collect())),
    ]
}

fn precondition() -> impl Strategy<Value = Precondition> {
    prop_oneof![
        (0u64..12).prop_map(Precondition::Version),
        (0u8..6).prop_map(|id| Precondition::Reference { entity: "parents", id: Id::Uuid(uuid(id)) }),
        (0u8..4).prop_map(|name| Precondition::Unique {
            entity: "parents",
            ws: Some(ws(0)),
            field: "name",
            value: json!(format!("n{name}"))
        }),
    ]
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let batch = (prop::collection::vec(operation(), 1..4), prop::option::weighted(0.15, precondition())).prop_map(
        |(operations, precondition)| Batch {
            operations,
            preconditions: precondition.into_iter().collect(),
            author: "tester".into(),
            request_id: "r".into(),
        },
    );
    prop::collection::vec(batch, 1..12)
}

/// A change without its time.
fn seen(changes: Vec<store::Change>) -> Vec<String> {
    changes
        .into_iter()
        .map(|change| {
            let kind = match change.kind {
                // Maps are compared without their order.
                ChangeKind::Record { entity, id, ws, before, after } => {
                    let sorted = |record: Option<Arc<Record>>| {
                        record.map(|record| {
                            let mut fields: Vec<_> =
                                record.value.iter().map(|(k, v)| (k.clone(), v.to_string())).collect();
                            fields.sort();
                            (fields, record.ws, record.expires)
                        })
                    };
                    format!("{entity} {id} {ws:?} {:?} {:?}", sorted(before), sorted(after))
                }
                other => format!("{other:?}"),
            };
            format!("{} {} {} {kind}", change.revision, change.author, change.request_id)
        })
        .collect()
}

async fn same(sql: &Sql, memory: &Memory) {
    assert_eq!(sql.revision().await, memory.revision().await);
    let (left, right) = (sql.view().await.expect("reads"), memory.current());
    for kind in KINDS {
        let all = |view: &store::View| view.all(kind).map(|record| Record::clone(record)).collect::<Vec<_>>();
        assert_eq!(all(&left), all(&right), "{kind}");
        for number in 0..6 {
            let id = Id::Uuid(uuid(number));
            assert_eq!(sql.get(kind, &id).await, memory.get(kind, &id).await);
        }
        for (space, name) in [(None, 0), (Some(ws(0)), 1), (Some(ws(1)), 2)] {
            let value = json!(format!("n{name}"));
            let found = sql.by_unique(kind, space, "name", &value).await.expect("reads");
            let expected = memory.by_unique(kind, space, "name", &value).await.expect("reads");
            // Without a workspace any of several may be found, and one that is expired hides the others in memory.
            if space.is_some() {
                assert_eq!(found, expected, "{kind} {value}");
            }
        }
        let tags = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut filters = vec![
            Filter::default(),
            Filter { tags: Some(TagFilter::All(tags(&["t0", "t1"]))), reference: None },
            Filter { tags: Some(TagFilter::Any(tags(&["t0", "t2"]))), reference: None },
            Filter { tags: Some(TagFilter::All(vec![])), reference: None },
            Filter { tags: Some(TagFilter::Any(vec![])), reference: None },
        ];
        if kind != "parents" {
            let reference = Some(("parent", Id::Uuid(uuid(1))));
            filters.push(Filter { reference: reference.clone(), tags: None });
            filters.push(Filter { reference, tags: Some(TagFilter::Any(tags(&["t0", "t1"]))) });
        }
        for (filter, space) in filters.iter().flat_map(|filter| [(filter, None), (filter, Some(ws(0)))]) {
            let mut query = Query { entity: kind, ws: space, after: None, size: 2, filter: filter.clone() };
            loop {
                let found = sql.page(&query).await.expect("reads");
                let expected = memory.page(&query).await.expect("reads");
                assert_eq!((&found.records, &found.next), (&expected.records, &expected.next), "{query:?}");
                match found.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
        }
    }
    for limit in [1, 3, 1000] {
        let found = sql.changes(0, limit).await.map(seen);
        assert_eq!(found, memory.changes(0, limit).await.map(seen));
    }
}

fn compare(cases: u32, make: impl Fn() -> Sql) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&batches(), |batches| {
        let (sql, memory) = (make(), Memory::new(conformance::catalog()));
        runtime.block_on(async {
            // Kept, so that the next one is made of this one and the changes.
            let mut view = sql.view().await.expect("reads");
            for batch in batches {
                let shown = format!("{batch:?}");
                let expected = memory.apply(batch.clone()).await;
                let found = sql.apply(batch).await;
                prop_assert_eq!(found, expected, "{}", shown);
                view = sql.view().await.expect("reads");
                let now = memory.current();
                prop_assert_eq!((view.len(), view.revision()), (now.len(), now.revision()));
            }
            same(&sql, &memory).await;
            drop(view);
            same(&sql, &memory).await;
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn sqlite_does_what_memory_does() {
    compare(150, || open(Database::Sqlite(Sqlite::memory()), conformance::catalog()));
}

#[test]
fn postgresql_does_what_memory_does() {
    // One database: each case begins with another empty schema.
    let to = postgres::database();
    let next = std::cell::Cell::new(0);
    compare(40, || {
        next.set(next.get() + 1);
        let schema = Some(format!("Case {}", next.get()));
        open(Database::Postgres(store_sql::Postgres { schema, ..to.clone() }), conformance::catalog())
    });
}
