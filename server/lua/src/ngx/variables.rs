//! `ngx.var`: nginx's variables, those that plugins read.

use crate::current::{call, read, with};
use crate::error;
use crate::pdk::query;
use crate::value;
use exchange::{Exchange, form};
use mlua::{Lua, Table, Value};

pub(super) fn add(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    let variables = lua.create_table()?;
    let metatable = lua.create_table()?;
    metatable.set(
        "__index",
        lua.create_function(|lua, (_, name): (Value, Value)| {
            let name = value::text(&name)?;
            let set: Value = call()?.remembered.variables(lua)?.raw_get(name.as_str())?;
            if !set.is_nil() {
                return Ok(set);
            }
            match read(|exchange| variable(exchange, &name))? {
                Some(text) => Ok(Value::String(lua.create_string(text)?)),
                None => Ok(Value::Nil),
            }
        })?,
    )?;
    metatable.set("__newindex", lua.create_function(set)?)?;
    variables.set_metatable(Some(metatable))?;
    ngx.set("var", variables)
}

fn set(lua: &Lua, (_, name, given): (Value, mlua::LuaString, Value)) -> mlua::Result<()> {
    let name = name.to_string_lossy().to_string();
    let bytes = if given.is_nil() { Vec::new() } else { value::bytes(&given)? };
    match name.as_str() {
        "upstream_host" => with(|exchange| exchange.forward.host_header = Some(bytes.as_slice().into())),
        "upstream_uri" => {
            let (path, query) = match bytes.iter().position(|byte| *byte == b'?') {
                Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
                None => (&bytes[..], None),
            };
            if path.first() != Some(&b'/') || bytes.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
                return Err(error::of("upstream_uri must be a path"));
            }
            with(|exchange| {
                exchange.forward.path = path.into();
                if let Some(query) = query {
                    exchange.forward.query = Some(query.into());
                }
            })
        }
        "args" => crate::pdk::put_query(&bytes),
        // What the gateway itself reads cannot be changed by name; the rest is remembered for Lua.
        "request_uri" | "request_method" | "remote_addr" | "scheme" | "host" => {
            Err(error::of(format!("variable \"{name}\" not changeable")))
        }
        _ => call()?.remembered.variables(lua)?.raw_set(name, given),
    }
}

fn variable(exchange: &Exchange, name: &str) -> Option<Vec<u8>> {
    let request = &exchange.request;
    let text = |text: &str| Some(text.as_bytes().to_vec());
    match name {
        "request_method" => Some(request.method.to_vec()),
        "request_uri" => Some(request.target.to_vec()),
        "uri" | "document_uri" => Some(request.path.to_vec()),
        "args" | "query_string" => Some(query(exchange).to_vec()).filter(|query| !query.is_empty()),
        "is_args" => text(if query(exchange).is_empty() { "" } else { "?" }),
        "scheme" => text(request.scheme.as_str()),
        "https" => text(if request.scheme.as_str() == "https" { "on" } else { "" }),
        "host" => Some(request.host.to_ascii_lowercase()),
        "remote_addr" => text(&request.client_ip().to_string()),
        "remote_port" => text(&request.client_port.to_string()),
        "realip_remote_addr" => text(&request.peer?.ip().to_string()),
        "realip_remote_port" => text(&request.peer?.port().to_string()),
        "server_addr" => text(&request.local?.ip().to_string()),
        "server_port" => text(&request.port.to_string()),
        "server_protocol" => text(&format!(
            "HTTP/{}",
            match request.version.as_str() {
                "2" => "2.0",
                other => other,
            }
        )),
        "request_id" => text(exchange.id.as_str()),
        "connection" => text(&request.connection.to_string()),
        "connection_requests" => text(&request.connection_requests.to_string()),
        "content_type" => request.headers.get("content-type").map(<[u8]>::to_vec),
        "content_length" => text(&request.content_length?.to_string()),
        "request_length" => text(&(request.head_bytes as u64 + request.body_bytes).to_string()),
        "bytes_sent" => text(&(exchange.response.head_sent + exchange.response.body_sent).to_string()),
        "body_bytes_sent" => text(&exchange.response.body_sent.to_string()),
        "status" => text(&Some(exchange.response.status).filter(|status| *status != 0)?.to_string()),
        "upstream_status" => text(&Some(exchange.response.upstream_status).filter(|status| *status != 0)?.to_string()),
        "upstream_addr" => text(&exchange.upstream_address?.to_string()),
        "upstream_host" => exchange.forward.host_header.as_ref().map(|host| host.to_vec()),
        "upstream_uri" => {
            let mut uri = exchange.forward.path.to_vec();
            if let Some(query) = &exchange.forward.query {
                uri.push(b'?');
                uri.extend_from_slice(query);
            }
            Some(uri)
        }
        "upstream_scheme" => text(exchange.forward.scheme.as_str()),
        "request_time" => text(&format!("{:.3}", f64::from(exchange.timeline.elapsed_ms()) / 1000.0)),
        "ssl_server_name" => text(request.sni()?),
        "ssl_protocol" => text(request.tls.as_ref()?.version),
        "ssl_cipher" => text(request.tls.as_ref()?.cipher),
        "ssl_client_verify" => {
            let tls = request.tls.as_ref()?;
            let found = if tls.client_certificates.is_empty() { "NONE" } else { "SUCCESS" };
            text(tls.client_verify.as_deref().unwrap_or(found))
        }
        "ssl_client_raw_cert" => {
            let leaf = request.tls.as_ref()?.client_certificates.first()?;
            text(crate::tls::pem("CERTIFICATE", leaf).trim_end())
        }
        "http_cookie" => request.headers.joined("cookie"),
        "nginx_version" => text("1.25.3"),
        "pid" => text(&std::process::id().to_string()),
        "hostname" => text(&crate::pdk::hostname()),
        _ => patterned(exchange, name),
    }
}

/// Families of variables.
fn patterned(exchange: &Exchange, name: &str) -> Option<Vec<u8>> {
    if let Some(header) = name.strip_prefix("http_") {
        return exchange.request.headers.joined(&header.replace('_', "-"));
    }
    if let Some(header) = name.strip_prefix("sent_http_").or_else(|| name.strip_prefix("upstream_http_")) {
        return exchange.response.headers.joined(&header.replace('_', "-"));
    }
    if let Some(argument) = name.strip_prefix("arg_") {
        let mut pairs = form::pairs(query(exchange));
        let found = pairs.find(|(key, _)| key.eq_ignore_ascii_case(argument.as_bytes()))?;
        return found.1.map(std::borrow::Cow::into_owned);
    }
    if let Some(cookie) = name.strip_prefix("cookie_") {
        let lines = exchange.request.headers.get_all("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
        return lines.map(<[u8]>::trim_ascii).find_map(|pair| {
            let rest = pair.strip_prefix(cookie.as_bytes())?.strip_prefix(b"=")?;
            Some(rest.to_vec())
        });
    }
    None
}
