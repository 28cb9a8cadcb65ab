//! Parts that pages are made of.

mod banner;
mod cell;
mod confirm;
mod empty;
mod entity_form;
mod facts;
mod failure;
mod filter_bar;
mod heading;
mod loaded;
mod related;
mod shell;
mod summary;
mod table;
mod toaster;

pub use cell::{cell, entity_link};
pub use confirm::ConfirmDelete;
pub use empty::empty;
pub use entity_form::{EntityForm, Purpose};
pub use facts::facts;
pub use failure::failure;
pub use filter_bar::FilterBar;
pub use heading::{Crumb, heading};
pub use loaded::loaded;
pub use related::related;
pub use shell::Shell;
pub use table::table;
