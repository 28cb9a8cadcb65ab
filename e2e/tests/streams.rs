//! TCP, TLS and UDP through the gateway (`stream_listen`), with real peers on both sides.

use e2e::tls::Identity;
use e2e::{Gateway, LUA_PLUGINS, eventually, free_port, get};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const GREETING: &str = "hello from the upstream\n";
const LIMIT: Duration = Duration::from_secs(20);

/// A server that speaks first, reads to the end, and then says how much that was and how it began.
fn counting() -> SocketAddr {
    serve(|mut io| {
        io.write_all(GREETING.as_bytes())?;
        let mut all = Vec::new();
        io.read_to_end(&mut all)?;
        let first = String::from_utf8_lossy(&all[..all.len().min(64)]).lines().next().unwrap_or_default().to_owned();
        write!(io, "{} bytes, first {first}", all.len())
    })
}

fn serve(each: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for io in listener.incoming().flatten() {
            let each = each.clone();
            std::thread::spawn(move || each(io));
        }
    });
    address
}

/// A TLS server that shouts back one line.
fn shouting(identity: &Identity) -> SocketAddr {
    let chain = vec![identity.der.clone()];
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, identity.secret());
    let config = Arc::new(config.expect("a configuration"));
    serve(move |io| {
        let session = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
        let mut io = StreamOwned::new(session, io);
        let mut line = [0; 5];
        io.read_exact(&mut line)?;
        io.write_all(line.to_ascii_uppercase().as_slice())?;
        io.conn.send_close_notify();
        io.flush()
    })
}

/// Says `words` over TLS to `name`, whose certificate must be `trusted`; what comes back.
fn over_tls(address: SocketAddr, name: &str, trusted: &Identity, words: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).expect("an authority");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // What is asked for by ALPN is nobody's business here.
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let io = TcpStream::connect(address)?;
    io.set_read_timeout(Some(LIMIT))?;
    let session = ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
    let mut io = StreamOwned::new(session, io);
    io.write_all(words.as_bytes())?;
    let mut answer = vec![0; words.len()];
    io.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn connect(address: SocketAddr) -> TcpStream {
    let io = TcpStream::connect(address).expect("connects");
    io.set_read_timeout(Some(LIMIT)).expect("a limit");
    io
}

/// Says `words`, ends that half, and reads to the end.
fn ask(address: SocketAddr, words: &[u8]) -> String {
    let mut io = connect(address);
    // Who is refused may be gone before all is said.
    let _ = io.write_all(words).and_then(|()| io.shutdown(Shutdown::Write));
    let mut answer = String::new();
    let _ = io.read_to_string(&mut answer);
    answer
}

fn started(settings: &[(&str, &str)], mut configuration: Value) -> Gateway {
    let gateway = Gateway::start(settings);
    configuration["_format_version"] = "3.0".into();
    let reply = gateway.configure(&configuration);
    assert_eq!(reply.status, 201, "{}", reply.text());
    gateway
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn bytes_pass_both_ways_and_each_half_ends_by_itself() {
    let upstream = counting();
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    let (entries, access) = (folder.path().join("entries.log"), folder.path().join("stream.log"));
    let gateway = started(
        &[
            ("KONG_STREAM_LISTEN", &format!("127.0.0.1:{port} reuseport backlog=1024")),
            ("KONG_PROXY_STREAM_ACCESS_LOG", access.to_str().expect("UTF-8")),
        ],
        json!({ "services": [{
            "name": "counted", "protocol": "tcp", "host": "127.0.0.1", "port": upstream.port(),
            "routes": [{ "name": "by-port", "protocols": ["tcp"], "destinations": [{ "port": port }] }],
            "plugins": [{
                "name": "file-log", "protocols": ["tcp", "udp"],
                "config": { "path": entries.to_str().expect("UTF-8"), "reopen": true },
            }],
        }] }),
    );
    let mut io = connect(local(port));
    let mut greeting = vec![0; GREETING.len()];
    io.read_exact(&mut greeting).expect("the upstream speaks first");
    assert_eq!(greeting, GREETING.as_bytes());
    let words = vec![b'x'; 3 << 20];
    io.write_all(&words).expect("sent");
    io.shutdown(Shutdown::Write).expect("ended");
    let mut answer = String::new();
    io.read_to_string(&mut answer).expect("the other half goes on");
    assert!(answer.starts_with("3145728 bytes, first xxx"), "{answer}");
    eventually("the session is logged", || lines(&entries).len() == 1 && lines(&access).len() == 1);
    let entry: Value = serde_json::from_str(&lines(&entries)[0]).expect("JSON");
    let sent = GREETING.len() + answer.len();
    assert_eq!(entry["session"], json!({ "received": 3 << 20, "sent": sent, "status": 200, "server_port": port }));
    assert_eq!(entry["upstream"], json!({ "received": sent, "sent": 3 << 20 }));
    assert_eq!((&entry["route"]["name"], &entry["service"]["name"]), (&json!("by-port"), &json!("counted")));
    assert_eq!((&entry["client_ip"], &entry["tries"][0]["port"]), (&json!("127.0.0.1"), &json!(upstream.port())));
    assert!(entry["latencies"]["session"].is_u64() && entry.get("request").is_none(), "{entry}");
    let line = &lines(&access)[0];
    assert!(line.starts_with("127.0.0.1 [") && line.contains(&format!("] TCP 200 {sent} 3145728 ")), "{line}");
    // The same Route does not take HTTP.
    assert_eq!(get(gateway.proxy, "/", &[]).status, 404);
}

#[test]
fn targets_that_cannot_be_reached_are_passed_over() {
    let upstream = counting();
    let (port, unmatched) = (free_port(), free_port());
    let targets = [json!({ "target": local(free_port()) }), json!({ "target": upstream })];
    let gateway = started(
        &[("KONG_STREAM_LISTEN", &format!("127.0.0.1:{port}, 127.0.0.1:{unmatched}"))],
        json!({
            "upstreams": [{
                "name": "pool", "targets": targets,
                "healthchecks": { "passive": { "type": "tcp", "unhealthy": { "tcp_failures": 1 } } },
            }],
            "services": [{
                "protocol": "tcp", "host": "pool", "port": 1,
                "routes": [{ "protocols": ["tcp"], "destinations": [{ "ip": "127.0.0.0/8", "port": port }] }],
            }],
        }),
    );
    for _ in 0..6 {
        assert_eq!(ask(local(port), b"abc"), format!("{GREETING}3 bytes, first abc"));
    }
    let health = get(gateway.admin, "/upstreams/pool/health", &[]).text();
    let health: Value = serde_json::from_str(&health).expect("JSON");
    let states: Vec<_> = health["data"].as_array().expect("targets").iter().map(|one| one["health"].clone()).collect();
    assert!(states.contains(&json!("UNHEALTHY")) && states.contains(&json!("HEALTHY")), "{health}");
    assert_eq!(ask(local(unmatched), b"abc"), "", "no Route: the connection is closed");
}

#[test]
fn lua_plugins_in_folders_meet_sessions() {
    let (upstream, [led, refused, failing, bare]) = (counting(), [free_port(), free_port(), free_port(), free_port()]);
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("error.log");
    let route = |port: u16, config: Value| {
        let plugins = json!([{ "name": "doorman", "config": config }]);
        json!({ "protocols": ["tcp"], "destinations": [{ "port": port }], "plugins": plugins })
    };
    let _gateway = started(
        &[
            ("KONG_STREAM_LISTEN", &[led, refused, failing, bare].map(|port| format!("127.0.0.1:{port}")).join(", ")),
            ("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS),
            ("KONG_PLUGINS", "bundled,doorman"),
            ("KONG_LOG_LEVEL", "notice"),
            ("KONG_PROXY_STREAM_ERROR_LOG", log.to_str().expect("UTF-8")),
            ("KONG_PROXY_ERROR_LOG", log.to_str().expect("UTF-8")),
        ],
        json!({ "services": [{
            // Nobody is there: the plugin leads elsewhere.
            "protocol": "tcp", "host": "127.0.0.1", "port": free_port(), "retries": 0,
            "routes": [
                route(led, json!({ "port": upstream.port() })),
                route(refused, json!({ "refuse": 403 })),
                route(failing, json!({ "fail": true })),
            ],
        }, {
            // Nobody there speaks TLS: the plugin wants none.
            "protocol": "tls", "host": "127.0.0.1", "port": upstream.port(), "retries": 0,
            "routes": [route(bare, json!({ "cleartext": true }))],
        }] }),
    );
    for port in [led, bare] {
        assert_eq!(ask(local(port), b"abc"), format!("{GREETING}3 bytes, first abc"));
    }
    assert_eq!(ask(local(refused), b""), "nobody comes in");
    assert_eq!(ask(local(failing), b""), "An unexpected error occurred");
    eventually("what the plugin logs is there", || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let met = |status: u16| log.contains(&format!("the doorman met 127.0.0.1 and the session ended with {status}"));
        met(200) && met(403) && met(500) && log.contains("the doorman stumbles")
    });
}

#[test]
fn probes_of_type_tcp_watch_targets_of_streams() {
    let (port, upstream) = (free_port(), counting());
    let dead = local(free_port());
    let gateway = started(
        &[("KONG_STREAM_LISTEN", &format!("127.0.0.1:{port}"))],
        json!({ "upstreams": [{
            "name": "pool", "targets": [{ "target": dead }, { "target": upstream }],
            "healthchecks": { "active": {
                "type": "tcp", "healthy": { "interval": 1, "successes": 1 }, "unhealthy": { "interval": 1, "tcp_failures": 1 },
            } },
        }] }),
    );
    eventually("the dead target is found", || {
        get(gateway.admin, "/upstreams/pool/health", &[]).text().contains("UNHEALTHY")
    });
}

#[test]
fn server_names_decide_who_speaks_tls() {
    let (inside, outside) = (Identity::for_names(&["in.test"]), Identity::for_names(&["x.out.test"]));
    let plain = serve(|mut io| {
        let mut line = [0; 5];
        io.read_exact(&mut line)?;
        line.reverse();
        io.write_all(&line)
    });
    let secure = shouting(&outside);
    let port = free_port();
    let service = |name: &str, protocol: &str, port: u16| json!({ "name": name, "protocol": protocol, "host": "127.0.0.1", "port": port });
    let route = |service: &str, protocol: &str, sni: &str| json!({ "service": { "name": service }, "protocols": [protocol], "snis": [sni] });
    let _gateway = started(
        &[("KONG_STREAM_LISTEN", &format!("127.0.0.1:{port} ssl"))],
        json!({
            "certificates": [{
                "id": "a3ad71a8-6685-4b03-a101-980a953544f6", "cert": inside.pem, "key": inside.key.serialize_pem(),
                "snis": [{ "name": "in.test" }],
            }],
            "services": [service("plain", "tcp", plain.port()), service("secure", "tls", secure.port()), service("raw", "tcp", secure.port())],
            "routes": [
                route("plain", "tls", "in.test"), route("secure", "tls", "again.test"),
                route("raw", "tls_passthrough", "*.out.test"),
            ],
        }),
    );
    let address = local(port);
    assert_eq!(over_tls(address, "in.test", &inside, "abcde").expect("ends at the gateway"), "edcba");
    assert_eq!(over_tls(address, "x.out.test", &outside, "abcde").expect("ends at the upstream"), "ABCDE");
    assert!(over_tls(address, "in.test", &outside, "abcde").is_err(), "the gateway shows its own certificate");
    assert!(over_tls(address, "other.test", &inside, "abcde").is_err(), "no Route has that name");
    // Encrypted on both sides: the gateway's own certificate, which nobody vouches for, and the upstream's.
    let again = std::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &address.to_string(), "-servername", "again.test"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut again = again.expect("openssl runs");
    again.stdin.take().expect("its input").write_all(b"abcde").expect("sent");
    let output = again.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ABCDE");
}

#[test]
fn who_may_not_pass_is_told_and_the_upstream_is_told_who_passes() {
    let upstream = counting();
    let (plain, proxied) = (free_port(), free_port());
    let _gateway = started(
        &[
            ("KONG_STREAM_LISTEN", &format!("127.0.0.1:{plain}, 127.0.0.1:{proxied} proxy_protocol")),
            ("KONG_TRUSTED_IPS", "127.0.0.1/32"),
            ("KONG_NGINX_SPROXY_PROXY_PROTOCOL", "on"),
        ],
        json!({
            "services": [{
                "protocol": "tcp", "host": "127.0.0.1", "port": upstream.port(),
                "routes": [{ "protocols": ["tcp"], "sources": [{ "ip": "127.0.0.0/8" }, { "ip": "203.0.113.0/24" }] }],
                "plugins": [{ "name": "ip-restriction", "config": { "deny": ["203.0.113.9"] } }],
            }],
        }),
    );
    let mut io = connect(local(plain));
    let own = io.local_addr().expect("an address");
    io.write_all(b"abc").expect("sent");
    io.shutdown(Shutdown::Write).expect("ended");
    let mut answer = String::new();
    io.read_to_string(&mut answer).expect("answered");
    let line = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {plain}", own.port());
    assert_eq!(answer, format!("{GREETING}{} bytes, first {line}", line.len() + 2 + 3));
    let says = |source: &str| {
        let answer = ask(local(proxied), format!("PROXY TCP4 {source} 127.0.0.1 7777 {proxied}\r\nabc").as_bytes());
        answer.strip_prefix(GREETING).map_or(answer.clone(), str::to_owned)
    };
    let line = format!("PROXY TCP4 203.0.113.8 127.0.0.1 7777 {proxied}");
    assert_eq!(says("203.0.113.8"), format!("{} bytes, first {line}", line.len() + 2 + 3));
    assert_eq!(says("198.51.100.1"), "", "no Route has that source");
    let mut io = connect(local(proxied));
    io.write_all(format!("PROXY TCP4 203.0.113.9 127.0.0.1 7777 {proxied}\r\n").as_bytes()).expect("sent");
    let mut answer = String::new();
    io.read_to_string(&mut answer).expect("told");
    assert_eq!(answer, "IP address not allowed: 203.0.113.9");
}

#[test]
fn datagrams_of_each_client_are_a_session() {
    let upstream = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let at = upstream.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = upstream.recv_from(&mut buffer) {
            let text = format!("{from} {}", String::from_utf8_lossy(&buffer[..length]));
            let _ = upstream.send_to(text.as_bytes(), from);
        }
    });
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    let entries = folder.path().join("entries.log");
    let _gateway = started(
        &[("KONG_STREAM_LISTEN", &format!("127.0.0.1:{port} udp")), ("KONG_ROUTER_FLAVOR", "expressions")],
        json!({ "services": [{
            "protocol": "udp", "host": "127.0.0.1", "port": at.port(), "read_timeout": 1500, "write_timeout": 1500,
            "routes": [{
                "name": "datagrams", "protocols": ["udp"],
                "expression": format!("net.protocol == \"udp\" && net.dst.port == {port} && net.src.ip in 127.0.0.0/8"),
            }],
            "plugins": [{
                "name": "file-log", "protocols": ["tcp", "udp"],
                "config": { "path": entries.to_str().expect("UTF-8"), "reopen": true },
            }],
        }] }),
    );
    let client = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.connect(local(port)).expect("connected");
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        socket
    };
    let say = |socket: &UdpSocket, text: &str| {
        socket.send(text.as_bytes()).expect("sent");
        let mut buffer = [0; 2048];
        let length = socket.recv(&mut buffer).expect("answered");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let (one, two) = (client(), client());
    let (first, second) = (say(&one, "a"), say(&two, "b"));
    let source = first.strip_suffix(" a").expect("its own answer");
    assert_ne!(Some(source), second.strip_suffix(" b"), "each client has a socket of its own");
    assert_eq!(say(&one, "c"), format!("{source} c"), "and keeps it");
    eventually("idle sessions end and are logged", || lines(&entries).len() == 2);
    let mut received: Vec<u64> = Vec::new();
    for line in lines(&entries) {
        let entry: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&entry["session"]["status"], &entry["route"]["name"]), (&json!(200), &json!("datagrams")));
        received.push(entry["session"]["received"].as_u64().expect("a number"));
    }
    received.sort_unstable();
    assert_eq!(received, [1, 2]);
}
