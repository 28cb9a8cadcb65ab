use super::{EntityKind, Group, Related};

pub const SERVICES: EntityKind = EntityKind {
    key: "services",
    path: "services",
    one: text!("Service"),
    many: text!("Services"),
    about: text!("A Service is an API of yours: where requests go."),
    names: &["name"],
    columns: &["protocol", "host", "port", "path", "enabled", "tags"],
    first: &["name", "protocol", "host", "port", "path", "enabled", "tags"],
    related: &[
        Related { kind: "routes", path: "routes", field: "service", together: None },
        Related { kind: "plugins", path: "plugins", field: "service", together: None },
    ],
    cascades: Some(text!("Its plugins are deleted with it. A Service that still has Routes is not deleted.")),
    below: None,
    only: &[],
    group: Group::Gateway,
};
