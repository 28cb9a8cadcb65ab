//! kong.conf and environment to typed settings.
//!
//! [`load`] takes the sources (command line, `SILVERBACK_*`, `KONG_*`, file, in that precedence) and gives [`Settings`]
//! with notices, or every problem at once. Properties are defined in one place, the [`table`].

mod checker;
mod configuration;
pub mod directive;
mod file;
mod files;
mod given;
mod listener;
mod load;
mod obsolete;
mod problem;
mod property;
mod reference;
mod secret;
mod settings;
mod suite;
pub mod table;
mod units;
mod value;
mod values;
mod vault;

pub use files::{Disk, Files};
pub use given::DEFAULT_FILES;
pub use listener::{KeepAlive, ListenAddress, Listener, Subsystem};
pub use load::{Loaded, Sources, load};
pub use problem::{Notice, Origin, Problem, Problems, Weight};
pub use property::{Edition, Effect, Kind, Property};
pub use reference::reference_markdown;
pub use secret::{MASK, Secret};
pub use settings::*;
pub use suite::Suite;
pub use units::{size, time};
pub use value::Value;
pub use values::{Entry, Values};
pub use vault::{Environment as EnvironmentVault, Reference as VaultReference};
