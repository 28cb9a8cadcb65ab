use super::{EntityKind, Related};

pub const CONSUMERS: EntityKind = EntityKind {
    key: "consumers",
    path: "consumers",
    one: "Consumer",
    many: "Consumers",
    about: "A Consumer is a person or program that uses your APIs.",
    names: &["username", "custom_id"],
    columns: &["custom_id", "tags"],
    first: &["username", "custom_id", "tags"],
    related: &[
        Related { kind: "keyauth_credentials", path: "key-auth", field: "consumer" },
        Related { kind: "plugins", path: "plugins", field: "consumer" },
    ],
    cascades: "Its credentials and plugins are deleted with it.",
    below: None,
    listed: true,
};
