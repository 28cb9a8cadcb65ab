use super::{EntityKind, Group};

pub const ADMINS: EntityKind = EntityKind {
    key: "admins",
    path: "admins",
    one: text!("Admin"),
    many: text!("Admins"),
    about: text!("An Admin is a person who signs in to this manager."),
    names: &["username"],
    columns: &["email", "status", "custom_id", "rbac_token_enabled"],
    first: &["username", "email", "custom_id", "rbac_token_enabled"],
    related: &[],
    cascades: Some(text!("The admin’s token and sessions end, and its roles are taken from it.")),
    below: None,
    only: &["username", "email", "custom_id", "rbac_token_enabled"],
    group: Group::Access,
};
