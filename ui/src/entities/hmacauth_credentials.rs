use super::{Below, EntityKind, Group};

pub const HMACAUTH_CREDENTIALS: EntityKind = EntityKind {
    key: "hmacauth_credentials",
    path: "hmac-auths",
    one: text!("HMAC credential"),
    many: text!("HMAC credentials"),
    about: text!("User name and secret to sign with, for the hmac-auth plugin."),
    names: &["username"],
    columns: &["consumer", "tags"],
    first: &["consumer", "username", "secret", "tags"],
    related: &[],
    cascades: None,
    below: Some(Below { parent: "consumers", field: "consumer", path: "hmac-auth", only: false }),
    only: &[],
    group: Group::None,
};
