//! `#[derive(Schema)]`.
