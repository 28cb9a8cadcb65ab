//! What the permissions of whoever is signed in allow, as the Admin API decides it: to leave out what would be refused.
//! The Admin API decides all the same.

use serde_json::Value;

use crate::page::DEFAULT;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Read,
    Create,
    Update,
    Delete,
}

impl Action {
    /// All, in the order of the tables.
    pub const ALL: [Self; 4] = [Self::Read, Self::Create, Self::Update, Self::Delete];

    /// As permissions name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Whether `permissions` (of `GET /userinfo` or `GET /rbac/roles/{role}/permissions`) allow it. `path` is without
/// Workspace and without a slash in front.
///
/// The first of these that has a rule decides: this endpoint in this Workspace, in all, every endpoint in this Workspace,
/// in all. Among endpoints a word goes before a star, from the left. No rule is a no.
pub fn allows(permissions: &Value, workspace: &str, path: &str, action: Action) -> bool {
    let endpoints = &permissions["endpoints"];
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let place = place(workspace, &segments, action);
    let rule = [place, Some("*")]
        .into_iter()
        .flatten()
        .find_map(|place| naming(&endpoints[place], &segments))
        .or_else(|| [place, Some("*")].into_iter().flatten().find_map(|place| endpoints[place].get("*")));
    let Some(rule) = rule else { return false };
    let named = rule["actions"].as_array().into_iter().flatten().any(|name| name == action.name());
    named && rule["negative"] != true
}

/// The Workspace whose permissions count; none: those for all.
fn place<'w>(workspace: &'w str, segments: &[&str], action: Action) -> Option<&'w str> {
    let writes = action != Action::Read;
    match segments.first().copied().unwrap_or_default() {
        "workspaces" if writes => None,
        "event-hooks" => None,
        "groups" | "debug" | "cache" | "config" | "clustering" | "timers" | "metrics" => Some(DEFAULT),
        "ca_certificates" if writes => Some(DEFAULT),
        _ => Some(workspace),
    }
}

/// The rule of the best endpoint that names the path. Endpoints are written `/{workspace}/{path}`.
fn naming<'r>(rules: &'r Value, segments: &[&str]) -> Option<&'r Value> {
    let mut best: Option<(Vec<bool>, &Value)> = None;
    for (endpoint, rule) in rules.as_object()? {
        let mut parts = endpoint.split('/').filter(|part| !part.is_empty());
        if endpoint == "*" || parts.next().is_none() {
            continue;
        }
        let parts: Vec<&str> = parts.collect();
        let fits = parts.len() == segments.len() && parts.iter().zip(segments).all(|(p, s)| *p == "*" || p == s);
        if !fits {
            continue;
        }
        // Stars after words, compared from the left.
        let stars: Vec<bool> = parts.iter().map(|part| *part == "*").collect();
        if best.as_ref().is_none_or(|(known, _)| stars < *known) {
            best = Some((stars, rule));
        }
    }
    best.map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_rule_decides() {
        let all = json!(["delete", "create", "update", "read"]);
        let permissions = json!({"endpoints": {
            "team": {
                "*": {"actions": all, "negative": false},
                "/team/plugins": {"actions": ["create"], "negative": true},
                "/team/services/*": {"actions": ["read"], "negative": false},
                "/team/services/mine": {"actions": ["update"], "negative": false},
            },
            "*": {"/*/routes": {"actions": ["read"], "negative": false}},
            "default": {"*": {"actions": ["read"], "negative": false}},
        }});
        for (workspace, path, action, expected) in [
            ("team", "services", Action::Create, true),
            ("team", "/services/", Action::Delete, true),
            ("team", "services/a", Action::Read, true),
            ("team", "services/a", Action::Update, false),
            ("team", "services/mine", Action::Update, true),
            ("team", "services/mine", Action::Read, false),
            ("team", "plugins", Action::Create, false),
            ("team", "plugins", Action::Read, false),
            ("team", "routes", Action::Create, false),
            ("team", "routes", Action::Read, true),
            ("other", "routes", Action::Read, true),
            ("other", "services", Action::Read, false),
            ("default", "services", Action::Read, true),
            ("default", "services", Action::Create, false),
            ("team", "workspaces", Action::Read, true),
            ("team", "workspaces", Action::Create, false),
            ("team", "groups", Action::Create, false),
            ("team", "", Action::Read, true),
        ] {
            assert_eq!(allows(&permissions, workspace, path, action), expected, "{workspace} {path} {action:?}");
        }
        assert!(!allows(&json!({}), "default", "services", Action::Read));
    }

    #[test]
    fn a_super_admin_may_do_everything() {
        let permissions =
            json!({"endpoints": {"*": {"*": {"actions": ["delete", "create", "update", "read"], "negative": false}}}});
        for action in Action::ALL {
            assert!(allows(&permissions, "any", "workspaces/x", action));
        }
    }
}
