//! Under which keys a candidate is found.

use crate::expression::{Field, Node, Operator, Predicate, Value};
use crate::fields::NameKind;

/// More combinations of host and path than this are not worth their memory: the hosts are checked instead.
const MAX_COMBINATIONS: usize = 4096;

/// What a request must have, one of each list, for the candidate to be looked at. An empty list is no condition.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) hosts: Vec<HostKey>,
    pub(crate) paths: Vec<PathKey>,
    pub(crate) methods: Vec<Box<[u8]>>,
    /// Regexes (as the linear engine runs them) of which one must match the path.
    pub(crate) patterns: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostKey {
    pub(crate) kind: NameKind,
    pub(crate) text: Box<[u8]>,
}

pub(crate) struct PathKey {
    pub(crate) text: Box<[u8]>,
    pub(crate) exact: bool,
}

impl HostKey {
    /// A wildcard is a key when it stands at a label's border.
    pub(crate) fn new(kind: NameKind, text: &[u8]) -> Option<Self> {
        let usable = match kind {
            NameKind::Exact => true,
            NameKind::Prefix => text.last() == Some(&b'.'),
            NameKind::Suffix => text.first() == Some(&b'.'),
        };
        usable.then(|| Self { kind, text: text.into() })
    }
}

impl Keys {
    /// Gives up the hosts when there are too many combinations.
    pub(crate) fn limit(&mut self) {
        if self.hosts.len().saturating_mul(self.paths.len()) > MAX_COMBINATIONS {
            self.hosts.clear();
        }
    }

    /// The keys that the top-level conjunction of an expression implies.
    pub(crate) fn of_expression(root: &Node) -> Self {
        let mut keys = Self::default();
        let mut longest = 0;
        conjuncts(root, &mut |node| {
            let alternatives: Vec<&Predicate> = match node {
                Node::Test(predicate) => vec![predicate],
                Node::Any(nodes) => {
                    let tests: Option<Vec<_>> =
                        nodes.iter().map(|node| if let Node::Test(test) = node { Some(test) } else { None }).collect();
                    match tests {
                        Some(tests) => tests,
                        None => return,
                    }
                }
                _ => return,
            };
            if alternatives.iter().any(|test| test.lower) {
                return;
            }
            match alternatives.first().map(|test| &test.field) {
                Some(Field::Host) => {
                    if let Some(hosts) = all(&alternatives, host_of)
                        && keys.hosts.is_empty()
                    {
                        keys.hosts = hosts;
                    }
                }
                Some(Field::Method) => {
                    if let Some(methods) = all(&alternatives, method_of)
                        && keys.methods.is_empty()
                    {
                        keys.methods = methods;
                    }
                }
                Some(Field::Path) => {
                    if let Some(paths) = all(&alternatives, path_of) {
                        let shortest =
                            paths.iter().map(|path| path.text.len() + usize::from(path.exact)).min().unwrap_or(0);
                        if shortest > longest {
                            longest = shortest;
                            keys.paths = paths;
                        }
                    }
                    if let Some(patterns) = all(&alternatives, pattern_of)
                        && keys.patterns.is_empty()
                    {
                        keys.patterns = patterns;
                    }
                }
                _ => {}
            }
        });
        keys.limit();
        keys
    }
}

fn conjuncts<'n>(node: &'n Node, each: &mut impl FnMut(&'n Node)) {
    match node {
        Node::All(nodes) => nodes.iter().for_each(|node| conjuncts(node, each)),
        other => each(other),
    }
}

fn all<T>(tests: &[&Predicate], of: impl Fn(&Predicate) -> Option<T>) -> Option<Vec<T>> {
    tests.iter().map(|test| of(test)).collect()
}

fn host_of(test: &Predicate) -> Option<HostKey> {
    let (Field::Host, Value::Text(text)) = (&test.field, &test.value) else { return None };
    let kind = match test.operator {
        Operator::Equals => NameKind::Exact,
        Operator::Prefix => NameKind::Prefix,
        Operator::Suffix => NameKind::Suffix,
        _ => return None,
    };
    HostKey::new(kind, text.as_bytes())
}

fn method_of(test: &Predicate) -> Option<Box<[u8]>> {
    match (&test.field, &test.value, test.operator) {
        (Field::Method, Value::Text(text), Operator::Equals) => Some(text.as_bytes().into()),
        _ => None,
    }
}

fn path_of(test: &Predicate) -> Option<PathKey> {
    if test.field != Field::Path {
        return None;
    }
    match (&test.value, test.operator) {
        (Value::Text(text), Operator::Equals) => Some(PathKey { text: text.as_bytes().into(), exact: true }),
        (Value::Text(text), Operator::Prefix) => Some(PathKey { text: text.as_bytes().into(), exact: false }),
        (Value::Pattern(pattern), _) => Some(PathKey { text: pattern.anchored_prefix()?.into(), exact: false }),
        _ => None,
    }
}

fn pattern_of(test: &Predicate) -> Option<String> {
    match (&test.field, &test.value) {
        (Field::Path, Value::Pattern(pattern)) => pattern.linear_text().map(str::to_owned),
        _ => None,
    }
}
