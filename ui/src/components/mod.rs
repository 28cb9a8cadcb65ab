//! Parts that pages are made of.

mod banner;
mod cell;
mod confirm;
mod empty;
mod entity_form;
mod facts;
mod failure;
mod filter_bar;
mod formats;
mod heading;
mod health;
mod loaded;
mod next_steps;
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
pub use formats::formats;
pub use heading::{Crumb, heading, way};
pub use health::health;
pub use loaded::loaded;
pub use next_steps::next_steps;
pub use related::{related, together};
pub use shell::Shell;
pub use table::table;
