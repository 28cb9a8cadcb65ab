use super::{EntityKind, Group, Related};

pub const ROUTES: EntityKind = EntityKind {
    key: "routes",
    path: "routes",
    one: text!("Route"),
    many: text!("Routes"),
    about: text!("A Route says which requests go to a Service: by host, path, method or header."),
    names: &["name"],
    columns: &["hosts", "paths", "methods", "protocols", "service", "tags"],
    // `expression` is there where the gateway routes by expressions.
    first: &["name", "service", "protocols", "hosts", "paths", "methods", "headers", "strip_path", "tags"],
    related: &[Related { kind: "plugins", path: "plugins", field: "route", together: None }],
    cascades: Some(text!("Its plugins are deleted with it.")),
    below: None,
    only: &[],
    group: Group::Gateway,
};
