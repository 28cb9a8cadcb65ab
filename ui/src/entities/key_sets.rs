use super::{EntityKind, Group, Related};

pub const KEY_SETS: EntityKind = EntityKind {
    key: "key_sets",
    path: "key-sets",
    one: text!("Key set"),
    many: text!("Key sets"),
    about: text!("A Key set holds keys that plugins use together."),
    names: &["name"],
    columns: &["tags"],
    first: &["name", "tags"],
    related: &[Related { kind: "keys", path: "keys", field: "set", together: None }],
    cascades: Some(text!("Its Keys are deleted with it.")),
    below: None,
    only: &[],
    group: Group::Security,
};
