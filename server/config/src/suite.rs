//! Cipher suites by name: modern, intermediate, old (Mozilla's server-side TLS guideline 5.7), fips; `custom` takes
//! `ssl_ciphers`.

/// What a named suite sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Versions of TLS, in nginx's words.
    pub protocols: &'static str,
    /// Ciphers, in OpenSSL's words; TLS 1.3 has its own.
    pub ciphers: Option<&'static str>,
    /// Group of finite-field Diffie-Hellman.
    pub dhparam: Option<&'static str>,
    /// `on` where the server's order counts.
    pub prefer_server_ciphers: &'static str,
}

macro_rules! intermediate {
    () => {
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
         ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
         DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
    };
}

impl Suite {
    /// The suite of that name; none for `custom` and unknown names.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "modern" => Self { protocols: "TLSv1.3", ciphers: None, dhparam: None, prefer_server_ciphers: "off" },
            "intermediate" => Self {
                protocols: "TLSv1.2 TLSv1.3",
                ciphers: Some(intermediate!()),
                dhparam: Some("ffdhe2048"),
                prefer_server_ciphers: "off",
            },
            "old" => Self {
                protocols: "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3",
                ciphers: Some(concat!(
                    intermediate!(),
                    ":ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:\
                     ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:\
                     ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:\
                     AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA"
                )),
                dhparam: None,
                prefer_server_ciphers: "on",
            },
            "fips" => Self {
                protocols: "TLSv1.2",
                ciphers: Some("TLSv1.2+FIPS:kRSA+FIPS:!eNULL:!aNULL"),
                dhparam: None,
                prefer_server_ciphers: "on",
            },
            _ => return None,
        })
    }
}
