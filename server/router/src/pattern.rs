//! A compiled regex of a Route: linear in time wherever possible.

use regex_syntax::hir::{Hir, HirKind, Look};

/// Match attempts that the backtracking engine may spend on one text; Kong's own limit.
const MATCH_LIMIT: &str = "(*LIMIT_MATCH=10000)";

/// How a pattern is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// Rust's `regex`, Unicode-aware, unanchored.
    Linear,
    /// PCRE over bytes, anchored at the start: paths of the traditional flavour.
    PcreAnchored,
    /// PCRE over bytes, case-insensitive: headers of the traditional flavour.
    PcreCaseless,
}

#[derive(Clone, Debug)]
enum Engine {
    Linear(regex::bytes::Regex),
    /// Only for what the linear engine rejects (look-around, back-references), and only in the traditional flavour.
    Backtracking(pcre2::bytes::Regex),
}

/// A compiled regex. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    engine: Engine,
    /// Its place in the router's list of patterns; set when a router is built.
    pub(crate) id: u32,
}

impl Pattern {
    pub(crate) fn new(text: &str, dialect: Dialect) -> Result<Self, String> {
        let linear = match dialect {
            Dialect::Linear => regex::bytes::RegexBuilder::new(text).build(),
            Dialect::PcreAnchored => regex::bytes::RegexBuilder::new(&format!(r"\A(?:{text})")).unicode(false).build(),
            Dialect::PcreCaseless => {
                regex::bytes::RegexBuilder::new(text).unicode(false).case_insensitive(true).build()
            }
        };
        let engine = match linear {
            Ok(regex) => Engine::Linear(regex),
            Err(error) if dialect == Dialect::Linear => return Err(error.to_string()),
            Err(_) => Engine::Backtracking(backtracking(text, dialect)?),
        };
        Ok(Self { engine, id: u32::MAX })
    }

    /// A match that is not found within the backtracking limit is none.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        match &self.engine {
            Engine::Linear(regex) => regex.is_match(text),
            Engine::Backtracking(regex) => regex.is_match(text).unwrap_or(false),
        }
    }

    /// Length of the matched text, wherever it stands.
    pub(crate) fn matched_len(&self, text: &[u8]) -> Option<usize> {
        match &self.engine {
            Engine::Linear(regex) => regex.find(text).map(|found| found.len()),
            Engine::Backtracking(regex) => regex.find(text).ok()?.map(|found| found.end() - found.start()),
        }
    }

    /// Numbered groups (0 is the whole match) and named ones.
    #[allow(clippy::type_complexity)]
    pub(crate) fn captures<'p, 't>(&'p self, text: &'t [u8]) -> (Vec<Option<&'t [u8]>>, Vec<(&'p str, &'t [u8])>) {
        match &self.engine {
            Engine::Linear(regex) => {
                let Some(found) = regex.captures(text) else { return Default::default() };
                let numbered = found.iter().map(|group| group.map(|group| group.as_bytes())).collect();
                let named = regex.capture_names().flatten();
                let named = named.filter_map(|name| Some((name, found.name(name)?.as_bytes()))).collect();
                (numbered, named)
            }
            Engine::Backtracking(regex) => {
                let Ok(Some(found)) = regex.captures(text) else { return Default::default() };
                let numbered = (0..found.len()).map(|n| found.get(n).map(|group| group.as_bytes())).collect();
                let named = regex.capture_names().iter().flatten();
                let named = named.filter_map(|name| Some((name.as_str(), found.name(name)?.as_bytes()))).collect();
                (numbered, named)
            }
        }
    }

    /// The pattern's text when the linear engine runs it.
    pub(crate) fn linear_text(&self) -> Option<&str> {
        match &self.engine {
            Engine::Linear(regex) => Some(regex.as_str()),
            Engine::Backtracking(_) => None,
        }
    }
}

fn backtracking(text: &str, dialect: Dialect) -> Result<pcre2::bytes::Regex, String> {
    let text = match dialect {
        Dialect::PcreAnchored => format!(r"{MATCH_LIMIT}\A(?:{text})"),
        Dialect::PcreCaseless | Dialect::Linear => format!("{MATCH_LIMIT}{text}"),
    };
    pcre2::bytes::RegexBuilder::new()
        .caseless(dialect == Dialect::PcreCaseless)
        .build(&text)
        .map_err(|error| error.to_string())
}

/// The bytes that every match of an anchored pattern begins with, as far as they are plain to see. None when the
/// pattern is not anchored at the start of the text.
pub(crate) fn anchored_prefix(text: &str, dialect: Dialect) -> Option<Vec<u8>> {
    let parse = |unicode: bool, text: &str| {
        regex_syntax::ParserBuilder::new().unicode(unicode).utf8(false).build().parse(text).ok()
    };
    match dialect {
        Dialect::Linear => leading_literal(&parse(true, text)?),
        // Anchored by its flag: a pattern that cannot be analysed can still begin with anything.
        Dialect::PcreAnchored => {
            Some(parse(false, &format!(r"\A(?:{text})")).and_then(|hir| leading_literal(&hir)).unwrap_or_default())
        }
        Dialect::PcreCaseless => None,
    }
}

fn leading_literal(hir: &Hir) -> Option<Vec<u8>> {
    let HirKind::Concat(items) = hir.kind() else {
        return matches!(hir.kind(), HirKind::Look(Look::Start)).then(Vec::new);
    };
    let mut items = items.iter();
    if !matches!(items.next()?.kind(), HirKind::Look(Look::Start)) {
        return None;
    }
    let mut prefix = Vec::new();
    for item in items {
        match item.kind() {
            HirKind::Literal(literal) => prefix.extend_from_slice(&literal.0),
            _ => break,
        }
    }
    Some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchored_prefixes() {
        for (text, expected) in [
            (r"^/foo/\d+", Some("/foo/")),
            (r"^/foo$", Some("/foo")),
            (r"^/(a|b)", Some("/")),
            (r"^/a|/b", None),
            (r"^/a|^/b", Some("")),
            (r"/foo", None),
            (r"^/foo?", Some("/fo")),
            (r"^(?i)/foo", Some("/")),
            (r"^", Some("")),
            (r"^/é", Some("/é")),
            (r"(?m)^/a", None),
        ] {
            let found = anchored_prefix(text, Dialect::Linear);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn look_around_only_in_the_traditional_dialect() {
        assert!(Pattern::new("^/(?!x)", Dialect::Linear).is_err());
        let pattern = Pattern::new("/(?!x)(?<rest>.*)", Dialect::PcreAnchored).expect("PCRE takes it");
        assert!(pattern.is_match(b"/yes"));
        assert!(!pattern.is_match(b"/x"));
        assert!(!pattern.is_match(b"no/yes"));
        assert_eq!(pattern.captures(b"/yes").1, [("rest", &b"yes"[..])]);
    }

    #[test]
    fn backtracking_is_bounded() {
        let pattern = Pattern::new("/(a+)+(?!b)$", Dialect::PcreAnchored).expect("PCRE takes it");
        let hostile = format!("/{}!", "a".repeat(50_000));
        assert!(!pattern.is_match(hostile.as_bytes()));
    }
}
