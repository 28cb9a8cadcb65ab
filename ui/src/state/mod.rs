//! What every page shares.

mod gateway;
mod language;
mod location;
mod names;
mod session;
mod theme;
mod toasts;

pub use gateway::{Gateway, gateway};
pub use language::{LANGUAGES, language, load as load_texts, speak};
pub use location::{Location, front, location, root};
pub use names::path;
pub use session::{NO_COOKIE, Standing};
pub use theme::{Theme, ThemeState};
pub use toasts::{Toast, Toasts, toasts};
