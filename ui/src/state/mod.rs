//! What every page shares.

mod gateway;
mod location;
mod names;
mod session;
mod theme;
mod toasts;

pub use gateway::{Gateway, gateway};
pub use location::{Location, front, location, root};
pub use names::path;
pub use session::{NO_COOKIE, Standing};
pub use theme::{Theme, ThemeState};
pub use toasts::{Toast, Toasts, toasts};
