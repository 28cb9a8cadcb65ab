use super::{EntityKind, Group, Related};

pub const CONSUMER_GROUPS: EntityKind = EntityKind {
    key: "consumer_groups",
    path: "consumer_groups",
    one: text!("Consumer group"),
    many: text!("Consumer groups"),
    about: text!("A Consumer group has plugins that act on all Consumers in it."),
    names: &["name"],
    columns: &["tags", "created_at"],
    first: &["name", "tags"],
    related: &[Related { kind: "plugins", path: "plugins", field: "consumer_group", together: None }],
    cascades: Some(text!("Its plugins are deleted with it; its Consumers stay.")),
    below: None,
    only: &[],
    group: Group::Gateway,
};
