//! Plugins that ask other servers through an HTTP proxy.

use e2e::tls::Identity;
use e2e::{Gateway, free_port, get, request};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

/// A proxy that leads everywhere to one port of this machine, and tells the heads of what it is asked.
fn proxy(to: u16) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, heads) = channel();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut client = BufReader::new(client);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && client.read_line(&mut head).unwrap_or(0) > 0 {}
                if head.is_empty() {
                    return;
                }
                let mut server = TcpStream::connect(("127.0.0.1", to)).expect("connects");
                let opened = match head.starts_with("CONNECT ") {
                    true => client.get_mut().write_all(b"HTTP/1.1 200 Connection established\r\n\r\n"),
                    false => server.write_all(head.as_bytes()),
                };
                sender.send(head).expect("told");
                opened.expect("written");
                let (mut back, mut answers) =
                    (client.get_ref().try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
                let _ = std::io::copy(&mut client, &mut server);
            });
        }
    });
    (port, heads)
}

fn configuration(tls: u16, plain: u16, proxy: u16) -> Value {
    let lambda = |port: u16, disable_https: bool| {
        json!({ "name": "aws-lambda", "config": { "aws_key": "k", "aws_secret": "s", "aws_region": "eu-west-1",
            "function_name": "sum", "host": "function.test", "port": port, "disable_https": disable_https,
            "proxy_url": format!("http://somebody:secret@127.0.0.1:{proxy}") } })
    };
    let model = json!({ "name": "ai-request-transformer", "config": { "prompt": "Shout.",
        "https_proxy_host": "127.0.0.1", "https_proxy_port": proxy,
        "llm": { "route_type": "llm/v1/chat", "auth": { "header_name": "x-key", "header_value": "k" },
            "model": { "provider": "openai", "name": "m",
                "options": { "upstream_url": format!("https://model.test:{tls}/model") } } } } });
    let answers = |status: u16, body: Value| {
        json!({ "name": "request-termination",
            "config": { "status_code": status, "content_type": "application/json", "body": body.to_string() } })
    };
    let said = json!({ "choices": [{ "message": { "content": "HI!" } }], "usage": {} });
    let asking = format!(
        r#"local client = require("resty.http").new()
        local url = "http://somebody:secret@127.0.0.1:{proxy}"
        client:set_proxy_options({{ http_proxy = url, https_proxy = url, no_proxy = "near.test, 127.0.0.1" }})
        local answer, err = client:request_uri(kong.request.get_header("x-url"))
        kong.response.exit(answer and answer.status or 502, answer and answer.body or err)"#
    );
    let deciding = format!(
        r#"local client = require("resty.http").new()
        local url = "http://127.0.0.1:{proxy}"
        client:set_proxy_options({{ http_proxy = url, https_proxy = "https", no_proxy = ".near.test, Other.test" }})
        -- Those of one connection are for that one.
        client:connect({{ scheme = "http", host = "a.test", proxy_opts = {{ http_proxy = "http://127.0.0.1:1" }} }})
        local found = {{}}
        for _, host in ipairs({{ "a.test", "near.test", "x.near.test", "xnear.test", "other.test" }}) do
            found[#found + 1] = tostring(client:get_proxy_uri("https", host))
        end
        found[#found + 1] = tostring(client:get_proxy_uri("http", "a.test") == url)
        found[#found + 1] = tostring((pcall(client.request_uri, client, "http://a\r\nb.test/", {{ headers = {{ Host = "c" }} }})))
        kong.response.exit(200, table.concat(found, " "))"#
    );
    let route =
        |path: &str, plugins: Value| json!({ "name": path.replace('/', "-"), "paths": [path], "plugins": plugins });
    let echo = json!({ "name": "echo", "url": format!("http://127.0.0.1:{plain}/echo"),
        "routes": [route("/shouted", json!([model]))] });
    json!({ "_format_version": "3.0", "services": [echo], "routes": [
        route("/tunnelled", json!([lambda(tls, false)])),
        route("/absolute", json!([lambda(plain, true)])),
        route("/2015-03-31/functions/sum/invocations", json!([answers(200, json!({ "sum": 3 }))])),
        route("/model", json!([answers(200, said)])),
        route("/deciding", json!([{ "name": "pre-function", "config": { "access": [deciding] } }])),
        route("/lua", json!([{ "name": "pre-function", "config": { "access": [asking] } }])),
        route("/echo", json!([{ "name": "pre-function",
            "config": { "access": ["kong.response.exit(200, kong.request.get_raw_body())"] } }])),
    ] })
}

#[test]
fn functions_and_models_are_asked_through_proxies() {
    let own = Identity::for_names(&["function.test", "model.test"]);
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = own.files(folder.path());
    let tls = free_port();
    let gateway = Gateway::start(&[
        ("KONG_PROXY_LISTEN", &format!("127.0.0.1:{tls} ssl")),
        ("KONG_SSL_CERT", &certificate),
        ("KONG_SSL_CERT_KEY", &key),
        ("KONG_LUA_SSL_TRUSTED_CERTIFICATE", &certificate),
        ("KONG_UNTRUSTED_LUA", "on"),
    ]);
    let plain = gateway.proxy.port();
    let (to_tls, tunnelled) = proxy(tls);
    // Nobody knows function.test and model.test but the proxy.
    let reply = gateway.configure(&configuration(tls, plain, to_tls));
    assert_eq!(reply.status, 201, "{}", reply.text());
    let basic = "Proxy-Authorization: Basic c29tZWJvZHk6c2VjcmV0\r\n";
    for _ in 0..3 {
        let reply = get(gateway.proxy, "/tunnelled", &[]);
        assert_eq!((reply.status, reply.json()), (200, json!({ "sum": 3 })));
    }
    let head = tunnelled.recv().expect("a head");
    assert_eq!(head, format!("CONNECT function.test:{tls} HTTP/1.1\r\nHost: function.test:{tls}\r\n{basic}\r\n"));
    let reply = request(gateway.proxy, "POST", "/shouted", &[("Content-Type", "text/plain")], b"hi");
    let reply = reply.expect("an answer");
    assert_eq!((reply.status, reply.text()), (200, "HI!".to_owned()));
    // Tunnels are kept as other connections are.
    let head = tunnelled.recv().expect("a head");
    assert_eq!(head, format!("CONNECT model.test:{tls} HTTP/1.1\r\nHost: model.test:{tls}\r\n\r\n"));
    assert_eq!(get(gateway.proxy, "/deciding", &[]).text(), "https nil nil https nil true false");
    let lua = |url: String| {
        let reply = get(gateway.proxy, "/lua", &[("X-Url", &url)]);
        (reply.status, reply.text())
    };
    let said = r#"{"choices":[{"message":{"content":"HI!"}}],"usage":{}}"#;
    for _ in 0..2 {
        assert_eq!(lua(format!("https://function.test:{tls}/model")), (200, said.to_owned()));
    }
    let head = tunnelled.recv().expect("a head");
    assert_eq!(head, format!("CONNECT function.test:{tls} HTTP/1.1\r\nHost: function.test:{tls}\r\n{basic}\r\n"));
    assert_eq!(lua(format!("http://127.0.0.1:{plain}/model")), (200, said.to_owned()));

    let (to_plain, absolute) = proxy(plain);
    assert_eq!(gateway.configure(&configuration(tls, plain, to_plain)).status, 201);
    let reply = get(gateway.proxy, "/absolute", &[]);
    assert_eq!((reply.status, reply.json()), (200, json!({ "sum": 3 })));
    let head = absolute.recv().expect("a head");
    let line = format!("POST http://function.test:{plain}/2015-03-31/functions/sum/invocations HTTP/1.1\r\n");
    assert!(head.starts_with(&line), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains(&basic.to_ascii_lowercase()), "{head}");
    assert!(lower.contains(&format!("\r\nhost: function.test:{plain}\r\n")), "{head}");
    assert_eq!(lua(format!("http://function.test:{plain}/model?a=b")), (200, said.to_owned()));
    let head = absolute.recv().expect("a head");
    assert!(head.starts_with(&format!("GET http://function.test:{plain}/model?a=b HTTP/1.1\r\n")), "{head}");
    assert!(head.contains(basic) && head.contains(&format!("\r\nHost: function.test:{plain}\r\n")), "{head}");

    let gone: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    assert_eq!(gateway.configure(&configuration(tls, plain, gone.port())).status, 201);
    assert_eq!(get(gateway.proxy, "/tunnelled", &[]).status, 500);
    assert_eq!(lua("https://function.test/".to_owned()), (502, "connection refused".to_owned()));
}
