use super::{EntityKind, Group};

pub const WORKSPACES: EntityKind = EntityKind {
    key: "workspaces",
    path: "workspaces",
    one: text!("Workspace"),
    many: text!("Workspaces"),
    about: text!("A Workspace is a team’s own part of the gateway: its entities are seen and changed there only."),
    names: &["name"],
    columns: &["comment", "created_at"],
    first: &["name", "comment"],
    related: &[],
    cascades: Some(text!("A Workspace is deleted only when it is empty and no admin belongs to it.")),
    below: None,
    only: &["name", "comment"],
    group: Group::Access,
};
