//! Serves the manager: the built `ui/`, its `kconfig.js`, and the Admin API in-process at `api` below the same path, so
//! that a browser needs one origin only.

mod api;
mod assets;
mod kconfig;
mod negotiate;
mod serve;
mod settings;

pub use serve::configure;
pub use settings::{CONTENT_SECURITY_POLICY, Reach, Settings};
