//! The Admin API over HTTP.

mod access;
mod audit;
mod configuration;
mod description;
mod directory;
mod evasion;
mod history;
mod hooks;
mod mails;
mod observe;
mod requests;
mod support;
mod tokens;
mod totp;
mod writes;
