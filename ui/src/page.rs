//! Every page's address, below the base path.

use crate::entities::{EntityKind, by_path};

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
    NotFound,
}

impl Page {
    /// The page at a path such as `services/create`; slashes around it do not matter.
    pub fn parse(path: &str) -> Self {
        let segments: Option<Vec<String>> = path.split('/').filter(|s| !s.is_empty()).map(decode).collect();
        let segments = segments.unwrap_or_else(|| vec![String::new()]);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some((first, rest)) = segments.split_first() else { return Self::Overview };
        let Some(kind) = by_path(first) else { return Self::NotFound };
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
    use crate::entities::{KINDS, by_key};

    #[test]
    fn every_page_is_found_by_its_path() {
        let mut pages = vec![Page::Overview, Page::Catalogue, Page::CreatePlugin("key-auth".to_owned())];
        for kind in KINDS {
            let odd = "ä /?%".to_owned();
            pages.extend([Page::Detail(kind, odd.clone()), Page::Edit(kind, odd)]);
            pages.extend(kind.has_list().then_some(Page::List(kind)));
        }
        for page in pages {
            assert_eq!(Page::parse(&page.path()), page);
            assert_eq!(Page::parse(&format!("/{}/", page.path())), page);
        }
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
