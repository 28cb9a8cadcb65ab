//! Which TLS is spoken.

use super::clients::ClientCheck;
use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};
use std::time::Duration;

/// Settings of TLS listeners; names are those of the configuration file, after `ssl_cipher_suite` has set its part.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// `ssl_protocols`: words of nginx. TLS 1.2 and 1.3 can be had; older ones are refused whatever is said.
    pub protocols: String,
    /// `ssl_ciphers`: names of OpenSSL joined by `:`; those that are not offered here are passed over. Only TLS 1.2
    /// looks at it.
    pub ciphers: Option<String>,
    /// `ssl_prefer_server_ciphers`
    pub prefer_server_ciphers: bool,
    /// `ssl_session_tickets`
    pub session_tickets: bool,
    /// `ssl_session_timeout`: how long a session may be resumed; tickets are good for twelve hours at most.
    pub session_timeout: Duration,
    /// Sessions remembered where there are no tickets (`ssl_session_cache_size`, some 4,000 per MB).
    pub sessions: usize,
    /// Time for a handshake.
    pub handshake_timeout: Duration,
    /// `ssl_verify_client`, where it is not off.
    pub clients: Option<ClientCheck>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            protocols: "TLSv1.2 TLSv1.3".into(),
            ciphers: None,
            prefer_server_ciphers: false,
            session_tickets: true,
            session_timeout: Duration::from_secs(86_400),
            sessions: 40_000,
            handshake_timeout: Duration::from_secs(60),
            clients: None,
        }
    }
}

/// The versions of TLS that are spoken.
pub type Versions = Vec<&'static SupportedProtocolVersion>;

impl TlsSettings {
    /// The versions; both where the setting names neither.
    pub fn versions(&self) -> Versions {
        let named = |name: &str| self.protocols.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(name));
        let found: Versions = [(&rustls::version::TLS13, "TLSv1.3"), (&rustls::version::TLS12, "TLSv1.2")]
            .into_iter()
            .filter(|(_, name)| named(name))
            .map(|(version, _)| version)
            .collect();
        if found.is_empty() { vec![&rustls::version::TLS13, &rustls::version::TLS12] } else { found }
    }

    /// A provider with the cipher suites that are offered, in the order of the setting. Where it names none of TLS 1.2
    /// (it may be an expression of OpenSSL's), all are.
    pub fn provider(&self, provider: CryptoProvider) -> CryptoProvider {
        let Some(text) = &self.ciphers else { return provider };
        let (mut suites, old): (Vec<SupportedCipherSuite>, Vec<SupportedCipherSuite>) =
            provider.cipher_suites.iter().partition(|suite| suite.tls13().is_some());
        let chosen: Vec<SupportedCipherSuite> = text
            .split([':', ' ', ','])
            .filter_map(suite_of)
            .filter_map(|name| old.iter().find(|suite| suite.suite() == name).copied())
            .collect();
        suites.extend(if chosen.is_empty() { old } else { chosen });
        CryptoProvider { cipher_suites: suites, ..provider }
    }
}

/// A suite of TLS 1.2 by OpenSSL's name, or IANA's.
fn suite_of(name: &str) -> Option<CipherSuite> {
    Some(match name {
        "ECDHE-ECDSA-AES128-GCM-SHA256" | "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        }
        "ECDHE-ECDSA-AES256-GCM-SHA384" | "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        }
        "ECDHE-ECDSA-CHACHA20-POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
        }
        "ECDHE-RSA-AES128-GCM-SHA256" | "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        }
        "ECDHE-RSA-AES256-GCM-SHA384" | "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
        }
        "ECDHE-RSA-CHACHA20-POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => {
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        }
        _ => return None,
    })
}

/// A suite's name in IANA's registry.
pub(super) fn iana_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or_default(),
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use rustls::ProtocolVersion;
    use rustls::crypto::aws_lc_rs::default_provider;

    #[test]
    fn only_modern_versions_are_spoken() {
        let (old, new) = (ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3);
        for (text, expected) in [
            ("TLSv1.2 TLSv1.3", vec![new, old]),
            ("TLSv1.3", vec![new]),
            ("TLSv1 TLSv1.1 TLSv1.2", vec![old]),
            ("TLSv1 TLSv1.1", vec![new, old]),
            ("", vec![new, old]),
        ] {
            let settings = TlsSettings { protocols: text.into(), ..TlsSettings::default() };
            let found: Vec<_> = settings.versions().iter().map(|version| version.version).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn suites_are_taken_in_the_order_given() {
        let all = default_provider().cipher_suites.len();
        for (text, expected) in [
            (None, all),
            (Some("ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256"), 4),
            (Some("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256"), 5),
            (Some("TLSv1.2+FIPS:kRSA+FIPS:!eNULL:!aNULL"), all),
        ] {
            let settings = TlsSettings { ciphers: text.map(str::to_owned), ..TlsSettings::default() };
            let suites = settings.provider(default_provider()).cipher_suites;
            assert_eq!(suites.len(), expected, "{text:?}");
            if expected == 5 {
                let last: Vec<_> = suites[3..].iter().map(|suite| iana_name(suite.suite())).collect();
                assert_eq!(last, ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
            }
            assert!(suites.iter().all(|suite| iana_name(suite.suite()).starts_with("TLS_")));
        }
    }
}
