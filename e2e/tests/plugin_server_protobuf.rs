//! A plugin server that speaks `ProtoBuf:1`, as those in Go do: one of the test's own, which forgets, refuses and closes
//! as they do.

use e2e::{Backend, Gateway, Reply, eventually, get, request};
use prost::{Message, Oneof};
use serde_json::json;
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, PartialEq, Message)]
struct RpcCall {
    #[prost(int64, tag = "1")]
    sequence: i64,
    #[prost(oneof = "Call", tags = "33, 35, 36")]
    call: Option<Call>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Call {
    #[prost(message, tag = "33")]
    Start(Start),
    #[prost(message, tag = "35")]
    Close(Instance),
    #[prost(message, tag = "36")]
    Event(Instance),
}

#[derive(Clone, PartialEq, Message)]
struct Start {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    config: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Instance {
    #[prost(int32, tag = "1")]
    id: i32,
    #[prost(string, tag = "2")]
    event: String,
}

#[derive(Clone, PartialEq, Message)]
struct RpcReturn {
    #[prost(int64, tag = "1")]
    sequence: i64,
    #[prost(message, optional, tag = "33")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int32, tag = "2")]
    id: i32,
    #[prost(int64, tag = "4")]
    started_at: i64,
}

/// `String` and `ByteString`: the same bytes.
#[derive(Clone, PartialEq, Message)]
struct Text {
    #[prost(string, tag = "1")]
    v: String,
}

#[derive(Clone, PartialEq, Message)]
struct Int {
    #[prost(int32, tag = "1")]
    v: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, optional, tag = "3")]
    text: Option<String>,
    #[prost(message, optional, tag = "5")]
    object: Option<Struct>,
    #[prost(message, optional, tag = "6")]
    list: Option<List>,
}

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Struct {
    #[prost(map = "string, message", tag = "1")]
    fields: HashMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    k: String,
    #[prost(message, optional, tag = "2")]
    v: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Exit {
    #[prost(int32, tag = "1")]
    status: i32,
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    headers: Option<Struct>,
}

#[derive(Clone, PartialEq, Message)]
struct Route {
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, repeated, tag = "8")]
    paths: Vec<String>,
}

fn text(text: &str) -> Value {
    Value { text: Some(text.to_owned()), ..Value::default() }
}

fn receive(io: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length)?;
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    io.read_exact(&mut frame)?;
    Ok(frame)
}

fn send(io: &mut UnixStream, frame: &[u8]) -> io::Result<()> {
    io.write_all(&u32::try_from(frame.len()).expect("small").to_le_bytes())?;
    io.write_all(frame)
}

fn ask(io: &mut UnixStream, function: &str, argument: &impl Message) -> io::Result<Vec<u8>> {
    send(io, function.as_bytes())?;
    send(io, &argument.encode_to_vec())?;
    receive(io)
}

fn ask_text(io: &mut UnixStream, function: &str, argument: &str) -> io::Result<String> {
    let answer = ask(io, function, &Text { v: argument.to_owned() })?;
    Ok(Text::decode(answer.as_slice())?.v)
}

fn set(io: &mut UnixStream, function: &str, name: &str, value: Value) -> io::Result<()> {
    ask(io, function, &Pair { k: name.to_owned(), v: Some(value) }).map(drop)
}

/// Instances by number, each with its configuration, and what was logged.
#[derive(Default)]
struct Known {
    instances: Mutex<HashMap<i32, serde_json::Value>>,
    started: AtomicI32,
    closed: AtomicU32,
    logged: Mutex<Vec<String>>,
}

impl Known {
    fn instances(&self) -> std::sync::MutexGuard<'_, HashMap<i32, serde_json::Value>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a connection to its end; an error closes it, as it does in Go.
    fn serve(&self, mut io: UnixStream) -> io::Result<()> {
        loop {
            let RpcCall { sequence, call } = RpcCall::decode(receive(&mut io)?.as_slice())?;
            let status = match call.ok_or(io::ErrorKind::InvalidData)? {
                Call::Start(Start { name, config }) => {
                    let id = self.started.fetch_add(1, SeqCst) + 1;
                    self.instances().insert(id, serde_json::from_slice(&config)?);
                    Some(Status { name, id, started_at: 1 })
                }
                Call::Close(Instance { id, .. }) => {
                    self.instances().remove(&id).ok_or(io::ErrorKind::NotFound)?;
                    self.closed.fetch_add(1, SeqCst);
                    Some(Status { name: "---".to_owned(), id, started_at: 1 })
                }
                Call::Event(Instance { id, event }) => {
                    let config = self.instances().get(&id).cloned().ok_or(io::ErrorKind::NotFound)?;
                    self.run(&mut io, &event, &config)?;
                    send(&mut io, b"")?;
                    None
                }
            };
            send(&mut io, &RpcReturn { sequence, status }.encode_to_vec())?;
        }
    }

    fn run(&self, io: &mut UnixStream, event: &str, config: &serde_json::Value) -> io::Result<()> {
        const HEADER: &str = "kong.service.request.set_header";
        match event {
            "access" => {
                let what = ask_text(io, "kong.request.get_query_arg", "do")?;
                ask(io, "kong.log.warn", &List { values: vec![text("asked to "), text(&what)] })?;
                match what.as_str() {
                    "exit" => {
                        let tea =
                            Value { list: Some(List { values: vec![text("tea"), text("pot")] }), ..Value::default() };
                        let headers = Struct { fields: [("X-From".to_owned(), tea)].into() };
                        ask(
                            io,
                            "kong.response.exit",
                            &Exit { status: 418, body: b"short".to_vec(), headers: Some(headers) },
                        )?;
                        return Err(io::ErrorKind::Other.into());
                    }
                    "die" => return Err(io::ErrorKind::Other.into()),
                    "wrong" => drop(ask(io, "kong.response.set_status", &Int { v: 1 })?),
                    "unknown" => drop(ask(io, "kong.none.there", &Int { v: 1 })?),
                    _ => {}
                }
                let method = ask_text(io, "kong.request.get_method", "")?;
                set(
                    io,
                    HEADER,
                    "X-Said",
                    text(&format!("{} {method}", config["message"].as_str().unwrap_or_default())),
                )?;
                let headers = ask(io, "kong.request.get_headers", &Int { v: 100 })?;
                let headers = Struct::decode(headers.as_slice())?;
                let many =
                    headers.fields.get("x-many").and_then(|value| value.list.as_ref()).map(|list| list.values.clone());
                set(io, HEADER, "X-Count", text(&many.unwrap_or_default().len().to_string()))?;
                let route = Route::decode(ask(io, "kong.router.get_route", &Text::default())?.as_slice())?;
                set(io, HEADER, "X-Route", text(&format!("{} {}", route.name, route.paths.join(" "))))?;
                let body = ask_text(io, "kong.request.get_raw_body", "")?;
                set(io, HEADER, "X-Body", text(&body))?;
                let nobody = ask(io, "kong.client.get_consumer", &Text::default())?;
                set(io, HEADER, "X-Nobody", text(&nobody.len().to_string()))?;
                set(io, "kong.ctx.shared.set", "seen", Value { object: Some(Struct::default()), ..Value::default() })?;
                set(io, "kong.ctx.shared.set", "word", text("kept"))
            }
            "response" => {
                let word = ask(io, "kong.ctx.shared.get", &Text { v: "word".to_owned() })?;
                set(io, "kong.response.set_header", "X-Word", Value::decode(word.as_slice())?)?;
                let status = Int::decode(ask(io, "kong.service.response.get_status", &Text::default())?.as_slice())?;
                set(io, "kong.response.set_header", "X-Status", text(&status.v.to_string()))
            }
            _ => {
                let path = ask_text(io, "kong.request.get_path_with_query", "")?;
                let entry: serde_json::Value = serde_json::from_str(&ask_text(io, "kong.log.serialize", "")?)?;
                let line = format!("{path} {}", entry["response"]["status"]);
                self.logged.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                Ok(())
            }
        }
    }
}

fn serve(socket: &Path) -> Arc<Known> {
    let listener = UnixListener::bind(socket).expect("a socket");
    let known: Arc<Known> = Arc::default();
    let serving = known.clone();
    std::thread::spawn(move || {
        for io in listener.incoming().flatten() {
            let serving = serving.clone();
            std::thread::spawn(move || serving.serve(io));
        }
    });
    known
}

#[test]
fn a_server_of_protocol_buffers_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("typed.socket");
    let known = serve(&socket);
    let description = folder.path().join("description.json");
    let fields = json!([{ "message": { "type": "string", "default": "hello" } }]);
    let schema = json!({ "name": "typed", "fields": [{ "config": { "type": "record", "fields": fields } }] });
    let described = json!({ "Protocol": "ProtoBuf:1", "SocketPath": socket, "Plugins": [{
        "Name": "typed", "Version": "2.1.0", "Priority": 1500, "Phases": ["access", "response", "log"], "Schema": schema,
    }] });
    std::fs::write(&description, described.to_string()).expect("written");
    let gateway = Gateway::start_in(
        folder.path(),
        &[
            ("KONG_PLUGINS", "bundled,typed"),
            ("KONG_PLUGINSERVER_NAMES", "go"),
            ("KONG_PLUGINSERVER_GO_SOCKET", socket.to_str().expect("UTF-8")),
            ("KONG_PLUGINSERVER_GO_QUERY_CMD", &format!("cat {}", description.display())),
        ],
    );
    let backend = Backend::start();
    let configure = |message: &str| {
        let configuration = json!({
            "_format_version": "3.0",
            "services": [{
                "name": "hello", "host": "127.0.0.1", "port": backend.address.port(),
                "routes": [{
                    "name": "typed", "paths": ["/typed"],
                    "plugins": [{ "name": "typed", "config": { "message": message } }],
                }],
            }],
        });
        assert_eq!(gateway.configure(&configuration).status, 201);
    };
    let asked = |query: &str, body: &[u8]| -> Reply {
        let lines = [("X-Many", "one"), ("X-Many", "two")];
        request(gateway.proxy, "POST", &format!("/typed{query}"), &lines, body).expect("an answer")
    };
    let seen = |name: &str| backend.seen(name).join(",");
    configure("hello");
    eventually("the route is there", || get(gateway.proxy, "/typed", &[]).status == 200);

    let answer = asked("?a=b", b"a body");
    assert_eq!((answer.status, answer.header("x-word"), answer.header("x-status")), (200, Some("kept"), Some("200")));
    for (name, expected) in [
        ("x-said", "hello POST"),
        ("x-count", "2"),
        ("x-route", "typed /typed"),
        ("x-body", "a body"),
        ("x-nobody", "0"),
    ] {
        assert_eq!(seen(name), expected, "{name}");
    }
    let exit = asked("?do=exit", b"");
    let from: Vec<_> = exit.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-from")).collect();
    assert_eq!((exit.status, exit.text().as_str(), from.len()), (418, "short", 2));
    for what in ["die", "wrong", "unknown"] {
        let before = backend.requests();
        assert_eq!((asked(&format!("?do={what}"), b"").status, backend.requests()), (500, before), "{what}");
    }
    assert_eq!(asked("", b"").status, 200);
    eventually("requests are logged", || {
        let logged = known.logged.lock().unwrap_or_else(PoisonError::into_inner);
        ["/typed?a=b 200", "/typed?do=exit 418"].iter().all(|line| logged.iter().any(|known| known == line))
    });

    // A server that has forgotten the instance closes the connection: it is asked to start another.
    let started = known.started.load(SeqCst);
    known.instances().clear();
    assert_eq!(asked("", b"").status, 200);
    assert!(known.started.load(SeqCst) > started);
    // Another configuration is another instance, and the one before is closed.
    configure("bye");
    eventually("the new configuration is used", || asked("", b"").status == 200 && seen("x-said") == "bye POST");
    eventually("the instance is closed", || asked("", b"").status == 200 && known.closed.load(SeqCst) > 0);
    let shown = &get(gateway.admin, "/", &[]).json()["plugins"]["available_on_server"]["typed"];
    assert_eq!((&shown["priority"], &shown["version"]), (&json!(1500), &json!("2.1.0")));
}
