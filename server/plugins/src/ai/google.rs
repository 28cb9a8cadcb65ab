//! Tokens for Google's interfaces: of a service account's key, or of the machine's account.

use arc_swap::ArcSwapOption;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use exchange::{HttpClient, HttpRequest};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::form_urlencoded::Serializer;

/// What is left of a token that ends when another is asked for.
const EARLY: Duration = Duration::from_secs(300);
/// For how long who has given none is not asked again.
const PAUSE: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// For how long a token is asked for, in seconds: as long as it may be.
const LIFETIME: u64 = 3600;

/// A service account's key file, as far as it is needed.
#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    #[serde(default = "token_uri")]
    token_uri: String,
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

enum Source {
    /// The key, and whose it is.
    Account(Box<Account>, KeyPair),
    /// The metadata service of the machine.
    Machine(String),
    /// None of them, and why.
    Broken(String),
}

/// A token, or why there is none, and when that ends.
struct Lent {
    token: Result<Arc<str>, String>,
    until: SystemTime,
}

/// Gives tokens, and gets new ones before they end.
pub(super) struct Tokens {
    source: Source,
    http: Arc<dyn HttpClient>,
    lent: ArcSwapOption<Lent>,
    renews: AtomicBool,
}

impl Source {
    fn of(account: Option<&str>, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let Some(text) = account.map(str::to_owned).or_else(|| env("GCP_SERVICE_ACCOUNT")) else {
            let host = env("GCE_METADATA_HOST").unwrap_or_else(|| "metadata.google.internal".to_owned());
            return Self::Machine(format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token"));
        };
        match account_of(&text) {
            Ok((account, key)) => Self::Account(Box::new(account), key),
            Err(error) => Self::Broken(format!("the service account's key cannot be used: {error}")),
        }
    }
}

fn account_of(text: &str) -> Result<(Account, KeyPair), String> {
    // What is wrong may quote the key.
    let account: Account = serde_json::from_str(text).map_err(|_| "it is no key file in JSON".to_owned())?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(account.private_key.as_bytes());
    let key = key.map_err(|_| "its private_key is no PKCS#8 in PEM".to_owned())?;
    let key = KeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| "its private_key is no RSA key".to_owned())?;
    Ok((account, key))
}

impl Tokens {
    /// Those of a key file, of the environment's, or of the machine.
    pub fn new(account: Option<&str>, env: &dyn Fn(&str) -> Option<String>, http: Arc<dyn HttpClient>) -> Self {
        let source = Source::of(account, env);
        Self { source, http, lent: ArcSwapOption::empty(), renews: AtomicBool::new(false) }
    }

    /// The token to show now.
    ///
    /// # Errors
    /// A sentence on why there is none; it tells nothing of the key.
    pub async fn token(&self, now: SystemTime) -> Result<Arc<str>, String> {
        let lent = self.lent.load_full().filter(|lent| now < lent.until);
        match lent {
            // One asks, all others go on with what there is.
            Some(lent) if lent.token.is_ok() && now + EARLY >= lent.until => {
                if self.renews.swap(true, Ordering::AcqRel) {
                    return lent.token.clone();
                }
                let free = Freed(&self.renews);
                let asked = self.ask(now).await;
                drop(free);
                match asked {
                    Ok(next) => self.keep(next),
                    Err(error) => {
                        tracing::warn!("a token of Google that ends soon is not renewed: {error}");
                        lent.token.clone()
                    }
                }
            }
            Some(lent) => lent.token.clone(),
            None => match self.ask(now).await {
                Ok(next) => self.keep(next),
                Err(error) => self.keep(Lent { token: Err(error), until: now + PAUSE }),
            },
        }
    }

    fn keep(&self, lent: Lent) -> Result<Arc<str>, String> {
        let token = lent.token.clone();
        self.lent.store(Some(Arc::new(lent)));
        token
    }

    async fn ask(&self, now: SystemTime) -> Result<Lent, String> {
        let mut request = match &self.source {
            Source::Broken(error) => return Err(error.clone()),
            Source::Machine(url) => HttpRequest::new("GET", url, "").header("metadata-flavor", "Google"),
            Source::Account(account, key) => {
                let mut form = Serializer::new(String::new());
                form.append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                form.append_pair("assertion", &assertion(account, key, now)?);
                HttpRequest::new("POST", &account.token_uri, form.finish())
                    .header("content-type", "application/x-www-form-urlencoded")
            }
        };
        request.timeout = TIMEOUT;
        let url = request.url.clone();
        let answer = self.http.send(request).await.map_err(|error| format!("{url}: {error}"))?;
        if answer.status != 200 {
            return Err(format!("{url} answered {}, not with a token", answer.status));
        }
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (answer["access_token"].as_str(), answer["expires_in"].as_u64()) {
            (Some(token), Some(seconds)) => {
                let until = now + Duration::from_secs(seconds.min(24 * LIFETIME));
                Ok(Lent { token: Ok(token.into()), until })
            }
            _ => Err(format!("the answer of {url} has no token")),
        }
    }
}

/// What a service account asks for a token with: a signed JWT (RFC 7523).
fn assertion(account: &Account, key: &KeyPair, now: SystemTime) -> Result<String, String> {
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(id) = &account.private_key_id {
        header["kid"] = id.as_str().into();
    }
    let claims = json!({
        "iss": account.client_email, "scope": SCOPE, "aud": account.token_uri, "iat": now, "exp": now + LIFETIME,
    });
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(header), encoded(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| "the service account's key cannot sign".to_owned())?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Lets the next one renew, also where this one was given up.
struct Freed<'k>(&'k AtomicBool);

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Oracle, settle_now};

    fn token(tokens: &Tokens, second: u64) -> Result<String, String> {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second);
        settle_now(Box::pin(tokens.token(now))).map(|token| token.to_string())
    }

    #[test]
    fn machines_have_an_account() {
        let google = Oracle::says(200, &[], r#"{"access_token":"t-1","expires_in":600}"#);
        let tokens = Tokens::new(None, &|_| None, Arc::new(google.clone()));
        for (second, asked) in [(0, 1), (290, 1), (300, 2), (310, 2)] {
            assert_eq!(token(&tokens, second), Ok("t-1".to_owned()));
            assert_eq!(google.asked().len(), asked, "second {second}");
        }
        assert_eq!(
            google.asked()[0].trim(),
            "GET http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token \
             metadata-flavor=Google"
        );
    }

    #[test]
    fn keys_sign_what_a_token_is_asked_with() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
        let file =
            json!({ "client_email": "a@p.test", "private_key": key.serialize_pem(), "token_uri": "http://t.test/t" });
        let google = Oracle::says(200, &[], r#"{"access_token":"t","expires_in":3600}"#);
        let tokens = Tokens::new(Some(&file.to_string()), &|_| None, Arc::new(google.clone()));
        assert_eq!(token(&tokens, 0), Ok("t".to_owned()));
        let body = google.body();
        let assertion = String::from_utf8_lossy(&body).split_once("assertion=").expect("an assertion").1.to_owned();
        let claims = assertion.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).expect("claims");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(
            claims,
            json!({ "iss": "a@p.test", "scope": SCOPE, "aud": "http://t.test/t", "iat": 1_700_000_000_u64,
                "exp": 1_700_003_600_u64 })
        );
    }

    #[test]
    fn what_gives_no_token_is_said_and_not_asked_again_at_once() {
        let google = Oracle::says(403, &[], "");
        let tokens = Tokens::new(None, &|_| None, Arc::new(google.clone()));
        assert!(token(&tokens, 0).is_err_and(|error| error.contains("answered 403")));
        assert!(token(&tokens, 9).is_err() && google.asked().len() == 1);
        assert!(token(&tokens, 10).is_err() && google.asked().len() == 2);
        for (file, part) in [("{}", "no key file"), (r#"{"client_email":"a","private_key":"x"}"#, "no PKCS#8")] {
            let env = |name: &str| (name == "GCP_SERVICE_ACCOUNT").then(|| file.to_owned());
            let tokens = Tokens::new(None, &env, Arc::new(google.clone()));
            assert!(token(&tokens, 0).is_err_and(|error| error.contains(part)), "{file}");
        }
    }
}
