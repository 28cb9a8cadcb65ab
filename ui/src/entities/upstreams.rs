use super::{EntityKind, Group, Related};

pub const UPSTREAMS: EntityKind = EntityKind {
    key: "upstreams",
    path: "upstreams",
    one: text!("Upstream"),
    many: text!("Upstreams"),
    about: text!(
        "An Upstream spreads the requests of a Service over several Targets, and leaves out those that are ill."
    ),
    names: &["name"],
    columns: &["algorithm", "hash_on", "slots", "host_header", "tags"],
    first: &["name", "algorithm", "hash_on", "host_header", "tags"],
    related: &[Related { kind: "targets", path: "targets", field: "upstream", together: None }],
    cascades: Some(text!("Its Targets are deleted with it. Services that name it as their host find nobody then.")),
    below: None,
    only: &[],
    group: Group::Gateway,
};
