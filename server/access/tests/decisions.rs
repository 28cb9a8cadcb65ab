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

fn compiled(permissions: &[(Option<u8>, &str, &[Action], bool)]) -> Endpoints {
    let mut all = Endpoints::default();
    for (workspace, endpoint, actions, negative) in permissions {
        let actions = actions.iter().fold(Actions::default(), |all, action| all.with((*action).into()));
        all.add(workspace.map(id), &Endpoint::parse(endpoint), Rule::of(actions, *negative));
    }
    all
}

fn path(text: &str) -> Vec<Vec<u8>> {
    access::segments(text).expect("a path")
}

#[test]
fn what_is_taken_away_by_name_is_known() {
    let all = compiled(&[
        (None, "*", &Action::ALL, false),
        (Some(0), "/services", &[Action::Read], true),
        (Some(0), "/services/secret", &[Action::Read, Action::Delete], true),
        (Some(0), "/services/*", &[Action::Create], true),
        (None, "/routes/*", &[Action::Read], false),
    ]);
    for (place, text, action, by_path, by_word) in [
        (Some(0), "/services", Action::Read, true, true),
        (Some(0), "/services", Action::Create, false, false),
        (Some(1), "/services", Action::Read, false, false),
        (Some(0), "/services/secret", Action::Delete, true, true),
        // The word goes before the star, which is not asked.
        (Some(0), "/services/secret", Action::Create, false, false),
        (Some(0), "/services/other", Action::Create, true, false),
        (Some(0), "/routes/x", Action::Delete, false, false),
    ] {
        assert_eq!(all.forbids(place.map(id), &path(text), action), by_path, "{place:?} {text} {action:?}");
        let (segments, last) = (path(text), [path(text).len() - 1]);
        assert_eq!(all.forbids_words(place.map(id), &segments, &last, action), by_word, "{place:?} {text} {action:?}");
    }
    assert_eq!(all.decision(Some(id(0)), &path("/plugins"), Action::Read), (Verdict::Allowed, false));
    assert_eq!(all.decision(Some(id(0)), &path("/routes/x"), Action::Read), (Verdict::Allowed, true));
}

#[test]
fn what_is_taken_away_by_names_within_a_path_is_known() {
    let all = compiled(&[
        (None, "*", &Action::ALL, false),
        (Some(0), "/services/secret/plugins", &[Action::Read], true),
        (Some(0), "/services/secret/plugins/*", &[Action::Delete], true),
        (Some(0), "/services/*/routes/hidden", &[Action::Update], true),
        (Some(0), "/services/open/plugins", &[Action::Read], false),
    ]);
    for (text, words, action, wanted) in [
        ("/services/secret/plugins", &[1][..], Action::Read, true),
        ("/services/open/plugins", &[1], Action::Read, false),
        ("/services/other/plugins", &[1], Action::Read, false),
        ("/services/secret/plugins/x", &[1], Action::Delete, true),
        ("/services/secret/plugins/x", &[3], Action::Delete, false),
        ("/services/secret/plugins/x", &[1, 3], Action::Delete, false),
        ("/services/other/routes/hidden", &[3], Action::Update, true),
        ("/services/other/routes/hidden", &[1], Action::Update, false),
        ("/services/secret", &[1], Action::Read, false),
    ] {
        assert_eq!(all.forbids_words(Some(id(0)), &path(text), words, action), wanted, "{text} {words:?} {action:?}");
        assert!(!all.forbids_words(Some(id(1)), &path(text), words, action), "of another workspace: {text}");
    }
}

#[test]
fn nobody_has_the_whole_of_what_is_taken_away_in_part() {
    let all = compiled(&[(None, "*", &Action::ALL, false), (Some(0), "/services/*/plugins", &[Action::Create], true)]);
    let create = Actions::from(Action::Create);
    for (place, endpoint, actions, wanted) in [
        (Some(0), "*", Actions::ALL, true),
        (Some(0), "*", Actions::READ, false),
        (None, "*", create, true),
        (Some(1), "*", Actions::ALL, false),
        (Some(0), "/services/*/plugins", create, true),
        (Some(0), "/services/one/plugins", create, true),
        (Some(0), "/*/*/*", create, true),
        (Some(0), "/services/*", create, false),
        (Some(0), "/routes/*/plugins", create, false),
    ] {
        let found = all.forbids_within(place.map(id), &Endpoint::parse(endpoint), actions);
        assert_eq!(found, wanted, "{place:?} {endpoint}");
    }
}
