use super::{EntityKind, Group};

pub const PLUGINS: EntityKind = EntityKind {
    key: "plugins",
    path: "plugins",
    one: "Plugin",
    many: "Plugins",
    about: "A Plugin does something with requests and answers: who may call, how often, what is logged.",
    names: &["name"],
    columns: &["instance_name", "service", "route", "consumer", "enabled", "tags"],
    first: &["service", "route", "consumer"],
    related: &[],
    cascades: "",
    below: None,
    only: &[],
    group: Group::Gateway,
};
