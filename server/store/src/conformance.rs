//! What every engine must do, as one test: an engine's own tests call [`check`] with a constructor.

use crate::batch::{Batch, Operation, Precondition};
use crate::catalog::{Catalog, OnDelete, Reference, Rules, Unique};
use crate::changes::ChangeKind;
use crate::engine::{Filter, Query, Store, TagFilter};
use crate::error::Error;
use crate::record::{Id, Record};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use uuid::Uuid;

const WS: Uuid = Uuid::from_u128(0xA);
const OTHER_WS: Uuid = Uuid::from_u128(0xB);

/// Kinds with every sort of rule: `parents` (unique name, a tag list), `children` that go with their parent, `guards` (unique name) that
/// keep it, `notes` that forget it, and a composite uniqueness in which nulls count.
pub fn catalog() -> Arc<Catalog> {
    let unique = |fields: &[&'static str], nulls| Unique { fields: fields.to_vec(), across_workspaces: false, nulls };
    let parent = |on_delete| Reference { field: "parent", entity: "parents", on_delete };
    let rules =
        |entity, unique, references| Rules { entity, primary_key: vec!["id"], workspaced: true, unique, references };
    Arc::new(Catalog::new(vec![
        rules("parents", vec![unique(&["name"], false)], vec![]),
        rules("children", vec![unique(&["name", "parent"], true)], vec![parent(OnDelete::Cascade)]),
        rules("guards", vec![unique(&["name"], false)], vec![parent(OnDelete::Restrict)]),
        rules("notes", vec![], vec![parent(OnDelete::Null)]),
    ]))
}

fn record(entity: &'static str, id: u128, ws: Uuid, fields: Value) -> Record {
    let id = Uuid::from_u128(id);
    let mut value = Map::new();
    value.insert("id".into(), json!(id));
    if let Value::Object(fields) = fields {
        value.extend(fields);
    }
    Record { entity, id: Id::Uuid(id), ws: Some(ws), value, expires: None }
}

/// A parent with a name.
pub fn parent(id: u128, name: &str) -> Record {
    record("parents", id, WS, json!({"name": name, "tags": ["all", name]}))
}

fn child(entity: &'static str, id: u128, name: &str, parent: Option<u128>) -> Record {
    let reference = parent.map_or(Value::Null, |parent| json!({"id": Uuid::from_u128(parent)}));
    record(entity, id, WS, json!({"name": name, "parent": reference}))
}

fn batch(operations: Vec<Operation>) -> Batch {
    Batch { operations, author: "tester".into(), request_id: "r1".into(), ..Batch::default() }
}

fn id(id: u128) -> Id {
    Id::Uuid(Uuid::from_u128(id))
}

/// Runs every check on engines that `make` creates, each empty.
///
/// # Panics
/// When the engine does not do what it must.
pub async fn check<S: Store>(make: impl Fn(Arc<Catalog>) -> S) {
    reads_what_was_written(&make(catalog())).await;
    refuses_what_breaks_a_rule(&make(catalog())).await;
    deletes_with_what_hangs_on_it(&make(catalog())).await;
    applies_all_or_nothing(&make(catalog())).await;
    pages_in_order(&make(catalog())).await;
    replaces_everything(&make(catalog())).await;
    holds_preconditions(&make(catalog())).await;
    keeps_workspaces_apart(&make(catalog())).await;
    notes_and_counts(&make(catalog())).await;
    tells_what_happened_backwards(&make(catalog())).await;
}

async fn tells_what_happened_backwards<S: Store>(store: &S) {
    assert!(store.history(u64::MAX, 10).await.expect("reads").is_empty());
    let inserts = |ids: [u128; 2]| ids.map(|id| Operation::Insert(parent(id, &format!("p{id}")))).to_vec();
    let mut revisions = Vec::new();
    for ids in [[1, 2], [3, 4], [5, 6]] {
        revisions.push(store.apply(batch(inserts(ids))).await.expect("inserts"));
    }
    let [first, second, third] = revisions[..] else { panic!("three revisions") };
    for (until, limit, wanted) in [
        (u64::MAX, 10, vec![(third, 5), (third, 6), (second, 3), (second, 4), (first, 1), (first, 2)]),
        (third, 3, vec![(third, 5), (third, 6), (second, 3), (second, 4)]),
        (second, 1, vec![(second, 3), (second, 4)]),
        (second, 0, vec![(second, 3), (second, 4)]),
        (first - 1, 10, vec![]),
    ] {
        let found = store.history(until, limit).await.expect("reads");
        let found: Vec<_> = found
            .iter()
            .filter_map(|change| match &change.kind {
                ChangeKind::Record { id, .. } => Some((change.revision, id.clone())),
                ChangeKind::Replaced { .. } => None,
            })
            .collect();
        let wanted: Vec<_> = wanted.into_iter().map(|(revision, number)| (revision, id(number))).collect();
        assert_eq!(found, wanted, "until {until}, {limit}");
    }
}

async fn notes_and_counts<S: Store>(store: &S) {
    assert_eq!(store.count("parents", WS).await, Ok(0));
    store.note(vec![parent(1, "one"), parent(2, "first")]).await.expect("notes");
    store.note(vec![parent(2, "two")]).await.expect("replaces");
    store.apply(batch(vec![Operation::Insert(child("notes", 3, "n", Some(1)))])).await.expect("inserts");
    assert_eq!(store.get("parents", &id(2)).await.expect("reads").as_deref(), Some(&parent(2, "two")));
    let counts = (store.count("parents", WS).await, store.count("parents", OTHER_WS).await);
    assert_eq!(counts, (Ok(2), Ok(0)));
    assert!(matches!(store.count("unicorns", WS).await, Ok(0) | Err(Error::UnknownEntity(_))));
    let some = store.view_of(&["notes"]).await.expect("reads");
    assert_eq!((some.count("notes"), some.revision()), (1, store.revision().await.expect("has one")));
}

async fn reads_what_was_written<S: Store>(store: &S) {
    let mut watch = store.subscribe();
    assert_eq!(store.revision().await, Ok(0));
    let revision = store.apply(batch(vec![Operation::Insert(parent(1, "one"))])).await.expect("inserts");
    assert_eq!(store.revision().await, Ok(revision));
    assert!(watch.has_changed().expect("the store lives"));
    assert_eq!(*watch.borrow_and_update(), revision);

    let found = store.get("parents", &id(1)).await.expect("reads").expect("is there");
    assert_eq!(*found, parent(1, "one"));
    let found = store.by_unique("parents", Some(WS), "name", &json!("one")).await.expect("reads").expect("is there");
    assert_eq!(found.id, id(1));
    assert_eq!(store.by_unique("parents", Some(WS), "name", &json!("two")).await, Ok(None));
    assert_eq!(store.get("parents", &id(2)).await, Ok(None));
    assert!(matches!(store.get("unicorns", &id(1)).await, Err(Error::UnknownEntity(_))));

    store.apply(batch(vec![Operation::Update(parent(1, "renamed"))])).await.expect("updates");
    assert_eq!(store.by_unique("parents", Some(WS), "name", &json!("one")).await, Ok(None));
    let changes = store.changes(0, 100).await.expect("has a log");
    assert_eq!(changes.len(), 2);
    assert_eq!((&*changes[1].author, &*changes[1].request_id), ("tester", "r1"));
    let ChangeKind::Record { before: Some(before), after: Some(after), .. } = &changes[1].kind else {
        panic!("an update has a before and an after")
    };
    assert_eq!((before.text("name"), after.text("name")), (Some("one"), Some("renamed")));
    assert_eq!(store.changes(revision, 100).await.expect("has a log").len(), 1);
}

async fn refuses_what_breaks_a_rule<S: Store>(store: &S) {
    store.apply(batch(vec![Operation::Insert(parent(1, "one"))])).await.expect("inserts");
    let refused = store.apply(batch(vec![Operation::Insert(parent(1, "again"))])).await;
    assert_eq!(refused, Err(Error::PrimaryKey { entity: "parents", id: id(1) }));
    let refused = store.apply(batch(vec![Operation::Insert(parent(2, "one"))])).await;
    assert!(matches!(refused, Err(Error::Unique { entity: "parents", ref fields, .. }) if fields["name"] == "one"));
    let refused = store.apply(batch(vec![Operation::Update(parent(3, "three"))])).await;
    assert_eq!(refused, Err(Error::Missing { entity: "parents", id: id(3) }));
    let refused = store.apply(batch(vec![Operation::Insert(child("children", 4, "c", Some(9)))])).await;
    assert_eq!(refused, Err(Error::Foreign { entity: "children", field: "parent", reference: "parents", id: id(9) }));
    store.apply(batch(vec![Operation::Insert(child("guards", 7, "g", Some(1)))])).await.expect("inserts");
    let refused = store.apply(batch(vec![Operation::Insert(child("guards", 8, "g", Some(9)))])).await;
    assert!(matches!(refused, Err(Error::Unique { entity: "guards", .. })), "a taken value is told first: {refused:?}");
    // A null counts in the children's rule.
    store.apply(batch(vec![Operation::Insert(child("children", 5, "c", None))])).await.expect("inserts");
    let refused = store.apply(batch(vec![Operation::Insert(child("children", 6, "c", None))])).await;
    assert!(matches!(refused, Err(Error::Unique { entity: "children", .. })));
    store
        .apply(batch(vec![Operation::Insert(child("children", 6, "c", Some(1)))]))
        .await
        .expect("differs by its parent");
    // Values that went are free.
    store
        .apply(batch(vec![Operation::Upsert(parent(1, "new name")), Operation::Upsert(parent(2, "one"))]))
        .await
        .expect("frees");
}

async fn deletes_with_what_hangs_on_it<S: Store>(store: &S) {
    let operations = vec![
        Operation::Insert(parent(1, "one")),
        Operation::Insert(child("children", 2, "c", Some(1))),
        Operation::Insert(child("notes", 3, "n", Some(1))),
        Operation::Insert(child("guards", 4, "g", Some(1))),
    ];
    store.apply(batch(operations)).await.expect("inserts");
    let delete = || Operation::Delete { entity: "parents", id: id(1) };
    let refused = store.apply(batch(vec![delete()])).await;
    assert_eq!(refused, Err(Error::Referenced { entity: "parents", id: id(1), by: "guards" }));
    assert!(store.get("children", &id(2)).await.expect("reads").is_some(), "a refused deletion deletes nothing");
    let before = store.revision().await.expect("reads");
    store.apply(batch(vec![Operation::Delete { entity: "guards", id: id(4) }, delete()])).await.expect("deletes");
    assert_eq!(store.get("children", &id(2)).await, Ok(None));
    let note = store.get("notes", &id(3)).await.expect("reads").expect("stays");
    assert_eq!(note.value["parent"], Value::Null);
    assert_eq!(store.changes(before, 100).await.expect("has a log").len(), 4);
    store.apply(batch(vec![delete()])).await.expect("deleting nothing is no error");
}

async fn applies_all_or_nothing<S: Store>(store: &S) {
    let refused =
        store.apply(batch(vec![Operation::Insert(parent(1, "same")), Operation::Insert(parent(2, "same"))])).await;
    assert!(refused.is_err());
    assert_eq!(store.get("parents", &id(1)).await, Ok(None));
    assert_eq!(store.revision().await, Ok(0));
    assert!(store.changes(0, 10).await.expect("has a log").is_empty());
}

async fn pages_in_order<S: Store>(store: &S) {
    let inserts = (1..=5).rev().map(|index| Operation::Insert(parent(index, &format!("p{index}")))).collect();
    store.apply(batch(inserts)).await.expect("inserts");
    let mut query = Query { entity: "parents", ws: Some(WS), after: None, size: 2, filter: Filter::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.page(&query).await.expect("reads");
        assert!(page.records.len() <= 2);
        seen.extend(page.records.iter().map(|record| record.id.clone()));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=5).map(id).collect::<Vec<_>>());
    let exact = Query { entity: "parents", ws: Some(WS), after: None, size: 5, filter: Filter::default() };
    assert_eq!(store.page(&exact).await.expect("reads").next, None);
    let tagged = |tags| Query { filter: Filter { tags: Some(tags), reference: None }, ..exact.clone() };
    let both = TagFilter::All(vec!["all".into(), "p2".into()]);
    assert_eq!(store.page(&tagged(both)).await.expect("reads").records.len(), 1);
    let any = TagFilter::Any(vec!["p1".into(), "p2".into(), "p9".into()]);
    assert_eq!(store.page(&tagged(any)).await.expect("reads").records.len(), 2);
}

async fn replaces_everything<S: Store>(store: &S) {
    store.apply(batch(vec![Operation::Insert(parent(1, "old"))])).await.expect("inserts");
    let before = store.revision().await.expect("reads");
    // Children may come before their parents.
    let all = vec![child("children", 3, "c", Some(2)), parent(2, "new")];
    store.apply(Batch::replace_all(all)).await.expect("replaces");
    assert_eq!(store.get("parents", &id(1)).await, Ok(None));
    let view = store.view().await.expect("reads");
    assert_eq!((view.len(), view.count("parents")), (2, 1));
    assert_eq!(view.children("children", "parent", &id(2)).count(), 1);
    let changes = store.changes(before, 10).await.expect("has a log");
    assert!(matches!(changes[..], [ref only] if matches!(only.kind, ChangeKind::Replaced { before: 1, after: 2 })));
    let refused = store.apply(Batch::replace_all(vec![child("children", 3, "c", Some(7))])).await;
    assert!(matches!(refused, Err(Error::Foreign { .. })));
    let refused = store.apply(Batch::replace_all(vec![parent(1, "a"), parent(1, "b")])).await;
    assert_eq!(refused, Err(Error::PrimaryKey { entity: "parents", id: id(1) }));
    assert!(store.get("parents", &id(2)).await.expect("reads").is_some(), "a refused load leaves the old state");
}

async fn holds_preconditions<S: Store>(store: &S) {
    let revision = store.apply(batch(vec![Operation::Insert(parent(1, "one"))])).await.expect("inserts");
    let with = |precondition, operation| Batch { preconditions: vec![precondition], ..batch(vec![operation]) };
    let update = || Operation::Update(parent(1, "two"));
    store.apply(with(Precondition::Version(revision), update())).await.expect("nothing happened meanwhile");
    let refused = store.apply(with(Precondition::Version(revision), update())).await;
    assert!(matches!(refused, Err(Error::Precondition(_))));
    let free =
        |value: &str| Precondition::Unique { entity: "parents", ws: Some(WS), field: "name", value: json!(value) };
    assert!(store.apply(with(free("two"), Operation::Insert(parent(2, "x")))).await.is_err());
    store.apply(with(free("x"), Operation::Insert(parent(2, "x")))).await.expect("the name is free");
    let read = store.get("parents", &id(2)).await.expect("reads").expect("is there");
    let kept = || Precondition::Unchanged(read.clone());
    store.apply(with(kept(), Operation::Update(parent(2, "y")))).await.expect("nobody changed it");
    let refused = store.apply(with(kept(), Operation::Update(parent(2, "z")))).await;
    assert!(matches!(refused, Err(Error::Precondition(_))), "it is no longer what was read");
    let there = |index| Precondition::Reference { entity: "parents", id: id(index) };
    assert!(store.apply(with(there(9), update())).await.is_err());
    store.apply(with(there(2), update())).await.expect("it is there");
}

async fn keeps_workspaces_apart<S: Store>(store: &S) {
    let mut elsewhere = parent(2, "one");
    elsewhere.ws = Some(OTHER_WS);
    store.apply(batch(vec![Operation::Insert(parent(1, "one")), Operation::Insert(elsewhere)])).await.expect("inserts");
    let found =
        store.by_unique("parents", Some(OTHER_WS), "name", &json!("one")).await.expect("reads").expect("is there");
    assert_eq!(found.id, id(2));
    let mine = Query { entity: "parents", ws: Some(WS), after: None, size: 10, filter: Filter::default() };
    assert_eq!(store.page(&mine).await.expect("reads").records.len(), 1);
    let refused = store.apply(batch(vec![Operation::Insert(child("children", 3, "c", Some(2)))])).await;
    assert!(matches!(refused, Err(Error::Foreign { .. })), "references stay in their workspace");
}
