//! Signatures of requests to Amazon Web Services (Signature Version 4).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use bytes::Bytes;
use exchange::HttpRequest;
use std::fmt::{self, Write};
use std::time::SystemTime;
use time::OffsetDateTime;
use time::macros::format_description;

/// Where a request goes.
pub(crate) struct Target<'t> {
    pub url: &'t str,
    /// With its port, where that is not the scheme's.
    pub host: &'t str,
    pub path: &'t str,
    pub query: &'t str,
    pub region: &'t str,
    pub service: &'t str,
}

impl Target<'_> {
    /// A signed POST. Names of `further` header lines are in order, and between `x-amz-date` and `x-amz-security-token`.
    pub(crate) fn post(
        &self,
        content_type: &str,
        further: impl IntoIterator<Item = (&'static str, String)>,
        body: impl Into<Bytes>,
        credentials: &Credentials,
        now: SystemTime,
    ) -> HttpRequest {
        let (time, body) = (stamp(now), body.into());
        let mut headers = vec![
            ("content-type", content_type.to_owned()),
            ("host", self.host.to_owned()),
            ("x-amz-date", time.clone()),
        ];
        headers.extend(further);
        headers.extend(credentials.session.clone().map(|token| ("x-amz-security-token", token)));
        let signed = Signed {
            method: "POST",
            path: self.path,
            query: self.query,
            headers: &headers,
            body: &body,
            region: self.region,
            service: self.service,
            time: &time,
        };
        let authorization = signed.authorization(credentials);
        let request = HttpRequest::new("POST", self.url, body).header("authorization", authorization);
        // The client's own `Host` is the same.
        let sent = headers.into_iter().filter(|(name, _)| *name != "host");
        sent.fold(request, |request, (name, value)| request.header(name, value))
    }
}

/// A time as requests have it.
fn stamp(time: SystemTime) -> String {
    let written = format_description!("[year][month][day]T[hour][minute][second]Z");
    OffsetDateTime::from(time).format(&written).unwrap_or_default()
}

/// Who asks.
#[derive(Clone, PartialEq)]
pub(crate) struct Credentials {
    pub key: String,
    pub secret: String,
    pub session: Option<String>,
}

impl fmt::Debug for Credentials {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A request to sign.
struct Signed<'s> {
    method: &'s str,
    /// Escaped once, as it is sent.
    path: &'s str,
    /// Escaped, its arguments in order.
    query: &'s str,
    /// In lower case and in order.
    headers: &'s [(&'s str, String)],
    body: &'s [u8],
    region: &'s str,
    service: &'s str,
    /// `20150830T123600Z`
    time: &'s str,
}

impl Signed<'_> {
    /// The value of `Authorization`.
    fn authorization(&self, credentials: &Credentials) -> String {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines = self.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim()));
        let canonical = format!(
            "{}\n{}\n{}\n{}\n{names}\n{}",
            self.method,
            escaped(self.path),
            self.query,
            lines.collect::<String>(),
            hexadecimal(digest(&SHA256, self.body).as_ref())
        );
        let date = self.time.get(..8).unwrap_or_default();
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let hash = hexadecimal(digest(&SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", self.time);
        let mut key = format!("AWS4{}", credentials.secret).into_bytes();
        for part in [date, self.region, self.service, "aws4_request"] {
            key = sign(&Key::new(HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec();
        }
        let signature = hexadecimal(sign(&Key::new(HMAC_SHA256, &key), text.as_bytes()).as_ref());
        let id = &credentials.key;
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
    }
}

/// A path is escaped a second time in what is signed, for every service but S3.
fn escaped(path: &str) -> String {
    path.replace('%', "%25")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of AWS's test suite for Signature Version 4.
    #[test]
    fn signatures_are_those_of_the_test_suite() {
        let credentials = Credentials {
            key: "AKIDEXAMPLE".into(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session: None,
        };
        let headers = [("host", "example.amazonaws.com".to_owned()), ("x-amz-date", "20150830T123600Z".to_owned())];
        for (method, query, signature) in [
            ("GET", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            ("GET", "Param1=value1&Param2=value2", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ] {
            let signed = Signed {
                method,
                path: "/",
                query,
                headers: &headers,
                body: b"",
                region: "us-east-1",
                service: "service",
                time: "20150830T123600Z",
            };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(signed.authorization(&credentials), expected, "{method} {query}");
        }
    }
}
