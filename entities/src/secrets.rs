//! What is secret in entities although their definitions, which are Kong's, do not say so.

/// Kinds and their fields. They are never looked up by these values, so they can be encrypted at rest like the fields that
/// definitions mark as `encrypted`.
pub const SECRETS: &[(&str, &str)] = &[
    ("acme_storage", "value"),
    ("admins", "totp_secret"),
    ("hmacauth_credentials", "secret"),
    ("jwt_secrets", "secret"),
    ("sessions", "data"),
];
