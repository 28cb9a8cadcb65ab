//! The engine over real sockets: clients and upstreams that speak HTTP/1 as they are told.

mod bodies;
mod connections;
mod failures;
mod peers;
