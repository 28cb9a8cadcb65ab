use super::{EntityKind, Group};

pub const KEYS: EntityKind = EntityKind {
    key: "keys",
    path: "keys",
    one: text!("Key"),
    many: text!("Keys"),
    about: text!("A Key is a public or private key for plugins, as JWK or PEM."),
    names: &["name", "kid"],
    columns: &["kid", "set", "tags"],
    first: &["name", "kid", "set", "jwk", "pem", "tags"],
    related: &[],
    cascades: None,
    below: None,
    only: &[],
    group: Group::Security,
};
