//! `grpc-gateway`: HTTP with JSON to gRPC services, by the `google.api.http` options of their `.proto` files.

mod rules;
mod template;

use crate::protobuf::{self, BODY_LIMIT, Definitions, Frames, Next, frame};
use entities::{PluginSchema, Scopes};
use exchange::{About, Answer, Chunk, Exchange, Flow, Phases, Plugin, Services, Step, form};
use prost::Message;
use prost_reflect::MessageDescriptor;
use rules::{Rules, Unmatched};
use schema::Schema;
use serde::Deserialize;

/// Options of `grpc-gateway`.
#[derive(Debug, Deserialize, Schema)]
pub struct Config {
    /// The `.proto` file that describes the services.
    #[field(required = false)]
    pub proto: Option<String>,
}

/// `grpc-gateway`, configured.
pub struct GrpcGateway {
    /// `None` without a file; the sentence says why one could not be read.
    rules: Option<Result<Rules, String>>,
}

/// A call on its way.
struct Call {
    output: MessageDescriptor,
    frames: Frames,
    /// Whether something of the answer could be read.
    read: bool,
}

/// The request has come here: its answer may be read by pages of other origins.
struct Seen;

/// Status of an answer whose head tells how the call ended (`google.rpc.Code`).
fn status(grpc: &[u8]) -> Option<u16> {
    Some(match std::str::from_utf8(grpc).ok()?.trim().parse().ok()? {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        14 => 503,
        16 => 401,
        2 | 12 | 13 | 15 => 500,
        number => {
            tracing::warn!(plugin = GrpcGateway::NAME, number, "the upstream's grpc-status is none that is known");
            500
        }
    })
}

fn preflight() -> Answer {
    Answer::bytes(200, "OK")
        .header("Content-Type", "application/json")
        .header("Access-Control-Allow-Origin", "*")
        .header("Access-Control-Allow-Methods", "GET,POST,PATCH,DELETE")
        .header("Access-Control-Allow-Headers", "content-type")
}

fn refusal(text: impl Into<String>) -> Answer {
    Answer::bytes(400, text.into())
}

impl Plugin for GrpcGateway {
    const NAME: &'static str = "grpc-gateway";
    const PRIORITY: i32 = 998;
    const PHASES: Phases = Phases::ACCESS.and(Phases::HEADER_FILTER).and(Phases::BODY_FILTER);
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).all_protocols().scopes(Scopes::ALL)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let load = |name: &str| Definitions::load(name).map(|definitions| Rules::of(&definitions));
        Ok(Self { rules: config.proto.as_deref().map(load) })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        exchange.state.put(Seen);
        if exchange.request.method.as_slice() == b"OPTIONS" {
            return preflight().into();
        }
        let rules = match protobuf::described(Self::NAME, self.rules.as_ref(), refusal) {
            Ok(rules) => rules,
            Err(answer) => return answer.into(),
        };
        let method = exchange.request.method_str().to_ascii_lowercase();
        let (rule, variables) = match rules.find(&method, &exchange.request.path) {
            Ok(found) => found,
            Err(unmatched) => {
                let what = match unmatched {
                    Unmatched::Method => format!("Unknown method \"{method}\""),
                    Unmatched::Path => format!("Unknown path \"{}\"", String::from_utf8_lossy(&exchange.request.path)),
                };
                return refusal(format!("failed to transcode .proto file {what}")).into();
            }
        };
        Step::Wait(Box::pin(async move {
            let body = match exchange.request.body.read(BODY_LIMIT).await {
                Ok(body) => body,
                Err(error) => return form::broken(&error).into(),
            };
            let payload = match rule.payload(variables, &body, exchange.request.query.as_deref().unwrap_or_default()) {
                Ok(payload) => payload,
                Err(text) => return refusal(text).into(),
            };
            let message = match protobuf::message(&rule.input, &payload) {
                Ok(message) => frame(0, &message.encode_to_vec()),
                Err(error) => {
                    tracing::debug!(plugin = Self::NAME, %error, "a payload does not fit");
                    return refusal("failed to encode payload").into();
                }
            };
            protobuf::call(exchange, message);
            exchange.request.method = b"POST".as_slice().into();
            exchange.forward.path = rule.path.as_bytes().into();
            exchange.forward.query = None;
            exchange.state.put(Call { output: rule.output.clone(), frames: Frames::default(), read: false });
            Flow::Next
        }))
    }

    fn header_filter(&self, exchange: &mut Exchange) -> Flow {
        if exchange.request.method.as_slice() == b"OPTIONS" {
            return Flow::Next;
        }
        let response = &mut exchange.response;
        if exchange.state.get::<Seen>().is_some() && !response.headers.contains("access-control-allow-origin") {
            response.headers.set("Access-Control-Allow-Origin", "*");
        }
        if exchange.state.get::<Call>().is_some() {
            response.headers.set("Content-Type", "application/json");
            response.headers.remove("content-length");
        }
        if let Some(status) = response.headers.get("grpc-status").and_then(status) {
            response.status = status;
        }
        Flow::Next
    }

    fn body_filter(&self, exchange: &mut Exchange, chunk: &mut Chunk) {
        let Some(call) = exchange.state.get_mut::<Call>() else { return };
        call.frames.push(&chunk.data);
        let mut out = Vec::new();
        let next = loop {
            match call.frames.next() {
                Next::Message(message) => match protobuf::decoded(&call.output, &message) {
                    Ok(shown) => {
                        call.read = true;
                        out.extend_from_slice(shown.to_string().as_bytes());
                    }
                    Err(error) => tracing::warn!(plugin = Self::NAME, %error, "a message could not be read"),
                },
                next => break next,
            }
        };
        // What is no gRPC at all (an error page on the way) goes to the client as it is.
        if next == Next::Foreign || chunk.last && !call.read {
            out.extend_from_slice(&call.frames.rest());
        }
        chunk.data = out.into();
    }
}

#[cfg(test)]
mod tests;
