//! `migrations bootstrap|up|finish|list|status|reset`, and databases that are not as they should be.

use crate::postgres;
use crate::support::{background, insert, open, open_on, settings};
use std::sync::Arc;
use std::time::Duration;
use store::{Catalog, Id, Rules, Store, Unique, conformance};
use store_sql::{Blueprint, Commands, Database, OpenError, Outcome, Refusal, Settings, Sqlite};
use uuid::Uuid;

fn commands(database: &Database, catalog: Arc<Catalog>) -> Commands {
    Commands::new(background(), database.clone(), &Blueprint::bare(catalog), Duration::from_secs(30))
}

/// The catalog of an earlier release: fewer kinds, fewer rules.
fn older() -> Arc<Catalog> {
    let parents = conformance::catalog().get("parents").cloned().expect("is there");
    Arc::new(Catalog::new(vec![Rules { unique: vec![], ..parents }]))
}

fn both() -> [(Database, Option<tempfile::TempDir>); 2] {
    let folder = tempfile::tempdir().expect("a folder");
    [(Database::Sqlite(Sqlite::file(folder.path().join("a.db"))), Some(folder)), (postgres::empty(), None)]
}

fn only(text: &str) -> Result<Outcome, Refusal> {
    Ok(Outcome { lines: vec![text.to_owned()], code: 0 })
}

#[tokio::test]
async fn commands_go_through_the_life_of_a_database() {
    for (database, _folder) in both() {
        let on = commands(&database, conformance::catalog());
        // Nothing there.
        let list = on.list().await.expect("lists");
        assert_eq!(list.code, 3);
        assert!(list.lines[0].starts_with("Database needs bootstrapping or is older than Kong 1.0."));
        assert!(on.status().await.expect("tells").lines[0].starts_with(r#"{"needs_bootstrap":true,"#));
        for refused in [on.up().await, on.finish().await] {
            let text = refused.expect_err("is refused").to_string();
            assert!(text.starts_with("Cannot run migrations: Database needs bootstrapping"), "{text}");
        }
        assert_eq!(on.reset().await, Err(Refusal("Database not bootstrapped, nothing to reset".into())));
        // Set up.
        let bootstrap = on.bootstrap(false).await.expect("sets up");
        assert_eq!(bootstrap.lines.first().map(String::as_str), Some("Bootstrapping database..."));
        assert_eq!(bootstrap.lines.last().map(String::as_str), Some("Database is up-to-date"));
        assert!(bootstrap.lines.contains(&format!("migrating core on database '{}'...", database.name())));
        assert!(bootstrap.lines.contains(&"core migrated up to: 000_base (executed)".to_owned()));
        assert!(bootstrap.lines.contains(&"5 executed".to_owned()));
        assert_eq!(on.bootstrap(false).await, only("Database already bootstrapped"));
        assert_eq!(on.up().await, only("Database is already up-to-date"));
        assert_eq!(on.finish().await, only("No pending migrations to finish"));
        let list = on.list().await.expect("lists");
        assert_eq!((list.code, list.lines[0].as_str()), (0, "Executed migrations:"));
        assert!(list.lines[1].starts_with("      core: 000_base, "), "{list:?}");
        // A node's own use, then away with all.
        let store = open(database.clone(), conformance::catalog());
        store.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
        store.close().await;
        let again = on.bootstrap(true).await.expect("sets up anew");
        assert_eq!(again.lines[..2], ["Resetting database...", "Database successfully reset"]);
        let store = open(database.clone(), conformance::catalog());
        assert_eq!((store.revision().await, store.view().await.expect("reads").len()), (Ok(0), 0));
        store.close().await;
        let reset = on.reset().await.expect("resets");
        assert_eq!(reset.lines, ["Resetting database...", "Database successfully reset"]);
        assert_eq!(on.list().await.expect("lists").code, 3);
    }
}

#[tokio::test]
async fn an_older_database_is_refused_with_the_command_and_then_brought_up() {
    for (database, _folder) in both() {
        let store = open(database.clone(), older());
        store.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
        store.close().await;

        let refused = open_on(background(), settings(database.clone()), Blueprint::bare(conformance::catalog()));
        let refused = refused.err().expect("is refused");
        assert!(matches!(refused, OpenError::NewMigrations));
        assert_eq!(refused.to_string(), "New migrations available; run 'silverback migrations up' to proceed");

        let on = commands(&database, conformance::catalog());
        let list = on.list().await.expect("lists");
        assert_eq!(list.code, 5);
        assert!(list.lines.contains(&"New migrations available:".to_owned()), "{list:?}");
        assert_eq!(on.finish().await.expect("tells").lines[0], refused.to_string());
        let up = on.up().await.expect("migrates");
        assert!(up.lines.contains(&"4 executed".to_owned()), "{up:?}");
        assert_eq!(on.up().await, only("Database is already up-to-date"));

        // What was there is there, and the new rules hold for what is written from now on.
        let store = open(database.clone(), conformance::catalog());
        let id = Id::Uuid(Uuid::from_u128(1));
        assert_eq!(*store.get("parents", &id).await.expect("reads").expect("is there"), conformance::parent(1, "one"));
        store.apply(insert(vec![conformance::parent(2, "two")])).await.expect("inserts");
        assert!(store.apply(insert(vec![conformance::parent(3, "two")])).await.is_err());
        store.close().await;

        // A node of the older release goes on working beside the newer ones.
        let store = open(database, older());
        assert_eq!(store.view().await.expect("reads").len(), 2);
    }
}

#[tokio::test]
async fn an_empty_database_is_refused_when_it_may_not_be_set_up() {
    for (database, _folder) in both() {
        let settings = Settings { bootstrap: false, ..settings(database) };
        let refused = open_on(background(), settings, Blueprint::bare(conformance::catalog())).err();
        assert!(matches!(refused, Some(OpenError::NeedsBootstrap)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_database_of_kong_is_left_alone() {
    let to = postgres::database();
    postgres::shared().psql(&to.database, "CREATE TABLE schema_meta (key text); CREATE TABLE services (id uuid)");
    let refused =
        open_on(background(), settings(Database::Postgres(to.clone())), Blueprint::bare(conformance::catalog()));
    let text = refused.err().expect("is refused").to_string();
    assert!(text.contains("pg_schema"), "{text}");
    let tables = postgres::shared().psql(&to.database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables, "2");
    // Beside it, in a schema of its own, there is room.
    let schema = Some("Silverback, its own".to_owned());
    let store = open(Database::Postgres(store_sql::Postgres { schema, ..to }), conformance::catalog());
    store.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
}

#[tokio::test]
async fn a_column_that_changed_its_type_is_not_converted_in_silence() {
    let bare = |kind: &'static str| {
        let unique = Unique { fields: vec!["name"], across_workspaces: false, nulls: false };
        let rules = Rules {
            entity: "things",
            primary_key: vec![kind],
            workspaced: true,
            unique: vec![unique],
            references: vec![],
        };
        Arc::new(Catalog::new(vec![rules]))
    };
    let field =
        |kind: schema::Field| Arc::new(schema::Record::new().field(schema::Field::string("id").uuid(true)).field(kind));
    let folder = tempfile::tempdir().expect("a folder");
    let database = Database::Sqlite(Sqlite::file(folder.path().join("a.db")));
    let blueprint = |record: Arc<schema::Record>| Blueprint::with(bare("id"), move |_| vec![record.clone()], |_| None);
    drop(
        open_on(background(), settings(database.clone()), blueprint(field(schema::Field::string("size"))))
            .expect("opens"),
    );
    let changed = blueprint(field(schema::Field::integer("size")));
    let on = Commands::new(background(), database, &changed, Duration::from_secs(5));
    let text = on.up().await.expect_err("is refused").to_string();
    assert!(text.contains("the column 'size' of 'things' is TEXT and should be INTEGER"), "{text}");
}
