use super::{Below, EntityKind, Group};

pub const BASICAUTH_CREDENTIALS: EntityKind = EntityKind {
    key: "basicauth_credentials",
    path: "basic-auths",
    one: "User name",
    many: "User names",
    about: "User name and password, for the basic-auth plugin.",
    names: &["username"],
    columns: &["consumer", "tags"],
    first: &["consumer", "username", "password", "tags"],
    related: &[],
    cascades: "",
    below: Some(Below { parent: "consumers", field: "consumer", path: "basic-auth", only: false }),
    only: &[],
    group: Group::None,
};
