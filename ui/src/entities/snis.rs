use super::{EntityKind, Group};

pub const SNIS: EntityKind = EntityKind {
    key: "snis",
    path: "snis",
    one: text!("SNI"),
    many: text!("SNIs"),
    about: text!("An SNI says which Certificate a host name gets."),
    names: &["name"],
    columns: &["certificate", "tags"],
    first: &["name", "certificate", "tags"],
    related: &[],
    cascades: None,
    below: None,
    only: &[],
    group: Group::Security,
};
