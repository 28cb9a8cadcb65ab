//! Services that are described by `.proto` files, and their messages as JSON: what plugins share that speak gRPC with
//! upstreams and something else with clients.

use exchange::{Exchange, form};

mod definitions;
mod frames;
mod payload;
mod shown;

pub(crate) use definitions::{Definitions, path};
pub(crate) use frames::{Frames, Next, frame};
pub(crate) use payload::message;
pub(crate) use shown::decoded;

/// The largest request that is transcoded, in bytes.
pub(crate) const BODY_LIMIT: u64 = 8 << 20;

/// What a gRPC service is called with.
pub(crate) fn call(exchange: &mut Exchange, body: Vec<u8>) {
    exchange.request.headers.set("Content-Type", "application/grpc");
    exchange.request.headers.set("TE", "trailers");
    form::replace(exchange, body.into());
}
