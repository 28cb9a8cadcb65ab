//! What every page shares.

mod gateway;
mod location;
mod names;
mod theme;
mod toasts;

pub use gateway::{Gateway, gateway};
pub use location::{Location, location};
pub use names::path;
pub use theme::{Theme, ThemeState};
pub use toasts::{Toast, Toasts, toasts};
