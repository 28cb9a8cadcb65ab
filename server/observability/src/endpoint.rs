//! URLs that plugins send to.

use base64::Engine;
use exchange::form;

/// A URL, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// `http` or `https`, as written.
    pub scheme: String,
    /// `user:password`, decoded.
    pub user: Option<String>,
    /// Host and port, as written.
    pub authority: String,
    /// Path, at least `/`.
    pub path: String,
    /// `?` and what follows it.
    pub query: String,
}

impl Endpoint {
    /// Takes a URL apart; `None` where it has no scheme.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let decoded = |text: &str| {
            // A `+` is one here.
            String::from_utf8_lossy(&form::decoded(text.replace('+', "%2B").as_bytes())).into_owned()
        };
        Some(Self {
            scheme: scheme.to_owned(),
            user: user.map(decoded),
            authority: authority.to_owned(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query: query.to_owned(),
        })
    }

    /// Of a URL that was checked; one that is none leads nowhere.
    pub fn of(url: &str) -> Self {
        Self::parse(url).unwrap_or_default()
    }

    /// The value of `Authorization` for the user information.
    pub fn authorization(&self) -> Option<String> {
        let user = self.user.as_ref()?;
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user)))
    }

    /// The URL without user information and query.
    pub fn without_query(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority, self.path)
    }

    /// The URL without user information.
    pub fn url(&self) -> String {
        format!("{}{}", self.without_query(), self.query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, user, without) in [
            ("http://a.test", None, "http://a.test/"),
            ("https://a.test:1/b/c?d=/e#f", None, "https://a.test:1/b/c"),
            ("http://u+1:p%3A@[::1]:8/x", Some("u+1:p:"), "http://[::1]:8/x"),
            ("http://a.test?x", None, "http://a.test/"),
        ] {
            let endpoint = Endpoint::of(url);
            assert_eq!((endpoint.user.as_deref(), endpoint.without_query().as_str()), (user, without), "{url}");
        }
        assert_eq!(Endpoint::of("http://a.test/x?y=1").url(), "http://a.test/x?y=1");
        assert_eq!(Endpoint::parse("{vault://env/x}").map(|endpoint| endpoint.scheme), Some("{vault".into()));
        assert_eq!(Endpoint::parse("nothing"), None);
    }
}
