//! Programs of jq, in processes of their own.
//!
//! A program may never end, take all memory there is or call itself until there is no stack; the library that runs it can
//! be stopped by nothing but the end of its process. So the gateway starts some of its own binary (`silverback jq`), each
//! bounded in memory, asks them over a socket, and ends one that takes too long. What they know is the program and the body
//! they are asked.

mod pool;
mod program;
mod text;
mod wire;
mod worker;

pub use pool::Pool;
pub use program::{Fault, LONGEST, Program, check};
pub use text::NoPlace;
pub use worker::serve;
