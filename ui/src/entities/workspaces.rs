use super::{EntityKind, Group};

pub const WORKSPACES: EntityKind = EntityKind {
    key: "workspaces",
    path: "workspaces",
    one: "Workspace",
    many: "Workspaces",
    about: "A Workspace is a team’s own part of the gateway: its entities are seen and changed there only.",
    names: &["name"],
    columns: &["comment", "created_at"],
    first: &["name", "comment"],
    related: &[],
    cascades: "A Workspace is deleted only when it is empty and no admin belongs to it.",
    below: None,
    only: &["name", "comment"],
    group: Group::Access,
};
