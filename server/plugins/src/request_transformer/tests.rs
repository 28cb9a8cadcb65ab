use super::*;
use crate::testing::{Manner, People, access, message, plugin, request, with_body};
use exchange::Captures;
use proptest::prelude::*;
use serde_json::{Value, json};

fn run(config: Value, exchange: &mut Exchange) -> Option<u16> {
    access(&plugin::<RequestTransformer>(config), exchange)
}

fn plain(target: &str, headers: &[(&str, &str)]) -> Exchange {
    let mut exchange = request("POST", target, headers, People::new(Manner::Knows));
    exchange.forward.path = "/base/old".as_bytes().into();
    exchange
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn headers_change_in_order() {
    let shown = |config: Value, before: &[(&str, &str)]| {
        let mut exchange = plain("/", before);
        assert_eq!(run(config, &mut exchange), None);
        let line = |(name, value): (&[u8], &[u8])| format!("{}={}", text(name), text(value));
        let mut lines: Vec<_> = exchange.request.headers.iter().map(line).collect();
        lines.extend(exchange.forward.host_header.map(|host| format!("sent host={}", text(&host))));
        lines.join(" ")
    };
    let of = |operation: &str, pairs: Value| json!({ operation: { "headers": pairs } });
    for (config, before, after) in [
        (of("add", json!(["X-A:new", "X-B:new"])), &[("x-a", "old")][..], "x-a=old X-B=new"),
        (
            of("add", json!(["Host:inner.test", "X-Url:http://a.test:80/x", "X-Empty:"])),
            &[],
            "X-Url=http://a.test:80/x",
        ),
        (of("append", json!(["X-A:two", "X-A:three"])), &[("X-A", "one")], "X-A=one X-A=two X-A=three"),
        (of("append", json!(["X-Tag:a#b#c"])), &[], "X-Tag=a#b#c"),
        (of("remove", json!(["X-Drop:1", "host"])), &[("x-DROP", "1"), ("x-drop", "2"), ("Host", "h")], "Host=h"),
        (of("rename", json!(["X-Old:X-New"])), &[("X-Old", "v"), ("X-New", "w")], "X-New=v"),
        (of("rename", json!(["X-Old:X-New"])), &[("X-New", "own")], "X-New=own"),
        (
            of("rename", json!(["X-Same:X-Same", "X-Case:x-case"])),
            &[("X-Same", "v"), ("X-Case", "w")],
            "X-Same=v x-case=w",
        ),
        (of("replace", json!(["X-A:new", "X-B:new"])), &[("X-A", "old")], "X-A=new"),
        (of("replace", json!(["Host:inner.test"])), &[("Host", "h")], "Host=h sent host=inner.test"),
        (of("add", json!(["X-Split:a\r\nb: c"])), &[], ""),
        (
            json!({
                "remove": { "headers": ["X-A"] }, "rename": { "headers": ["X-B:X-A"] },
                "replace": { "headers": ["X-A:replaced"] }, "add": { "headers": ["X-A:added", "X-C:added"] },
                "append": { "headers": ["X-C:appended"] },
            }),
            &[("X-A", "first"), ("X-B", "second")],
            "X-A=replaced X-C=added X-C=appended",
        ),
        (
            json!({ "remove": { "headers": ["X-Gone"] }, "add": { "headers": ["X-Copy:$(headers['x-gone'])"] } }),
            &[("X-Gone", "was")],
            "X-Copy=was",
        ),
    ] {
        assert_eq!(shown(config.clone(), before), after, "{config}");
    }
}

#[test]
fn queries_change_in_order() {
    let shown = |config: Value, query: &str| {
        let mut exchange = plain(&format!("/{query}"), &[]);
        assert_eq!(run(config, &mut exchange), None);
        exchange.forward.query.map(|query| text(&query)).unwrap_or_else(|| "none".into())
    };
    let of = |operation: &str, pairs: Value| json!({ operation: { "querystring": pairs } });
    for (config, before, after) in [
        (of("add", json!(["a:9", "z:9"])), "?a=1", "a=1&z=9"),
        (of("add", json!(["z:a b&c=d"])), "", "z=a%20b%26c%3Dd"),
        (of("add", json!(["z:9"])), "?flag", "flag&z=9"),
        (of("add", json!(["b:$(query_params.q or 'no')"])), "?q=%41", "b=A&q=A"),
        (of("append", json!(["a:9", "z:9"])), "?a=1", "a=1&a=9&z=9"),
        (of("remove", json!(["b"])), "?a=1&b=2&b=3", "a=1"),
        (of("remove", json!(["a"])), "?a=1", "none"),
        (of("rename", json!(["b:c", "d:e"])), "?b=2", "c=2"),
        (of("replace", json!(["a:9", "z:9"])), "?a=1&a=2", "a=9"),
        (json!({}), "?b=%7e&a", "b=%7e&a"),
        (
            json!({
                "remove": { "querystring": ["a"] }, "rename": { "querystring": ["b:a"] },
                "replace": { "querystring": ["a:replaced"] }, "add": { "querystring": ["c:added"] },
                "append": { "querystring": ["c:appended"] },
            }),
            "?a=1&b=2",
            "a=replaced&c=added&c=appended",
        ),
    ] {
        assert_eq!(shown(config.clone(), before), after, "{config}");
    }
}

fn body(config: Value, kind: &str, body: &str) -> String {
    let mut exchange = match body {
        "" => plain("/", &[("Content-Type", kind)]),
        body => with_body(plain("/", &[("Content-Length", "9")]), kind, body.to_owned()),
    };
    assert_eq!(run(config, &mut exchange), None);
    match &exchange.request.body {
        Body::Buffered(bytes) => {
            assert_eq!(exchange.request.content_length, Some(bytes.len() as u64));
            text(bytes)
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn bodies_change_in_order() {
    let of = |operation: &str, pairs: Value| json!({ operation: { "body": pairs } });
    let every = json!({
        "remove": { "body": ["a"] }, "rename": { "body": ["b:a"] }, "replace": { "body": ["a:replaced"] },
        "add": { "body": ["c:added"] }, "append": { "body": ["c:appended"] },
    });
    let (json, form) = ("application/json; charset=utf-8", "application/x-www-form-urlencoded");
    for (config, kind, before, after) in [
        (of("add", json!(["a:new", "b:7"])), json, r#"{"a": 5}"#, r#"{"a":5,"b":"7"}"#),
        (of("add", json!(["b:1"])), json, r#"{"e":[],"n":1.50}"#, r#"{"e":[],"n":1.50,"b":"1"}"#),
        (of("add", json!(["b:1"])), json, "", r#"{"b":"1"}"#),
        (of("add", json!(["b:1"])), json, "{broken", "{broken"),
        (of("add", json!(["b:1"])), json, "[1]", "[1]"),
        (of("remove", json!(["b"])), json, r#"{ "a":1 }"#, r#"{ "a":1 }"#),
        (
            of("append", json!(["s:two", "l:three", "n:new"])),
            json,
            r#"{"s":"one","l":["one"]}"#,
            r#"{"s":["one","two"],"l":["one","three"],"n":["new"]}"#,
        ),
        (every.clone(), json, r#"{"a":1,"b":2}"#, r#"{"a":"replaced","c":["added","appended"]}"#),
        (of("add", json!(["w:$(headers.content_type)"])), json, "{}", r#"{"w":"application/json; charset=utf-8"}"#),
        (of("add", json!(["b:x y&z"])), form, "a=1%2B1", "a=1%2B1&b=x%20y%26z"),
        (every, form, "a=1&b=2", "a=replaced&c=added&c=appended"),
        (of("remove", json!(["n"])), form, "a=+1", "a=+1"),
        (of("add", json!(["b:1"])), "text/plain", "a=1", "a=1"),
        (of("add", json!(["b:1"])), "text/plain", "", "Empty"),
    ] {
        assert_eq!(body(config.clone(), kind, before), after, "{config} {before}");
    }
}

#[test]
fn multipart_bodies_change() {
    let part =
        |name: &str, value: &str| format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let end = "--XX--\r\n";
    let of = |operation: &str, pairs: Value| json!({ operation: { "body": pairs } });
    let before = format!("{}{}{end}", part("a", "5"), part("b", "6"));
    let kind = "multipart/form-data; boundary=XX";
    for (config, after) in [
        (
            of("add", json!(["a:new", "c:new"])),
            format!("{}{}{}{end}", part("a", "5"), part("b", "6"), part("c", "new")),
        ),
        (of("remove", json!(["a"])), format!("{}{end}", part("b", "6"))),
        (of("replace", json!(["a:new", "c:new"])), format!("{}{}{end}", part("b", "6"), part("a", "new"))),
        (of("rename", json!(["a:c", "d:e"])), format!("{}{}{end}", part("b", "6"), part("c", "5"))),
        (of("append", json!(["a:new"])), before.clone()),
    ] {
        assert_eq!(body(config.clone(), kind, &before), after, "{config}");
    }
    assert_eq!(body(of("add", json!(["a:1"])), kind, ""), format!("{}{end}", part("a", "1")));
    assert_eq!(body(of("add", json!(["a:1"])), "multipart/form-data", "x"), "x");
}

#[test]
fn methods_and_paths_change() {
    let mut exchange = plain("/?x=1", &[]);
    exchange.captures =
        Some(Box::new(Captures { numbered: vec![None], named: vec![("user".into(), b"zoe \xc3\xa4".into())] }));
    let config = json!({ "http_method": "PUT", "replace": { "uri": "/fixed/$(uri_captures.user)%20b" } });
    assert_eq!(run(config, &mut exchange), None);
    assert_eq!(text(&exchange.request.method), "PUT");
    assert_eq!(text(&exchange.forward.path), "/fixed/zoe%20%C3%A4%20b");
    assert_eq!(exchange.forward.query.as_deref(), Some(b"x=1".as_slice()));

    let form = "application/x-www-form-urlencoded";
    let mut exchange = with_body(plain("/?a=1", &[]), form, "a=2&b=3");
    assert_eq!(run(json!({ "http_method": "GET" }), &mut exchange), None);
    assert_eq!(exchange.forward.query.as_deref(), Some(b"a=1&a=2&b=3".as_slice()));
}

#[test]
fn templates_that_fail_are_errors() {
    for config in [
        json!({ "add": { "headers": ["X-A:$(headers.nope:upper())"] } }),
        json!({ "add": { "headers": ["X-A:$(=)"] } }),
        json!({ "replace": { "uri": "$(headers.nope)" } }),
        json!({ "replace": { "uri": "/$(" , "body": [] }, "add": { "querystring": ["a:$(nope.nope)"] } }),
    ] {
        let mut exchange = plain("/", &[]);
        assert_eq!(run(config.clone(), &mut exchange), Some(500), "{config}");
        assert_eq!(message(&exchange), "An unexpected error occurred");
    }
}

proptest! {
    #[test]
    fn any_multipart_body_is_changed_without_panic(body in proptest::collection::vec(any::<u8>(), 0..60)) {
        let operations = [Operation::Add("a", b"1".as_slice().into()), Operation::Remove("b")];
        Kind::Multipart(b"multipart/form-data; boundary=-".to_vec()).apply(&operations, &body.into());
    }

    #[test]
    fn what_is_encoded_reads_the_same(text in "[a-c&=+% ]{0,16}") {
        let arguments = Arguments::parse(text.as_bytes());
        let again = Arguments::parse(&arguments.encoded());
        prop_assert_eq!(arguments.encoded(), again.encoded());
    }
}
