//! `silverback config parse`, `test`, `init`, `db_import` and `db_export`.

use super::{Failure, SettingsArguments};
use crate::node::{self, Core, Database, Offer, Patience, now};
use declarative::export::{Purpose, document};
use declarative::{Kinds, Source};
use exchange::{Request, Scheme};
use serde_json::Value;
use snapshot::Snapshot;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Batch, Error, Id, Operation, Precondition, Record, Revision, Store, View};
use uuid::Uuid;

/// Checks a declarative file, down to whether it can be compiled.
pub fn parse(file: Option<PathBuf>, arguments: &SettingsArguments) -> Result<(), Failure> {
    let file = file
        .ok_or_else(|| Failure("expected a declarative configuration file; see `silverback config --help`".into()))?;
    compile(file, arguments)?;
    println!("parse successful");
    Ok(())
}

/// Checks for each case which Route a declarative file chooses. Cases are a list of
/// `{"request": {"method", "url", "headers": {name: value}}, "route": name}`; `"route": null` expects no match.
pub fn test(file: &Path, cases: &Path, arguments: &SettingsArguments) -> Result<(), Failure> {
    let snapshot = compile(file.to_owned(), arguments)?;
    let text = std::fs::read_to_string(cases).map_err(|error| Failure(format!("{}: {error}", cases.display())))?;
    let cases_of = |value: Value| match value {
        Value::Array(cases) => Ok(cases),
        _ => Err(Failure(format!("{}: expected a list of cases", cases.display()))),
    };
    let list = cases_of(declarative::parse(&text).map_err(|invalid| Failure(invalid.tree()))?)?;
    let mut wrong = 0;
    for (index, case) in list.iter().enumerate() {
        let number = index + 1;
        let expected = match case.get("route") {
            Some(Value::String(name)) => Some(name.as_str()),
            Some(Value::Null) => None,
            _ => return Err(Failure(format!("case {number}: `route` must be a Route's name or null"))),
        };
        let request = request_of(case).map_err(|error| Failure(format!("case {number}: {error}")))?;
        let found = snapshot.find(&request);
        let name = found
            .as_ref()
            .map(|found| found.route.entity.name.clone().unwrap_or_else(|| found.route.entity.id.to_string()));
        if name.as_deref() != expected {
            wrong += 1;
            let shown = |name: Option<&str>| name.map_or("no Route".to_owned(), |name| format!("Route '{name}'"));
            println!(
                "case {number}: {} {}: expected {}, got {}",
                request.method_str(),
                case["request"]["url"].as_str().unwrap_or_default(),
                shown(expected),
                shown(name.as_deref())
            );
        }
    }
    println!("{} passed, {wrong} failed", list.len() - wrong);
    if wrong > 0 { Err(Failure(format!("{wrong} of {} cases failed", list.len()))) } else { Ok(()) }
}

/// Writes an example file, never over an existing one.
pub fn init(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure(format!("{} already exists.\nWill not overwrite it.", file.display())));
    }
    std::fs::write(file, include_str!("example.yml")).map_err(|error| Failure(format!("{}: {error}", file.display())))
}

/// Adds what a declarative file holds to the database, or puts it in the place of what has the same ids. All of it, or
/// nothing.
pub fn db_import(file: PathBuf, arguments: &SettingsArguments) -> Result<(), Failure> {
    let settings = super::start::settings(arguments)?.settings;
    if settings.storage.database == config::Database::Off {
        return Err(Failure(
            "'silverback config db_import' only works with a database.\nWhen using database=off, reload your declarative \
             configuration\nusing the /config endpoint."
                .into(),
        ));
    }
    let kinds = Offer::of(&settings)?.kinds;
    let failed = |error: &dyn std::fmt::Display| Failure(format!("Failed parsing:\n{error}"));
    let (mut document, _) = Source::File(file).read().map_err(|error| failed(&error))?;
    complete_workspaces(&mut document);
    let mut records = declarative::load(&document, &kinds, now()).map_err(|invalid| failed(&invalid.tree()))?.records;
    keep_times(&mut records, &document);
    println!("parse successful, beginning import");
    actix_rt::System::new().block_on(async {
        let database = Database::open(&settings, &kinds, Patience::default()).await?;
        let listed = listed_workspaces(&document);
        let here = database.store.view_of(&["workspaces"]).await?;
        let records = in_known_workspaces(records, &listed, &here);
        let imported = import(&*database.store, &kinds, records).await;
        let revision = imported.map_err(|error| Failure(format!("Failed importing:\n{error}")))?;
        let Some(audit) = node::audit(&settings).map_err(Failure)? else { return Ok(()) };
        let store: Arc<dyn Store> = database.store.clone();
        let noted =
            admin::note_changes(audit, node::exclusion(&settings), kinds.clone(), store, (revision, AUTHOR)).await;
        noted.map_err(|error| Failure(format!("Imported, but not noted in the audit log:\n{error}")))
    })?;
    println!("import successful");
    Ok(())
}

/// Who has written what is imported.
const AUTHOR: &str = "config db_import";

/// From how many records on it pays to read what is there and to write everything at once.
const MANY: usize = 1_000;

/// Adds records, or puts them in the place of what has the same ids.
async fn import(store: &dyn Store, kinds: &Kinds, mut records: Vec<Record>) -> Result<Revision, Error> {
    if records.len() >= MANY {
        let view = store.view().await?;
        if view.len() < records.len() {
            let held = view.catalog().rules().iter().flat_map(|rules| view.all(rules.entity));
            let held = held.map(|record| Record::clone(record)).chain(records.iter().cloned());
            let all: HashMap<_, _> = held.map(|record| ((record.entity, record.id.clone()), record)).collect();
            let batch = Batch {
                author: AUTHOR.to_owned(),
                preconditions: vec![Precondition::Version(view.revision())],
                ..Batch::replace_all(all.into_values().collect())
            };
            match store.apply(batch).await {
                // Someone wrote meanwhile: one by one, then.
                Err(Error::Precondition(_)) => {}
                done => return done,
            }
        }
    }
    // What others point to comes first.
    records.sort_by_key(|record| kinds.position(record.entity));
    let operations = records.into_iter().map(Operation::Upsert).collect();
    store.apply(Batch { operations, author: AUTHOR.to_owned(), ..Batch::default() }).await
}

/// A backup says when its entities were last changed; restoring them changes nothing.
fn keep_times(records: &mut [Record], document: &Value) {
    let mut times: HashMap<(&str, &str), &Value> = HashMap::new();
    for (kind, list) in document.as_object().into_iter().flatten() {
        for entity in list.as_array().into_iter().flatten() {
            let (id, time) = (entity.get("id").and_then(Value::as_str), entity.get("updated_at"));
            if let (Some(id), Some(time)) = (id, time.filter(|time| time.is_number())) {
                times.insert((kind, id), time);
            }
        }
    }
    for record in records {
        if let Some(time) = times.get(&(record.entity, record.id.to_string().as_str()))
            && let Some(kept) = record.value.get_mut("updated_at")
        {
            *kept = Value::clone(time);
        }
    }
}

/// A workspace that another gateway made without its settings is exported with null in their place.
fn complete_workspaces(document: &mut Value) {
    let workspaces = document.get_mut("workspaces").and_then(Value::as_array_mut);
    for workspace in workspaces.into_iter().flatten().filter_map(Value::as_object_mut) {
        workspace.retain(|_, value| !value.is_null());
    }
}

/// The names of the workspaces that a file says something of.
fn listed_workspaces(document: &Value) -> Vec<String> {
    let listed = document.get("workspaces").and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(|workspace| workspace.get("name")?.as_str().map(str::to_owned)).collect()
}

/// Another gateway's workspaces have other ids: what is in them comes into those that have the same names here. Workspaces
/// that are here already stay as they are unless the file says something of them.
fn in_known_workspaces(mut records: Vec<Record>, listed: &[String], here: &View) -> Vec<Record> {
    let mut ids: HashMap<Uuid, Uuid> = HashMap::new();
    let known = |record: &Record| {
        let name = record.text("name").filter(|_| record.entity == "workspaces")?;
        here.by_unique("workspaces", None, "name", &name.into()).and_then(|known| known.id.uuid())
    };
    for record in &mut records {
        if let (Some(known), Some(theirs)) = (known(record), record.id.uuid())
            && known != theirs
        {
            ids.insert(theirs, known);
            record.id = Id::Uuid(known);
            record.value.insert("id".to_owned(), known.to_string().into());
        }
    }
    records.retain(|record| {
        known(record).is_none() || record.text("name").is_some_and(|name| listed.iter().any(|listed| listed == name))
    });
    for record in &mut records {
        if let Some(known) = record.ws.and_then(|ws| ids.get(&ws)) {
            record.ws = Some(*known);
        }
    }
    records
}

/// Writes everything that the database holds into a declarative file, secrets included, never over an existing one.
pub fn db_export(file: &Path, arguments: &SettingsArguments) -> Result<(), Failure> {
    let settings = super::start::settings(arguments)?.settings;
    if settings.storage.database == config::Database::Off {
        return Err(Failure("'silverback config db_export' only works with a database.".into()));
    }
    if file.exists() {
        return Err(Failure(format!("{} already exists. Will not overwrite it.", file.display())));
    }
    let kinds = Offer::of(&settings)?.kinds;
    let view = actix_rt::System::new().block_on(async {
        let database = Database::open(&settings, &kinds, Patience::default()).await?;
        Ok::<_, Failure>(database.store.view().await?)
    })?;
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
    let text = declarative::yaml::write(&document(&view, &kinds, Purpose::Keep, now() as i64));
    let explain = |error: std::io::Error| Failure(format!("{}: {error}", file.display()));
    // It holds credentials.
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(explain)?;
    out.write_all(text.as_bytes()).map_err(explain)
}

fn compile(file: PathBuf, arguments: &SettingsArguments) -> Result<Arc<Snapshot>, Failure> {
    let loaded = super::start::settings(arguments)?;
    let core = Core::new(&loaded.settings, Uuid::nil()).map_err(Failure)?;
    let source = Source::File(file);
    let failed = |error: &dyn std::fmt::Display| Failure(format!("Failed parsing:\n{error}"));
    let (document, _) = source.read().map_err(|error| failed(&error))?;
    let records = declarative::load(&document, &core.kinds, now()).map_err(|invalid| failed(&invalid.tree()))?.records;
    core.dry_run(records).map_err(|error| failed(&error))
}

/// The request a case describes.
fn request_of(case: &Value) -> Result<Request, String> {
    let given = case.get("request").ok_or("`request` is missing")?;
    let url = given.get("url").and_then(Value::as_str).ok_or("`request.url` is missing")?;
    let (scheme, rest) = match url.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        Some((other, _)) => return Err(format!("`request.url`: unknown scheme '{other}'; use http or https")),
        None => return Err("`request.url` must begin with http:// or https://".into()),
    };
    let (authority, target) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let (host, host_port) = router::split_host(authority.as_bytes());
    let mut headers: exchange::Headers = [("Host", authority)].into_iter().collect();
    for (name, value) in given.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().ok_or_else(|| format!("`request.headers.{name}` must be text"))?;
        if !headers.append(name, value) {
            return Err(format!("`request.headers.{name}` cannot be a header"));
        }
    }
    let tls = (scheme == Scheme::Https).then(|| {
        let sni = std::str::from_utf8(host).ok().map(Arc::from);
        Arc::new(exchange::TlsSession { sni, ..exchange::TlsSession::default() })
    });
    Ok(Request {
        method: given.get("method").and_then(Value::as_str).unwrap_or("GET").as_bytes().into(),
        target: target.as_bytes().into(),
        path: router::path::normalize(path.as_bytes()).as_ref().into(),
        query: query.map(|query| query.as_bytes().into()),
        headers,
        scheme,
        host: host.into(),
        host_port,
        port: scheme.default_port(),
        tls,
        ..Request::default()
    })
}
