use super::{Below, EntityKind, Group};

pub const KEYAUTH_CREDENTIALS: EntityKind = EntityKind {
    key: "keyauth_credentials",
    path: "key-auths",
    one: text!("API key"),
    many: text!("API keys"),
    about: text!("An API key shows the key-auth plugin which Consumer is calling."),
    names: &[],
    columns: &["consumer", "tags"],
    first: &["consumer", "key", "tags"],
    related: &[],
    cascades: None,
    below: Some(Below { parent: "consumers", field: "consumer", path: "key-auth", only: false }),
    only: &[],
    group: Group::None,
};
