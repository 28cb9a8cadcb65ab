//! TLS handshakes that Lua leads: the phase `certificate` of plugins in folders and of pre-function.

use e2e::tls::{Identity, Tls, client, open, vouched};
use e2e::{Backend, Gateway, LUA_PLUGINS, eventually, free_port, get};
use rustls::{ClientConfig, HandshakeKind};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

const NAMES: [&str; 8] =
    ["asks.test", "once.test", "shown.test", "der.test", "half.test", "fails.test", "ends.test", "fine.test"];

/// Asks over a connection of its own; what the plugin says, and the session.
fn ask(config: &Arc<ClientConfig>, address: SocketAddr, name: &str) -> std::io::Result<(Value, Tls)> {
    let mut io = open(config, address, name);
    write!(io, "GET /shaken HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    io.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").expect("an answer").1;
    Ok((serde_json::from_str(body).expect("JSON"), io))
}

#[test]
fn plugins_lead_handshakes() {
    let configured = Identity::for_names(&NAMES);
    let other = Identity::for_names(&["shown.test", "der.test"]);
    let (authority, vouched) = vouched(0);
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = configured.files(folder.path());
    let port = free_port();
    let backend = Backend::start();
    let gateway = Gateway::start(&[
        ("KONG_LUA_PACKAGE_PATH", LUA_PLUGINS),
        ("KONG_PLUGINS", "bundled,shaker"),
        ("KONG_NGINX_WORKER_PROCESSES", "1"),
        ("KONG_PROXY_LISTEN", &format!("127.0.0.1:{port} ssl")),
        ("KONG_SSL_CERT", &certificate),
        ("KONG_SSL_CERT_KEY", &key),
    ]);
    let configuration = json!({
        "_format_version": "3.0",
        "services": [{
            "name": "http", "host": "127.0.0.1", "port": backend.address.port(),
            "routes": [{
                "name": "shaken", "paths": ["/shaken"],
                // Handshakes come before Routes: this one never runs.
                "plugins": [{ "name": "post-function", "config": { "certificate": ["error('never')"] } }],
            }],
        }],
        "plugins": [
            { "name": "pre-function", "config": { "certificate": ["kong.ctx.shared.before = 'pre-function'"] } },
            { "name": "shaker", "config": {
                "authority": authority, "certificate": other.pem, "key": other.key.serialize_pem(),
            } },
        ],
    });
    let loaded = gateway.configure(&configuration);
    assert_eq!(loaded.status, 201, "{}", loaded.text());
    eventually("the plugin is at work", || get(gateway.proxy, "/shaken", &[]).status == 200);
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let plain = client(&[&configured], None);

    let (said, io) = ask(&plain, address, "fine.test").expect("shaken");
    let refused = |function: &str| {
        let text = said["last"][function].as_str().unwrap_or_default().to_owned();
        text.split_once("function cannot be called in ").map(|(_, rest)| rest.to_owned()).unwrap_or(text)
    };
    assert!(refused("header").starts_with("certificate phase (only in: rewrite, access"), "{said}");
    assert!(refused("verify").starts_with("certificate phase (only in: rewrite, access"), "{said}");
    for (name, expected) in [
        ("before", "pre-function"),
        ("client", "127.0.0.1"),
        ("undecided", "the version is not known yet"),
        ("phase", "ssl_cert"),
        ("name", "fine.test"),
    ] {
        assert_eq!(said["last"][name], expected, "{said}");
    }
    assert_eq!(
        (&said["after"], &said["verify"], &said["version"]),
        (&json!("nothing"), &json!("NONE"), &json!("TLSv1.3"))
    );
    let only = "function cannot be called in access phase (only in: certificate)";
    assert!(said["ask"].as_str().is_some_and(|text| text.contains(only)), "{said}");
    assert!(said["clear"].as_str().is_some_and(|text| text.contains("API disabled in the context of")), "{said}");
    assert_eq!(io.conn.handshake_kind(), Some(HandshakeKind::Full));
    let (_, io) = ask(&plain, address, "fine.test").expect("shaken");
    assert_eq!(io.conn.handshake_kind(), Some(HandshakeKind::Resumed));

    for _ in 0..2 {
        let (_, io) = ask(&plain, address, "once.test").expect("shaken");
        assert_eq!(io.conn.handshake_kind(), Some(HandshakeKind::Full), "the session is new each time");
    }
    // Whom the authority knows, whom it does not, and who has none.
    let stranger = Identity::for_names(&["stranger.test"]);
    let (said, _) = ask(&client(&[&configured], Some(&vouched)), address, "asks.test").expect("shaken");
    assert_eq!((&said["verify"], &said["chain"]), (&json!("SUCCESS"), &json!(vouched.pem.replace("\r\n", "\n"))));
    let (said, _) = ask(&client(&[&configured], Some(&stranger)), address, "asks.test").expect("shaken");
    assert!(said["verify"].as_str().is_some_and(|text| text.starts_with("FAILED:")), "{said}");
    let (said, _) = ask(&plain, address, "asks.test").expect("shaken");
    assert_eq!((&said["verify"], said.get("chain")), (&json!("NONE"), None));

    let with_other = client(&[&other], None);
    for name in ["shown.test", "der.test"] {
        let (_, io) = ask(&with_other, address, name).expect("shaken");
        assert_eq!(io.conn.peer_certificates().expect("a chain").first(), Some(&other.der), "{name}");
    }
    for name in ["fails.test", "ends.test", "half.test"] {
        let error = ask(&plain, address, name).expect_err("refused").to_string();
        assert!(error.contains("InternalError"), "{name}: {error}");
    }
    assert_eq!(get(gateway.proxy, "/shaken", &[]).status, 200);
}
