//! The gateway as a program: command line, start-up, who starts whom, supervision, shutdown.
//!
//! Invariant: no behaviour that a room could hold.

pub mod command;
pub mod node;
pub mod supervise;
