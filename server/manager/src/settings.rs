//! What the manager has to be told.

/// What the page may do: Kong's policy for its own manager (scripts from here, WebAssembly, nothing inline), and
/// stricter where that leaves something open. A foreign Admin API is added to `connect-src`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
     script-src-elem 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; \
     form-action 'self'; frame-ancestors 'none'";

/// Who may use the Admin API through the manager's port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Whoever reaches the port.
    #[default]
    Anyone,
    /// Only this machine. For an Admin API that itself listens on loopback only while the manager does not: the
    /// manager's port must not open what `admin_listen` keeps closed.
    Loopback,
}

/// How the manager is served.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `admin_gui_path`: begins with a slash, ends with one only when it is `/`. Empty means `/`.
    pub path: String,
    /// `admin_gui_url`, as in `kconfig.js`.
    pub urls: Vec<String>,
    /// `admin_gui_api_url`; none: the Admin API on this port.
    pub api_url: Option<String>,
    /// Port of the first plain Admin API listener.
    pub api_port: Option<u16>,
    /// Port of the first Admin API listener with TLS.
    pub api_ssl_port: Option<u16>,
    /// Who may use `api` below the path.
    pub reach: Reach,
    /// Instead of [`CONTENT_SECURITY_POLICY`].
    pub content_security_policy: Option<String>,
    /// `admin_gui_auth`, where it can be used.
    pub sign_in: Option<String>,
    /// `admin_gui_auth_header`
    pub auth_header: String,
    /// `rbac_auth_header`
    pub token_header: String,
    /// `anonymous_reports`, as in `kconfig.js`.
    pub anonymous_reports: bool,
    /// The version that users of the Admin API see.
    pub version: String,
}

impl Settings {
    /// The path without a slash at the end: empty at the root.
    pub(crate) fn prefix(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    /// The policy that is sent.
    pub(crate) fn policy(&self) -> String {
        if let Some(own) = &self.content_security_policy {
            return own.clone();
        }
        match &self.api_url {
            Some(url) => {
                // Host and port alone are reached over the scheme of the page.
                let origin = match url.split_once("://") {
                    Some((scheme, rest)) => format!("{scheme}://{}", rest.split('/').next().unwrap_or_default()),
                    None => url.split('/').next().unwrap_or_default().to_owned(),
                };
                // What would end the directive cannot be in an origin.
                let origin: String =
                    origin.chars().filter(|c| !matches!(c, ';' | ',' | ' ') && c.is_ascii_graphic()).collect();
                format!("{CONTENT_SECURITY_POLICY}; connect-src 'self' {origin}")
            }
            None => CONTENT_SECURITY_POLICY.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_admin_api_may_be_asked() {
        for (url, expected) in [
            ("https://admin.example:8444/api", "connect-src 'self' https://admin.example:8444"),
            ("admin.example:8444", "connect-src 'self' admin.example:8444"),
            ("http://a;script-src *", "connect-src 'self' http://ascript-src*"),
        ] {
            let settings = Settings { api_url: Some(url.to_owned()), ..Settings::default() };
            assert!(settings.policy().ends_with(expected), "{}", settings.policy());
        }
        assert!(!Settings::default().policy().contains("unsafe-inline"));
    }
}
