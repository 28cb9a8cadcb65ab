use super::{EntityKind, Group};

pub const VAULTS: EntityKind = EntityKind {
    key: "vaults",
    path: "vaults",
    one: text!("Vault"),
    many: text!("Vaults"),
    about: text!("A Vault keeps secrets elsewhere; {vault://…} refers to them."),
    names: &["prefix"],
    columns: &["name", "description", "tags"],
    first: &["prefix", "name", "description", "config", "tags"],
    related: &[],
    cascades: None,
    below: None,
    only: &[],
    group: Group::Security,
};
