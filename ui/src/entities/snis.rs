use super::{EntityKind, Group};

pub const SNIS: EntityKind = EntityKind {
    key: "snis",
    path: "snis",
    one: "SNI",
    many: "SNIs",
    about: "An SNI says which Certificate a host name gets.",
    names: &["name"],
    columns: &["certificate", "tags"],
    first: &["name", "certificate", "tags"],
    related: &[],
    cascades: "",
    below: None,
    only: &[],
    group: Group::Security,
};
