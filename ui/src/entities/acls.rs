use super::{Below, EntityKind, Group};

pub const ACLS: EntityKind = EntityKind {
    key: "acls",
    path: "acls",
    one: text!("Group membership"),
    many: text!("Groups"),
    about: text!("A group that the Consumer is in, for the acl plugin."),
    names: &["group"],
    columns: &["consumer", "tags"],
    first: &["consumer", "group", "tags"],
    related: &[],
    cascades: None,
    below: Some(Below { parent: "consumers", field: "consumer", path: "acls", only: false }),
    only: &[],
    group: Group::None,
};
