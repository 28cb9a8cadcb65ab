use super::{Below, EntityKind, Group};

pub const OAUTH2_CREDENTIALS: EntityKind = EntityKind {
    key: "oauth2_credentials",
    path: "oauth2",
    one: text!("OAuth application"),
    many: text!("OAuth applications"),
    about: text!("An application with client id and secret, for the oauth2 plugin."),
    names: &["name"],
    columns: &["client_id", "client_type", "consumer", "tags"],
    first: &["consumer", "name", "client_id", "client_secret", "redirect_uris", "tags"],
    related: &[],
    cascades: None,
    below: Some(Below { parent: "consumers", field: "consumer", path: "oauth2", only: false }),
    only: &[],
    group: Group::None,
};
