//! HTTP/2 with real sockets: clients and upstreams by the `h2` crate, the engine between them.

mod clients;
mod grpc;
mod peers;
mod websocket;
