//! Decisions are those of a naive reading of the rules.

use access::{Action, Actions, Endpoint, Endpoints, Rule, Verdict};
use proptest::prelude::*;
use uuid::Uuid;

#[derive(Clone, Debug)]
struct Permission {
    workspace: Option<u8>,
    endpoint: Vec<&'static str>,
    all: bool,
    actions: Vec<Action>,
    negative: bool,
}

fn word() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("services"), Just("routes"), Just("a"), Just("*")]
}

fn permission() -> impl Strategy<Value = Permission> {
    (
        prop_oneof![Just(None), (0..2_u8).prop_map(Some)],
        prop::collection::vec(word(), 0..4),
        prop::bool::weighted(0.2),
        prop::sample::subsequence(Action::ALL.to_vec(), 0..=4),
        any::<bool>(),
    )
        .prop_map(|(workspace, endpoint, all, actions, negative)| Permission {
            workspace,
            endpoint,
            all,
            actions,
            negative,
        })
}

/// Whether a pattern fits, and how exact it is: words before stars, from the left.
fn fit(pattern: &[&str], path: &[&str]) -> Option<Vec<bool>> {
    (pattern.len() == path.len() && pattern.iter().zip(path).all(|(p, s)| *p == "*" || p == s))
        .then(|| pattern.iter().map(|p| *p == "*").collect())
}

fn naive(permissions: &[Permission], workspace: Option<u8>, path: &[&str], action: Action) -> Verdict {
    let scopes: Vec<Option<u8>> = workspace.map(Some).into_iter().chain([None]).collect();
    let decide = |set: Vec<&Permission>| {
        if set.is_empty() {
            return None;
        }
        let says = |negative: bool| set.iter().any(|p| p.negative == negative && p.actions.contains(&action));
        Some(if says(false) && !says(true) { Verdict::Allowed } else { Verdict::Denied })
    };
    for scope in &scopes {
        let mut ranks: Vec<Vec<bool>> = permissions
            .iter()
            .filter(|p| !p.all && p.workspace == *scope)
            .filter_map(|p| fit(&p.endpoint, path))
            .collect();
        ranks.sort();
        if let Some(best) = ranks.first() {
            let set = permissions
                .iter()
                .filter(|p| !p.all && p.workspace == *scope && fit(&p.endpoint, path).as_ref() == Some(best))
                .collect();
            if let Some(verdict) = decide(set) {
                return verdict;
            }
        }
    }
    for scope in &scopes {
        if let Some(verdict) = decide(permissions.iter().filter(|p| p.all && p.workspace == *scope).collect()) {
            return verdict;
        }
    }
    Verdict::Silent
}

fn id(workspace: u8) -> Uuid {
    Uuid::from_u128(u128::from(workspace) + 1)
}

proptest! {
    #[test]
    fn the_compiled_decision_is_the_naive_one(
        permissions in prop::collection::vec(permission(), 0..12),
        workspace in prop_oneof![Just(None), (0..3_u8).prop_map(Some)],
        path in prop::collection::vec(prop_oneof![Just("services"), Just("routes"), Just("a"), Just("b")], 0..4),
        action in prop::sample::select(Action::ALL.to_vec()),
    ) {
        let mut compiled = Endpoints::default();
        for one in &permissions {
            let endpoint = if one.all { Endpoint::All } else { Endpoint::parse(&format!("/{}", one.endpoint.join("/"))) };
            let actions = one.actions.iter().fold(Actions::default(), |all, action| all.with((*action).into()));
            compiled.add(one.workspace.map(id), &endpoint, Rule::of(actions, one.negative));
        }
        let segments: Vec<Vec<u8>> = path.iter().map(|segment| segment.as_bytes().to_vec()).collect();
        prop_assert_eq!(
            compiled.decide(workspace.map(id), &segments, action),
            naive(&permissions, workspace, &path, action)
        );
    }

    #[test]
    fn any_text_is_an_endpoint_and_any_path_has_segments(text in ".{0,40}") {
        let parsed = Endpoint::parse(&text);
        prop_assert_eq!(Endpoint::parse(&parsed.to_string()), parsed);
        if let Some(segments) = access::segments(&text) {
            prop_assert!(segments.iter().all(|segment| !segment.is_empty() && segment != b"." && segment != b".."));
        }
    }
}
