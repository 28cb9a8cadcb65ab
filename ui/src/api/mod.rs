//! The Admin API from the browser.

mod client;
mod failure;
mod load;

pub use client::{Sent, base, request, setting};
pub use failure::{Answer, Failure};
pub use load::{Load, load};
