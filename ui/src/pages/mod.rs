//! One file per page.

mod catalogue;
mod create;
mod create_plugin;
mod detail;
mod edit;
mod list;
mod not_found;
mod overview;
mod schema;

pub use catalogue::catalogue;
pub use create::create;
pub use create_plugin::create_plugin;
pub use detail::detail;
pub use edit::edit;
pub use list::list;
pub use not_found::not_found;
pub use overview::overview;
