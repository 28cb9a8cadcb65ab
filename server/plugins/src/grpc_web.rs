//! `grpc-web`: calls from browsers (the gRPC-Web protocol), and JSON, to gRPC services.

use crate::protobuf::{self, BODY_LIMIT, Definitions, Frames, Next, frame};
use crate::request_transformer::ESCAPED;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Chunk, Exchange, Flow, Phases, Plugin, Services, Step, Version, form};
use percent_encoding::{percent_decode, percent_encode};
use prost::Message;
use prost_reflect::MethodDescriptor;
use schema::Schema;
use serde::Deserialize;
use serde_json::Value;

/// Options of `grpc-web`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// A `.proto` file that describes the services; needed for JSON.
    #[field(required = false)]
    pub proto: Option<String>,
    /// Whether the upstream is called with the path that is left where the Route has taken its prefix away.
    #[field(required = false)]
    pub pass_stripped_path: Option<bool>,
    /// Value of `Access-Control-Allow-Origin`.
    #[field(default = "*", required = false)]
    pub allow_origin_header: Option<String>,
}

/// `grpc-web`, configured.
pub struct GrpcWeb {
    allow_origin: String,
    pass_stripped_path: bool,
    /// `None` without a file; the sentence says why one could not be read.
    definitions: Option<Result<Definitions, String>>,
}

/// What a Content-Type says of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    /// Base64 on the way.
    text: bool,
    /// Messages and trailers in frames.
    framed: bool,
    /// What messages are.
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Protobuf,
    Json,
    /// Goes to the upstream as it is; what comes back is shown as JSON.
    Unknown,
}

impl Form {
    /// Kong compares as sent: no parameters, no other case.
    fn of(content_type: &[u8]) -> Self {
        let (text, framed, content) = match content_type {
            b"application/grpc-web" | b"application/grpc-web+proto" => (false, true, Content::Protobuf),
            b"application/grpc-web-text" | b"application/grpc-web-text+proto" => (true, true, Content::Protobuf),
            b"application/grpc-web+json" => (false, true, Content::Json),
            b"application/grpc-web-text+json" => (true, true, Content::Json),
            b"application/json" => (false, false, Content::Json),
            _ => (false, false, Content::Unknown),
        };
        Self { text, framed, content }
    }
}

/// A call on its way.
struct Call {
    /// As sent; it is also the answer's.
    content_type: Vec<u8>,
    form: Form,
    /// Where messages are JSON.
    method: Option<MethodDescriptor>,
    frames: Frames,
}

/// The request has come here: its answer may be read by pages of other origins.
struct Seen;

impl GrpcWeb {
    fn preflight(&self) -> Answer {
        Answer::bytes(200, "OK")
            .header("Content-Type", "application/grpc-web-text+proto")
            .header("Access-Control-Allow-Origin", self.allow_origin.clone())
            .header("Access-Control-Allow-Methods", "POST")
            .header("Access-Control-Allow-Headers", "content-type,x-grpc-web,x-user-agent")
            .header("grpc-status", "0")
            .header("grpc-message", "OK")
    }

    /// The method that a path names; `Err` is the answer where it is needed and not there.
    fn method(&self, exchange: &Exchange, path: &[u8]) -> Result<MethodDescriptor, Answer> {
        let definitions = protobuf::described(Self::NAME, self.definitions.as_ref(), |text| refusal(exchange, text))?;
        let named = definitions.methods().iter().find(|method| protobuf::path(method).as_bytes() == path);
        named.cloned().ok_or_else(|| {
            // The misspelling is Kong's.
            refusal(exchange, &format!("Unkown path \"{}\"", String::from_utf8_lossy(path)))
        })
    }

    /// What the upstream is sent; `None` where the body is not what its type says.
    fn translated(call: &Call, body: Bytes) -> Option<Vec<u8>> {
        let body = match call.form.text {
            true => Bytes::from(base64_of(&body)?),
            false => body,
        };
        let (Content::Json, Some(method)) = (call.form.content, &call.method) else { return Some(body.to_vec()) };
        let message = match call.form.framed {
            true => {
                let mut frames = Frames::default();
                frames.push(&body);
                let Next::Message(message) = frames.next() else { return None };
                message
            }
            false => body,
        };
        let Value::Object(members) = serde_json::from_slice(&message).ok()? else { return None };
        let message = protobuf::message(&method.input(), &members)
            .inspect_err(|error| tracing::debug!(plugin = Self::NAME, %error, "a message does not fit"));
        Some(frame(0, &message.ok()?.encode_to_vec()))
    }
}

/// A refusal in words; calls over HTTP/2 get it as a status of theirs.
fn refusal(exchange: &Exchange, text: &str) -> Answer {
    let request = &exchange.request;
    let content_type = request.headers.get("content-type").unwrap_or_default();
    if request.version == Version::Http2 && content_type.starts_with(b"application/grpc") {
        // 3: INVALID_ARGUMENT
        return Answer::bytes(400, "").header("grpc-status", "3").header("grpc-message", text.as_bytes());
    }
    Answer::bytes(400, text.to_owned())
}

/// Base64 of several messages, one after the other, each with its own padding (gRPC-Web's text mode).
fn base64_of(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text;
    while !rest.is_empty() {
        let padding = rest.iter().position(|byte| *byte == b'=').map_or(rest.len(), |at| at.next_multiple_of(4));
        let (piece, tail) = rest.split_at_checked(padding)?;
        STANDARD.decode_vec(piece, &mut out).ok()?;
        rest = tail;
    }
    Some(out)
}

impl Plugin for GrpcWeb {
    const NAME: &'static str = "grpc-web";
    const PRIORITY: i32 = 3;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::BODY_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols().scopes(Scopes::ALL)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        Ok(Self {
            allow_origin: config.allow_origin_header.unwrap_or_default(),
            pass_stripped_path: config.pass_stripped_path == Some(true),
            definitions: config.proto.as_deref().map(Definitions::load),
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        exchange.state.put(Seen);
        if exchange.request.method.as_slice() == b"OPTIONS" {
            return self.preflight().into();
        }
        if !self.pass_stripped_path {
            // gRPC has no other paths than those of methods: the upstream gets what the client asked for.
            let path = percent_encode(&exchange.request.path, ESCAPED).to_string();
            exchange.forward.path = path.as_bytes().into();
        }
        let content_type = exchange.request.headers.get("content-type").unwrap_or_default().to_vec();
        let form = Form::of(&content_type);
        let method = match form.content {
            Content::Protobuf => None,
            Content::Json | Content::Unknown => {
                let path: Vec<u8> = percent_decode(&exchange.forward.path).collect();
                match self.method(exchange, &path) {
                    Ok(method) => Some(method),
                    Err(answer) => return answer.into(),
                }
            }
        };
        let call = Call { content_type, form, method, frames: Frames::default() };
        Step::Wait(Box::pin(async move {
            let body = match exchange.request.body.read(BODY_LIMIT).await {
                Ok(body) => body,
                Err(error) => return form::broken(&error).into(),
            };
            let Some(body) = Self::translated(&call, body) else {
                return refusal(exchange, "failed to decode the request").into();
            };
            protobuf::call(exchange, body);
            exchange.state.put(call);
            Flow::Next
        }))
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        let headers = &mut exchange.response.headers;
        if exchange.state.get::<Seen>().is_some() && !headers.contains("access-control-allow-origin") {
            headers.set("Access-Control-Allow-Origin", &self.allow_origin);
        }
        if let Some(call) = exchange.state.get::<Call>() {
            headers.set("Content-Type", &call.content_type);
            headers.remove("content-length");
        }
        Flow::Next
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        let Some(call) = exchange.state.get_mut::<Call>() else { return };
        if exchange.request.method.as_slice() != b"POST" {
            return;
        }
        let mut out = match &call.method {
            None => chunk.data.to_vec(),
            Some(method) => {
                call.frames.push(&chunk.data);
                let mut out = Vec::new();
                let next = loop {
                    let message = match call.frames.next() {
                        Next::Message(message) => message,
                        next => break next,
                    };
                    match protobuf::decoded(&method.output(), &message) {
                        Ok(shown) if call.form.framed => out.extend(frame(0, shown.to_string().as_bytes())),
                        Ok(shown) => out.extend_from_slice(shown.to_string().as_bytes()),
                        Err(error) => tracing::warn!(plugin = Self::NAME, %error, "a message could not be read"),
                    }
                };
                if next == Next::Foreign {
                    out.extend_from_slice(&call.frames.rest());
                }
                out
            }
        };
        if call.form.text && !out.is_empty() {
            out = STANDARD.encode(out).into_bytes();
        }
        if chunk.last && call.form.framed {
            let trailers = frame(0x80, &trailers_of(exchange));
            let text = exchange.state.get::<Call>().is_some_and(|call| call.form.text);
            match text {
                true => out.extend_from_slice(STANDARD.encode(trailers).as_bytes()),
                false => out.extend(trailers),
            }
        }
        chunk.data = out.into();
    }
}

/// Status and message: from the trailers, or from the head where the upstream sent nothing else.
fn trailers_of(exchange: &Exchange) -> Vec<u8> {
    let response = &exchange.response;
    let told = |name: &str| {
        let trailer = response.trailers.as_deref().and_then(|trailers| trailers.get(name));
        trailer.or_else(|| response.headers.get(name))
    };
    let mut out = b"grpc-status:".to_vec();
    out.extend_from_slice(told("grpc-status").unwrap_or(b"0"));
    out.extend_from_slice(b"\r\ngrpc-message:");
    out.extend_from_slice(told("grpc-message").unwrap_or_default());
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, access, plugin, request, with_body};
    use exchange::Headers;
    use serde_json::json;
    use std::sync::LazyLock;

    const PROTO: &str = r#"
        syntax = "proto3";
        package hello;
        message Request { string greeting = 1; }
        message Reply { string reply = 1; }
        service Hello { rpc Say(Request) returns (Reply); }
    "#;

    static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hello.proto"), PROTO).unwrap();
        folder
    });

    fn web() -> GrpcWeb {
        plugin(json!({ "proto": FOLDER.path().join("hello.proto"), "allow_origin_header": "https://a.test" }))
    }

    /// `heya` as a message, in its frame.
    const HEYA: &[u8] = b"\0\0\0\0\x06\x0a\x04heya";

    fn json_frame(text: &str) -> Vec<u8> {
        frame(0, text.as_bytes())
    }

    /// The trailers of a call that went well.
    fn good() -> Vec<u8> {
        frame(0x80, b"grpc-status:0\r\ngrpc-message:\r\n")
    }

    #[test]
    fn calls_are_put_into_grpc_and_back() {
        let base64 = |pieces: &[&[u8]]| -> Vec<u8> {
            pieces.iter().flat_map(|piece| STANDARD.encode(piece).into_bytes()).collect()
        };
        let asked = json_frame(r#"{"greeting":"heya"}"#);
        let told = json_frame(r#"{"greeting":"heya"}"#.replace("greeting", "reply").as_str());
        for (kind, body, after) in [
            ("application/grpc-web", HEYA.to_vec(), [HEYA, &good()].concat()),
            ("application/grpc-web+proto", HEYA.to_vec(), [HEYA, &good()].concat()),
            ("application/grpc-web-text", base64(&[HEYA]), base64(&[&HEYA[..4], &HEYA[4..], &good()])),
            (
                "application/grpc-web-text+proto",
                base64(&[&HEYA[..2], &HEYA[2..]]),
                base64(&[&HEYA[..4], &HEYA[4..], &good()]),
            ),
            ("application/grpc-web+json", asked.clone(), [told.as_slice(), &good()].concat()),
            ("application/grpc-web-text+json", base64(&[&asked]), base64(&[&told, &good()])),
            ("application/json", br#"{"greeting":"heya"}"#.to_vec(), br#"{"reply":"heya"}"#.to_vec()),
            ("application/JSON", HEYA.to_vec(), br#"{"reply":"heya"}"#.to_vec()),
        ] {
            let web = web();
            let plain = request("POST", "/hello.Hello/Say", &[], People::new(Manner::Knows));
            let mut exchange = with_body(plain, kind, body);
            assert_eq!(access(&web, &mut exchange), None, "{kind}");
            assert_eq!(exchange.forward.path.as_slice(), b"/hello.Hello/Say");
            assert_eq!(exchange.request.headers.get_str("content-type"), Some("application/grpc"));
            let exchange::Body::Buffered(sent) = &exchange.request.body else { panic!("a body") };
            assert_eq!(&sent[..], HEYA, "{kind}");

            exchange.response.headers.append("Content-Type", "application/grpc");
            exchange.response.headers.append("Content-Length", "11");
            Plugin::header_filter(&web, &mut exchange);
            assert_eq!(exchange.response.headers.get_str("content-type"), Some(kind));
            assert_eq!(exchange.response.headers.get_str("access-control-allow-origin"), Some("https://a.test"));
            assert!(!exchange.response.headers.contains("content-length"));
            exchange.response.trailers =
                Some(Box::new([("grpc-status", "0"), ("grpc-message", "")].into_iter().collect()));
            let mut out = Vec::new();
            for (data, last) in [(&HEYA[..4], false), (&HEYA[4..], false), (b"", true)] {
                let mut chunk = Chunk { data: Bytes::from_static(data), last };
                Plugin::body_filter(&web, &mut exchange, &mut chunk);
                out.extend_from_slice(&chunk.data);
            }
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&after), "{kind}");
        }
    }

    #[test]
    fn what_is_no_grpc_goes_on_as_it_is() {
        for (kind, out) in [
            ("application/json", b"<html>page".to_vec()),
            ("application/grpc-web+json", [b"<html>page", &good()[..]].concat()),
        ] {
            let web = web();
            let body = if kind == "application/json" { b"{}".to_vec() } else { json_frame("{}") };
            let mut exchange =
                with_body(request("POST", "/hello.Hello/Say", &[], People::new(Manner::Knows)), kind, body);
            assert_eq!(access(&web, &mut exchange), None, "{kind}");
            let mut shown = Vec::new();
            for (data, last) in [(&b"<html>"[..], false), (b"page", false), (b"", true)] {
                let mut chunk = Chunk { data: Bytes::from_static(data), last };
                Plugin::body_filter(&web, &mut exchange, &mut chunk);
                shown.extend_from_slice(&chunk.data);
            }
            assert_eq!(shown, out, "{kind}");
        }
    }

    #[test]
    fn how_a_call_ended_is_told_last() {
        for (trailers, head, told) in [
            (
                &[("grpc-status", "5"), ("grpc-message", "no%20such")][..],
                &[][..],
                "grpc-status:5\r\ngrpc-message:no%20such\r\n",
            ),
            (&[], &[("grpc-status", "12"), ("grpc-message", "m")], "grpc-status:12\r\ngrpc-message:m\r\n"),
            (&[], &[], "grpc-status:0\r\ngrpc-message:\r\n"),
        ] {
            let mut exchange = request("POST", "/", &[], People::new(Manner::Knows));
            let lines = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Headers>();
            exchange.response.trailers = (!trailers.is_empty()).then(|| Box::new(lines(trailers)));
            exchange.response.headers = lines(head);
            assert_eq!(trailers_of(&exchange), told.as_bytes());
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let without: GrpcWeb = plugin(json!({}));
        let with = web();
        let lost: GrpcWeb = plugin(json!({ "proto": "/nowhere/x.proto" }));
        let transcoding = "transcoding requests require a .proto file defining the service";
        for (web, path, kind, body, status, text) in [
            (&without, "/hello.Hello/Say", "application/json", "{}", 400, transcoding),
            (&without, "/hello.Hello/Say", "text/plain", "{}", 400, transcoding),
            (&without, "/hello.Hello/Say", "", "", 400, transcoding),
            (&with, "/hello.Hello/Sing", "application/json", "{}", 400, "Unkown path \"/hello.Hello/Sing\""),
            (&with, "/hello.Hello/Say", "application/json", "{", 400, "failed to decode the request"),
            (&with, "/hello.Hello/Say", "application/json", "5", 400, "failed to decode the request"),
            (&with, "/hello.Hello/Say", "application/json", r#"{"greeting":5}"#, 400, "failed to decode the request"),
            (&with, "/hello.Hello/Say", "application/grpc-web+json", "{}", 400, "failed to decode the request"),
            (&with, "/hello.Hello/Say", "application/grpc-web-text", "?!", 400, "failed to decode the request"),
            (&lost, "/hello.Hello/Say", "application/json", "{}", 500, ""),
        ] {
            let mut exchange = with_body(request("POST", path, &[], People::new(Manner::Knows)), kind, body);
            assert_eq!(access(web, &mut exchange), Some(status), "{kind} {body}");
            if status == 400 {
                assert_eq!(exchange.response.body, text, "{kind} {body}");
            }
        }
        let lines = [("Content-Type", "application/grpc-web+json")];
        let mut exchange = request("POST", "/hello.Hello/Say", &lines, People::new(Manner::Knows));
        exchange.request.version = Version::Http2;
        assert_eq!(access(&without, &mut exchange), Some(400));
        assert_eq!(exchange.response.headers.get_str("grpc-message"), Some(transcoding));
    }

    #[test]
    fn preflights_and_paths() {
        let mut exchange = request("OPTIONS", "/hello.Hello/Say", &[], People::new(Manner::Knows));
        assert_eq!(access(&web(), &mut exchange), Some(200));
        let headers = &exchange.response.headers;
        assert_eq!(headers.get_str("access-control-allow-headers"), Some("content-type,x-grpc-web,x-user-agent"));
        assert_eq!(headers.get_str("access-control-allow-origin"), Some("https://a.test"));

        for (stripped, path) in [(false, "/prefix/hello.Hello/Say"), (true, "/hello.Hello/Say")] {
            let web: GrpcWeb = plugin(json!({ "pass_stripped_path": stripped }));
            let lines = [("Content-Type", "application/grpc-web")];
            let mut exchange = request("POST", "/prefix/hello.Hello/Say", &lines, People::new(Manner::Knows));
            exchange.forward.path = b"/hello.Hello/Say".as_slice().into();
            assert_eq!(access(&web, &mut exchange), None);
            assert_eq!(exchange.forward.path.as_slice(), path.as_bytes());
        }
    }
}
