//! TLS of listeners and of outgoing connections: certificates, versions, ciphers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checker::{Checker, invalid};
use crate::files::reason;
use crate::problem::Notice;
use crate::secret::Secret;
use crate::settings::proxying::whole;

/// PEM text and where it came from. Keys hide in debug output, since all of it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pem {
    /// The text.
    pub text: Secret,
    /// Its file; none where it stood in the property itself, as PEM or base64 of PEM.
    pub path: Option<PathBuf>,
}

impl Pem {
    fn load(c: &Checker<'_>, value: &str) -> Result<Self, String> {
        if let Some(text) = inline(value) {
            return Ok(Self { text: Secret::new(text), path: None });
        }
        let path = PathBuf::from(value);
        match c.files.read_text(&path) {
            Ok(text) if text.contains("-----BEGIN ") => Ok(Self { text: Secret::new(text), path: Some(path) }),
            Ok(_) => Err("it holds no PEM".into()),
            Err(error) => Err(reason(&error)),
        }
    }
}

/// PEM text itself, or base64 of it.
fn inline(value: &str) -> Option<String> {
    if value.contains("-----BEGIN ") {
        // A variable may carry line ends as \n.
        return Some(value.replace("\\n", "\n"));
    }
    let compact: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    let text = String::from_utf8(STANDARD.decode(compact).ok()?).ok()?;
    text.contains("-----BEGIN ").then_some(text)
}

/// What to print of a value that may hold a key.
fn shown(value: &str) -> &str {
    let path = value.len() < 256 && !value.contains("-----");
    if path { value } else { "an inline value" }
}

/// A certificate chain with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The certificate, and those that vouch for it.
    pub certificate: Pem,
    /// Its key.
    pub key: Pem,
}

/// Versions of TLS that can be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

fn versions(c: &mut Checker<'_>, name: &str) -> Vec<TlsVersion> {
    let mut versions = Vec::new();
    let mut left_out = Vec::new();
    for word in c.text(name).unwrap_or("TLSv1.2 TLSv1.3").split_whitespace() {
        match word {
            "TLSv1.2" => versions.push(TlsVersion::V1_2),
            "TLSv1.3" => versions.push(TlsVersion::V1_3),
            "SSLv2" | "SSLv3" | "TLSv1" | "TLSv1.1" => left_out.push(word),
            other => c.wrong(name, invalid(name, other), "TLSv1.2, TLSv1.3 or both, separated by a space"),
        }
    }
    versions.sort_unstable();
    versions.dedup();
    if versions.is_empty() && !left_out.is_empty() {
        let message = format!("{name} names only versions that are too weak to be spoken: {}", left_out.join(" "));
        c.wrong(name, message, "TLSv1.2 TLSv1.3");
    } else if !left_out.is_empty() {
        let text = format!("{name}: {} are too weak and are not spoken", left_out.join(" "));
        c.notices.push(Notice::warning(text));
    }
    versions
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyClient {
    /// They are not asked.
    Off,
    /// They must, signed by a known CA.
    On,
    /// They may; one that is shown must be signed by a known CA.
    Optional,
    /// They may show any.
    OptionalNoCa,
}

/// TLS of some listeners.
#[derive(Debug, Clone)]
pub struct TlsListener {
    /// Default certificates; empty: self-signed ones are made.
    pub pairs: Vec<KeyPair>,
    /// Versions.
    pub versions: Vec<TlsVersion>,
    /// Ciphers of TLS 1.2 in OpenSSL's names and their order; empty: all that are safe.
    pub ciphers: Vec<String>,
    /// Whether the server's order of ciphers counts.
    pub prefer_server_ciphers: bool,
    /// Whether sessions are resumed by ticket.
    pub session_tickets: bool,
    /// How long a session may be resumed.
    pub session_timeout: Duration,
    /// Client certificates (`nginx_admin_ssl_verify_client` and the like).
    pub verify_client: VerifyClient,
    /// CAs of client certificates.
    pub client_ca: Option<Pem>,
    /// How many authorities may stand between one of them and a client.
    pub verify_depth: u64,
}

impl TlsListener {
    /// `prefix` is empty for the proxy, else `admin_` and the like. Certificates are looked at only where a listener
    /// speaks TLS.
    pub(super) fn read(c: &mut Checker<'_>, prefix: &str, enabled: bool) -> Self {
        let block = match prefix {
            "" => "proxy",
            "admin_" => "admin",
            "status_" => "status",
            _ => "http",
        };
        let directive = |c: &Checker<'_>, what: &str| {
            let own = format!("nginx_{block}_{what}");
            if c.text(&own).is_some() { own } else { format!("nginx_http_{what}") }
        };
        let cipher_suite = c.string("ssl_cipher_suite");
        // Named suites were told apart from unknown ones once, for the proxy.
        if prefix.is_empty() {
            check_suite(c, &cipher_suite);
        }
        let verify = directive(c, "ssl_verify_client");
        let verify_client = verify_client(c, &verify);
        Self {
            pairs: if enabled { pairs(c, prefix) } else { Vec::new() },
            versions: if prefix.is_empty() {
                versions(c, &directive(c, "ssl_protocols"))
            } else {
                versions_quietly(c, &directive(c, "ssl_protocols"))
            },
            ciphers: c
                .text("ssl_ciphers")
                .map(|t| t.split(':').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
                .unwrap_or_default(),
            prefer_server_ciphers: c.switch(&directive(c, "ssl_prefer_server_ciphers"), true),
            session_tickets: c.switch(&directive(c, "ssl_session_tickets"), true),
            session_timeout: c.time(&directive(c, "ssl_session_timeout"), Duration::from_secs(86_400)),
            verify_depth: whole(c, &directive(c, "ssl_verify_depth"), 1),
            client_ca: client_ca(c, &directive(c, "ssl_client_certificate"), &verify, verify_client),
            verify_client,
        }
    }
}

fn versions_quietly(c: &mut Checker<'_>, name: &str) -> Vec<TlsVersion> {
    let (problems, notices) = (c.problems.len(), c.notices.len());
    let versions = versions(c, name);
    c.problems.truncate(problems);
    c.notices.truncate(notices);
    versions
}

fn check_suite(c: &mut Checker<'_>, suite: &str) {
    if suite != "custom" && crate::suite::Suite::named(suite).is_none() {
        let message = format!("Undefined cipher suite {suite}");
        c.wrong("ssl_cipher_suite", message, "modern, intermediate, old, fips, or custom with ssl_ciphers");
    }
    if suite == "custom" && c.text("ssl_ciphers").is_none() {
        c.notices.push(Notice::warning("ssl_cipher_suite = custom without ssl_ciphers: all safe ciphers are offered"));
    }
}

fn verify_client(c: &mut Checker<'_>, name: &str) -> VerifyClient {
    match c.text(name) {
        None | Some("off") => VerifyClient::Off,
        Some("on") => VerifyClient::On,
        Some("optional") => VerifyClient::Optional,
        Some("optional_no_ca") => VerifyClient::OptionalNoCa,
        Some(other) => {
            c.wrong(name, invalid(name, other), "on, off, optional or optional_no_ca");
            VerifyClient::On
        }
    }
}

fn client_ca(c: &mut Checker<'_>, name: &str, verify: &str, wanted: VerifyClient) -> Option<Pem> {
    let Some(value) = c.text(name) else {
        if matches!(wanted, VerifyClient::On | VerifyClient::Optional) {
            // Where it is missing everywhere, it is missed beside what needs it.
            let name = verify.replace("verify_client", "client_certificate");
            let message = format!("no {name} for {verify}");
            c.wrong(verify, message, "set it to a file of the CAs that sign client certificates");
        }
        return None;
    };
    match Pem::load(c, value) {
        Ok(pem) => Some(pem),
        Err(why) => {
            c.wrong(name, format!("{name}: failed loading certificate from {}", shown(value)), &why);
            None
        }
    }
}

fn pairs(c: &mut Checker<'_>, prefix: &str) -> Vec<KeyPair> {
    let (cert_name, key_name) = (format!("{prefix}ssl_cert"), format!("{prefix}ssl_cert_key"));
    let (certs, keys) = (c.list(&cert_name), c.list(&key_name));
    if certs.is_empty() != keys.is_empty() {
        let (missing, present) = if certs.is_empty() { (&cert_name, &key_name) } else { (&key_name, &cert_name) };
        let hint = format!("{present} is set");
        c.wrong(present, format!("{missing} must be specified"), &hint);
        return Vec::new();
    }
    if certs.len() != keys.len() {
        let message = format!(
            "{cert_name} was specified {} times while {key_name} was specified {} times",
            certs.len(),
            keys.len()
        );
        c.wrong(&cert_name, message, "one key for each certificate, in the same order");
        return Vec::new();
    }
    certs.iter().zip(keys).filter_map(|(cert, key)| pair(c, (&cert_name, cert), (&key_name, key))).collect()
}

fn pair(c: &mut Checker<'_>, (cert_name, cert): (&str, &str), (key_name, key): (&str, &str)) -> Option<KeyPair> {
    let certificate = Pem::load(c, cert);
    let key_pem = Pem::load(c, key);
    if let Err(why) = &certificate {
        let message = format!("{cert_name}: failed loading certificate from {}", shown(cert));
        c.wrong(cert_name, message, &format!("{why}; a file, PEM text, or base64 of PEM"));
    }
    if let Err(why) = &key_pem {
        let message = format!("{key_name}: failed loading key from {}", shown(key));
        c.wrong(key_name, message, &format!("{why}; a file, PEM text, or base64 of PEM"));
    }
    Some(KeyPair { certificate: certificate.ok()?, key: key_pem.ok()? })
}

/// A source of CAs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusted {
    /// The system's bundle, at that path.
    System(PathBuf),
    /// `system`, on a system that has no bundle where they usually are.
    SystemMissing,
    /// PEM of a file or of the property itself.
    Pem(Pem),
}

/// TLS of outgoing connections.
#[derive(Debug, Clone)]
pub struct TlsOutgoing {
    /// CAs.
    pub trusted: Vec<Trusted>,
    /// How many certificates may stand between server and CA.
    pub verify_depth: u64,
    /// Versions.
    pub versions: Vec<TlsVersion>,
    /// The certificate shown upstream where a Service has none.
    pub client: Option<KeyPair>,
}

/// Where distributions keep their CAs.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl TlsOutgoing {
    pub(super) fn read(c: &mut Checker<'_>) -> Self {
        let name = "lua_ssl_trusted_certificate";
        let mut trusted = Vec::new();
        for value in c.list(name) {
            if value == "system" {
                let bundle = BUNDLES.iter().map(Path::new).find(|path| c.files.exists(path));
                trusted.push(bundle.map_or(Trusted::SystemMissing, |path| Trusted::System(path.to_owned())));
                continue;
            }
            match Pem::load(c, value) {
                Ok(pem) => trusted.push(Trusted::Pem(pem)),
                Err(why) => {
                    let message = format!("{name}: failed loading certificate from {}", shown(value));
                    c.wrong(name, message, &format!("{why}; system, a file, PEM text, or base64 of PEM"));
                }
            }
        }
        Self {
            trusted,
            verify_depth: c.count("lua_ssl_verify_depth"),
            versions: versions(c, "nginx_http_lua_ssl_protocols"),
            client: client(c),
        }
    }
}

fn client(c: &mut Checker<'_>) -> Option<KeyPair> {
    if !c.flag("client_ssl") {
        return None;
    }
    match (c.text("client_ssl_cert"), c.text("client_ssl_cert_key")) {
        (Some(cert), Some(key)) => pair(c, ("client_ssl_cert", cert), ("client_ssl_cert_key", key)),
        (Some(_), None) => {
            c.wrong("client_ssl_cert", "client_ssl_cert_key must be specified", "client_ssl_cert is set");
            None
        }
        (None, Some(_)) => {
            c.wrong("client_ssl_cert_key", "client_ssl_cert must be specified", "client_ssl_cert_key is set");
            None
        }
        (None, None) => {
            let text =
                "client_ssl = on without client_ssl_cert and client_ssl_cert_key: no certificate is shown upstream";
            c.notices.push(Notice::warning(text));
            None
        }
    }
}
