//! A database that is gone, that speaks TLS, or that was written to past the engine.

use crate::postgres::{self, Cluster};
use crate::support::{background, batch, eventually, insert, open, open_on, settings};
use sea_orm::{ConnectionTrait, Database as Connect};
use serde_json::json;
use std::time::Duration;
use store::{Error, Operation, Store, conformance};
use store_sql::{Blueprint, Database, OpenError, Postgres, Sql, Sqlite, Tls};

#[tokio::test]
async fn a_database_that_is_gone_is_said_to_be_and_is_used_again_when_it_is_back() {
    let mut cluster = Cluster::start("");
    let to = Postgres { timeout: Duration::from_millis(1500), ..cluster.database() };
    let store = open(Database::Postgres(to), conformance::catalog());
    store.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
    let mut revisions = store.subscribe();
    revisions.borrow_and_update();

    cluster.stop();
    let refused = store.apply(insert(vec![conformance::parent(2, "two")])).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(matches!(store.revision().await, Err(Error::Unavailable(_))));
    eventually("the loss is noticed", || async { (!store.is_reachable()).then_some(()) }).await;
    assert!(!revisions.has_changed().expect("lives"), "what is known stays");

    cluster.run();
    let mut number = 2;
    let written = eventually("writes work again", || {
        // Another one each time: of a write whose connection is lost nobody knows whether it has happened.
        number += 1;
        let batch = insert(vec![conformance::parent(number, &format!("number {number}"))]);
        let written = store.apply(batch);
        async { written.await.inspect_err(|error| eprintln!("not yet: {error}")).ok() }
    })
    .await;
    eventually("the return is noticed", || async { store.is_reachable().then_some(()) }).await;
    assert_eq!(*revisions.borrow_and_update(), written);
    assert!(store.get("parents", &conformance::parent(1, "one").id).await.expect("reads").is_some());
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let to = Postgres { port: closed.port(), ..Postgres::default() };
    let refused = open_on(background(), settings(Database::Postgres(to)), Blueprint::bare(conformance::catalog()));
    let Err(refused @ OpenError::Unavailable { .. }) = refused.map(drop) else { panic!("cannot be opened") };
    let text = refused.to_string();
    assert!(
        text.starts_with(&format!("could not use the PostgreSQL 127.0.0.1:{}/kong database: ", closed.port())),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");

    let missing = Postgres { database: "nothing".into(), ..postgres::database() };
    let refused = open_on(background(), settings(Database::Postgres(missing)), Blueprint::bare(conformance::catalog()));
    let text = refused.err().expect("cannot be opened").to_string();
    assert!(text.contains("database \"nothing\" does not exist"), "{text}");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("no/such/folder/a.db");
    let refused =
        open_on(background(), settings(Database::Sqlite(Sqlite::file(&path))), Blueprint::bare(conformance::catalog()));
    let Err(refused @ OpenError::Unusable { .. }) = refused.map(drop) else { panic!("cannot be opened") };
    let text = refused.to_string();
    assert_eq!(
        text,
        format!("could not use the SQLite {0} database: unable to open database file: {0}", path.display())
    );
}

#[tokio::test]
async fn connections_are_encrypted_and_certificates_verified_as_wished() {
    let authority = || {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut of = rcgen::CertificateParams::new(vec![]).expect("parameters");
        of.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = of.self_signed(&key).expect("a certificate");
        (certificate.pem(), rcgen::Issuer::new(of, key))
    };
    let ((trusted, issuer), (other, _)) = (authority(), authority());
    let key = rcgen::KeyPair::generate().expect("a key");
    let names = vec!["127.0.0.1".to_owned()];
    let certificate =
        rcgen::CertificateParams::new(names).and_then(|of| of.signed_by(&key, &issuer)).expect("a certificate");

    let mut cluster = Cluster::start("");
    cluster.stop();
    cluster.write("server.crt", &certificate.pem());
    cluster.write("server.key", &key.serialize_pem());
    cluster.configure("ssl = on");
    cluster.write("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n");
    cluster.run();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writes");
        Some(path)
    };
    let to = Postgres { port: cluster.port, database: "postgres".into(), ..Postgres::default() };
    let attempt = |tls: Tls| -> Result<Sql, OpenError> {
        let database = Database::Postgres(Postgres { tls, ..to.clone() });
        open_on(background(), settings(database), Blueprint::bare(conformance::catalog()))
    };
    let encrypted = attempt(Tls::Unverified).expect("opens");
    encrypted.apply(insert(vec![conformance::parent(1, "one")])).await.expect("inserts");
    attempt(Tls::Verified(file("ours.pem", &trusted))).map(drop).expect("opens");
    let refused = attempt(Tls::Verified(file("others.pem", &other))).err().expect("is refused").to_string();
    assert!(refused.contains("UnknownIssuer") || refused.contains("certificate"), "{refused}");
    let refused = attempt(Tls::Off).err().expect("is refused").to_string();
    assert!(refused.contains("no encryption") || refused.contains("pg_hba"), "{refused}");
}

/// Statements that make a database break a rule behind the engine's back, and what must come of it.
#[tokio::test]
async fn broken_constraints_are_told_by_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let sqlite = open(Database::Sqlite(Sqlite::file(&path)), conformance::catalog());
    let past = Connect::connect(format!("sqlite://{}", path.display())).await.expect("connects");
    for text in [
        "CREATE TRIGGER a AFTER INSERT ON parents WHEN NEW.name = 'x' BEGIN UPDATE parents SET name = 'taken' WHERE id = NEW.id; END",
        "CREATE TRIGGER b AFTER INSERT ON children WHEN NEW.name = 'x' BEGIN UPDATE children SET name = 'taken' WHERE id = NEW.id; END",
    ] {
        past.execute_unprepared(text).await.expect("makes a trigger");
    }
    let to = postgres::database();
    let postgres = open(Database::Postgres(to.clone()), conformance::catalog());
    for text in [
        "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.name = 'x' THEN NEW.name := 'taken'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER a BEFORE INSERT ON parents FOR EACH ROW EXECUTE FUNCTION change()",
        "CREATE TRIGGER a BEFORE INSERT ON children FOR EACH ROW EXECUTE FUNCTION change()",
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.parent := gen_random_uuid(); RETURN NEW; END $$",
        "CREATE TRIGGER a BEFORE INSERT ON guards FOR EACH ROW EXECUTE FUNCTION lose()",
    ] {
        postgres::shared().psql(&to.database, text);
    }
    let child = |entity: &'static str, id: u128, name: &str, parent: serde_json::Value| {
        let mut record = conformance::parent(id, name);
        record.entity = entity;
        record.value.shift_remove("tags");
        record.value.insert("parent".into(), parent);
        record
    };
    for store in [&sqlite, &postgres] {
        store
            .apply(insert(vec![conformance::parent(1, "taken"), child("children", 2, "taken", json!(null))]))
            .await
            .expect("inserts");
        let refused = store.apply(insert(vec![conformance::parent(3, "x")])).await;
        assert!(
            matches!(refused, Err(Error::Unique { entity: "parents", ref fields, .. }) if fields.contains_key("name")),
            "{refused:?}"
        );
        // The index of this rule is one of expressions on SQLite.
        let refused = store.apply(insert(vec![child("children", 4, "x", json!(null))])).await;
        assert!(
            matches!(refused, Err(Error::Unique { entity: "children", ref fields, .. }) if fields.contains_key("parent")),
            "{refused:?}"
        );
        assert_eq!(store.revision().await, Ok(1), "nothing is left of what was refused");
    }
    let parent = json!({"id": uuid::Uuid::from_u128(1)});
    let refused = postgres.apply(insert(vec![child("guards", 5, "g", parent)])).await;
    assert!(
        matches!(refused, Err(Error::Foreign { entity: "guards", field: "parent", reference: "parents", .. })),
        "{refused:?}"
    );
    let gone = Operation::Delete { entity: "parents", id: conformance::parent(1, "").id };
    postgres.apply(batch(vec![gone])).await.expect("deletes");
}
