//! Plugins that speak to language models, or look at what is said to them.

mod adapters;
pub mod config;
mod course;
mod drivers;
mod endpoint;
mod events;
mod google;
mod identity;
pub mod prompt_decorator;
pub mod prompt_guard;
pub mod prompt_template;
pub mod proxy;
mod request;
pub mod request_transformer;
pub mod response_transformer;
mod stream;
mod template;
mod transform;
mod usage;
