//! A gateway for cases: a process of this binary, with an upstream that answers what the case says.

use super::case::{Came, Case, body_of};
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long it may take to start, and to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of its log that are shown where cases fail.
const SHOWN: usize = 40;

/// What the upstream answers, and what it was asked since.
#[derive(Default)]
struct Upstream {
    case: Case,
    asked: Option<Came>,
}

type Shared = Arc<Mutex<Upstream>>;

/// The process; it ends with this.
pub struct Gateway {
    process: Child,
    folder: TempDir,
    upstream: Shared,
    server: ServerHandle,
    client: awc::Client,
    ports: Ports,
}

/// On loopback.
#[derive(Clone, Copy)]
struct Ports {
    proxy: u16,
    admin: u16,
    upstream: u16,
}

fn free() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

impl Gateway {
    /// Starts one that has the plugin `name`, whose folder is below `root`.
    pub async fn start(root: &Path, name: &str, settings: &BTreeMap<String, Value>) -> Result<Self, String> {
        let upstream = Shared::default();
        let shared = web::Data::from(upstream.clone());
        let serve = move || App::new().app_data(shared.clone()).default_service(web::to(answer));
        let server = HttpServer::new(serve).workers(1).disable_signals();
        let server = server.bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
        let port = server.addrs().first().map_or(0, std::net::SocketAddr::port);
        let ports = Ports { proxy: free()?, admin: free()?, upstream: port };
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        let folder = TempDir::new().map_err(|error| error.to_string())?;
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        // The settings of whoever calls are not those of the cases.
        let inherited =
            std::env::vars().filter(|(name, _)| !name.starts_with("KONG_") && !name.starts_with("SILVERBACK_"));
        command.arg("start").env_clear().envs(inherited);
        for (name, value) in [
            ("KONG_PREFIX", folder.path().display().to_string()),
            ("KONG_DATABASE", "off".to_owned()),
            ("KONG_LUA_PACKAGE_PATH", format!("{0}/?.lua;{0}/?/init.lua;;", root.display())),
            ("KONG_PLUGINS", format!("bundled,{name}")),
            ("KONG_NGINX_WORKER_PROCESSES", "1".to_owned()),
            ("KONG_PROXY_LISTEN", format!("127.0.0.1:{}", ports.proxy)),
            ("KONG_ADMIN_LISTEN", format!("127.0.0.1:{}", ports.admin)),
            ("KONG_STATUS_LISTEN", "off".to_owned()),
            ("KONG_ADMIN_GUI_LISTEN", "off".to_owned()),
            ("KONG_PROXY_ACCESS_LOG", "off".to_owned()),
            ("KONG_ADMIN_ACCESS_LOG", "off".to_owned()),
        ] {
            command.env(name, value);
        }
        for (name, value) in settings {
            command.env(format!("KONG_{}", name.to_uppercase()), schema_text(value));
        }
        let log = std::fs::File::create(folder.path().join("output")).map_err(|error| error.to_string())?;
        let other = log.try_clone().map_err(|error| error.to_string())?;
        let process = command.stdin(Stdio::null()).stdout(log).stderr(other).spawn();
        let process = process.map_err(|error| format!("the gateway cannot be started: {error}"))?;
        let client = awc::Client::builder().timeout(PATIENCE).disable_redirects().no_default_headers().finish();
        let mut gateway = Self { process, folder, upstream, server: handle, client, ports };
        gateway.ready().await?;
        Ok(gateway)
    }

    async fn ready(&mut self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(_)) = self.process.try_wait() {
                return Err(format!("the gateway does not start:\n{}", self.errors()));
            }
            let status = self.client.get(format!("http://127.0.0.1:{}/status", self.ports.admin)).send().await;
            if status.is_ok_and(|status| status.status() == StatusCode::OK) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(format!("the gateway does not answer:\n{}", self.errors()));
            }
            actix_rt::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Configures the plugin, sends the request, and gives the response with what the upstream was asked.
    pub async fn run(&self, name: &str, case: &Case) -> Result<(Came, Option<Came>), String> {
        let mut configuration = case.declarative.clone();
        configuration.insert("_format_version".to_owned(), "3.0".into());
        let service = json!({
            "name": "case", "host": "127.0.0.1", "port": self.ports.upstream,
            "routes": [{
                "name": "case", "paths": ["/"], "strip_path": false,
                "plugins": [{ "name": name, "config": case.config }],
            }],
        });
        match configuration.entry("services").or_insert_with(|| json!([])) {
            Value::Array(services) => services.push(service),
            _ => return Err("`declarative.services` must be a list".to_owned()),
        }
        let address = format!("http://127.0.0.1:{}/config", self.ports.admin);
        let mut loaded =
            self.client.post(address).send_json(&configuration).await.map_err(|error| error.to_string())?;
        if loaded.status() != StatusCode::CREATED {
            let body = loaded.body().await.unwrap_or_default();
            return Err(format!("the configuration is refused: {}", String::from_utf8_lossy(&body)));
        }
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = Upstream { case: case.clone(), asked: None };
        let sent = &case.request;
        let method = sent.method.as_deref().unwrap_or("GET").parse::<awc::http::Method>();
        let method = method.map_err(|error| format!("the request's method: {error}"))?;
        let path = sent.path.as_deref().unwrap_or("/");
        let mut request = self.client.request(method, format!("http://127.0.0.1:{}{path}", self.ports.proxy));
        request = request.no_decompress();
        for (name, value) in &sent.headers {
            request = request.insert_header((name.as_str(), value.as_str()));
        }
        if matches!(sent.body, Value::Object(_) | Value::Array(_))
            && !sent.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"))
        {
            request = request.insert_header(("Content-Type", "application/json"));
        }
        let mut response = request.send_body(body_of(&sent.body)).await.map_err(|error| error.to_string())?;
        let body = response.body().await.map_err(|error| error.to_string())?;
        let came = Came {
            status: response.status().as_u16(),
            headers: lines(response.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
            body: body.to_vec(),
            ..Came::default()
        };
        let asked = self.upstream.lock().unwrap_or_else(PoisonError::into_inner).asked.take();
        Ok((came, asked))
    }

    /// The last lines of what the gateway wrote.
    pub fn errors(&self) -> String {
        let text = |file: &str| std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default();
        let all = text("output") + &text("logs/error.log");
        let all: Vec<&str> = all.lines().collect();
        let last = &all[all.len().saturating_sub(SHOWN)..];
        last.iter().map(|line| format!("  {line}\n")).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        actix_rt::spawn(self.server.stop(false));
    }
}

fn schema_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "on" } else { "off" }.to_owned(),
        other => other.to_string(),
    }
}

fn lines<'a>(all: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<(String, String)> {
    all.map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned())).collect()
}

/// The upstream: notes what it is asked, and answers what the case says.
async fn answer(request: HttpRequest, body: web::Bytes, shared: web::Data<Mutex<Upstream>>) -> HttpResponse {
    let mut upstream = shared.lock().unwrap_or_else(PoisonError::into_inner);
    upstream.asked = Some(Came {
        method: request.method().to_string(),
        path: request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: lines(request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
        body: body.to_vec(),
        ..Came::default()
    });
    let answered = &upstream.case.upstream;
    let status = answered.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::build(status);
    if matches!(answered.body, Value::Object(_) | Value::Array(_)) {
        response.insert_header(("Content-Type", "application/json"));
    }
    for (name, value) in &answered.headers {
        response.insert_header((name.as_str(), value.as_str()));
    }
    response.body(body_of(&answered.body))
}
