//! `silverback config parse`, `test` and `init`.

use super::{Failure, SettingsArguments};
use crate::node::Core;
use declarative::Source;
use exchange::{Request, Scheme};
use serde_json::Value;
use snapshot::Snapshot;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

fn compile(file: PathBuf, arguments: &SettingsArguments) -> Result<Arc<Snapshot>, Failure> {
    let loaded = super::start::settings(arguments)?;
    let core = Core::new(&loaded.settings, uuid::Uuid::nil()).map_err(Failure)?;
    let source = Source::File(file);
    let failed = |error: &dyn std::fmt::Display| Failure(format!("Failed parsing:\n{error}"));
    let (document, _) = source.read().map_err(|error| failed(&error))?;
    let records = declarative::load(&document, &core.kinds, crate::node::now())
        .map_err(|invalid| failed(&invalid.tree()))?
        .records;
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
