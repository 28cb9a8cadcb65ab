//! The Admin API and status API.
