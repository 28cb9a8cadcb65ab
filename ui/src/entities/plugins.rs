use super::{EntityKind, Group};

pub const PLUGINS: EntityKind = EntityKind {
    key: "plugins",
    path: "plugins",
    one: text!("Plugin"),
    many: text!("Plugins"),
    about: text!("A Plugin does something with requests and answers: who may call, how often, what is logged."),
    names: &["name"],
    columns: &["instance_name", "service", "route", "consumer", "enabled", "tags"],
    first: &["service", "route", "consumer"],
    related: &[],
    cascades: None,
    below: None,
    only: &[],
    group: Group::Gateway,
};
