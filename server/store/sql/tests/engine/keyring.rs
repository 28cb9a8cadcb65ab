//! What is secret is encrypted at rest, and nobody who goes through the engine sees that.

use crate::postgres;
use crate::support::{background, batch, eventually, insert, open_on, settings};
use entities::{Definitions, Flavor, PluginSchema, PluginSchemas, VaultSchemas};
use schema::Schema;
use serde_json::{Map, Value, json};
use sqlx::Connection;
use std::sync::Arc;
use std::time::Duration;
use store::{Batch, Catalog, Filter, Id, Operation, Precondition, Query, Record, Store};
use store_sql::{Blueprint, Commands, Database, Keyring, OpenError, Sql, Sqlite};
use uuid::Uuid;

const WS: Uuid = Uuid::from_u128(0xA);
const FIRST: &str = "the first secret of these tests";
const SECOND: &str = "the second secret of these tests";

/// What must be nowhere.
const PLANTED: &str = "PLANTED\u{e9}";

#[derive(Schema)]
#[allow(dead_code)]
struct Server {
    host: Option<String>,
    #[field(encrypted)]
    password: Option<String>,
}

#[derive(Schema)]
#[allow(dead_code)]
struct Config {
    servers: Option<Vec<Server>>,
    #[field(encrypted)]
    token: Option<String>,
}

fn definitions() -> Arc<Definitions> {
    let plugins: PluginSchemas = [PluginSchema::new::<Config>("lock")].into_iter().collect();
    Arc::new(Definitions::new(plugins, VaultSchemas::default(), Flavor::TraditionalCompatible, true))
}

fn ring(secrets: &[&str]) -> Keyring {
    Keyring::new(secrets.iter().copied()).expect("good secrets")
}

fn blueprint(keyring: Option<Keyring>) -> Blueprint {
    let definitions = definitions();
    let plain = Blueprint::of(Arc::new(Catalog::of(&definitions)), &definitions);
    match keyring {
        Some(keyring) => plain.with_keyring(keyring, definitions),
        None => plain,
    }
}

fn open(database: &Database, secrets: &[&str]) -> Result<Sql, OpenError> {
    let keyring = (!secrets.is_empty()).then(|| ring(secrets));
    open_on(background(), settings(database.clone()), blueprint(keyring))
}

fn record(entity: &'static str, id: u128, fields: Value) -> Record {
    let Value::Object(fields) = fields else { panic!("an object") };
    let id = Uuid::from_u128(id);
    let mut value = Map::from_iter([("id".to_owned(), Value::from(id.to_string()))]);
    value.extend(fields);
    Record { entity, id: Id::Uuid(id), ws: Some(WS), value, expires: None }
}

fn all() -> Vec<Record> {
    let who = json!({ "id": Uuid::from_u128(1).to_string() });
    let lock = json!({ "token": PLANTED, "servers": [{ "host": "a", "password": null }, { "host": "b", "password": PLANTED }] });
    vec![
        record("consumers", 1, json!({ "username": "jane" })),
        record("certificates", 2, json!({ "cert": "public", "key": PLANTED, "key_alt": null, "tags": ["t"] })),
        record(
            "oauth2_credentials",
            3,
            json!({ "name": "n", "client_id": "c", "client_secret": PLANTED, "consumer": who }),
        ),
        record("jwt_secrets", 4, json!({ "key": "k", "secret": PLANTED, "consumer": who })),
        record("keys", 5, json!({ "name": "k", "kid": "1", "jwk": PLANTED, "pem": { "private_key": PLANTED } })),
        record("plugins", 6, json!({ "name": "lock", "config": lock, "tags": null })),
        // Nobody knows what is secret in it.
        record("plugins", 7, json!({ "name": "unheard-of", "config": { "x": PLANTED } })),
        // It looks as if it were encrypted, and is not.
        record("services", 8, json!({ "name": "sealed", "host": "{\"sealed\":{\"key\":\"ffffffff\"}}" })),
    ]
}

fn both() -> [(Database, tempfile::TempDir); 2] {
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    [(Database::Sqlite(Sqlite::file(one.path().join("a.db"))), one), (postgres::empty(), other)]
}

/// Everything that is stored, as bytes.
async fn stored(database: &Database) -> Vec<u8> {
    match database {
        Database::Sqlite(to) => {
            let folder = to.path.as_ref().and_then(|path| path.parent()).expect("a file");
            // The last connection to end takes the write-ahead log with it, into the file that may have been read by then.
            eventually("nothing vanishes meanwhile", || async {
                let files = std::fs::read_dir(folder).expect("readable");
                let read = files.map(|file| std::fs::read(file.expect("a file").path())).collect::<Result<Vec<_>, _>>();
                read.ok().map(|all| all.concat())
            })
            .await
        }
        Database::Postgres(to) => {
            let url = format!("postgres://{}@{}:{}/{}", to.user, to.host, to.port, to.database);
            let mut connection = sqlx::PgConnection::connect(&url).await.expect("connects");
            let mut bytes = Vec::new();
            let tables = blueprint(None).tables().into_iter().map(|table| table.name);
            for table in tables.chain(["silverback_changes".to_owned()]) {
                let text = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{table}\" t");
                let all: String =
                    sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&mut connection).await.expect("reads");
                bytes.extend(all.into_bytes());
            }
            bytes
        }
    }
}

async fn is_planted(database: &Database) -> bool {
    let bytes = stored(database).await;
    // JSON may write the last letter otherwise.
    bytes.windows(7).any(|window| window == &PLANTED.as_bytes()[..7])
}

async fn run(database: &Database, text: &str) {
    match database {
        Database::Sqlite(to) => {
            let path = to.path.as_ref().expect("a file").display();
            let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{path}")).await.expect("connects");
            sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).execute(&mut connection).await.expect("runs");
        }
        Database::Postgres(to) => {
            let url = format!("postgres://{}@{}:{}/{}", to.user, to.host, to.port, to.database);
            let mut connection = sqlx::PgConnection::connect(&url).await.expect("connects");
            sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).execute(&mut connection).await.expect("runs");
        }
    }
}

/// Everything is read as it was written.
async fn check(store: &Sql, records: &[Record]) {
    let view = store.view().await.expect("reads");
    for record in records {
        let found = store.get(record.entity, &record.id).await.expect("reads").expect("is there");
        assert_eq!(*found, *record);
        assert_eq!(view.get(record.entity, &record.id).map(|found| found.value.clone()), Some(found.value.clone()));
    }
}

async fn keyring(database: &Database, keyring: Keyring, write: bool) -> Vec<String> {
    let blueprint = blueprint(Some(keyring));
    let commands = Commands::new(background(), database.clone(), &blueprint, Duration::from_secs(30));
    commands.keyring(Arc::new(blueprint), write).await.expect("runs").lines
}

#[tokio::test]
async fn secrets_are_stored_nowhere_in_clear_text() {
    for (database, _folder) in both() {
        let store = open(&database, &[FIRST]).expect("opens");
        let mut records = all();
        store.apply(insert(records.clone())).await.expect("inserts");
        check(&store, &records).await;
        // Changed, on the condition that it was not meanwhile; and deleted.
        let before = store.get("certificates", &records[1].id).await.expect("reads").expect("is there");
        records[1].value.insert("key_alt".into(), format!("{PLANTED} again").into());
        let change = Batch {
            preconditions: vec![Precondition::Unchanged(before)],
            ..batch(vec![
                Operation::Update(records[1].clone()),
                Operation::Delete { entity: "jwt_secrets", id: records[3].id.clone() },
            ])
        };
        store.apply(change).await.expect("changes");
        records.remove(3);
        check(&store, &records).await;
        // Looked for by what is encrypted, listed, and in the log.
        let found = store.by_unique("certificates", Some(WS), "key", &PLANTED.into()).await.expect("looks");
        assert_eq!(found.map(|found| found.id.clone()), Some(records[1].id.clone()));
        let query = Query { entity: "plugins", ws: Some(WS), after: None, size: 10, filter: Filter::default() };
        assert_eq!(store.page(&query).await.expect("lists").records.len(), 2);
        drop(store);
        let store = open(&database, &[SECOND, FIRST]).expect("opens with the older secret, too");
        let changes = store.changes(0, 1000).await.expect("has a log");
        assert!(format!("{changes:?}").contains("PLANTED"));
        assert_eq!(store.history(u64::MAX, 1000).await.expect("has a history").len(), changes.len());
        check(&store, &records).await;
        assert!(!is_planted(&database).await);
    }
}

#[tokio::test]
async fn what_is_there_is_brought_in_line() {
    for (database, folder) in both() {
        let store = open(&database, &[]).expect("opens");
        let records = all();
        store.apply(insert(records.clone())).await.expect("inserts");
        assert!(is_planted(&database).await);
        drop(store);
        let told = keyring(&database, ring(&[FIRST]), false).await;
        assert!(told.contains(&"plugins: 0 encrypted, 2 to be rewritten by 'silverback keyring encrypt'".to_owned()));
        assert!(is_planted(&database).await);
        // Plain rows stay readable, and become encrypted one by one or at once.
        let store = open(&database, &[FIRST]).expect("opens");
        check(&store, &records).await;
        store.apply(batch(vec![Operation::Update(records[1].clone())])).await.expect("writes");
        drop(store);
        let told = keyring(&database, ring(&[FIRST]), true).await;
        assert!(told.contains(&"certificates: 1 encrypted".to_owned()), "{told:?}");
        assert!(told.contains(&"plugins: 0 encrypted, 2 rewritten".to_owned()), "{told:?}");
        assert!(!is_planted(&database).await);
        check(&open(&database, &[FIRST]).expect("opens"), &records).await;
        // Another secret takes over, and the older one may go.
        assert!(
            keyring(&database, ring(&[SECOND, FIRST]), true).await.contains(&"keys: 0 encrypted, 1 rewritten".into())
        );
        assert!(keyring(&database, ring(&[SECOND]), false).await.contains(&"keys: 1 encrypted".into()));
        let store = open(&database, &[SECOND]).expect("opens");
        check(&store, &records).await;
        assert_eq!(store.changes(0, 1000).await.expect("has a log").len(), records.len() + 1);
        drop(store);
        assert!(!is_planted(&database).await);
        // And back.
        keyring(&database, ring(&[SECOND]).reading_only(), true).await;
        assert!(is_planted(&database).await);
        check(&open(&database, &[]).expect("opens without a secret"), &records).await;
        drop(folder);
    }
}

#[tokio::test]
async fn a_secret_that_is_missing_is_told_and_loses_nothing() {
    for (database, _folder) in both() {
        let store = open(&database, &[FIRST]).expect("opens");
        let records = all();
        store.apply(insert(records.clone())).await.expect("inserts");
        drop(store);
        for secrets in [&[][..], &[SECOND]] {
            let refused = open(&database, secrets).map(drop).expect_err("is refused");
            assert!(matches!(refused, OpenError::Sealed { .. }), "{refused}");
            let text = refused.to_string();
            assert!(text.contains("' entity 00000000-0000-0000-0000-0000000000"), "{text}");
            assert!(text.contains("which none of the secrets in keyring_secret makes"), "{text}");
            assert!(!text.contains(FIRST) && !text.contains(SECOND));
        }
        check(&open(&database, &[FIRST]).expect("opens"), &records).await;
    }
}

#[tokio::test]
async fn values_do_not_move_between_rows() {
    for (database, _folder) in both() {
        let store = open(&database, &[FIRST]).expect("opens");
        let one = record("certificates", 1, json!({ "cert": "a", "key": "one" }));
        let other = record("certificates", 2, json!({ "cert": "b", "key": "other" }));
        store.apply(insert(vec![one.clone(), other.clone()])).await.expect("inserts");
        run(
            &database,
            "UPDATE certificates SET key = (SELECT key FROM certificates WHERE cert = 'a') WHERE cert = 'b'",
        )
        .await;
        let refused = store.get("certificates", &other.id).await.expect_err("is refused").to_string();
        assert!(refused.contains("has an encrypted /key that does not belong there"), "{refused}");
        assert_eq!(store.get("certificates", &one.id).await.expect("reads").expect("is there").value["key"], "one");
    }
}
