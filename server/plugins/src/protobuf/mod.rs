//! Services that are described by `.proto` files, and their messages as JSON: what plugins share that speak gRPC with
//! upstreams and something else with clients.

use crate::auth;
use exchange::{Answer, Exchange, form};

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

/// What was made of a configuration's `.proto` file. Without a file the answer is what `refuse` makes of the sentence; of one
/// that could not be read the log tells why.
pub(crate) fn described<'a, T>(
    plugin: &'static str,
    loaded: Option<&'a Result<T, String>>,
    refuse: impl FnOnce(&'static str) -> Answer,
) -> Result<&'a T, Answer> {
    match loaded {
        None => Err(refuse("transcoding requests require a .proto file defining the service")),
        Some(Ok(described)) => Ok(described),
        Some(Err(error)) => {
            tracing::error!(plugin, "{error}");
            Err(auth::failure())
        }
    }
}

/// What a gRPC service is called with.
pub(crate) fn call(exchange: &mut Exchange, body: Vec<u8>) {
    exchange.request.headers.set("Content-Type", "application/grpc");
    exchange.request.headers.set("TE", "trailers");
    form::replace(exchange, body.into());
}
