use super::{EntityKind, Group};

pub const RBAC_USERS: EntityKind = EntityKind {
    key: "rbac_users",
    path: "rbac/users",
    one: text!("User"),
    many: text!("Users"),
    about: text!("A User is a program with a token for the Admin API."),
    names: &["name"],
    columns: &["enabled", "comment", "created_at"],
    first: &["name", "user_token", "enabled", "comment"],
    related: &[],
    cascades: Some(text!("Its token ends, and its roles are taken from it.")),
    below: None,
    only: &["name", "user_token", "enabled", "comment"],
    group: Group::Access,
};
