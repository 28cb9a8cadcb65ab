use super::{Below, EntityKind, Group};

pub const BASICAUTH_CREDENTIALS: EntityKind = EntityKind {
    key: "basicauth_credentials",
    path: "basic-auths",
    one: text!("User name"),
    many: text!("User names"),
    about: text!("User name and password, for the basic-auth plugin."),
    names: &["username"],
    columns: &["consumer", "tags"],
    first: &["consumer", "username", "password", "tags"],
    related: &[],
    cascades: None,
    below: Some(Below { parent: "consumers", field: "consumer", path: "basic-auth", only: false }),
    only: &[],
    group: Group::None,
};
