use super::{Below, EntityKind, Group};

pub const JWT_SECRETS: EntityKind = EntityKind {
    key: "jwt_secrets",
    path: "jwts",
    one: text!("JWT credential"),
    many: text!("JWT credentials"),
    about: text!("Issuer and key of JSON Web Tokens, for the jwt plugin."),
    names: &["key"],
    columns: &["algorithm", "consumer", "tags"],
    first: &["consumer", "key", "algorithm", "secret", "rsa_public_key", "tags"],
    related: &[],
    cascades: None,
    below: Some(Below { parent: "consumers", field: "consumer", path: "jwt", only: false }),
    only: &[],
    group: Group::None,
};
