//! Listeners, the HTTP engine, upstream connections.
