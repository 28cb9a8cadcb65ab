use super::{EntityKind, Group};

pub const RBAC_ROLES: EntityKind = EntityKind {
    key: "rbac_roles",
    path: "rbac/roles",
    one: text!("Role"),
    many: text!("Roles"),
    about: text!("A Role says what those who have it may do."),
    names: &["name"],
    columns: &["comment", "created_at"],
    first: &["name", "comment"],
    related: &[],
    cascades: Some(text!("Whoever has it loses what it allows.")),
    below: None,
    only: &["name", "comment"],
    group: Group::Access,
};
