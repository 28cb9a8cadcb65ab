//! The Admin API from the browser.

mod client;
mod failure;
mod load;

pub use client::{base, request};
pub use failure::{Answer, Failure};
pub use load::{Load, load};
