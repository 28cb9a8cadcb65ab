use super::{Below, EntityKind, Group};

pub const TARGETS: EntityKind = EntityKind {
    key: "targets",
    path: "targets",
    one: text!("Target"),
    many: text!("Targets"),
    about: text!("A Target is one address that an Upstream sends requests to."),
    names: &["target"],
    columns: &["weight", "tags"],
    first: &["upstream", "target", "weight", "tags"],
    related: &[],
    cascades: None,
    below: Some(Below { parent: "upstreams", field: "upstream", path: "targets", only: true }),
    only: &[],
    group: Group::None,
};
