use super::*;
use crate::conformance;
use crate::{Filter, Rules, Unique};
use proptest::prelude::*;
use serde_json::{Map, json};
use std::collections::BTreeMap;

#[tokio::test]
async fn keeps_what_every_engine_must() {
    conformance::check(|catalog| Memory::with_log(catalog, 64)).await;
}

#[tokio::test]
async fn forgets_old_changes_and_says_so() {
    let store = Memory::with_log(conformance::catalog(), 3);
    for index in 1..=5u128 {
        let record = conformance::parent(index, &format!("p{index}"));
        store.commit(Batch { operations: vec![Operation::Insert(record)], ..Batch::default() }).unwrap();
    }
    assert_eq!(store.changes(0, 10).await.unwrap_err(), Error::Forgotten { oldest: 2 });
    assert_eq!(store.changes(2, 10).await.unwrap().len(), 3);
    assert_eq!(store.changes(5, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn expired_records_are_gone_and_give_their_values_back() {
    let store = Memory::new(conformance::catalog());
    let mut old = conformance::parent(1, "taken");
    old.expires = Some(1);
    store.commit(Batch { operations: vec![Operation::Insert(old.clone())], ..Batch::default() }).unwrap();
    assert!(store.get("parents", &old.id).await.unwrap().is_none());
    let fresh = conformance::parent(2, "taken");
    store.commit(Batch { operations: vec![Operation::Insert(fresh)], ..Batch::default() }).unwrap();
    let found = store.by_unique("parents", old.ws, "name", &json!("taken")).await.unwrap().unwrap();
    assert_eq!(found.id, Id::Uuid(Uuid::from_u128(2)));
}

#[tokio::test]
async fn a_view_follows_changes() {
    let store = Memory::new(conformance::catalog());
    let commit = |operations| store.commit(Batch { operations, ..Batch::default() }).unwrap();
    commit(vec![Operation::Insert(conformance::parent(1, "one")), Operation::Insert(conformance::parent(2, "two"))]);
    let first = store.current();
    let gone = Operation::Delete { entity: "parents", id: Id::Uuid(Uuid::from_u128(1)) };
    commit(vec![
        gone,
        Operation::Update(conformance::parent(2, "one")),
        Operation::Insert(conformance::parent(3, "two")),
    ]);
    let now = store.current();
    let changes = store.changes(first.revision(), 100).await.unwrap();
    let followed = first.followed(&changes, now.revision()).unwrap();
    assert_eq!(followed.revision(), now.revision());
    assert!(followed.all("parents").eq(now.all("parents")));
    let kept = View::kept(now.catalog().clone(), now.all("parents").cloned(), now.revision());
    for view in [followed, kept] {
        let found = view.by_unique("parents", None, "name", &json!("one"));
        assert_eq!(found, now.by_unique("parents", None, "name", &json!("one")));
    }
    store.commit(Batch::replace_all(vec![])).unwrap();
    assert!(first.followed(&store.changes(1, 100).await.unwrap(), 3).is_none());
}

/// What the indexes must agree with: a plain map that is searched from end to end.
#[derive(Default)]
struct Naive(BTreeMap<u8, (Option<u8>, u8, Option<u8>)>);

impl Naive {
    fn put(&mut self, id: u8, name: Option<u8>, ws: u8, parent: Option<u8>) -> bool {
        let taken = self.0.iter().any(|(other, row)| *other != id && row.1 == ws && name.is_some() && row.0 == name);
        if !taken {
            self.0.insert(id, (name, ws, parent));
        }
        !taken
    }
}

fn child(id: u8, name: Option<u8>, ws: u8, parent: Option<u8>) -> Record {
    let mut value = Map::new();
    value.insert("id".into(), json!(Uuid::from_u128(u128::from(id))));
    value.insert("name".into(), name.map_or(Value::Null, |name| json!(format!("n{name}"))));
    value.insert("parent".into(), parent.map_or(Value::Null, |p| json!({"id": Uuid::from_u128(u128::from(p))})));
    Record {
        entity: "things",
        id: Id::Uuid(Uuid::from_u128(u128::from(id))),
        ws: Some(Uuid::from_u128(u128::from(ws))),
        value,
        expires: None,
    }
}

fn things() -> Arc<Catalog> {
    let unique = Unique { fields: vec!["name"], across_workspaces: false, nulls: false };
    // The referenced kind is not in the catalog: references are indexed and not checked.
    let parent = crate::Reference { field: "parent", entity: "elsewhere", on_delete: OnDelete::Cascade };
    Arc::new(Catalog::new(vec![Rules {
        entity: "things",
        primary_key: vec!["id"],
        workspaced: true,
        unique: vec![unique],
        references: vec![parent],
    }]))
}

proptest! {
    #[test]
    fn indexes_agree_with_searching(
        steps in prop::collection::vec((any::<bool>(), 0u8..12, prop::option::of(0u8..5), 0u8..2, prop::option::of(0u8..4)), 0..60)
    ) {
        let store = Memory::new(things());
        let mut naive = Naive::default();
        for (put, id, name, ws, parent) in steps {
            if put {
                let applied = store.commit(Batch { operations: vec![Operation::Upsert(child(id, name, ws, parent))], ..Batch::default() });
                prop_assert_eq!(applied.is_ok(), naive.put(id, name, ws, parent));
            } else {
                let id_of = Id::Uuid(Uuid::from_u128(u128::from(id)));
                store.commit(Batch { operations: vec![Operation::Delete { entity: "things", id: id_of }], ..Batch::default() }).unwrap();
                naive.0.remove(&id);
            }
            let view = store.current();
            prop_assert_eq!(view.count("things"), naive.0.len());
            for ws in 0u8..2 {
                let ws_id = Some(Uuid::from_u128(u128::from(ws)));
                for name in 0u8..5 {
                    let found = view.by_unique("things", ws_id, "name", &json!(format!("n{name}"))).and_then(|r| r.id.uuid());
                    let expected = naive.0.iter().find(|(_, row)| row.0 == Some(name) && row.1 == ws);
                    prop_assert_eq!(found, expected.map(|(id, _)| Uuid::from_u128(u128::from(*id))));
                }
                for parent in 0u8..4 {
                    let filter = Filter { reference: Some(("parent", Id::Uuid(Uuid::from_u128(u128::from(parent))))), tags: None };
                    let expected: Vec<Uuid> = naive.0.iter()
                        .filter(|(_, row)| row.2 == Some(parent) && row.1 == ws)
                        .map(|(id, _)| Uuid::from_u128(u128::from(*id))).collect();
                    // Pages of two must add up to the whole.
                    let (mut found, mut after) = (Vec::new(), None);
                    loop {
                        let query = Query { entity: "things", ws: ws_id, after, size: 2, filter: filter.clone() };
                        let page = view.page(&query, 0).unwrap();
                        found.extend(page.records.iter().filter_map(|record| record.id.uuid()));
                        after = page.next;
                        if after.is_none() { break; }
                    }
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }
}
