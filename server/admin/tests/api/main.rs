//! The Admin API over HTTP.

mod access;
mod configuration;
mod description;
mod history;
mod requests;
mod support;
mod writes;
