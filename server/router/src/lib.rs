//! Which Route a request matches; pure.
