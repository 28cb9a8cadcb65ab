//! Every page's address, below the base path.

use crate::entities::{EntityKind, KINDS, by_segments};

/// What the address means.
#[derive(Clone, Debug, PartialEq)]
pub enum Page {
    Overview,
    List(&'static EntityKind),
    Create(&'static EntityKind),
    Detail(&'static EntityKind, String),
    Edit(&'static EntityKind, String),
    /// Which plugin to add.
    Catalogue,
    CreatePlugin(String),
    /// Who is signed in.
    Profile,
    /// A log of the Admin API.
    Audit(Log),
    /// The whole configuration.
    Configuration,
    /// Rates, latencies and errors.
    Traffic,
    Topology,
    Traces,
    Trace(String),
    /// Which Route takes a request.
    Tester,
    /// Changes of the configuration, and one of them.
    Revisions,
    Revision(String),
    /// Tags, and what has them.
    Tags,
    /// From nothing to a protected API.
    Wizard,
    /// An invitation; its token stands in the query.
    Register,
    NotFound,
}

/// What the audit log records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Requests,
    Objects,
}

/// Where one is: the Workspace (empty: the default one) and the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub workspace: String,
    pub page: Page,
}

impl Place {
    /// What a path such as `team/services` means. What begins as no page does is a Workspace; those have no such names,
    /// since pages begin as paths of the Admin API do.
    pub fn parse(path: &str) -> Self {
        let path = path.trim_start_matches('/');
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match decode(first) {
            Some(name) if !name.is_empty() && !Page::begins(&name) => {
                let workspace = if name == DEFAULT { String::new() } else { name };
                Self { workspace, page: Page::parse(rest) }
            }
            _ => Self { workspace: String::new(), page: Page::parse(path) },
        }
    }
}

/// The Workspace that is meant where none is named.
pub const DEFAULT: &str = "default";

impl Page {
    /// The page at a path such as `services/create`; slashes around it do not matter.
    pub fn parse(path: &str) -> Self {
        let segments: Option<Vec<String>> = path.split('/').filter(|s| !s.is_empty()).map(decode).collect();
        let segments = segments.unwrap_or_else(|| vec![String::new()]);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some((first, rest)) = segments.split_first() else { return Self::Overview };
        match (*first, rest) {
            ("userinfo", []) => return Self::Profile,
            ("audit", ["requests"]) => return Self::Audit(Log::Requests),
            ("audit", ["objects"]) => return Self::Audit(Log::Objects),
            ("config", []) => return Self::Configuration,
            ("register", []) => return Self::Register,
            ("first-api", []) => return Self::Wizard,
            ("tags", []) => return Self::Tags,
            ("revisions", []) => return Self::Revisions,
            ("revisions", [number]) => return Self::Revision((*number).to_owned()),
            ("telemetry", []) => return Self::Traffic,
            ("telemetry", ["topology"]) => return Self::Topology,
            ("telemetry", ["traces"]) => return Self::Traces,
            ("telemetry", ["traces", id]) => return Self::Trace((*id).to_owned()),
            ("debug", ["route-match"]) => return Self::Tester,
            _ => {}
        }
        let Some((kind, rest)) = by_segments(&segments) else { return Self::NotFound };
        match rest {
            [] if kind.has_list() => Self::List(kind),
            ["create"] if kind.key == "plugins" => Self::Catalogue,
            ["create", name] if kind.key == "plugins" => Self::CreatePlugin((*name).to_owned()),
            ["create"] => Self::Create(kind),
            [id] => Self::Detail(kind, (*id).to_owned()),
            [id, "edit"] => Self::Edit(kind, (*id).to_owned()),
            _ => Self::NotFound,
        }
    }

    /// Whether the path of a page begins with this segment.
    fn begins(segment: &str) -> bool {
        ["userinfo", "audit", "config", "register", "first-api", "telemetry", "debug", "revisions", "tags"]
            .contains(&segment)
            || KINDS.iter().any(|kind| kind.path.split('/').next() == Some(segment))
    }

    /// Its path, without a slash in front: relative to the base.
    pub fn path(&self) -> String {
        match self {
            Self::Overview | Self::NotFound => String::new(),
            Self::List(kind) => kind.path.to_owned(),
            Self::Create(kind) => format!("{}/create", kind.path),
            Self::Detail(kind, id) => format!("{}/{}", kind.path, encode(id)),
            Self::Edit(kind, id) => format!("{}/{}/edit", kind.path, encode(id)),
            Self::Catalogue => "plugins/create".to_owned(),
            Self::CreatePlugin(name) => format!("plugins/create/{}", encode(name)),
            Self::Profile => "userinfo".to_owned(),
            Self::Audit(Log::Requests) => "audit/requests".to_owned(),
            Self::Audit(Log::Objects) => "audit/objects".to_owned(),
            Self::Configuration => "config".to_owned(),
            Self::Register => "register".to_owned(),
            Self::Wizard => "first-api".to_owned(),
            Self::Tags => "tags".to_owned(),
            Self::Revisions => "revisions".to_owned(),
            Self::Revision(number) => format!("revisions/{}", encode(number)),
            Self::Traffic => "telemetry".to_owned(),
            Self::Topology => "telemetry/topology".to_owned(),
            Self::Traces => "telemetry/traces".to_owned(),
            Self::Trace(id) => format!("telemetry/traces/{}", encode(id)),
            Self::Tester => "debug/route-match".to_owned(),
        }
    }

    /// The same with a query; empty values are left out.
    pub fn with(&self, query: &[(&str, &str)]) -> String {
        let query = write_query(query);
        let path = self.path();
        // An empty reference would mean the page one is on.
        let path = if path.is_empty() { "./".to_owned() } else { path };
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    /// For a link.
    pub fn href(&self) -> String {
        self.with(&[])
    }
}

/// Pairs of a query string, without the `?`.
pub fn read_query(text: &str) -> Vec<(String, String)> {
    text.trim_start_matches('?')
        .split('&')
        .filter(|pair| !pair.is_empty())
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
        })
        .collect()
}

/// A query string, without the `?`; empty values are left out.
pub fn write_query(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The reverse; none when it is not UTF-8 or a `%` stands alone.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            let digits = std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok()?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::by_key;

    #[test]
    fn every_page_is_found_by_its_path() {
        let mut pages = vec![
            Page::Overview,
            Page::Catalogue,
            Page::CreatePlugin("key-auth".to_owned()),
            Page::Profile,
            Page::Audit(Log::Requests),
            Page::Audit(Log::Objects),
            Page::Configuration,
            Page::Register,
            Page::Wizard,
            Page::Tags,
            Page::Revisions,
            Page::Revision("7".to_owned()),
            Page::Traffic,
            Page::Topology,
            Page::Traces,
            Page::Trace("ä /".to_owned()),
            Page::Tester,
        ];
        for kind in KINDS {
            let odd = "ä /?%".to_owned();
            pages.extend([Page::Detail(kind, odd.clone()), Page::Edit(kind, odd)]);
            pages.extend(kind.has_list().then_some(Page::List(kind)));
        }
        for page in pages {
            assert_eq!(Page::parse(&page.path()), page);
            assert_eq!(Page::parse(&format!("/{}/", page.path())), page);
            assert_eq!(Place::parse(&page.path()), Place { workspace: String::new(), page: page.clone() });
            let within = Place::parse(&format!("te%20am/{}", page.path()));
            assert_eq!(within, Place { workspace: "te am".to_owned(), page });
        }
        assert_eq!(Place::parse("default/services"), Place::parse("services"));
        assert_eq!(Place::parse("team"), Place { workspace: "team".to_owned(), page: Page::Overview });
        assert_eq!(Place::parse("rbac/nothing").page, Page::NotFound);
        assert_eq!(Place::parse("%").page, Page::NotFound);
        assert_eq!(Page::parse("services/create"), Page::Create(by_key("services").expect("a kind")));
        for path in
            ["nothing", "targets", "services/a/b", "services/a/edit/c", "%", "services/%zz", "plugins/create/a/b"]
        {
            assert_eq!(Page::parse(path), Page::NotFound, "{path}");
        }
    }

    #[test]
    fn queries_survive() {
        let pairs = [("name", "a b&c=d"), ("tags", "ä,+%"), ("empty", "")];
        let read = read_query(&write_query(&pairs));
        assert_eq!(read, [("name".to_owned(), "a b&c=d".to_owned()), ("tags".to_owned(), "ä,+%".to_owned())]);
        assert_eq!(Page::Overview.with(&[]), "./");
        assert_eq!(read_query("?a=1+2&b"), [("a".to_owned(), "1 2".to_owned()), ("b".to_owned(), String::new())]);
    }
}
