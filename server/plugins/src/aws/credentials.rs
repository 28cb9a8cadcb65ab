//! Whose keys requests to Amazon Web Services are signed with: those of the options, of the environment, of the workload (a
//! web identity's token, a container's endpoint) or of the machine (EC2), and of a role that is taken on with them.
//!
//! Variables are those that Amazon's own SDKs read, in their order.

use super::sign::{Credentials, Target};
use crate::xml_json::document;
use arc_swap::ArcSwapOption;
use exchange::{HttpClient, HttpProxies, HttpRequest, HttpResponse};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;
use url::form_urlencoded::Serializer;

/// What is left of keys that end when others are asked for.
const EARLY: Duration = Duration::from_secs(300);
/// For how long who has given no keys is not asked again.
const PAUSE: Duration = Duration::from_secs(10);
/// For each question.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where containers of ECS ask.
const CONTAINERS: &str = "http://169.254.170.2";
/// Where machines of EC2 ask.
const MACHINES: &str = "http://169.254.169.254";
/// How long a token of the machines' service counts, in seconds: as long as it may.
const TOKEN_TTL: &str = "21600";

/// A variable of the environment; none where it is empty.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What a configuration says of them.
pub(crate) struct Wanted<'c> {
    pub key: Option<(&'c str, &'c str)>,
    pub role: Option<&'c str>,
    pub session: &'c str,
    /// Where roles are taken on, instead of the region's endpoint.
    pub endpoint: Option<&'c str>,
    pub region: Option<&'c str>,
    /// Whether the machines' service is asked with a token.
    pub imds_v2: bool,
    /// What roles are taken on through; services of containers and machines are near, and asked without.
    pub proxies: HttpProxies,
}

/// Where keys come from.
#[derive(Debug, PartialEq)]
enum Source {
    Fixed(Credentials),
    WebIdentity { role: String, session: String, file: String },
    Container { url: String, token: Option<Token> },
    Machine { url: String, v2: bool },
    Nowhere,
}

/// What a container shows.
#[derive(Debug, PartialEq)]
enum Token {
    Text(String),
    File(String),
}

struct Role {
    arn: String,
    session: String,
}

/// Keys, and when they end.
struct Lent {
    keys: Result<Credentials, String>,
    until: Option<SystemTime>,
}

/// Gives keys, and gets new ones before they end.
pub(crate) struct Keeper {
    source: Source,
    role: Option<Role>,
    /// Where roles are taken on.
    endpoint: String,
    region: String,
    /// For services of containers and machines.
    near: Arc<dyn HttpClient>,
    /// For where roles are taken on.
    far: Arc<dyn HttpClient>,
    lent: ArcSwapOption<Lent>,
    /// Whether somebody asks for others while there are some.
    renews: AtomicBool,
}

impl Source {
    fn of(wanted: &Wanted<'_>, env: Environment<'_>) -> Self {
        if let Some((key, secret)) = wanted.key {
            return Self::Fixed(Credentials { key: key.to_owned(), secret: secret.to_owned(), session: None });
        }
        if let (Some(key), Some(secret)) = (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")) {
            return Self::Fixed(Credentials { key, secret, session: env("AWS_SESSION_TOKEN") });
        }
        if let (Some(file), Some(role)) = (env("AWS_WEB_IDENTITY_TOKEN_FILE"), env("AWS_ROLE_ARN")) {
            let session = env("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| wanted.session.to_owned());
            return Self::WebIdentity { role, session, file };
        }
        let relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINERS}{path}"));
        if let Some(url) = relative.or_else(|| env("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
            let file = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(Token::File);
            return Self::Container {
                url,
                token: file.or_else(|| env("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Token::Text)),
            };
        }
        if env("AWS_EC2_METADATA_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
            return Self::Nowhere;
        }
        let url = env("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| MACHINES.to_owned());
        Self::Machine { url: url.trim_end_matches('/').to_owned(), v2: wanted.imds_v2 }
    }
}

impl Keeper {
    pub(crate) fn new(wanted: &Wanted<'_>, env: Environment<'_>, near: &Arc<dyn HttpClient>) -> Self {
        let region = wanted.region.unwrap_or("us-east-1").to_owned();
        let endpoint = match wanted.endpoint {
            Some(endpoint) => endpoint.to_owned(),
            None => format!("https://sts.{region}.amazonaws.com"),
        };
        let role = wanted.role.map(|arn| Role { arn: arn.to_owned(), session: wanted.session.to_owned() });
        let source = Source::of(wanted, env);
        let (near, far) = (near.clone(), wanted.proxies.clone().through(near));
        let (lent, renews) = (ArcSwapOption::empty(), AtomicBool::new(false));
        Self { source, role, endpoint, region, near, far, lent, renews }
    }

    /// The keys to sign with now.
    ///
    /// # Errors
    /// A sentence on why there are none.
    pub(crate) async fn keys(&self, now: SystemTime) -> Result<Credentials, String> {
        if let (Source::Fixed(keys), None) = (&self.source, &self.role) {
            return Ok(keys.clone());
        }
        let Some(lent) = self.lent.load_full().filter(|lent| lent.until.is_none_or(|until| now < until)) else {
            return self.renew(now).await;
        };
        let ends_soon = lent.keys.is_ok() && lent.until.is_some_and(|until| now + EARLY >= until);
        // One asks; all others, and the one where there is no answer, go on with what there is.
        if ends_soon && !self.renews.swap(true, Ordering::AcqRel) {
            let free = Freed(&self.renews);
            let asked = self.ask(now).await;
            drop(free);
            match asked {
                Ok(next) => return self.keep(next),
                Err(error) => tracing::warn!("keys for Amazon that end soon are not renewed: {error}"),
            }
        }
        lent.keys.clone()
    }

    async fn renew(&self, now: SystemTime) -> Result<Credentials, String> {
        match self.ask(now).await {
            Ok(lent) => self.keep(lent),
            Err(error) => self.keep(Lent { keys: Err(error), until: Some(now + PAUSE) }),
        }
    }

    fn keep(&self, lent: Lent) -> Result<Credentials, String> {
        let keys = lent.keys.clone();
        self.lent.store(Some(Arc::new(lent)));
        keys
    }

    async fn ask(&self, now: SystemTime) -> Result<Lent, String> {
        let own = match &self.source {
            Source::Fixed(keys) => Lent { keys: Ok(keys.clone()), until: None },
            Source::WebIdentity { role, session, file } => self.by_web_identity(role, session, file).await?,
            Source::Container { url, token } => self.of_container(url, token.as_ref()).await?,
            Source::Machine { url, v2 } => self.of_machine(url, *v2).await?,
            Source::Nowhere => return Err("no AWS credentials are configured or in the environment".to_owned()),
        };
        match &self.role {
            Some(role) => self.take_on(role, &own.keys?, now).await,
            None => Ok(own),
        }
    }

    async fn by_web_identity(&self, role: &str, session: &str, file: &str) -> Result<Lent, String> {
        let token = read(file)?;
        let mut form = action("AssumeRoleWithWebIdentity", role, session);
        let body = form.append_pair("WebIdentityToken", token.trim()).finish();
        let request = HttpRequest::new("POST", &self.endpoint, body).header("content-type", FORM);
        let answer = send(&*self.far, request).await?;
        assumed(&answer, "AssumeRoleWithWebIdentity")
    }

    async fn take_on(&self, role: &Role, keys: &Credentials, now: SystemTime) -> Result<Lent, String> {
        let url = Url::parse(&self.endpoint).map_err(|error| format!("{}: {error}", self.endpoint))?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let body = action("AssumeRole", &role.arn, &role.session).finish();
        let target = Target {
            url: &self.endpoint,
            host: &host,
            path: url.path(),
            query: "",
            region: &self.region,
            service: "sts",
        };
        let request = target.post(FORM, [], body, keys, now);
        assumed(&send(&*self.far, request).await?, "AssumeRole")
    }

    async fn of_container(&self, url: &str, token: Option<&Token>) -> Result<Lent, String> {
        let mut request = HttpRequest::new("GET", url, "");
        if let Some(token) = token {
            let token = match token {
                Token::Text(text) => Cow::Borrowed(text.as_str()),
                Token::File(file) => Cow::Owned(read(file)?),
            };
            request = request.header("authorization", token.trim());
        }
        listed(&send(&*self.near, request).await?)
    }

    async fn of_machine(&self, url: &str, v2: bool) -> Result<Lent, String> {
        let mut token = None;
        if v2 {
            let request = HttpRequest::new("PUT", format!("{url}/latest/api/token"), "");
            let request = request.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL);
            let answer = send(&*self.near, request).await?;
            token = Some(String::from_utf8_lossy(&answer.body).into_owned());
        }
        let get = |path: &str| {
            let request =
                HttpRequest::new("GET", format!("{url}/latest/meta-data/iam/security-credentials/{path}"), "");
            match &token {
                Some(token) => request.header("x-aws-ec2-metadata-token", token),
                None => request,
            }
        };
        let roles = send(&*self.near, get("")).await?;
        let roles = String::from_utf8_lossy(&roles.body);
        let role =
            roles.lines().next().map(str::trim).filter(|role| !role.is_empty()).ok_or("the machine has no role")?;
        listed(&send(&*self.near, get(role)).await?)
    }
}

async fn send(http: &dyn HttpClient, mut request: HttpRequest) -> Result<HttpResponse, String> {
    request.timeout = TIMEOUT;
    let url = request.url.clone();
    match http.send(request).await {
        Ok(answer) if answer.status == 200 => Ok(answer),
        Ok(answer) => Err(format!("{url} answered {}, not with keys", answer.status)),
        Err(error) => Err(format!("no AWS credentials are configured or in the environment, and {url}: {error}")),
    }
}

/// Lets the next one renew, also where this one was given up.
struct Freed<'k>(&'k AtomicBool);

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

fn action(action: &str, role: &str, session: &str) -> Serializer<'static, String> {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", "2011-06-15");
    form.append_pair("RoleArn", role).append_pair("RoleSessionName", session);
    form
}

fn read(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))
}

/// Keys as the token service gives them, in XML.
fn assumed(answer: &HttpResponse, action: &str) -> Result<Lent, String> {
    let document = document(&answer.body);
    let path = format!("/{action}Response/{action}Result/Credentials");
    let keys = document.as_ref().and_then(|document| document.pointer(&path));
    keys.and_then(|keys| lent(keys, "SessionToken")).ok_or_else(|| format!("the answer to {action} has no keys"))
}

/// Keys as the services of containers and machines give them, in JSON.
fn listed(answer: &HttpResponse) -> Result<Lent, String> {
    let keys: Option<Value> = serde_json::from_slice(&answer.body).ok();
    keys.and_then(|keys| lent(&keys, "Token")).ok_or_else(|| "an answer has no keys".to_owned())
}

fn lent(keys: &Value, session: &str) -> Option<Lent> {
    let text = |name: &str| keys[name].as_str().map(str::to_owned);
    let until = OffsetDateTime::parse(&text("Expiration")?, &Rfc3339).ok()?;
    let credentials =
        Credentials { key: text("AccessKeyId")?, secret: text("SecretAccessKey")?, session: text(session) };
    Some(Lent { keys: Ok(credentials), until: Some(until.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{settle_now, shown};
    use exchange::http_client::Asking;
    use std::collections::HashMap;
    use std::sync::Mutex;

    /// Says what it is told to, once for each question; then nothing.
    #[derive(Default)]
    struct Amazon {
        answers: Mutex<Vec<(u16, String)>>,
        asked: Mutex<Vec<String>>,
    }

    impl Amazon {
        fn says(answers: &[(u16, &str)]) -> Arc<Self> {
            let answers = answers.iter().rev().map(|(status, body)| (*status, (*body).to_owned())).collect();
            Arc::new(Self { answers: Mutex::new(answers), asked: Mutex::default() })
        }

        fn asked(&self) -> Vec<String> {
            std::mem::take(&mut self.asked.lock().unwrap())
        }
    }

    impl HttpClient for Amazon {
        fn send(&self, request: HttpRequest) -> Asking {
            self.asked.lock().unwrap().push(shown(&request));
            let answer = self.answers.lock().unwrap().pop();
            Box::pin(std::future::ready(match answer {
                Some((status, body)) => Ok(HttpResponse { status, headers: Vec::new(), body: body.into() }),
                None => Err(exchange::HttpError::new("nobody is there")),
            }))
        }
    }

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn wanted<'c>() -> Wanted<'c> {
        let (region, proxies) = (Some("eu-west-1"), HttpProxies::default());
        Wanted { key: None, role: None, session: "kong", endpoint: None, region, imds_v2: false, proxies }
    }

    fn keeper(wanted: &Wanted<'_>, env: &[(&str, &str)], amazon: &Arc<Amazon>) -> Keeper {
        let env: HashMap<_, _> = env.iter().copied().collect();
        let http: Arc<dyn HttpClient> = amazon.clone();
        Keeper::new(wanted, &|name| env.get(name).map(|value| (*value).to_owned()), &http)
    }

    fn keys(keeper: &Keeper, after: u64) -> Result<String, String> {
        let found = settle_now(Box::pin(keeper.keys(NOW + Duration::from_secs(after))));
        found.map(|keys| format!("{} {} {}", keys.key, keys.secret, keys.session.unwrap_or_default()))
    }

    fn json(key: &str, minutes: u8) -> String {
        format!(
            r#"{{"Code":"Success","AccessKeyId":"{key}","SecretAccessKey":"s","Token":"t","Expiration":"1970-01-01T00:{minutes:02}:00Z"}}"#
        )
    }

    fn xml(action: &str, key: &str) -> String {
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
             <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>1970-01-01T01:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
        )
    }

    #[test]
    fn the_first_source_counts() {
        let all = [
            ("AWS_ACCESS_KEY_ID", "K"),
            ("AWS_SECRET_ACCESS_KEY", "S"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_ROLE_ARN", "arn"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/c"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let source = |from: usize| keeper(&wanted(), &all[from..], &Amazon::says(&[])).source;
        let fixed = |key: &str, secret: &str| {
            Source::Fixed(Credentials { key: key.to_owned(), secret: secret.to_owned(), session: None })
        };
        let own = Wanted { key: Some(("k", "s")), ..wanted() };
        assert_eq!(keeper(&own, &all, &Amazon::says(&[])).source, fixed("k", "s"));
        assert_eq!(source(0), fixed("K", "S"));
        let (role, session, file) = ("arn".to_owned(), "kong".to_owned(), "/token".to_owned());
        assert_eq!(source(2), Source::WebIdentity { role, session, file });
        assert_eq!(source(4), Source::Container { url: "http://127.0.0.1/c".to_owned(), token: None });
        assert_eq!(source(5), Source::Nowhere);
        assert_eq!(source(6), Source::Machine { url: MACHINES.to_owned(), v2: false });
    }

    #[test]
    fn containers_and_machines_have_roles() {
        let amazon = Amazon::says(&[(200, &json("C", 30))]);
        let of_ecs = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a")];
        assert_eq!(keys(&keeper(&wanted(), &of_ecs, &amazon), 0), Ok("C s t".to_owned()));
        assert_eq!(amazon.asked(), ["GET http://169.254.170.2/v2/x authorization=a "]);
        let amazon = Amazon::says(&[(200, "token"), (200, "shop\n"), (200, &json("M", 30))]);
        let v2 = Wanted { imds_v2: true, ..wanted() };
        assert_eq!(keys(&keeper(&v2, &[], &amazon), 0), Ok("M s t".to_owned()));
        let asked = amazon.asked();
        assert!(
            asked[0].starts_with("PUT http://169.254.169.254/latest/api/token x-aws-ec2-metadata-token-ttl-seconds=")
        );
        assert!(asked[2].starts_with(
            "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/shop x-aws-ec2-metadata-token=token"
        ));
    }

    #[test]
    fn roles_are_taken_on() {
        let amazon = Amazon::says(&[(200, &xml("AssumeRole", "R"))]);
        let role = Wanted {
            key: Some(("k", "s")),
            role: Some("arn:aws:iam::1:role/r"),
            endpoint: Some("http://127.0.0.1:4566/"),
            ..wanted()
        };
        assert_eq!(keys(&keeper(&role, &[], &amazon), 0), Ok("R s t".to_owned()));
        let asked = amazon.asked().remove(0);
        for part in [
            "POST http://127.0.0.1:4566/ ",
            "Credential=k/19700101/eu-west-1/sts/aws4_request, SignedHeaders=content-type;host;x-amz-date",
            "x-amz-date=19700101T000000Z",
            " Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=kong",
        ] {
            assert!(asked.contains(part), "{part} in {asked}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        std::fs::write(&file, "j.w.t\n").expect("a file");
        let file = file.to_str().expect("a name");
        let amazon = Amazon::says(&[(200, &xml("AssumeRoleWithWebIdentity", "W"))]);
        let env = [("AWS_WEB_IDENTITY_TOKEN_FILE", file), ("AWS_ROLE_ARN", "arn"), ("AWS_ROLE_SESSION_NAME", "pod")];
        assert_eq!(keys(&keeper(&wanted(), &env, &amazon), 0), Ok("W s t".to_owned()));
        let asked = amazon.asked().remove(0);
        assert!(asked.starts_with("POST https://sts.eu-west-1.amazonaws.com "), "{asked}");
        assert!(asked.ends_with("&RoleArn=arn&RoleSessionName=pod&WebIdentityToken=j.w.t"), "{asked}");
    }

    #[test]
    fn what_is_far_is_asked_through_the_proxy() {
        let amazon = Amazon::says(&[(200, "shop"), (200, &json("M", 30)), (200, &xml("AssumeRole", "R"))]);
        let proxies = HttpProxies::both(Some(exchange::HttpProxy::new("p.test", 3128)));
        let role = Wanted { role: Some("arn"), proxies, ..wanted() };
        assert_eq!(keys(&keeper(&role, &[], &amazon), 0), Ok("R s t".to_owned()));
        let through: Vec<_> = amazon.asked().iter().map(|asked| asked.ends_with(" through p.test:3128")).collect();
        assert_eq!(through, [false, false, true]);
    }

    #[test]
    fn keys_are_kept_and_renewed_before_they_end() {
        let amazon = Amazon::says(&[(200, &json("A", 30)), (500, ""), (200, &json("B", 59))]);
        let keeper = keeper(&wanted(), &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/c")], &amazon);
        for (minute, key, questions) in
            [(0, "A s t", 1), (20, "A s t", 0), (26, "A s t", 1), (27, "B s t", 1), (40, "B s t", 0)]
        {
            assert_eq!(keys(&keeper, minute * 60), Ok(key.to_owned()), "minute {minute}");
            assert_eq!(amazon.asked().len(), questions, "minute {minute}");
        }
        // Nobody answers any more; who ends, ends, and is not asked for at once again.
        assert_eq!(keys(&keeper, 56 * 60), Ok("B s t".to_owned()));
        let gone = keys(&keeper, 60 * 60).expect_err("they have ended");
        assert!(gone.contains("nobody is there"), "{gone}");
        amazon.asked();
        assert!(keys(&keeper, 60 * 60 + 5).is_err() && amazon.asked().is_empty());
        assert!(keys(&keeper, 60 * 60 + 11).is_err() && amazon.asked().len() == 1);
    }

    #[test]
    fn what_is_no_answer_is_said() {
        let env = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/c")];
        for (status, body, part) in [(403, "", "answered 403"), (200, "{}", "no keys"), (200, "<x>", "no keys")] {
            let error = keys(&keeper(&wanted(), &env, &Amazon::says(&[(status, body)])), 0).expect_err("no keys");
            assert!(error.contains(part), "{error}");
        }
        let nowhere = keeper(&wanted(), &[("AWS_EC2_METADATA_DISABLED", "true")], &Amazon::says(&[]));
        assert!(keys(&nowhere, 0).expect_err("no keys").contains("no AWS credentials are configured"));
    }
}
