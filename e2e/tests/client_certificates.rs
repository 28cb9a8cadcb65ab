//! Listeners with TLS: certificates of clients (`nginx_<block>_ssl_verify_client` and what belongs to it), and sessions.

use e2e::tls::{Identity, client, file, open, vouched};
use e2e::{Gateway, free_port};
use rustls::{ClientConfig, HandshakeKind};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

const NAME: &str = "gateway.test";
const MISSING: &str = "<center>No required SSL certificate was sent</center>";
const WRONG: &str = "<center>The SSL certificate error</center>";

/// The status and the text of an answer over HTTP/1.1.
fn ask(config: &Arc<ClientConfig>, address: SocketAddr) -> (u16, String) {
    let mut io = open(config, address, NAME);
    write!(io, "GET /none HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    io.read_to_string(&mut answer).expect("an answer");
    (answer[9..12].parse().expect("a status"), answer)
}

/// The status of an answer over HTTP/2: the first byte of its header block, an entry of the static table (RFC 7541 A).
fn ask_http2(config: &Arc<ClientConfig>, address: SocketAddr) -> u16 {
    let mut config = config.as_ref().clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut io = open(&Arc::new(config), address, NAME);
    io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
    let mut block = vec![0x82, 0x84, 0x87, 0x41, NAME.len() as u8];
    block.extend_from_slice(NAME.as_bytes());
    let mut head = vec![0, 0, block.len() as u8, 1, 5, 0, 0, 0, 1];
    head.append(&mut block);
    io.write_all(&head).expect("sent");
    loop {
        let mut frame = [0; 9];
        io.read_exact(&mut frame).expect("a frame");
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize;
        let mut payload = vec![0; length];
        io.read_exact(&mut payload).expect("a payload");
        match (frame[3], payload.first()) {
            (1, Some(0x8c)) => return 400,
            (1, Some(0x8d)) => return 404,
            (1, other) => panic!("another status: {other:?}"),
            _ => {}
        }
    }
}

#[test]
fn listeners_check_their_clients() {
    let own = Identity::for_names(&[NAME]);
    let (authority, known) = vouched(0);
    let stranger = Identity::for_names(&["stranger.test"]);
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = own.files(folder.path());
    let authority = file(folder.path(), "authority.pem", &authority);
    let clients = [None, Some(&known), Some(&stranger)].map(|shown| client(&[&own], shown));
    let (no, missing, wrong) = ("no Route", MISSING, WRONG);
    for (verify, expected) in [
        ("off", [no, no, no]),
        ("on", [missing, no, wrong]),
        ("optional", [no, no, wrong]),
        ("optional_no_ca", [no, no, no]),
    ] {
        // In blocks of their own, and in the one around them.
        for blocks in [&["PROXY", "ADMIN", "STATUS"][..], &["HTTP"]] {
            let ports = [free_port(), free_port(), free_port(), free_port()];
            let [proxy, admin, status, manager] = ports.map(|port| format!("127.0.0.1:{port} ssl http2"));
            let mut settings: Vec<(String, &str)> = [
                ("KONG_PROXY_LISTEN", &proxy),
                ("KONG_ADMIN_LISTEN", &admin),
                ("KONG_STATUS_LISTEN", &status),
                ("KONG_ADMIN_GUI_LISTEN", &manager),
                ("KONG_SSL_CERT", &certificate),
                ("KONG_SSL_CERT_KEY", &key),
                ("KONG_ADMIN_SSL_CERT", &certificate),
                ("KONG_ADMIN_SSL_CERT_KEY", &key),
                ("KONG_STATUS_SSL_CERT", &certificate),
                ("KONG_STATUS_SSL_CERT_KEY", &key),
                ("KONG_ADMIN_GUI_SSL_CERT", &certificate),
                ("KONG_ADMIN_GUI_SSL_CERT_KEY", &key),
            ]
            .map(|(name, value)| (name.to_owned(), value.as_str()))
            .to_vec();
            for block in blocks {
                settings.push((format!("KONG_NGINX_{block}_SSL_VERIFY_CLIENT"), verify));
                settings.push((format!("KONG_NGINX_{block}_SSL_CLIENT_CERTIFICATE"), &authority));
            }
            let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            let _gateway = Gateway::start(&settings);
            let checked = if blocks.len() == 1 { 4 } else { 3 };
            for (place, port) in ports.iter().take(checked).enumerate() {
                let address: SocketAddr = ([127, 0, 0, 1], *port).into();
                for (config, expected) in clients.iter().zip(expected) {
                    let said = format!("{verify} in {blocks:?}, listener {place}, {expected}");
                    let (status, answer) = ask(config, address);
                    let refused = expected != no;
                    assert_eq!(status == 400 && answer.contains(expected), refused, "{said}: {answer}");
                    assert_eq!(ask(config, address).0, status, "{said}: a session that is resumed");
                    if place == 0 {
                        assert_eq!(ask_http2(config, address), if refused { 400 } else { 404 }, "{said}");
                    }
                }
            }
        }
    }
}

#[test]
fn authorities_between_are_counted() {
    let own = Identity::for_names(&[NAME]);
    let folder = tempfile::tempdir().expect("a folder");
    for (through, depth, expected) in [(1, None, 404), (2, None, 400), (2, Some("2"), 404), (1, Some("0"), 400)] {
        let (authority, known) = vouched(through);
        let (certificate, key) = own.files(folder.path());
        let port = free_port();
        let listen = format!("127.0.0.1:{port} ssl");
        // PEM may stand in the property itself.
        let mut settings = vec![
            ("KONG_PROXY_LISTEN", listen.as_str()),
            ("KONG_SSL_CERT", &certificate),
            ("KONG_SSL_CERT_KEY", &key),
            ("KONG_NGINX_PROXY_SSL_VERIFY_CLIENT", "on"),
            ("KONG_NGINX_PROXY_SSL_CLIENT_CERTIFICATE", &authority),
        ];
        settings.extend(depth.map(|depth| ("KONG_NGINX_PROXY_SSL_VERIFY_DEPTH", depth)));
        let _gateway = Gateway::start(&settings);
        let (status, answer) = ask(&client(&[&own], Some(&known)), ([127, 0, 0, 1], port).into());
        assert_eq!(status, expected, "{through} between, depth {depth:?}: {answer}");
    }
}

#[test]
fn sessions_are_resumed_for_as_long_as_configured() {
    let own = Identity::for_names(&[NAME]);
    let (pem, key) = (own.pem.clone(), own.key.serialize_pem());
    for (settings, expected) in [
        (&[][..], HandshakeKind::Resumed),
        (&[("KONG_SSL_SESSION_TICKETS", "off")], HandshakeKind::Resumed),
        (&[("KONG_SSL_SESSION_TIMEOUT", "0")], HandshakeKind::Full),
        (&[("KONG_SSL_SESSION_TIMEOUT", "0"), ("KONG_SSL_SESSION_TICKETS", "off")], HandshakeKind::Full),
    ] {
        let port = free_port();
        let listen = format!("127.0.0.1:{port} ssl");
        let mut all = vec![("KONG_PROXY_LISTEN", &*listen), ("KONG_NGINX_WORKER_PROCESSES", "1")];
        all.extend([("KONG_SSL_CERT", &*pem), ("KONG_SSL_CERT_KEY", &*key)]);
        all.extend(settings);
        let _gateway = Gateway::start(&all);
        let client = client(&[&own], None);
        let kinds = [(); 2].map(|()| {
            let mut io = open(&client, ([127, 0, 0, 1], port).into(), NAME);
            write!(io, "GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n").expect("sent");
            io.read_to_string(&mut String::new()).expect("an answer");
            io.conn.handshake_kind()
        });
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(expected)], "{settings:?}");
    }
}
