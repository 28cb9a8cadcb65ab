//! How the gateway proves who it is where a key in a header does not do: tokens at Google, signatures at Amazon.

use super::config::{Llm, Provider};
use super::endpoint::Place;
use super::google::Tokens;
use crate::aws::credentials::{Keeper, Wanted};
use crate::aws::sign::Target;
use crate::aws::{region, variable};
use bytes::Bytes;
use exchange::{HttpClient, HttpProxies};
use std::sync::Arc;
use std::time::SystemTime;

/// Who vouches for the gateway.
pub(super) enum Identity {
    /// Nobody: headers and parameters of the configuration do.
    Configured,
    /// A service account of Google.
    Google(Box<Tokens>),
    /// Keys of Amazon.
    Amazon {
        /// None where neither the configuration nor the environment names one.
        region: Option<String>,
        keeper: Box<Keeper>,
    },
}

impl Identity {
    pub fn of(llm: &Llm, http: &Arc<dyn HttpClient>) -> Self {
        let auth = llm.auth.as_ref();
        match llm.model.provider {
            Provider::Gemini if auth.is_some_and(|auth| auth.gcp_use_service_account == Some(true)) => {
                let account = auth.and_then(|auth| auth.gcp_service_account_json.as_deref());
                Self::Google(Box::new(Tokens::new(account, &variable, http.clone())))
            }
            Provider::Bedrock => {
                let configured = llm.model.options().bedrock.as_ref().and_then(|bedrock| bedrock.aws_region.clone());
                let region = configured.or_else(region);
                let key =
                    auth.and_then(|auth| auth.aws_access_key_id.clone()).or_else(|| variable("AWS_ACCESS_KEY_ID"));
                let own = auth.and_then(|auth| auth.aws_secret_access_key.clone());
                let secret = own.or_else(|| variable("AWS_SECRET_ACCESS_KEY"));
                // A session's token belongs to the environment's keys; those are looked for by the keeper.
                let given =
                    auth.is_some_and(|auth| auth.aws_access_key_id.is_some() || auth.aws_secret_access_key.is_some());
                let wanted = Wanted {
                    key: key.as_deref().zip(secret.as_deref()).filter(|_| given),
                    role: None,
                    session: "kong",
                    endpoint: None,
                    region: region.as_deref(),
                    imds_v2: true,
                    proxies: HttpProxies::default(),
                };
                let keeper = Box::new(Keeper::new(&wanted, &variable, http));
                Self::Amazon { region, keeper }
            }
            _ => Self::Configured,
        }
    }

    /// The region of Amazon that is asked.
    ///
    /// # Errors
    /// There is none.
    pub fn region(&self) -> Result<&str, String> {
        match self {
            Self::Amazon { region: Some(region), .. } => Ok(region),
            Self::Amazon { region: None, .. } => Err("AWS region not specified anywhere".to_owned()),
            Self::Configured | Self::Google(_) => Ok(""),
        }
    }

    /// Whether a body is part of the proof.
    pub fn signs(&self) -> bool {
        matches!(self, Self::Amazon { .. })
    }

    /// The header lines that prove it for a POST of `body` to `place`; names in lower case.
    ///
    /// # Errors
    /// A sentence on why there is no proof; it tells no secret.
    pub async fn headers(
        &self,
        place: &Place,
        content_type: &str,
        body: Bytes,
        now: SystemTime,
    ) -> Result<Vec<(String, String)>, String> {
        match self {
            Self::Configured => Ok(Vec::new()),
            Self::Google(tokens) => {
                let token = tokens.token(now).await?;
                Ok(vec![("authorization".to_owned(), format!("Bearer {token}"))])
            }
            Self::Amazon { keeper, .. } => {
                let target = Target {
                    url: "",
                    host: &place.authority(),
                    path: place.path.as_deref().unwrap_or("/"),
                    query: "",
                    region: self.region()?,
                    service: "bedrock",
                };
                let credentials = keeper.keys(now).await?;
                Ok(target.post(content_type, [], body, &credentials, now).headers)
            }
        }
    }
}
