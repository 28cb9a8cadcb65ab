//! The authorization endpoint (RFC 6749 §3.1), as an application asks it that has asked a user: where to send the user
//! back to, with a code or a token.

use super::config::Config;
use super::parameters::{Parameters, Refusal};
use super::{CODES, Oauth2, asked, pkce, redirect, referring, unkept};
use crate::auth;
use exchange::{Answer, Credential, Exchange};
use serde_json::{Map, Value};

/// Seconds for which a code can be used.
const CODE_LIFE: u64 = 300;

impl Oauth2 {
    pub(super) async fn authorize(&self, exchange: &mut Exchange) -> Answer {
        let parameters = match Parameters::read(exchange).await {
            Ok(parameters) => parameters,
            Err(answer) => return answer,
        };
        self.decide(exchange, &parameters).await.unwrap_or_else(|answer| answer)
    }

    async fn decide(&self, exchange: &Exchange, parameters: &Parameters) -> Result<Answer, Answer> {
        let user = match self.asker(exchange, parameters) {
            Ok(user) => user,
            Err(refusal) => return Ok(directly(refusal, parameters)),
        };
        let client = self.application(exchange, parameters.text("client_id")).await?;
        let registered = client.as_ref().and_then(|client| client.record.get("redirect_uris")?.as_array());
        let (Some(client), Some(registered)) = (&client, registered) else {
            return Ok(directly(Refusal::client(), parameters));
        };
        let registered: Vec<_> = registered.iter().filter_map(Value::as_str).collect();
        let Some(first) = registered.first() else { return Ok(directly(Refusal::client(), parameters)) };
        let wanted = parameters.text("redirect_uri").unwrap_or(first);
        let (uri, fits) = if registered.contains(&wanted) { (wanted, true) } else { (*first, false) };

        let is_code = parameters.text("response_type") == Some("code");
        let outcome = match agreed(&self.config, parameters, fits) {
            Ok(scope) if is_code => self.code(exchange, parameters, client, user, scope).await?,
            Ok(scope) => {
                let service = self.service(exchange)?;
                Ok(self.token(exchange, client, service, Some(user), scope.as_deref(), false).await?)
            }
            Err(refusal) => Err(refusal),
        };
        let (status, in_fragment, mut told) = match outcome {
            Ok(told) => (200, !is_code, told),
            Err(refusal) => (400, false, refusal.members()),
        };
        told.extend(parameters.state().map(|state| ("state".to_owned(), state.clone())));
        let uri = redirect::with(uri, &told, in_fragment);
        Ok(unkept(status, Map::from_iter([("redirect_uri".to_owned(), uri.into())])))
    }

    /// Who asks must have been trusted with the provision key, and name the user who agreed.
    fn asker<'p>(&self, exchange: &Exchange, parameters: &'p Parameters) -> Result<&'p str, Refusal> {
        if !self.is_secure(exchange) {
            return Err(Refusal::new("access_denied", "You must use HTTPS"));
        }
        parameters.provisioned(&self.config)?;
        parameters.user()
    }

    async fn code(
        &self,
        exchange: &Exchange,
        parameters: &Parameters,
        client: &Credential,
        user: &str,
        scope: Option<String>,
    ) -> Result<Result<Map<String, Value>, Refusal>, Answer> {
        let challenge = match pkce::challenge(parameters, self.config.pkce, client) {
            Ok(challenge) => challenge,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut fields = Map::new();
        if let Some(service) = self.service(exchange)? {
            fields.insert("service".into(), referring(service));
        }
        fields.insert("credential".into(), referring(client.id));
        fields.insert("authenticated_userid".into(), user.into());
        fields.extend(scope.map(|scope| ("scope".to_owned(), scope.into())));
        if let Some(challenge) = challenge {
            fields.insert("challenge".into(), challenge.into());
            fields.insert("challenge_method".into(), "S256".into());
        }
        fields.insert("plugin".into(), referring(self.id));
        let code = asked(self.records.insert(exchange.workspace, CODES, fields, Some(CODE_LIFE))).await?;
        let code = code.record.get("code").cloned().ok_or_else(auth::failure)?;
        Ok(Ok(Map::from_iter([("code".to_owned(), code)])))
    }
}

/// What is asked for must be given here. The last thing that is wrong is told.
fn agreed(config: &Config, parameters: &Parameters, fits: bool) -> Result<Option<String>, Refusal> {
    let given = match parameters.text("response_type") {
        Some("code") => config.enable_authorization_code,
        Some("token") => config.enable_implicit_grant,
        _ => false,
    };
    let scope = parameters.scope(config);
    if !fits {
        let text = "Invalid redirect_uri that does not match with any redirect_uri created with the application";
        return Err(Refusal::new("invalid_request", text));
    }
    match scope {
        Ok(_) if !given => Err(Refusal::new("unsupported_response_type", "Invalid response_type")),
        other => other,
    }
}

/// An answer where there is nobody to be sent back.
fn directly(refusal: Refusal, parameters: &Parameters) -> Answer {
    let mut told = refusal.members();
    told.extend(parameters.state().map(|state| ("state".to_owned(), state.clone())));
    unkept(400, told)
}
