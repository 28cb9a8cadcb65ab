//! The Admin API over HTTP.

mod configuration;
mod description;
mod requests;
mod support;
mod writes;
