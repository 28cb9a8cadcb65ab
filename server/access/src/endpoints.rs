//! Endpoint permissions, compiled.

use crate::action::{Action, Actions, Rule};
use smallvec::SmallVec;
use std::collections::HashMap;
use uuid::Uuid;

/// An endpoint as a permission names it: a path without workspace, in which `*` stands for exactly one segment, or `*` alone
/// for every path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Every path.
    All,
    /// Segments; `None` is a star.
    Path(Vec<Option<Box<str>>>),
}

impl Endpoint {
    /// Reads the text of a permission. Slashes at either end and doubled ones do not count.
    pub fn parse(text: &str) -> Endpoint {
        if text == "*" {
            return Endpoint::All;
        }
        let segment = |segment: &str| if segment == "*" { None } else { Some(segment.into()) };
        Endpoint::Path(text.split('/').filter(|segment| !segment.is_empty()).map(segment).collect())
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::All => f.write_str("*"),
            Endpoint::Path(segments) if segments.is_empty() => f.write_str("/"),
            Endpoint::Path(segments) => {
                segments.iter().try_for_each(|segment| write!(f, "/{}", segment.as_deref().unwrap_or("*")))
            }
        }
    }
}

/// What the permissions say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A permission allows it.
    Allowed,
    /// The permissions that count do not.
    Denied,
    /// No permission speaks of it. That is a no.
    Silent,
}

impl Verdict {
    /// Whether it is a yes.
    pub fn is_allowed(self) -> bool {
        self == Verdict::Allowed
    }
}

/// Rules by workspace; `None` is every workspace.
type Scoped = SmallVec<[(Option<Uuid>, Rule); 2]>;

#[derive(Clone, Debug, Default)]
struct Place {
    literal: HashMap<Box<str>, Place, foldhash::fast::RandomState>,
    any: Option<Box<Place>>,
    rules: Scoped,
}

/// The endpoint permissions of all roles of a user.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    top: Place,
    all: Scoped,
}

fn add(rules: &mut Scoped, workspace: Option<Uuid>, rule: Rule) {
    match rules.iter_mut().find(|(ws, _)| *ws == workspace) {
        Some((_, known)) => *known = known.with(rule),
        None => rules.push((workspace, rule)),
    }
}

fn of(rules: &Scoped, workspace: Option<Uuid>) -> Option<Rule> {
    rules.iter().find(|(ws, _)| *ws == workspace).map(|(_, rule)| *rule)
}

impl Endpoints {
    /// Adds a permission. `workspace`: `None` for every workspace.
    pub fn add(&mut self, workspace: Option<Uuid>, endpoint: &Endpoint, rule: Rule) {
        let rules = match endpoint {
            Endpoint::All => &mut self.all,
            Endpoint::Path(segments) => {
                let mut place = &mut self.top;
                for segment in segments {
                    place = match segment {
                        None => place.any.get_or_insert_default(),
                        Some(text) => place.literal.entry(text.clone()).or_default(),
                    };
                }
                &mut place.rules
            }
        };
        add(rules, workspace, rule);
    }

    /// Decides. `workspace`: `None` for one that does not exist, which only permissions for every workspace speak of.
    ///
    /// The first rule found decides, and if its actions lack the asked one the answer is no: this endpoint in this workspace,
    /// this endpoint in every workspace, every endpoint in this workspace, every endpoint in every workspace. Among
    /// endpoints that match, a word goes before a star, from the left.
    pub fn decide(&self, workspace: Option<Uuid>, segments: &[Vec<u8>], action: Action) -> Verdict {
        self.decision(workspace, segments, action).0
    }

    /// Decides, and tells whether a permission that names the path did, not one for every path.
    pub fn decision(&self, workspace: Option<Uuid>, segments: &[Vec<u8>], action: Action) -> (Verdict, bool) {
        let here = workspace.is_some();
        let named = self.naming(workspace, segments);
        let is_named = named.is_some();
        let rule = named.or_else(|| here.then(|| of(&self.all, workspace)).flatten()).or_else(|| of(&self.all, None));
        let verdict = match rule {
            None => Verdict::Silent,
            Some(rule) if rule.allows(action) => Verdict::Allowed,
            Some(_) => Verdict::Denied,
        };
        (verdict, is_named)
    }

    /// The rule that names a path.
    fn naming(&self, workspace: Option<Uuid>, segments: &[Vec<u8>]) -> Option<Rule> {
        let mut found: SmallVec<[&Place; 8]> = SmallVec::new();
        descend(&self.top, segments, &mut found);
        first(&found, workspace)
    }

    /// Whether a negative permission that names a path takes an action away.
    pub fn forbids(&self, workspace: Option<Uuid>, segments: &[Vec<u8>], action: Action) -> bool {
        self.naming(workspace, segments).is_some_and(|rule| rule.deny.contains(action))
    }

    /// The same for permissions that have the segments at these positions as words: those for single entities by their names
    /// or ids.
    pub fn forbids_words(
        &self,
        workspace: Option<Uuid>,
        segments: &[Vec<u8>],
        words: &[usize],
        action: Action,
    ) -> bool {
        let mut found: SmallVec<[&Place; 8]> = SmallVec::new();
        spell(&self.top, segments, 0, words, &mut found);
        first(&found, workspace).is_some_and(|rule| rule.deny.contains(action))
    }

    /// Whether a negative permission takes one of these actions away anywhere in an endpoint of a workspace (`None`: of any).
    /// Who has less than an endpoint does not give it.
    pub fn forbids_within(&self, workspace: Option<Uuid>, endpoint: &Endpoint, actions: Actions) -> bool {
        let denies = |rules: &Scoped| {
            rules.iter().any(|(ws, rule)| {
                let meets = ws.is_none() || workspace.is_none() || *ws == workspace;
                meets && Action::ALL.into_iter().any(|one| actions.contains(one) && rule.deny.contains(one))
            })
        };
        fn anywhere(place: &Place, denies: &impl Fn(&Scoped) -> bool) -> bool {
            denies(&place.rules)
                || place.literal.values().chain(place.any.as_deref()).any(|next| anywhere(next, denies))
        }
        fn along(place: &Place, segments: &[Option<Box<str>>], denies: &impl Fn(&Scoped) -> bool) -> bool {
            let Some((segment, rest)) = segments.split_first() else { return denies(&place.rules) };
            let words =
                place.literal.iter().filter(|(word, _)| segment.as_ref().is_none_or(|segment| segment == *word));
            words.map(|(_, next)| next).chain(place.any.as_deref()).any(|next| along(next, rest, denies))
        }
        denies(&self.all)
            || match endpoint {
                Endpoint::All => anywhere(&self.top, &denies),
                Endpoint::Path(segments) => along(&self.top, segments, &denies),
            }
    }

    /// Whether every action at every endpoint of a workspace (`None`: of all) is allowed by one rule, whatever others take
    /// away from it.
    pub fn everything(&self, workspace: Option<Uuid>) -> bool {
        let full = |ws| of(&self.all, ws).is_some_and(|rule| Action::ALL.into_iter().all(|action| rule.allows(action)));
        match workspace {
            // A narrower rule for the workspace goes before the one for all.
            Some(_) if of(&self.all, workspace).is_some() => full(workspace),
            _ => full(None),
        }
    }

    /// Whether any positive permission speaks of a workspace.
    pub fn any_in(&self, workspace: Uuid) -> bool {
        fn within(place: &Place, workspace: Uuid) -> bool {
            speaks(&place.rules, workspace)
                || place.literal.values().chain(place.any.as_deref()).any(|next| within(next, workspace))
        }
        fn speaks(rules: &Scoped, workspace: Uuid) -> bool {
            rules.iter().any(|(ws, rule)| ws.is_none_or(|ws| ws == workspace) && !rule.allow.is_empty())
        }
        speaks(&self.all, workspace) || within(&self.top, workspace)
    }
}

/// The first rule: of this workspace, or of all.
fn first(found: &[&Place], workspace: Option<Uuid>) -> Option<Rule> {
    let at = |ws: Option<Uuid>| found.iter().find_map(|place| of(&place.rules, ws));
    workspace.and_then(|_| at(workspace)).or_else(|| at(None))
}

/// The places with rules that segments lead to, words before stars.
fn descend<'p>(place: &'p Place, segments: &[Vec<u8>], found: &mut SmallVec<[&'p Place; 8]>) {
    reach(place, segments, found);
    found.retain(|place| !place.rules.is_empty());
}

/// The places that segments lead to, words before stars; at some positions words alone.
fn spell<'p>(place: &'p Place, segments: &[Vec<u8>], at: usize, words: &[usize], found: &mut SmallVec<[&'p Place; 8]>) {
    let Some(segment) = segments.get(at) else {
        found.push(place);
        return;
    };
    if let Some(next) = std::str::from_utf8(segment).ok().and_then(|text| place.literal.get(text)) {
        spell(next, segments, at + 1, words, found);
    }
    if let Some(next) = place.any.as_deref().filter(|_| !words.contains(&at)) {
        spell(next, segments, at + 1, words, found);
    }
}

/// The places that segments lead to, words before stars.
fn reach<'p>(place: &'p Place, segments: &[Vec<u8>], found: &mut SmallVec<[&'p Place; 8]>) {
    let Some((segment, rest)) = segments.split_first() else {
        found.push(place);
        return;
    };
    if !place.literal.is_empty()
        && let Ok(text) = std::str::from_utf8(segment)
        && let Some(next) = place.literal.get(text)
    {
        reach(next, rest, found);
    }
    if let Some(next) = &place.any {
        reach(next, rest, found);
    }
}
