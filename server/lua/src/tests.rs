//! Functions as users configure them, run for a request.

use crate::{Function, Pre};
use exchange::directory::Nobody;
use exchange::{
    About, Body, Chunk, ErrorTemplates, Exchange, Flow, Handshake, Plugin, PluginType, Request, Scripts, Services,
    Step, Timeline, log_entry,
};
use schema::{Context, Schema};
use serde_json::{Map, Value, json};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use uuid::Uuid;

fn plugin(config: Value) -> Function<Pre> {
    let Value::Object(config) = config else { panic!("an object") };
    let context = Context { now: 1.0, uuid: String::new, token: String::new, regex: |_| Ok(()), updating: false };
    let complete = <Function<Pre> as Plugin>::Config::record().insert(config, &context).expect("valid");
    let config = serde_json::from_value(complete.into()).expect("complete");
    Plugin::new(config, &About { id: Uuid::from_u128(7), ..About::default() }, &Services::alone(Uuid::from_u128(9)))
        .expect("configured")
}

fn request(target: &str) -> Exchange {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let request = Request {
        method: b"POST".as_slice().into(),
        target: target.as_bytes().into(),
        path: path.as_bytes().into(),
        query: query.map(|query| query.as_bytes().into()),
        headers: [("Host", "api.test"), ("X-In", "inside"), ("Content-Type", "application/json")].into_iter().collect(),
        host: b"api.test".as_slice().into(),
        body: Body::Buffered(bytes::Bytes::from_static(b"{\"n\":[1,2],\"o\":{}}")),
        client_ip: Some([10, 0, 0, 1].into()),
        ..Request::default()
    };
    Exchange::new(request, Timeline::default(), Arc::new(Nobody))
}

/// The access phase, to its end.
fn access(plugin: &Function<Pre>, exchange: &mut Exchange) -> Flow {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        match Plugin::access(plugin, exchange) {
            Step::Ready(flow) => flow,
            Step::Wait(future) => future.await,
        }
    })
}

/// Status and body of the answer of a function in access.
fn answer(code: &str, target: &str) -> Option<(u16, String)> {
    let plugin = plugin(json!({ "access": [code] }));
    let mut exchange = request(target);
    match access(&plugin, &mut exchange) {
        Flow::Next => None,
        Flow::Answer(answer) => {
            exchange.answer(*answer, &ErrorTemplates::default());
            Some((exchange.response.status, String::from_utf8_lossy(&exchange.response.body).into_owned()))
        }
    }
}

fn shown(expression: &str) -> String {
    let code = format!("kong.response.exit(200, tostring({expression}))");
    answer(&code, "/a%20b?x=1&y&x=2").map(|(_, body)| body).unwrap_or_default()
}

#[test]
fn the_request_is_seen() {
    for (expression, text) in [
        ("kong.request.get_method()", "POST"),
        ("kong.request.get_path_with_query()", "/a%20b?x=1&y&x=2"),
        ("kong.request.get_query_arg('x')", "1"),
        ("kong.request.get_query_arg('y')", "true"),
        ("kong.request.get_query_arg('z')", "nil"),
        ("kong.request.get_query().x[2]", "2"),
        ("kong.request.get_header('x_in')", "inside"),
        ("kong.request.get_headers()['X-In']", "inside"),
        ("kong.request.get_body().n[2]", "2"),
        ("kong.request.get_raw_body()", "{\"n\":[1,2],\"o\":{}}"),
        ("kong.client.get_ip()", "10.0.0.1"),
        ("kong.version_num", "3009001"),
        ("kong.plugin.get_id()", "00000000-0000-0000-0000-000000000007"),
        ("kong.plugin_id", "00000000-0000-0000-0000-000000000007"),
        ("ngx.var.http_x_in", "inside"),
        ("ngx.var.arg_x", "1"),
        ("ngx.var.nothing", "nil"),
        ("ngx.get_phase()", "access"),
        ("ngx.re.match('pear 42', [[\\d+]])[0]", "42"),
        ("ngx.re.gsub('a1b2', '([a-z])([0-9])', '$2$1')", "1a2b"),
        ("ngx.re.find('pear 42', [[\\d+]])", "6"),
        ("ngx.encode_base64('hi')", "aGk="),
        ("ngx.md5('hi')", "49f68a5c8493ec2c0bf489821c21fc3b"),
        ("ngx.escape_uri('a b&')", "a%20b%26"),
        ("ngx.encode_args({ b = 1, a = { 'x', true } })", "a=x&a&b=1"),
        ("ngx.http_time(0)", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("ngx.cookie_time(1290079655)", "Thu, 18-Nov-10 11:27:35 GMT"),
        ("ngx.shared.tests:incr('n', 2, 40)", "42"),
        (
            "(function() local d = ngx.shared.tests \
              d:rpush('l', 'b') d:rpush('l', 3) d:lpush('l', 'a') \
              local n, v, err = d:llen('l'), d:get('l') \
              local all = n .. tostring(v) .. err .. d:rpop('l') .. d:lpop('l') .. d:lpop('l') \
              return all .. tostring(d:lpop('l')) .. d:llen('l') end)()",
            "3nilvalue is a list3abnil0",
        ),
        (
            "select(2, ngx.shared.tests:lpush('n', 1)) .. select(2, ngx.shared.tests:rpop('n'))",
            "value not a listvalue not a list",
        ),
        ("ngx.shared.tests:llen('n')", "nil"),
        (
            "select(2, pcall(ngx.shared.tests.lpush, ngx.shared.tests, 'l', true)):match('bad value type')",
            "bad value type",
        ),
        ("type(select(2, pcall(kong.response.get_status)))", "string"),
        ("select(2, pcall(kong.response.get_status))", ""),
    ] {
        let found = shown(expression);
        if text.is_empty() {
            assert!(found.contains("function cannot be called in access phase"), "{expression}: {found}");
        } else {
            assert_eq!(found, text, "{expression}");
        }
    }
}

#[test]
fn answers_end_the_phase() {
    for (code, status, body) in [
        ("kong.response.exit(418, { list = { 1, 2 }, e = {} })", 418, "{\"list\":[1,2],\"e\":{}}"),
        ("pcall(kong.response.exit, 202, 'first'); kong.response.exit(500)", 202, "first"),
        ("coroutine.wrap(function() kong.response.exit(203) end)(); kong.response.exit(500)", 203, ""),
        ("ngx.status = 207; ngx.say('a', 1, { 'b' }); ngx.exit(ngx.OK)", 207, "a1b\n"),
        ("error('broken')", 500, "{\"message\":\"An unexpected error occurred\"}"),
        ("return function() kong.response.exit(204) end", 204, ""),
        ("ngx.sleep(0.001); kong.response.exit(201, 'later')", 201, "later"),
        ("while true do end", 500, "{\"message\":\"An unexpected error occurred\"}"),
        (
            "local t = {} ; for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end",
            500,
            "{\"message\":\"An unexpected error occurred\"}",
        ),
        ("local function f() return 1 + f() end f()", 500, "{\"message\":\"An unexpected error occurred\"}"),
        ("error({ code = 1 })", 500, "{\"message\":\"An unexpected error occurred\"}"),
    ] {
        let (found, text) = answer(code, "/").unwrap_or_default();
        assert_eq!(found, status, "{code}: {text}");
        let same = serde_json::from_str::<Value>(&text).ok() == serde_json::from_str::<Value>(body).ok();
        assert!(text == body || (same && body.starts_with('{')), "{code}: {text}");
    }
    assert_eq!(answer("local a = 1", "/"), None);
}

#[test]
fn the_sandbox_holds() {
    for expression in [
        "io",
        "os.execute",
        "os.exit",
        "os.getenv",
        "loadstring",
        "load",
        "dofile",
        "loadfile",
        "debug",
        "package",
        "ffi",
        "jit",
        "getfenv",
        "setfenv",
        "getmetatable('')",
        "string.dump and pcall(string.dump, 1)",
        "collectgarbage",
    ] {
        let text = shown(expression);
        assert!(text == "nil" || text == "false", "{expression} is {text}");
    }
    for change in [
        "string.upper = nil",
        "kong.response.exit = nil",
        "kong.request = nil",
        "ngx.re = nil",
        "table.concat = 1",
        "rawset(string, 'upper', 1)",
        "setmetatable(kong, {})",
        "require('os')",
    ] {
        assert_eq!(answer(change, "/").map(|(status, _)| status), Some(500), "{change}");
    }
    assert_eq!(answer("leaked = 1", "/"), None);
    assert_eq!(shown("leaked"), "nil");
}

#[test]
fn settings_are_read_and_not_changed() {
    crate::set_configuration(json!({
        "tracing_instrumentations": ["router", "balancer"], "loaded_plugins": { "opa": true }, "none": [], "prefix": "/p",
    }));
    for (expression, expected) in [
        ("kong.configuration.prefix", "/p"),
        ("tostring(kong.configuration.unknown)", "nil"),
        ("table.concat(kong.configuration.tracing_instrumentations, ' ')", "router balancer"),
        ("#kong.configuration.tracing_instrumentations", "2"),
        ("tostring(next(kong.configuration.loaded_plugins))", "opa"),
        ("#kong.configuration.none", "0"),
        ("kong.configuration.remove_sensitive().prefix", "/p"),
        (
            "select(2, pcall(function() kong.configuration.prefix = '/q' end)):match('cannot write to configuration')",
            "cannot write to configuration",
        ),
        (
            "(function() kong.configuration.loaded_plugins.opa = false return tostring(kong.configuration.loaded_plugins.opa) end)()",
            "true",
        ),
        ("tostring(pcall(rawset, kong.configuration, 'prefix', '/q'))", "false"),
    ] {
        assert_eq!(shown(expression), expected, "{expression}");
    }
}

#[test]
fn changes_reach_the_upstream() {
    let code = "kong.service.request.set_header('X-New', 5); kong.service.request.add_header('X-New', true) \
                kong.service.request.set_header('Host', 'inner.test'); kong.service.request.set_method('PUT') \
                kong.service.request.set_path('/moved here'); kong.service.request.set_query({ b = '2', a = { 'x', 'y' }, f = true }) \
                kong.service.request.set_body({ n = 1 }, 'application/json'); kong.service.set_target('127.0.0.1', 99)";
    let plugin = plugin(json!({ "access": [code] }));
    let mut exchange = request("/");
    assert!(matches!(access(&plugin, &mut exchange), Flow::Next));
    let values: Vec<&[u8]> = exchange.request.headers.get_all("x-new").collect();
    assert_eq!(values, [b"5".as_slice(), b"true"]);
    assert_eq!(exchange.forward.host_header.as_deref(), Some(b"inner.test".as_slice()));
    assert_eq!(exchange.request.method.as_slice(), b"PUT");
    assert_eq!(exchange.forward.path.as_slice(), b"/moved%20here");
    assert_eq!(exchange.forward.query.as_deref(), Some(b"a=x&a=y&b=2&f".as_slice()));
    assert_eq!((exchange.forward.host.as_slice(), exchange.forward.port), (b"127.0.0.1".as_slice(), 99));
    assert!(matches!(&exchange.request.body, Body::Buffered(body) if body == "{\"n\":1}"));
}

#[test]
fn responses_are_changed() {
    let plugin = plugin(json!({
        "access": ["kong.response.set_header('X-Early', 'yes'); kong.ctx.plugin.a = 1; kong.ctx.shared.b = 2"],
        "header_filter": ["kong.response.set_header('X-Both', kong.ctx.plugin.a + kong.ctx.shared.b)"],
        "body_filter": ["local body = kong.response.get_raw_body() if body then kong.response.set_raw_body('<' .. body .. '>') end"],
        "log": ["assert(kong.response.get_status() == 200) assert(not pcall(kong.service.request.set_path, '/'))"],
    }));
    let mut exchange = request("/");
    assert!(matches!(access(&plugin, &mut exchange), Flow::Next));
    exchange.response.status = 200;
    assert!(matches!(Plugin::header_filter(&plugin, &mut exchange), Flow::Next));
    assert_eq!(exchange.response.headers.get("x-early"), Some(b"yes".as_slice()));
    assert_eq!(exchange.response.headers.get("x-both"), Some(b"3".as_slice()));
    let mut first = Chunk { data: "plain ".into(), last: false };
    Plugin::body_filter(&plugin, &mut exchange, &mut first);
    let mut last = Chunk { data: "text".into(), last: true };
    Plugin::body_filter(&plugin, &mut exchange, &mut last);
    assert_eq!((&first.data[..], &last.data[..]), (b"".as_slice(), b"<plain text>".as_slice()));
    Plugin::log(&plugin, &exchange);
}

#[test]
fn handshakes_are_led() {
    let shaken = |code: &str| {
        let plugin = plugin(json!({ "certificate": [code] }));
        assert!(plugin.used().has(exchange::Phases::CERTIFICATE));
        let mut exchange = request("/");
        exchange.state.put(Handshake::default());
        let Step::Ready(flow) = Plugin::certificate(&plugin, &mut exchange) else { panic!("it waits") };
        (matches!(flow, Flow::Next), exchange.state.take::<Handshake>().expect("kept"))
    };
    let (goes_on, wishes) = shaken("assert(kong.client.tls.request_client_certificate())");
    assert!(goes_on && wishes.authorities == Some(Vec::new()) && !wishes.once);
    let (goes_on, wishes) = shaken("assert(kong.client.tls.disable_session_reuse()) ngx.exit(ngx.OK)");
    assert!(goes_on && wishes.authorities.is_none() && wishes.once);
    for code in [
        "error('as it was told')",
        "ngx.exit(ngx.ERROR)",
        "kong.client.tls.request_client_certificate('a text')",
        "kong.request.get_header('x')",
        "ngx.say('x')",
    ] {
        assert!(!shaken(code).0, "{code}");
    }
    let refused = answer("kong.client.tls.disable_session_reuse()", "/");
    assert_eq!(refused.map(|(status, _)| status), Some(500));
}

#[test]
fn what_cannot_be_loaded_is_refused() {
    let types = PluginType::of::<Function<Pre>>();
    let _ = types.schema;
    for (code, text) in [
        ("return", None),
        ("x = ", Some("error parsing pre-function: ")),
        ("\u{1b}Lua", Some("error parsing pre-function: ")),
    ] {
        let found = crate::worker::check(code).err().map(|error| format!("error parsing pre-function: {error}"));
        assert_eq!(found.is_some(), text.is_some(), "{code:?}: {found:?}");
    }
}

#[test]
fn a_suspended_call_keeps_its_request() {
    let code = "ngx.sleep(0.001); kong.response.exit(200, kong.request.get_query_arg('n'))";
    let plugin = plugin(json!({ "access": [code] }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (mut one, mut two) = (request("/?n=one"), request("/?n=two"));
        let (Step::Wait(first), Step::Wait(second)) =
            (Plugin::access(&plugin, &mut one), Plugin::access(&plugin, &mut two))
        else {
            panic!("both wait")
        };
        let (mut first, mut second) = (pin!(first), pin!(second));
        let mut found = Vec::new();
        poll_fn(|context| {
            for (name, future) in [("one", first.as_mut()), ("two", second.as_mut())] {
                if found.iter().all(|(seen, _)| *seen != name)
                    && let Poll::Ready(Flow::Answer(answer)) = future.poll(context)
                {
                    found.push((name, answer.body));
                }
            }
            if found.len() == 2 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        for (name, body) in found {
            assert!(format!("{body:?}").contains(name), "{name}: {body:?}");
        }
    });
}

/// Two Services, one to a page; writes only tell what they are.
struct Shelf;

impl crate::Database for Shelf {
    fn write(
        &self,
        _: &'static str,
        _: Uuid,
        author: &'static str,
        change: crate::Change,
    ) -> crate::Reading<Result<Option<Map<String, Value>>, crate::Refusal>> {
        let told = json!({ "author": author, "change": format!("{change:?}") }).as_object().cloned();
        Box::pin(std::future::ready(Ok(Ok(told))))
    }
    fn strategy(&self) -> &'static str {
        "off"
    }
    fn entity(&self, name: &str) -> Option<&'static str> {
        (name == "services").then_some("services")
    }
    fn select(&self, _: &'static str, _: Uuid, id: &str) -> crate::Reading<Option<Map<String, Value>>> {
        let found = (id == "1").then(|| json!({ "id": id, "name": "one", "path": null }).as_object().cloned());
        Box::pin(std::future::ready(Ok(found.flatten())))
    }
    fn select_by(
        &self,
        _: &'static str,
        _: Uuid,
        field: &str,
        value: &str,
    ) -> crate::Reading<Option<Map<String, Value>>> {
        let found = json!({ "by": field, "value": value }).as_object().cloned();
        Box::pin(std::future::ready(if field == "name" { Ok(found) } else { Err(format!("no {field}")) }))
    }
    fn page(
        &self,
        _: &'static str,
        _: Uuid,
        owner: Option<(&str, &str)>,
        _: usize,
        after: Option<&str>,
    ) -> crate::Reading<crate::Rows> {
        let id = after.map_or(1, |_| 2);
        let row = json!({ "id": id, "owner": owner.map(|(field, id)| format!("{field} {id}")) });
        let rows = row.as_object().cloned().into_iter().collect();
        let next = after.is_none().then(|| "1".to_owned());
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(crate::Rows { rows, next })
        })
    }
}

#[test]
fn records_are_read() {
    crate::set_database(Arc::new(Shelf));
    for (expression, text) in [
        ("kong.db.services:select({ id = '1' }).name", "one"),
        ("kong.db.services:select({ id = '1' }).path", "nil"),
        ("kong.db.services:select({ id = '2' })", "nil"),
        ("kong.db.services:select_by_name('x').value", "x"),
        ("select(2, kong.db.services:select_by_host('x'))", "no host"),
        ("kong.db.services:cache_key('a')", "services:a"),
        ("select(4, kong.db.services:page(1))", "1"),
        (
            "(function() local n = 0 for service, err in kong.db.services:each() do n = n + service.id end return n end)()",
            "3",
        ),
        ("kong.db.services:each_for_route({ id = 'r' })().owner", "route r"),
        ("kong.db.nothing", "nil"),
    ] {
        assert_eq!(shown(expression), text, "{expression}");
    }
    let refused = shown("select(2, pcall(function() kong.db.services:insert({}) end))");
    assert!(refused.contains("kong.db.services:insert cannot be called in the sandbox"), "{refused}");
    let early =
        plugin(json!({ "log": ["local ok, err = pcall(kong.db.services.select, kong.db.services, { id = '1' }) \
                                        kong.log.set_serialize_value('err', err)"] }));
    let exchange = request("/");
    Plugin::log(&early, &exchange);
    let entry = log_entry::value(&exchange);
    assert!(
        entry["err"].as_str().is_some_and(|err| err.contains("kong.db cannot be read in the log phase")),
        "{entry:?}"
    );
}

#[test]
fn a_state_can_be_made() {
    if let Err(error) = crate::worker::Worker::of_thread() {
        panic!("{}", crate::error::text(&error));
    }
}

#[test]
fn groups_go_both_ways() {
    for (before, code, after) in [
        (&[][..], "kong.ctx.shared.authenticated_groups = { 'beta', 'gamma' }", &["beta", "gamma"][..]),
        (&[], "ngx.ctx.authenticated_groups = { 'beta', 7 }", &["beta", "7"]),
        (&["old"], "assert(ngx.ctx.authenticated_groups[1] == 'old')", &["old"]),
        (&["old"], "ngx.ctx.authenticated_groups = nil", &[]),
        (&["old"], "kong.ctx.shared.authenticated_groups = { 'new' }", &["new"]),
        (&["old"], "ngx.ctx.authenticated_groups = 'none'", &[]),
    ] {
        let mut exchange = request("/");
        exchange.identity.authenticated_groups = before.iter().map(|group| (*group).to_owned()).collect();
        assert!(matches!(access(&plugin(json!({ "access": [code] })), &mut exchange), Flow::Next), "{code}");
        assert_eq!(exchange.identity.authenticated_groups, after, "{code}");
    }
}

#[test]
fn a_request_may_want_its_service_otherwise() {
    let code = "kong.service.set_timeouts(10, 20, 30) kong.service.set_retries(0) \
                assert(kong.service.set_tls_verify(true)) assert(kong.service.set_tls_verify_depth(2))";
    let mut exchange = request("/");
    assert!(matches!(access(&plugin(json!({ "access": [code] })), &mut exchange), Flow::Next));
    let wanted = exchange.forward.instead.as_deref().expect("something is wanted");
    assert_eq!(wanted.timeouts.map(|times| times.map(|time| time.as_millis())), Some([10, 20, 30]));
    assert_eq!((wanted.retries, wanted.verify, wanted.verify_depth), (Some(0), Some(true), Some(2)));
    for (call, error) in [
        ("kong.service.set_timeouts(1)", "write_timeout must be an integer"),
        ("kong.service.set_timeouts(0, 1, 1)", "connect_timeout must be an integer between 1 and 2147483646: given 0"),
        ("kong.service.set_retries(1.5)", "retries must be an integer"),
        ("kong.service.set_retries(32768)", "retries must be an integer between 0 and 32767: given 32768"),
        ("kong.service.set_tls_verify('on')", "argument must be a boolean"),
        ("kong.service.set_tls_verify_store()", "store expects to be a table but found nil"),
        ("kong.service.set_tls_cert_key('a')", "chain must be a parsed cdata object"),
        ("kong.service.set_target_retry_callback(1)", "retry_callback must be a function"),
    ] {
        let found = shown(&format!("select(2, pcall(function() {call} end))"));
        assert!(found.contains(error), "{call}: {found}");
    }
}

#[test]
fn log_entries_have_what_chunks_give() {
    let chunks = crate::Chunks { node_id: Uuid::from_u128(9) };
    let given = |chunks: &[(&str, &str)]| {
        chunks.iter().map(|(name, chunk)| ((*name).to_owned(), (*chunk).to_owned())).collect::<Vec<_>>()
    };
    let good = given(&[
        ("n", "return 6 * 7"),
        ("request.method", "return kong.request.get_method():lower()"),
        ("status", "return kong.response.get_status()"),
        ("route", "return nil"),
        ("list", "return { 1, 'two' }"),
    ]);
    let scripts = chunks.log_values("http-log", Uuid::from_u128(7), good).expect("they compile");
    for _ in 0..2 {
        let mut exchange = request("/");
        exchange.response.status = 404;
        assert_eq!(scripts.run(&exchange), Ok(()));
        let entry = log_entry::value(&exchange);
        assert_eq!((&entry["n"], &entry["status"]), (&json!(42), &json!(404)));
        assert_eq!((&entry["request"]["method"], &entry["list"]), (&json!("post"), &json!([1, "two"])));
        assert!(entry.get("route").is_none());
    }
    for (chunk, error) in [
        ("error('broken')", "broken"),
        ("return io.open('/etc/passwd')", "attempt to index global 'io'"),
        ("while true do end", "more instructions than it may"),
        ("return function() end", "value must be nil, a number, string, boolean"),
        ("kong.service.request.set_path('/x')", "function cannot be called in log phase"),
    ] {
        let scripts = chunks.log_values("http-log", Uuid::nil(), given(&[("a", chunk)])).expect("it compiles");
        let found = scripts.run(&request("/")).expect_err("it fails");
        assert!(found.contains(error), "{chunk}: {found}");
    }
    let refused = chunks.check("return (").expect_err("no Lua");
    assert!(refused.starts_with("Error parsing function: "), "{refused}");
}

#[test]
fn entries_are_seen_and_changed_in_the_log_phase() {
    let code = "local entry = kong.log.serialize() \
                kong.log.set_serialize_value('seen', entry.request.uri) \
                kong.log.set_serialize_value('request.uri', '/other', { mode = 'add' }) \
                kong.log.set_serialize_value('none', 1, { mode = 'replace' }) \
                assert(not pcall(kong.log.set_serialize_value, 1, 1)) \
                assert(not pcall(kong.log.set_serialize_value, 'a', 1, { mode = 'x' }))";
    let exchange = request("/a?b");
    Plugin::log(&plugin(json!({ "log": [code] })), &exchange);
    let entry = log_entry::value(&exchange);
    assert_eq!((&entry["seen"], &entry["request"]["uri"], entry.get("none")), (&json!("/a?b"), &json!("/a?b"), None));
}
