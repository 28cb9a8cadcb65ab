//! The Admin API over HTTP.

mod access;
mod configuration;
mod description;
mod requests;
mod support;
mod writes;
