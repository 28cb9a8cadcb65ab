//! The Admin API over HTTP.

mod access;
mod audit;
mod configuration;
mod description;
mod history;
mod hooks;
mod requests;
mod support;
mod tokens;
mod totp;
mod writes;
