use super::{EntityKind, Group, Related};

pub const KEY_SETS: EntityKind = EntityKind {
    key: "key_sets",
    path: "key-sets",
    one: "Key set",
    many: "Key sets",
    about: "A Key set holds keys that plugins use together.",
    names: &["name"],
    columns: &["tags"],
    first: &["name", "tags"],
    related: &[Related { kind: "keys", path: "keys", field: "set", together: None }],
    cascades: "Its Keys are deleted with it.",
    below: None,
    only: &[],
    group: Group::Security,
};
