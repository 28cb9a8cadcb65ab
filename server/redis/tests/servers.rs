//! Against real servers: what is counted, and what happens when they go away.

use exchange::counters::{Counters, Taken, Window};
use exchange::redis::{Pending, Redis, RedisAddress, RedisError, RedisServer, RedisTls, RemoteCounter, Reply, Taking};
use redis_client::{Client, Network, Resolving};
use rustls::{ClientConfig, RootCertStore};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const LOG: &str = "log";

/// A `redis-server` on a port of its own.
struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    options: Vec<String>,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        // A port that was free a moment ago may be another test's by now.
        for _ in 0..10 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
            let port = free.expect("a port").port();
            if let Some(child) = run(port, folder.path(), &options) {
                return Self { child, port, folder, options };
            }
        }
        panic!("redis-server does not start: {}", log(folder.path()));
    }

    fn kill(&mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("it ends");
    }

    /// Empty: it keeps nothing on disk.
    fn restart(&mut self) {
        let started = run(self.port, self.folder.path(), &self.options);
        self.child = started.unwrap_or_else(|| panic!("redis-server does not start: {}", log(self.folder.path())));
    }

    fn address(&self) -> RedisAddress {
        RedisAddress {
            host: "localhost".into(),
            port: self.port,
            username: None,
            password: None,
            database: 0,
            tls: None,
            timeout: Duration::from_secs(5),
            connect_timeout: None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that listens on this port itself; `None` where it ended.
fn run(port: u16, folder: &Path, options: &[String]) -> Option<Child> {
    let mut child = Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .args(options.iter().all(|option| option != "--tls-port").then_some("--port"))
        .args(options.iter().all(|option| option != "--tls-port").then(|| port.to_string()))
        .args(options.iter().map(|option| option.replace("PORT", &port.to_string())))
        .stdout(File::create(folder.join(LOG)).expect("a file"))
        .spawn()
        .expect("redis-server is installed");
    let mut ended = false;
    eventually("the server listens", || {
        ended = child.try_wait().expect("it is a child").is_some();
        ended || log(folder).contains("Ready to accept connections")
    });
    (!ended).then_some(child)
}

/// What the server printed since it was started.
fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join(LOG)).expect("a file")
}

fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < end, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Every name is this machine; `roots` are believed.
struct Outside(RootCertStore);

impl Network for Outside {
    fn resolve(&self, name: &str, port: u16) -> Resolving {
        let found = match name {
            "nowhere.test" => Err("dns server error: 3 name error".to_owned()),
            _ => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        };
        Box::pin(std::future::ready(found))
    }

    fn tls(&self, verify: bool) -> Result<Arc<ClientConfig>, String> {
        assert!(verify, "tests verify");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        Ok(Arc::new(builder.with_root_certificates(self.0.clone()).with_no_client_auth()))
    }
}

fn client() -> Client {
    Client::new(Arc::new(Outside(RootCertStore::empty())))
}

/// Waits on this thread, which has no runtime: as a worker's task does on its own.
fn wait<T>(pending: Pending<T>) -> Result<T, RedisError> {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(pending)
}

fn counter(name: &str, limit: u64) -> RemoteCounter {
    RemoteCounter { name: name.into(), limit, lifetime: 600 }
}

fn take(server: &Arc<dyn RedisServer>, counters: &[RemoteCounter]) -> Result<Taken, RedisError> {
    wait(server.take(counters.to_vec()))
}

fn ask(server: &Arc<dyn RedisServer>, command: &[&str]) -> Result<Reply, RedisError> {
    wait(server.ask(command.iter().map(|word| word.as_bytes().to_vec()).collect()))
}

fn stored(server: &Arc<dyn RedisServer>, key: &str) -> Option<String> {
    match ask(server, &["GET", key]).expect("an answer") {
        Reply::Bytes(bytes) => Some(String::from_utf8(bytes).expect("text")),
        _ => None,
    }
}

#[test]
fn units_are_taken_of_every_counter_or_of_none() {
    let (process, client) = (Server::start(&[]), client());
    let server = client.server(&process.address()).expect("a server");
    let both = [counter("a", 2), counter("b", 5)];
    for (granted, used) in [(true, [0, 0]), (true, [1, 1]), (false, [2, 2])] {
        assert_eq!(take(&server, &both), Ok(Taken { granted, used: used.as_slice().into() }));
    }
    assert_eq!((stored(&server, "a").as_deref(), stored(&server, "b").as_deref()), (Some("2"), Some("2")));
    let Ok(Reply::Integer(left)) = ask(&server, &["TTL", "a"]) else { panic!("a time to live") };
    assert!((1..=600).contains(&left));
    assert_eq!(wait(server.add(vec![(counter("b", 0), 7), (counter("c", 0), 0)])), Ok(vec![9, 0]));
    assert_eq!(ask(&server, &["EXISTS", "c"]), Ok(Reply::Integer(0)));

    assert_eq!(ask(&server, &["SET", "odd", "text"]), Ok(Reply::Bytes(b"OK".to_vec())));
    assert!(take(&server, &[counter("d", 9), counter("odd", 9)]).is_err());
    assert!(wait(server.add(vec![(counter("odd", 9), 1)])).is_err());
    assert_eq!(stored(&server, "d"), None);
    assert!(ask(&server, &["NO-SUCH-COMMAND"]).is_err());

    let other = client.server(&RedisAddress { database: 3, ..process.address() }).expect("a server");
    assert_eq!(take(&other, &both).map(|taken| taken.used[0]), Ok(0));
    let missing = client.server(&RedisAddress { database: 999, ..process.address() }).expect("a server");
    assert!(take(&missing, &both).is_err());
}

#[test]
fn exact_from_several_nodes_at_once() {
    let process = Server::start(&[]);
    let granted: usize = thread::scope(|scope| {
        let node = || {
            let client = client();
            let server = client.server(&process.address()).expect("a server");
            let asked: Vec<_> = (0..100).map(|_| server.take(vec![counter("a", 150), counter("b", 170)])).collect();
            asked.into_iter().map(wait).filter(|taken| taken.as_ref().is_ok_and(|it| it.granted)).count()
        };
        let nodes: Vec<_> = (0..3).map(|_| scope.spawn(node)).collect();
        nodes.into_iter().map(|node| node.join().expect("no panic")).sum()
    });
    assert_eq!(granted, 150);
}

#[test]
fn a_server_that_comes_back_is_found_again() {
    let (mut process, client) = (Server::start(&[]), client());
    let server = client.server(&process.address()).expect("a server");
    let one = [counter("a", 9)];
    assert_eq!(take(&server, &one).map(|taken| taken.used[0]), Ok(0));
    for _ in 0..3 {
        process.kill();
        assert!(take(&server, &one).is_err());
        assert!(take(&server, &one).is_err());
        process.restart();
        // It knows neither counters nor scripts any more; the first question succeeds all the same.
        assert_eq!(take(&server, &one).map(|taken| taken.used[0]), Ok(0));
        assert_eq!(take(&server, &one).map(|taken| taken.used[0]), Ok(1));
    }
}

#[test]
fn what_is_settled_is_added_where_the_counter_is() {
    let process = Server::start(&[]);
    let (client, heard) = (client(), Arc::new(std::sync::Mutex::new(None)));
    let server = client.server(&process.address()).expect("a server");
    let (there, gone) = (counter("there", 9), counter("gone", 9));
    assert!(take(&server, std::slice::from_ref(&there)).expect("an answer").granted);
    server.settle(vec![(there, 4), (gone, -1)]);
    let listener = heard.clone();
    let words = ["SET", "told", "yes"].map(|word| word.as_bytes().to_vec()).to_vec();
    server.tell(words, Box::new(move |outcome| *listener.lock().unwrap() = Some(outcome)));
    eventually("it is done, though nobody waits", || heard.lock().unwrap().is_some());
    assert_eq!(heard.lock().unwrap().take(), Some(Ok(Reply::Bytes(b"OK".to_vec()))));
    assert_eq!((stored(&server, "there").as_deref(), stored(&server, "gone")), (Some("5"), None));
    assert_eq!(stored(&server, "told").as_deref(), Some("yes"));
}

#[test]
fn what_cannot_be_reached_is_an_error() {
    let client = client();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let address = |host: &str, port| RedisAddress {
        host: host.into(),
        port,
        username: None,
        password: None,
        database: 0,
        tls: None,
        timeout: Duration::from_millis(50),
        connect_timeout: None,
    };
    for (address, text) in [(address("127.0.0.1", port), "timeout"), (address("nowhere.test", 1), "name error")] {
        let server = client.server(&address).expect("a server");
        let error = ask(&server, &["GET", "a"]).expect_err("nobody answers");
        assert!(error.to_string().contains(text), "{error}");
    }
    let wrong = RedisTls { verify: true, server_name: Some("not a name".into()) };
    assert!(client.server(&RedisAddress { tls: Some(wrong), ..address("r", 1) }).is_err());
}

#[test]
fn a_server_that_hangs_is_left_for_a_new_connection() {
    let (process, client) = (Server::start(&[]), client());
    let address = RedisAddress { timeout: Duration::from_secs(1), ..process.address() };
    let server = client.server(&address).expect("a server");
    take(&server, &[counter("a", 9)]).expect("an answer");
    let signal = |name: &str| {
        let done = Command::new("kill").args([name, &process.child.id().to_string()]).status().expect("kill runs");
        assert!(done.success());
    };
    signal("-STOP");
    assert_eq!(take(&server, &[counter("b", 9)]), Err(RedisError::new("timeout")));
    signal("-CONT");
    eventually("it is asked again", || take(&server, &[counter("c", 9)]).is_ok());
}

#[test]
fn users_show_their_passwords() {
    let options = ["--requirepass", "main", "--user", "gateway", "on", ">second", "~*", "+@all"];
    let (process, client) = (Server::start(&options), client());
    for (username, password, welcome) in [
        (None, None, false),
        (None, Some(""), false),
        (None, Some("wrong"), false),
        (Some("gateway"), Some("main"), false),
        (None, Some("main"), true),
        (Some(""), Some("main"), true),
        (Some("gateway"), Some("second"), true),
    ] {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let address = RedisAddress { username: text(username), password: text(password), ..process.address() };
        let server = client.server(&address).expect("a server");
        assert_eq!(take(&server, &[counter("a", 99)]).is_ok(), welcome, "{username:?} {password:?}");
    }
}

#[test]
fn tls_is_verified_for_the_name_asked_for() {
    let certified = rcgen::generate_simple_self_signed(["cache.test".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("text").to_owned()
    };
    let certificate = write("cert.pem", certified.cert.pem());
    let key = write("key.pem", certified.signing_key.serialize_pem());
    let options = [
        "--tls-port",
        "PORT",
        "--port",
        "0",
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &certificate,
        "--tls-auth-clients",
        "no",
    ];
    let process = Server::start(&options);
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).expect("a root");
    for (roots, name, trusted) in [
        (roots.clone(), Some("cache.test"), true),
        (roots.clone(), Some("other.test"), false),
        (roots, None, false),
        (RootCertStore::empty(), Some("cache.test"), false),
    ] {
        let client = Client::new(Arc::new(Outside(roots)));
        let tls = Some(RedisTls { verify: true, server_name: name.map(str::to_owned) });
        let server = client.server(&RedisAddress { tls, ..process.address() }).expect("a server");
        assert_eq!(take(&server, &[counter("a", 9)]).is_ok(), trusted, "{name:?}");
    }
}

/// A node that counts in windows of two names.
struct Node {
    client: Client,
    address: RedisAddress,
    keys: Counters,
}

impl Node {
    fn new(process: &Server) -> Self {
        Self { client: client(), address: process.address(), keys: Counters::new(1) }
    }

    fn server(&self) -> Arc<dyn RedisServer> {
        self.client.server(&self.address).expect("a server")
    }

    fn take(&self, synced: &dyn exchange::redis::SyncedCounters, limit: u64) -> Result<Taken, RedisError> {
        let window = |name: &str| Window { key: self.keys.key(&[name.as_bytes()]), limit, expires_at: u64::MAX };
        let remote = || vec![counter("a", limit), counter("b", limit)];
        match synced.take(&[window("a"), window("b")], &remote, 0) {
            Taking::Done(taken) => Ok(taken),
            Taking::Wait(pending) => wait(pending),
        }
    }
}

const OFTEN: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::MAX;

#[test]
fn synchronised_counters_come_together() {
    let process = Server::start(&[]);
    let nodes = [Node::new(&process), Node::new(&process)];
    let servers: Vec<_> = nodes.iter().map(Node::server).collect();
    let synced: Vec<_> = servers.iter().map(|server| server.synced(OFTEN)).collect();
    let mut granted = 0;
    eventually("the limit holds for both", || {
        let mut refused = 0;
        for (node, synced) in nodes.iter().zip(&synced) {
            match node.take(synced.as_ref(), 40).expect("an answer").granted {
                true => granted += 1,
                false => refused += 1,
            }
        }
        refused == nodes.len()
    });
    assert!(granted >= 40);
    eventually("every unit is on the server, once", || stored(&servers[0], "a") == Some(granted.to_string()));
    assert_eq!(stored(&servers[0], "b"), Some(granted.to_string()));
}

#[test]
fn counting_goes_on_while_the_server_is_away() {
    let mut process = Server::start(&[]);
    let node = Node::new(&process);
    let server = node.server();
    let synced = server.synced(OFTEN);
    assert_eq!(node.take(synced.as_ref(), 5).map(|taken| taken.used[0]), Ok(0));
    process.kill();
    for used in 1..5 {
        assert_eq!(node.take(synced.as_ref(), 5), Ok(Taken { granted: true, used: [used, used].as_slice().into() }));
    }
    assert_eq!(node.take(synced.as_ref(), 5).map(|taken| taken.granted), Ok(false));
    // A window nobody knows cannot be counted.
    let fresh = Node { keys: Counters::new(1), ..Node::new(&process) };
    assert!(fresh.take(fresh.server().synced(OFTEN).as_ref(), 5).is_err());
    process.restart();
    // The first unit may have been confirmed before the server lost it.
    eventually(
        "what it lacks is brought",
        || matches!(ask(&server, &["GET", "a"]), Ok(Reply::Bytes(count)) if count == b"4" || count == b"5"),
    );
}

#[test]
fn the_last_units_are_brought_when_a_node_stops() {
    let process = Server::start(&[]);
    let (first, second) = (Node::new(&process), Node::new(&process));
    let server = first.server();
    let synced = server.synced(NEVER);
    for _ in 0..7 {
        first.take(synced.as_ref(), 99).expect("an answer");
    }
    assert_eq!(stored(&second.server(), "a"), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(first.client.flush(Duration::from_secs(30)));
    assert_eq!(stored(&second.server(), "a").as_deref(), Some("7"));
    first.take(synced.as_ref(), 99).expect("an answer");
    drop((synced, server));
    // A configuration that went: nobody asks it to flush.
    eventually("the task ends with a last pass", || stored(&second.server(), "a").as_deref() == Some("8"));
}

#[test]
fn equal_addresses_share_what_is_counted() {
    let process = Server::start(&[]);
    let node = Node::new(&process);
    let (before, after) = (node.server(), node.server());
    let (one, two) = (before.synced(NEVER), after.synced(NEVER));
    assert_eq!(node.take(one.as_ref(), 9).map(|taken| taken.used[0]), Ok(0));
    drop((one, before));
    assert_eq!(node.take(two.as_ref(), 9).map(|taken| taken.used[0]), Ok(1));
}
