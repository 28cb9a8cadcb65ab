use super::{EntityKind, Group};

pub const GROUPS: EntityKind = EntityKind {
    key: "groups",
    path: "groups",
    one: text!("Group"),
    many: text!("Groups"),
    about: text!("A Group gives its members roles in several Workspaces at once."),
    names: &["name"],
    columns: &["comment", "created_at"],
    first: &["name", "comment"],
    related: &[],
    cascades: Some(text!("Its members lose the roles that they have by it.")),
    below: None,
    only: &["name", "comment"],
    group: Group::Access,
};
