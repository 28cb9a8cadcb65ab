use super::{EntityKind, Group, Related};

pub const CONSUMERS: EntityKind = EntityKind {
    key: "consumers",
    path: "consumers",
    one: text!("Consumer"),
    many: text!("Consumers"),
    about: text!("A Consumer is a person or program that uses your APIs."),
    names: &["username", "custom_id"],
    columns: &["custom_id", "tags"],
    first: &["username", "custom_id", "tags"],
    related: &[
        Related {
            kind: "keyauth_credentials",
            path: "key-auth",
            field: "consumer",
            together: Some(text!("Credentials")),
        },
        Related {
            kind: "basicauth_credentials",
            path: "basic-auth",
            field: "consumer",
            together: Some(text!("Credentials")),
        },
        Related { kind: "jwt_secrets", path: "jwt", field: "consumer", together: Some(text!("Credentials")) },
        Related {
            kind: "hmacauth_credentials",
            path: "hmac-auth",
            field: "consumer",
            together: Some(text!("Credentials")),
        },
        Related { kind: "oauth2_credentials", path: "oauth2", field: "consumer", together: Some(text!("Credentials")) },
        Related { kind: "acls", path: "acls", field: "consumer", together: Some(text!("Credentials")) },
        Related { kind: "plugins", path: "plugins", field: "consumer", together: None },
    ],
    cascades: Some(text!("Its credentials and plugins are deleted with it.")),
    below: None,
    only: &[],
    group: Group::Gateway,
};
