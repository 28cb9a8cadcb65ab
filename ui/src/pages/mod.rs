//! One file per page.

mod audit;
mod catalogue;
mod configuration;
mod create;
mod create_plugin;
mod detail;
mod edit;
mod import;
mod list;
mod not_found;
mod overview;
mod profile;
mod register;
mod revisions;
mod schema;
mod tags;
mod traffic;
mod wizard;
mod workspaces;

pub use audit::audit;
pub use catalogue::catalogue;
pub use configuration::configuration;
pub use create::create;
pub use create_plugin::create_plugin;
pub use detail::detail;
pub use edit::edit;
pub use list::{changed, list};
pub use not_found::not_found;
pub use overview::overview;
pub use profile::profile;
pub use register::register;
pub use revisions::{revision, revisions};
pub use tags::tags;
pub use traffic::{first_trace, live, tester, topology, trace, traces};
pub use wizard::wizard;
pub use workspaces::workspaces;
