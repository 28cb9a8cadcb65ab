//! A compiled regex of a Route: linear in time wherever possible.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex_syntax::hir::{Hir, HirKind, Look};

/// Match attempts that the backtracking engine may spend on one text; Kong's own limit.
const MATCH_LIMIT: &str = "(*LIMIT_MATCH=10000)";

/// How a pattern is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// Rust's `regex`, Unicode-aware, unanchored.
    Linear,
    /// PCRE over bytes, unanchored: what plugins are configured with.
    Pcre,
    /// PCRE over bytes, anchored at the start: paths of the traditional flavour.
    PcreAnchored,
    /// PCRE over bytes, case-insensitive, unanchored: headers of the traditional flavour, and plugins.
    PcreCaseless,
}

#[derive(Debug)]
enum Engine {
    Linear(regex::bytes::Regex),
    /// Only for what the linear engine rejects (look-around, back-references), and only in the traditional flavour.
    Backtracking(pcre2::bytes::Regex),
}

/// A regex. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pattern {
    shared: Arc<Shared>,
    /// Its place in the router's list of patterns; set when a router is built.
    pub(crate) id: u32,
}

#[derive(Debug)]
struct Shared {
    /// As the engine reads it.
    text: String,
    dialect: Dialect,
    backtracking: bool,
    prefix: Option<Vec<u8>>,
    /// None inside when it cannot be compiled after all: then it matches nothing.
    engine: OnceLock<Option<Engine>>,
}

impl Pattern {
    /// A PCRE over bytes that may match anywhere.
    pub fn pcre(text: &str) -> Result<Self, String> {
        Self::new(text, Dialect::Pcre)
    }

    /// A PCRE over bytes that may match anywhere, whatever the case of letters.
    pub fn pcre_caseless(text: &str) -> Result<Self, String> {
        Self::new(text, Dialect::PcreCaseless)
    }

    /// A PCRE over bytes that matches at the beginning of a text or not at all.
    pub fn pcre_anchored(text: &str) -> Result<Self, String> {
        Self::new(text, Dialect::PcreAnchored)
    }

    /// Compiles a regex.
    pub(crate) fn new(text: &str, dialect: Dialect) -> Result<Self, String> {
        let pattern = Self::syntax(text, dialect)?;
        let engine = pattern.shared.compile()?;
        let _ = pattern.shared.engine.set(Some(engine));
        Ok(pattern)
    }

    /// Checks a regex, and leaves compiling it to the first request that needs it: a configuration with thousands
    /// of them is live at once, and those never asked for cost no memory.
    pub(crate) fn deferred(text: &str, dialect: Dialect) -> Result<Self, String> {
        // What can exceed the size limit of a compiled regex has to be counted, or be long.
        if text.contains('{') || text.len() > 1000 { Self::new(text, dialect) } else { Self::syntax(text, dialect) }
    }

    fn syntax(text: &str, dialect: Dialect) -> Result<Self, String> {
        let anchored = match dialect {
            Dialect::PcreAnchored => format!(r"\A(?:{text})"),
            Dialect::Linear | Dialect::Pcre | Dialect::PcreCaseless => text.to_owned(),
        };
        let parsed = regex_syntax::ParserBuilder::new()
            .unicode(dialect == Dialect::Linear)
            .case_insensitive(dialect == Dialect::PcreCaseless)
            .utf8(false)
            .build()
            .parse(&anchored);
        let shared = match parsed {
            Ok(hir) => Shared {
                text: anchored,
                dialect,
                backtracking: false,
                prefix: leading_literal(&hir),
                engine: OnceLock::new(),
            },
            Err(error) if dialect == Dialect::Linear => return Err(error.to_string()),
            Err(_) => {
                let shared = Shared {
                    text: format!("{MATCH_LIMIT}{anchored}"),
                    dialect,
                    backtracking: true,
                    prefix: None,
                    engine: OnceLock::new(),
                };
                let engine = shared.compile()?;
                let _ = shared.engine.set(Some(engine));
                shared
            }
        };
        Ok(Self { shared: Arc::new(shared), id: u32::MAX })
    }

    fn engine(&self) -> Option<&Engine> {
        self.shared.engine.get_or_init(|| self.shared.compile().ok()).as_ref()
    }

    /// A match that is not found within the backtracking limit is none.
    pub fn is_match(&self, text: &[u8]) -> bool {
        match self.engine() {
            None => false,
            Some(Engine::Linear(regex)) => regex.is_match(text),
            Some(Engine::Backtracking(regex)) => regex.is_match(text).unwrap_or(false),
        }
    }

    /// Where the first match stands.
    pub fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        match self.engine()? {
            Engine::Linear(regex) => regex.find(text).map(|found| found.range()),
            Engine::Backtracking(regex) => regex.find(text).ok()?.map(|found| found.start()..found.end()),
        }
    }

    /// Length of the matched text, wherever it stands.
    pub(crate) fn matched_len(&self, text: &[u8]) -> Option<usize> {
        self.find(text).map(|found| found.len())
    }

    /// Numbered groups (0 is the whole match) and named ones.
    #[allow(clippy::type_complexity)]
    pub(crate) fn captures<'p, 't>(&'p self, text: &'t [u8]) -> (Vec<Option<&'t [u8]>>, Vec<(&'p str, &'t [u8])>) {
        match self.engine() {
            None => Default::default(),
            Some(Engine::Linear(regex)) => {
                let Some(found) = regex.captures(text) else { return Default::default() };
                let numbered = found.iter().map(|group| group.map(|group| group.as_bytes())).collect();
                let named = regex.capture_names().flatten();
                let named = named.filter_map(|name| Some((name, found.name(name)?.as_bytes()))).collect();
                (numbered, named)
            }
            Some(Engine::Backtracking(regex)) => {
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
        (!self.shared.backtracking).then_some(&self.shared.text)
    }

    /// The bytes that every match begins with, as far as they are plain to see. None when matches can begin
    /// elsewhere than at the start of the text.
    pub(crate) fn anchored_prefix(&self) -> Option<&[u8]> {
        self.shared.prefix.as_deref()
    }
}

impl Shared {
    fn compile(&self) -> Result<Engine, String> {
        let caseless = self.dialect == Dialect::PcreCaseless;
        if self.backtracking {
            let regex = pcre2::bytes::RegexBuilder::new().caseless(caseless).build(&self.text);
            return regex.map(Engine::Backtracking).map_err(|error| error.to_string());
        }
        let unicode = self.dialect == Dialect::Linear;
        let regex = regex::bytes::RegexBuilder::new(&self.text).unicode(unicode).case_insensitive(caseless).build();
        regex.map(Engine::Linear).map_err(|error| error.to_string())
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
            let pattern = Pattern::deferred(text, Dialect::Linear).expect("the pattern is valid");
            assert_eq!(pattern.anchored_prefix(), expected.map(str::as_bytes), "{text}");
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
