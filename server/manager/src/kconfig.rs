//! `kconfig.js`: what the page is told about the gateway, with the names Kong's manager has.

use crate::Settings;

/// The script. Values are texts; what is not set is empty.
pub(crate) fn kconfig(settings: &Settings) -> String {
    let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
    let values = [
        ("ADMIN_GUI_URL", settings.urls.join(", ")),
        ("ADMIN_GUI_PATH", if settings.path.is_empty() { "/".to_owned() } else { settings.path.clone() }),
        ("ADMIN_API_URL", settings.api_url.clone().unwrap_or_default()),
        ("ADMIN_API_PORT", port(settings.api_port)),
        ("ADMIN_API_SSL_PORT", port(settings.api_ssl_port)),
        ("KONG_VERSION", settings.version.clone()),
        ("KONG_EDITION", "community".to_owned()),
        ("ADMIN_GUI_AUTH", settings.sign_in.clone().unwrap_or_else(|| "off".to_owned())),
        ("ADMIN_GUI_AUTH_HEADER", settings.auth_header.clone()),
        ("RBAC_AUTH_HEADER", settings.token_header.clone()),
        ("ANONYMOUS_REPORTS", settings.anonymous_reports.to_string()),
    ];
    let lines: Vec<String> = values.iter().map(|(name, value)| format!("  '{name}': '{}'", escape(value))).collect();
    format!("window.K_CONFIG = {{\n{}\n}}\n", lines.join(",\n"))
}

/// For a JavaScript text in single quotes.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' | '\'' => escaped.extend(['\\', c]),
            '<' | '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_quotes() {
        let settings = Settings {
            path: "/manager".to_owned(),
            api_url: Some("http://x/'};alert(1)//\\\n</script>".to_owned()),
            api_port: Some(8001),
            ..Settings::default()
        };
        let script = kconfig(&settings);
        assert!(script.starts_with("window.K_CONFIG = {\n  'ADMIN_GUI_URL': '',\n  'ADMIN_GUI_PATH': '/manager',\n"));
        assert!(script.contains(r"'ADMIN_API_URL': 'http://x/\'};alert(1)//\\\u000a\u003c/script>',"));
        assert!(script.contains("'ADMIN_API_PORT': '8001',\n  'ADMIN_API_SSL_PORT': '',"));
        assert!(script.ends_with("'ANONYMOUS_REPORTS': 'false'\n}\n"));
    }
}
