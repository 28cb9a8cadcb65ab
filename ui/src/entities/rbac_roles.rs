use super::{EntityKind, Group};

pub const RBAC_ROLES: EntityKind = EntityKind {
    key: "rbac_roles",
    path: "rbac/roles",
    one: "Role",
    many: "Roles",
    about: "A Role says what those who have it may do.",
    names: &["name"],
    columns: &["comment", "created_at"],
    first: &["name", "comment"],
    related: &[],
    cascades: "Whoever has it loses what it allows.",
    below: None,
    only: &["name", "comment"],
    group: Group::Access,
};
