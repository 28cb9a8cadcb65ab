//! A node's configuration, compiled.
