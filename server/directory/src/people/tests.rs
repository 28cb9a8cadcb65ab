use super::*;
use crate::PluginRecords;
use entities::{DEFAULT_WORKSPACE as WS, Flavor, PluginSchemas, VaultSchemas};
use exchange::records::{Records, RecordsError};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use store::{Batch, Catalog, Change, Id, Memory, Operation, Page, Pending, Query, Record, View};
use tokio::sync::watch;

/// A store that counts questions and can be out of order.
struct Watched {
    memory: Memory,
    asked: AtomicUsize,
    broken: AtomicBool,
}

impl Watched {
    fn answer<'a, T: Send + 'a>(&self, answer: Pending<'a, T>) -> Pending<'a, T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return Box::pin(async { Err(Error::Unavailable("it is gone".into())) });
        }
        // Answers come later, as a database's do.
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer.await
        })
    }
}

impl Store for Watched {
    fn catalog(&self) -> &Arc<Catalog> {
        self.memory.catalog()
    }
    fn get<'a>(&'a self, entity: &'static str, id: &'a Id) -> Pending<'a, Option<Arc<Record>>> {
        self.answer(self.memory.get(entity, id))
    }
    fn by_unique<'a>(
        &'a self,
        entity: &'static str,
        ws: Option<Uuid>,
        field: &'a str,
        value: &'a Value,
    ) -> Pending<'a, Option<Arc<Record>>> {
        self.answer(self.memory.by_unique(entity, ws, field, value))
    }
    fn page<'a>(&'a self, query: &'a Query) -> Pending<'a, Page> {
        self.answer(self.memory.page(query))
    }
    fn changes(&self, after: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        self.memory.changes(after, limit)
    }
    fn history(&self, until: Revision, limit: usize) -> Pending<'_, Vec<Change>> {
        self.memory.history(until, limit)
    }
    fn apply(&self, batch: Batch) -> Pending<'_, Revision> {
        self.memory.apply(batch)
    }
    fn revision(&self) -> Pending<'_, Revision> {
        self.memory.revision()
    }
    fn view(&self) -> Pending<'_, Arc<View>> {
        self.memory.view()
    }
    fn subscribe(&self) -> watch::Receiver<Revision> {
        self.memory.subscribe()
    }
}

struct House {
    store: Arc<Watched>,
    definitions: Arc<Definitions>,
    people: People,
}

const ANN: Uuid = Uuid::from_u128(0xA);

fn house(settings: impl FnOnce(&mut Settings)) -> House {
    let definitions =
        Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true);
    let definitions = Arc::new(definitions);
    let memory = Memory::new(Arc::new(Catalog::of(&definitions)));
    let store = Arc::new(Watched { memory, asked: AtomicUsize::new(0), broken: AtomicBool::new(false) });
    let mut given = Settings { bytes: 1 << 20, ttl: None, negative_ttl: None, resurrect_ttl: Duration::from_secs(30) };
    settings(&mut given);
    let people = People::new(store.clone(), definitions.clone(), given);
    House { store, definitions, people }
}

impl House {
    fn record(&self, entity: &'static str, value: Value) -> Record {
        let Value::Object(fields) = value else { unreachable!("objects only") };
        let value = self.definitions.process_insert(entity, fields, 1_000.0).expect("valid");
        let id = Id::of(&["id"], &value).expect("an id");
        Record { entity, id, ws: Some(WS), value, expires: None }
    }

    fn write(&self, operations: Vec<Operation>) {
        self.store.memory.commit(Batch { operations, ..Batch::default() }).expect("applied");
    }

    fn put(&self, entity: &'static str, value: Value) {
        self.write(vec![Operation::Upsert(self.record(entity, value))]);
    }

    fn ann(&self) {
        self.put("consumers", json!({ "id": ANN, "username": "ann", "custom_id": "7", "tags": ["t"] }));
    }

    fn key(&self, id: u128, key: &str) {
        self.put("keyauth_credentials", json!({ "id": Uuid::from_u128(id), "key": key, "consumer": { "id": ANN } }));
    }

    async fn find(&self, key: &str) -> Option<Arc<Credential>> {
        self.people.credential(WS, "keyauth_credentials", key).get().await.expect("the store answers")
    }

    fn asked(&self) -> usize {
        self.store.asked.swap(0, Ordering::Relaxed)
    }

    async fn catch_up(&self, seen: Revision) -> Revision {
        self.people.0.catch_up(seen).await.expect("the change log is there")
    }
}

#[tokio::test]
async fn what_is_known_is_not_asked_again() {
    let house = house(|_| {});
    house.ann();
    house.key(1, "k");
    for _ in 0..2 {
        assert_eq!(house.find("k").await.map(|found| found.consumer), Some(Some(ANN)));
        assert!(house.find("other").await.is_none());
    }
    assert_eq!(house.asked(), 2);
    assert!(matches!(house.people.credential(WS, "keyauth_credentials", "k"), Lookup::Known(Some(_))));
    assert!(matches!(house.people.credential(WS, "keyauth_credentials", "other"), Lookup::Known(None)));
    assert!(matches!(house.people.credential(WS, "no_credentials", "k"), Lookup::Known(None)));
}

#[tokio::test]
async fn many_who_need_the_same_ask_once() {
    let house = house(|_| {});
    house.ann();
    house.key(1, "k");
    let all = (0..50).map(|_| house.people.credential(WS, "keyauth_credentials", "k").get());
    let found = futures_util::future::join_all(all).await;
    assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
    assert_eq!(house.asked(), 1);
}

#[tokio::test]
async fn consumers_are_found_by_every_name_with_their_groups() {
    let house = house(|_| {});
    house.ann();
    for (id, name) in [(0x51, "silver"), (0x52, "gold")] {
        let id = Uuid::from_u128(id);
        house.put("consumer_groups", json!({ "id": id, "name": name }));
        let membership = json!({ "consumer": { "id": ANN }, "consumer_group": { "id": id } });
        let Value::Object(fields) = membership else { unreachable!("an object") };
        let value = house.definitions.process_insert("consumer_group_consumers", fields, 1.0).expect("valid");
        let key = house.definitions.entity("consumer_group_consumers").expect("known").primary_key;
        let id = Id::of(key, &value).expect("a key");
        let record = Record { entity: "consumer_group_consumers", id, ws: Some(WS), value, expires: None };
        house.write(vec![Operation::Insert(record)]);
    }
    let people = &house.people;
    let by_id = people.consumer(WS, ANN).get().await.expect("answers").expect("is there");
    assert_eq!((by_id.username.as_deref(), by_id.custom_id.as_deref()), (Some("ann"), Some("7")));
    assert_eq!(by_id.groups, [Uuid::from_u128(0x52), Uuid::from_u128(0x51)]);
    for found in [people.consumer_by_username(WS, "ann"), people.consumer_by_custom_id(WS, "7")] {
        assert_eq!(found.get().await.expect("answers"), Some(by_id.clone()));
    }
    assert!(people.consumer_by_username(WS, "bob").get().await.expect("answers").is_none());
    assert!(people.consumer(Uuid::from_u128(9), ANN).get().await.expect("answers").is_none(), "of another workspace");
}

#[tokio::test]
async fn a_change_is_seen() {
    let house = house(|_| {});
    house.ann();
    house.key(1, "k");
    assert!(house.find("k").await.is_some() && house.find("later").await.is_none());
    let mut seen = house.catch_up(0).await;
    house.key(1, "later");
    seen = house.catch_up(seen).await;
    assert!(house.find("k").await.is_none() && house.find("later").await.is_some());

    let owned = |house: &House| house.people.of_consumer(WS, "keyauth_credentials", ANN).get();
    assert_eq!(owned(&house).await.expect("answers").map(|all| all.len()), Some(1));
    house.key(2, "second");
    seen = house.catch_up(seen).await;
    assert_eq!(owned(&house).await.expect("answers").map(|all| all.len()), Some(2));

    assert!(house.people.consumer_by_username(WS, "ann").get().await.expect("answers").is_some());
    house.put("consumers", json!({ "id": ANN, "username": "anna" }));
    seen = house.catch_up(seen).await;
    assert!(house.people.consumer_by_username(WS, "ann").get().await.expect("answers").is_none());
    let renamed = house.people.consumer(WS, ANN).get().await.expect("answers").expect("is there");
    assert_eq!(renamed.username.as_deref(), Some("anna"));

    // With its Consumer a credential goes.
    house.write(vec![Operation::Delete { entity: "consumers", id: Id::Uuid(ANN) }]);
    seen = house.catch_up(seen).await;
    assert!(house.find("later").await.is_none());
    house.write(vec![Operation::ReplaceAll(Vec::new())]);
    house.catch_up(seen).await;
    assert_eq!(house.people.kept(), 0);
}

#[tokio::test]
async fn an_answer_from_before_a_change_is_not_kept() {
    let house = house(|_| {});
    house.ann();
    house.key(1, "k");
    let seen = house.catch_up(0).await;
    let Lookup::Wait(mut early) = house.people.credential(WS, "keyauth_credentials", "k") else {
        unreachable!("nothing is known yet")
    };
    // The store is asked, and has not answered.
    assert!((&mut early).now_or_never().is_none());
    house.write(vec![Operation::Delete { entity: "keyauth_credentials", id: Id::Uuid(Uuid::from_u128(1)) }]);
    house.catch_up(seen).await;
    let _ = early.await;
    assert!(house.find("k").await.is_none());
}

#[tokio::test]
async fn times_to_live_are_kept() {
    let house = house(|settings| {
        settings.ttl = Some(Duration::from_secs(3600));
        settings.negative_ttl = Some(Duration::ZERO);
        settings.resurrect_ttl = Duration::ZERO;
    });
    house.ann();
    house.key(1, "k");
    for _ in 0..3 {
        assert!(house.find("k").await.is_some() && house.find("nobody").await.is_none());
    }
    assert_eq!(house.asked(), 4);
    let mut passing = house.record("keyauth_credentials", json!({ "key": "passing", "consumer": { "id": ANN } }));
    passing.expires = Some(i64::MAX);
    let id = passing.id.clone();
    house.write(vec![Operation::Insert(passing.clone())]);
    assert!(house.find("passing").await.is_some());
    // What is kept knows when it ends.
    let people = &house.people;
    let key = people.0.names.key(&Wanted::Credential(WS, "keyauth_credentials", "passing"));
    let over = Credential { id: id.uuid().expect("an id"), expires: Some(1), ..Credential::default() };
    people.0.cache.put(key, Entry::new(Known::Credential(Arc::new(over))));
    assert!(house.find("passing").await.is_none());
}

#[tokio::test]
async fn without_the_database_what_is_known_stays() {
    for (resurrect, found) in [(Duration::from_secs(30), true), (Duration::ZERO, false)] {
        let house = house(|settings| {
            settings.ttl = Some(Duration::ZERO);
            settings.resurrect_ttl = resurrect;
        });
        house.ann();
        house.key(1, "k");
        assert!(house.find("k").await.is_some());
        house.store.broken.store(true, Ordering::Relaxed);
        let again = house.people.credential(WS, "keyauth_credentials", "k").get().await;
        assert_eq!(again.is_ok_and(|again| again.is_some()), found);
        assert!(house.people.credential(WS, "keyauth_credentials", "unknown").get().await.is_err());
        house.store.broken.store(false, Ordering::Relaxed);
        assert!(house.find("k").await.is_some() && house.find("unknown").await.is_none());
    }
}

#[tokio::test]
async fn memory_does_not_grow_with_the_number_of_people() {
    let house = house(|settings| settings.bytes = 64 << 10);
    house.ann();
    for number in 0..5_000_u32 {
        assert!(house.find(&format!("guess-{number}")).await.is_none());
    }
    assert!(house.people.kept() < 500, "{}", house.people.kept());
}

#[tokio::test]
async fn plugins_keep_records_with_a_time_to_live() {
    let house = house(|_| {});
    let records = PluginRecords::new(house.store.clone(), house.definitions.clone(), tokio::runtime::Handle::current());
    let fields = |id: &str| Map::from_iter([("session_id".to_owned(), id.into()), ("data".to_owned(), "a".into())]);
    let made = records.insert(WS, "sessions", fields("s"), Some(60)).await.expect("inserted");
    assert!(made.expires.is_some() && made.text("session_id") == Some("s"));
    let taken = records.insert(WS, "sessions", fields("s"), Some(60)).await;
    assert!(matches!(taken, Err(RecordsError::Refused(_))), "{taken:?}");
    let wrong = records.insert(WS, "sessions", Map::new(), None).await;
    assert!(matches!(wrong, Err(RecordsError::Refused(_))), "{wrong:?}");
    let changes = Map::from_iter([("data".to_owned(), Value::from("b"))]);
    let changed = records.update(WS, "sessions", made.id, changes, None).await.expect("updated").expect("is there");
    assert_eq!((changed.text("data"), changed.expires), (Some("b"), None));
    let found = records.find(WS, "sessions", "session_id", "s").await.expect("answers").expect("is there");
    assert_eq!(found.text("data"), Some("b"));
    assert_eq!(records.delete(WS, "sessions", made.id).await, Ok(true));
    assert_eq!(records.delete(WS, "sessions", made.id).await, Ok(false));
    assert!(records.find(WS, "sessions", "session_id", "s").await.expect("answers").is_none());
    assert!(records.update(WS, "sessions", made.id, Map::new(), None).await.expect("answers").is_none());
}
