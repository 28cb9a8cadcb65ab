//! Listeners over real sockets.

use super::*;
use crate::stream::ClientStream;
use crate::tls::{Acceptor, TlsSettings, generate, own};
use crate::worker::{Ends, ListenerContext};
use rustls_pki_types::ServerName;
use snapshot::{Trust, UpstreamTls, certified_key};
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// Tells each client how its connection looks from here, after a line from it; and counts them.
#[derive(Clone, Default)]
struct Mirror(Arc<AtomicUsize>);

impl Serve for Mirror {
    async fn serve<S: ClientStream>(&self, mut io: S, ends: Ends, listener: Arc<ListenerContext>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            if io.read_buf(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let session = ends.tls.as_deref().map(|tls| format!("{} {} {:?}", tls.version, tls.cipher, tls.sni));
        let peer = ends.peer.is_some();
        let said = format!("{} {:?} {peer} {session:?}", listener.scheme.as_str(), ends.proxied);
        let _ = io.write_all(said.as_bytes()).await;
        let _ = io.shutdown().await;
    }
}

struct Server {
    mirror: Mirror,
    listening: Listening,
    addresses: Vec<Option<std::net::SocketAddr>>,
    end: actix_rt::task::JoinHandle<std::io::Result<()>>,
}

fn serve(listeners: &[Listener], settings: &TlsSettings, patience: Duration) -> Server {
    serve_on(bind(listeners).unwrap(), settings, patience)
}

fn serve_on(bound: Vec<Bound>, settings: &TlsSettings, patience: Duration) -> Server {
    let published = Arc::new(arc_swap::ArcSwap::from_pointee(snapshot::Snapshot::empty(router::Flavor::Traditional)));
    let (certificate, key) = generate("localhost").unwrap();
    let default = snapshot::Pair::new(Arc::new(certified_key(&certificate, &key).unwrap()), None);
    let acceptor = Acceptor::new(settings, published, default, (None, Arc::default()), false).unwrap();
    let options = Options { workers: 1, tls: Some(acceptor), handshake_timeout: patience, patience };
    let addresses = bound.iter().map(Bound::address).collect();
    let mirror = Mirror::default();
    let (listening, server) = start(bound, &options, mirror.clone()).unwrap();
    Server { mirror, listening, addresses, end: actix_rt::spawn(server) }
}

fn loopback() -> Listener {
    Listener::at(Place::Tcp(([127, 0, 0, 1], 0).into()))
}

async fn ask(io: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin), what: &[u8]) -> String {
    io.write_all(what).await.unwrap();
    io.flush().await.unwrap();
    let mut answer = String::new();
    let _ = io.read_to_string(&mut answer).await;
    answer
}

async fn ask_tls(address: std::net::SocketAddr, tls: &UpstreamTls, what: &[u8]) -> std::io::Result<String> {
    let io = TcpStream::connect(address).await?;
    let name = ServerName::try_from("a.test").unwrap();
    let mut io = TlsConnector::from(tls.config().clone()).connect(name, io).await?;
    Ok(ask(&mut io, what).await)
}

#[actix_rt::test]
async fn connections_pass_through_every_door() {
    let path = std::env::temp_dir().join(format!("door-{}.sock", uuid::Uuid::new_v4()));
    let listeners = [
        loopback(),
        Listener { ssl: true, ..loopback() },
        Listener { proxy_protocol: true, ..loopback() },
        Listener::at(Place::Unix(path.clone())),
    ];
    let server = serve(&listeners, &TlsSettings::default(), Duration::from_secs(10));
    let [Some(plain), Some(secure), Some(proxied), None] = server.addresses[..] else { panic!("addresses") };
    let mut io = TcpStream::connect(plain).await.unwrap();
    assert_eq!(ask(&mut io, b"x\n").await, "http None true None");
    let tls = Trust::default().probe(None, false).unwrap();
    let said = ask_tls(secure, &tls, b"x\n").await.unwrap();
    assert!(said.starts_with("https None true Some(\"TLSv1.3 TLS_AES_"), "{said}");
    assert!(said.ends_with(" Some(\\\"a.test\\\")\")") || said.contains("a.test"), "{said}");
    // Cleartext on a TLS listener reaches the server, without a session.
    let mut io = TcpStream::connect(secure).await.unwrap();
    assert_eq!(ask(&mut io, b"GET / HTTP/1.1\n").await, "https None true None");
    let mut io = TcpStream::connect(proxied).await.unwrap();
    let said = ask(&mut io, b"PROXY TCP4 1.2.3.4 5.6.7.8 80 443\r\nx\n").await;
    assert_eq!(said, "http Some(1.2.3.4:80) true None");
    let mut io = TcpStream::connect(proxied).await.unwrap();
    assert_eq!(ask(&mut io, b"GET / HTTP/1.1\r\n\r\n").await, "");
    let mut io = UnixStream::connect(&path).await.unwrap();
    assert_eq!(ask(&mut io, b"x\n").await, "http None false None");
    server.listening.stop(false).await;
    server.end.await.unwrap().unwrap();
    std::fs::remove_file(path).unwrap();
}

#[actix_rt::test]
async fn clients_that_say_nothing_are_let_go() {
    let listeners = [Listener { ssl: true, ..loopback() }, Listener { proxy_protocol: true, ..loopback() }];
    let server = serve(&listeners, &TlsSettings::default(), Duration::from_millis(50));
    for address in &server.addresses {
        let mut silent = TcpStream::connect(address.unwrap()).await.unwrap();
        let mut half = TcpStream::connect(address.unwrap()).await.unwrap();
        half.write_all(&[22, 3, 1]).await.unwrap();
        assert_eq!(silent.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert_eq!(half.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }
    server.listening.stop(false).await;
    server.end.await.unwrap().unwrap();
}

#[actix_rt::test]
async fn a_graceful_stop_finishes_what_is_in_flight() {
    let server = serve(&[loopback()], &TlsSettings::default(), Duration::from_secs(20));
    let address = server.addresses[0].unwrap();
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(b"half of ").await.unwrap();
    // Another connection that is answered tells that the first one was accepted.
    assert!(!ask(&mut TcpStream::connect(address).await.unwrap(), b"x\n").await.is_empty());
    let listening = server.listening;
    let stop = actix_rt::spawn(async move { listening.stop(true).await });
    // The socket is closed soon; the connection lives on.
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(ask(&mut io, b"a line\n").await, "http None true None");
    stop.await.unwrap();
    server.end.await.unwrap().unwrap();
}

/// Asks on a connection of its own, again and again; what went wrong.
fn keep_asking(address: std::net::SocketAddr, stop: &AtomicBool) -> Vec<String> {
    let ask = || -> std::io::Result<String> {
        let mut io = std::net::TcpStream::connect(address)?;
        io.write_all(b"x\n")?;
        let mut answer = String::new();
        io.read_to_string(&mut answer)?;
        Ok(answer)
    };
    std::iter::repeat_with(ask)
        .take_while(|_| !stop.load(Ordering::Relaxed))
        .filter(|asked| !matches!(asked, Ok(answer) if answer == "http None true None"))
        .map(|asked| format!("{asked:?}"))
        .collect()
}

#[actix_rt::test]
async fn one_server_after_the_other_on_the_same_socket_loses_nobody() {
    let (settings, patience) = (TlsSettings::default(), Duration::from_secs(20));
    let listener = loopback();
    let mut bound = bind(std::slice::from_ref(&listener)).unwrap();
    let mut next = bound[0].share().unwrap();
    let mut server = serve_on(bound, &settings, patience);
    let address = server.addresses[0].unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || keep_asking(address, &stop))
        })
        .collect();
    for _ in 0..20 {
        bound = bind_with(std::slice::from_ref(&listener), &mut Sockets::from([next])).unwrap();
        next = bound[0].share().unwrap();
        let before = std::mem::replace(&mut server, serve_on(bound, &settings, patience));
        assert_eq!(server.addresses[0], Some(address));
        while server.mirror.0.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        before.listening.stop(true).await;
        before.end.await.unwrap().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let failed: Vec<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert_eq!(failed, Vec::<String>::new());
    server.listening.stop(false).await;
    server.end.await.unwrap().unwrap();
}

#[actix_rt::test]
async fn versions_and_the_own_certificate_are_as_configured() {
    let settings = TlsSettings { protocols: "TLSv1.2".into(), session_tickets: false, ..TlsSettings::default() };
    let server = serve(&[Listener { ssl: true, ..loopback() }], &settings, Duration::from_secs(10));
    let address = server.addresses[0].unwrap();
    let tls = Trust::default().probe(None, false).unwrap();
    let said = ask_tls(address, &tls, b"x\n").await.unwrap();
    assert!(said.contains("TLSv1.2 TLS_ECDHE_ECDSA_WITH_"), "{said}");
    let verified = Trust::default().probe(None, true).unwrap();
    let refused = ask_tls(address, &verified, b"x\n").await.unwrap_err().to_string();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    // The node asks in what it may ask in; what it passes on is another matter.
    let newer = Trust::default().asking_in(vec![&rustls::version::TLS13]);
    let refused = ask_tls(address, &newer.probe(None, false).unwrap(), b"x\n").await.unwrap_err().to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let passed_on = newer.instead(None, &exchange::Instead::default()).unwrap();
    assert!(ask_tls(address, &passed_on, b"x\n").await.unwrap().contains("TLSv1.2"));
    server.listening.stop(false).await;
    server.end.await.unwrap().unwrap();
    let directory = std::env::temp_dir().join(format!("own-{}", uuid::Uuid::new_v4()));
    assert!(own(&directory).is_ok());
    std::fs::remove_dir_all(directory).unwrap();
}
