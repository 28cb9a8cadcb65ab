//! What a request to one of the endpoints asks for, and the errors of RFC 6749 §5.2.

use super::config::Config;
use crate::auth;
use exchange::form::{self, Form};
use exchange::{Answer, Exchange};
use serde_json::{Map, Value};

/// An error as clients get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `error`
    pub error: &'static str,
    /// `error_description`
    pub description: Option<String>,
}

impl Refusal {
    /// An error with its description.
    pub fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: Some(description.into()) }
    }

    /// An error that speaks for itself.
    pub fn bare(error: &'static str) -> Self {
        Self { error, description: None }
    }

    /// The application is not known, or does not prove itself.
    pub fn client() -> Self {
        Self::new("invalid_client", "Invalid client authentication")
    }

    /// As members of an answer.
    pub fn members(self) -> Map<String, Value> {
        let mut members = Map::from_iter([("error".to_owned(), self.error.into())]);
        if let Some(description) = self.description {
            members.insert("error_description".into(), description.into());
        }
        members
    }
}

/// Query and body, the body's before the query's.
#[derive(Debug, Default)]
pub struct Parameters(Map<String, Value>);

impl Parameters {
    /// Reads the body where the method has one.
    pub async fn read(exchange: &mut Exchange) -> Result<Self, Answer> {
        let query = exchange.forward.query.as_ref().or(exchange.request.query.as_ref());
        let mut all = query.map(|query| form::table(query)).unwrap_or_default();
        if matches!(exchange.request.method.as_slice(), b"POST" | b"PUT" | b"PATCH")
            && let Some(Value::Object(members)) = form::read(exchange).await?.map(Form::value)
        {
            all.extend(members);
        }
        Ok(Self(all))
    }

    /// A parameter that is one text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The client's state, to be given back.
    pub fn state(&self) -> Option<&Value> {
        self.0.get("state")
    }

    /// The scopes that are asked for, all of which must be known.
    pub fn scope(&self, config: &Config) -> Result<Option<String>, Refusal> {
        let Some(asked) = self.0.get("scope") else {
            return if config.mandatory_scope {
                Err(Refusal::new("invalid_scope", "You must specify a scope"))
            } else {
                Ok(None)
            };
        };
        let Some(known) = &config.scopes else { return Ok(None) };
        let Some(asked) = asked.as_str() else {
            return Err(Refusal::new("invalid_scope", "scope must be a string"));
        };
        let scopes: Vec<_> = asked.split_ascii_whitespace().collect();
        if let Some(unknown) = scopes.iter().find(|scope| !known.iter().any(|known| known == *scope)) {
            return Err(Refusal::new("invalid_scope", format!("\"{unknown}\" is an invalid scope")));
        }
        Ok((!scopes.is_empty()).then(|| scopes.join(" ")))
    }

    /// The user who agreed; must be there.
    pub fn user(&self) -> Result<&str, Refusal> {
        self.text("authenticated_userid")
            .filter(|user| !user.trim().is_empty())
            .ok_or_else(|| Refusal::new("invalid_authenticated_userid", "Missing authenticated_userid parameter"))
    }

    /// The application that asked the user must prove itself.
    pub fn provisioned(&self, config: &Config) -> Result<(), Refusal> {
        let given = self.text("provision_key").unwrap_or_default();
        if auth::same(given.as_bytes(), config.provision_key.as_bytes()) {
            return Ok(());
        }
        Err(Refusal::new("invalid_provision_key", "Invalid provision_key"))
    }
}

#[cfg(test)]
impl From<Value> for Parameters {
    fn from(members: Value) -> Self {
        let Value::Object(members) = members else { panic!("an object") };
        Self(members)
    }
}
