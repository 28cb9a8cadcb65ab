//! Tokens that a user keeps beside its own: with an end, and with a scope narrower than what the user may do.

use super::credentials::hashed;
use super::desk::{Call, Desk};
use crate::body::Body;
use crate::errors;
use crate::respond::Answer;
use crate::scope::seconds;
use access::Actions;
use schema::Errors;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Precondition, Record};

/// The kind.
const TOKENS: &str = "rbac_user_tokens";
/// How many tokens a user has at most.
const MOST: usize = 100;
/// The longest life of a token, in seconds: ten years.
const LONGEST: i64 = 315_360_000;
/// What tokens begin with, so that searches for lost secrets find them.
const PREFIX: &str = "sbt_";

fn wrong(field: &str, text: &str) -> Answer {
    errors::schema_violation(Errors::of(field, text))
}

/// A number, which forms send as text.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// When a token ends: `ttl` seconds from now, or at `expires_at`.
fn end(members: &mut Map<String, Value>) -> Result<Option<i64>, Answer> {
    let mut take = |name: &str| members.shift_remove(name).filter(|value| !value.is_null());
    let (field, given) = match (take("ttl"), take("expires_at")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(wrong("ttl", "only one of ttl and expires_at can be set")),
        (Some(ttl), None) => ("ttl", whole(&ttl).map(|ttl| seconds().saturating_add(ttl))),
        (None, Some(at)) => ("expires_at", whole(&at)),
    };
    let at = given.ok_or_else(|| wrong(field, "expected an integer"))?;
    let left = at.saturating_sub(seconds());
    match left {
        1..=LONGEST => Ok(Some(at)),
        _ => Err(wrong(field, "must end between one second and ten years from now")),
    }
}

impl Call<'_> {
    /// Whose tokens a path is about, and whether these are the tokens of the one who asks.
    fn holder(&self, desk: Desk) -> Result<(Arc<Record>, bool), Answer> {
        match desk {
            Desk::OwnTokens | Desk::OneOwnToken => {
                let subject = self.scope.pass.subject.as_deref().ok_or_else(errors::not_found)?;
                let user = self.view.get("rbac_users", &Id::Uuid(subject.id)).cloned();
                Ok((user.ok_or_else(errors::not_found)?, true))
            }
            Desk::AdminTokens | Desk::AdminToken => Ok((self.user_behind(&*self.the_admin()?)?, false)),
            _ => Ok((self.the_user()?, false)),
        }
    }

    /// Who makes a token for others can use it: what they may do must be within reach.
    async fn check_holder(&self, user: &Record, own: bool) -> Result<(), Answer> {
        match own {
            true => Ok(()),
            false => self.check_reach(&self.roles_of(&user.id)).await,
        }
    }

    fn tokens_of(&self, user: &Record) -> Vec<Arc<Record>> {
        self.view.children(TOKENS, "user", &user.id).cloned().collect()
    }

    /// `/rbac/users/{user}/tokens`, `/admins/{admin}/tokens`, `/admins/self/tokens`
    pub(super) async fn user_tokens(&self, desk: Desk, body: Body) -> Result<Answer, Answer> {
        let (user, own) = self.holder(desk)?;
        if self.method == "POST" {
            self.check_holder(&user, own).await?;
            return self.make_token(&user, body).await;
        }
        let tokens = self.tokens_of(&user);
        if !own {
            return self.listed(tokens, |token| shown(token, &user));
        }
        self.paged(&tokens, |token| shown(token, &user))
    }

    /// The same with the name or the id of a token.
    pub(super) async fn user_token(&self, desk: Desk) -> Result<Answer, Answer> {
        let (user, own) = self.holder(desk)?;
        let key = self.parameter(if own { 0 } else { 1 });
        let id = Id::parse(key);
        let mut tokens = self.tokens_of(&user).into_iter();
        let found = tokens.find(|token| token.id == id || token.text("name") == Some(key));
        let found = found.filter(|token| own || self.scope.pass.finds(token)).ok_or_else(errors::not_found)?;
        if self.method != "DELETE" {
            return Ok(Answer::json(200, &shown(&found, &user).into()));
        }
        self.check_holder(&user, own).await?;
        self.write(vec![Operation::Delete { entity: TOKENS, id: found.id.clone() }]).await?;
        Ok(Answer::empty(204))
    }

    async fn make_token(&self, user: &Arc<Record>, body: Body) -> Result<Answer, Answer> {
        let has_none = |admin: &Arc<Record>| admin.value.get("rbac_token_enabled") == Some(&Value::Bool(false));
        if self.view.children("admins", "rbac_user", &user.id).any(has_none) {
            return Err(errors::plain(403, "RBAC tokens are disabled for this admin"));
        }
        let (mut members, _) = body.into_members();
        let ends = end(&mut members)?;
        let mut scope = Map::new();
        for list in ["endpoints", "entities"] {
            if let Some(given) = members.shift_remove(list).filter(|given| !given.is_null()) {
                scope.insert(list.to_owned(), self.permissions_of(list, given)?);
            }
        }
        for ours in ["id", "created_at", "user", "scope", "token", "token_ident"] {
            if members.contains_key(ours) {
                return Err(wrong(ours, "unknown field"));
            }
        }
        if members.get("name").and_then(Value::as_str).is_none_or(|name| name.trim().is_empty()) {
            return Err(wrong("name", "required field missing"));
        }
        let secret = format!("{PREFIX}{}", access::random().ok_or_else(errors::unexpected)?);
        members.insert("user".to_owned(), json!({"id": user.id.to_string()}));
        members.insert("token".to_owned(), hashed(&secret).await?.into());
        members.insert("token_ident".to_owned(), access::ident(&secret).into());
        members.insert("expires_at".to_owned(), ends.into());
        members.insert("scope".to_owned(), scope.into());
        let token = self.scope.made(TOKENS, None, members.into())?;
        let (over, lasting): (Vec<_>, Vec<_>) = self.tokens_of(user).into_iter().partition(|token| is_over(token));
        if lasting.len() >= MOST {
            return Err(errors::plain(400, &format!("a user has {MOST} tokens at most: revoke one first")));
        }
        // Those that are over give their places and their names back.
        let over = over.iter().map(|token| Operation::Delete { entity: TOKENS, id: token.id.clone() });
        let operations = over.chain([Operation::Insert(token.clone())]).collect();
        self.write_if(operations, vec![Precondition::Unchanged(user.clone())]).await?;
        let mut answer = shown(&token, user);
        answer.insert("token".to_owned(), secret.into());
        Ok(Answer::json(201, &answer.into()))
    }

    /// A list of permissions of a scope as it is stored.
    fn permissions_of(&self, list: &str, given: Value) -> Result<Value, Answer> {
        let Value::Array(items) = given else { return Err(wrong(list, "expected an array")) };
        if items.is_empty() {
            return Err(wrong(list, "expected at least one permission"));
        }
        let here = self.policy.workspace(&self.scope.workspace.to_string());
        let here = here.and_then(|here| here.text("name")).unwrap_or("default");
        let items = items.into_iter().map(|item| {
            let Value::Object(mut item) = item else { return Err(wrong(list, "expected a list of records")) };
            let actions = item.get("actions").filter(|actions| !actions.is_null());
            let actions = actions.map_or(Ok(Actions::default()), Actions::read).map_err(|word| {
                let text = format!("invalid action '{word}': expected one of read, create, update, delete or *");
                wrong(list, &text)
            })?;
            if actions.is_empty() {
                return Err(wrong(list, "at least one action is required"));
            }
            item.insert("actions".to_owned(), actions.names().collect::<Vec<_>>().into());
            if list == "endpoints" {
                item.entry("workspace").or_insert_with(|| here.into());
                if let Some(endpoint) = item.get("endpoint").and_then(Value::as_str) {
                    let endpoint = access::Endpoint::parse(endpoint).to_string();
                    item.insert("endpoint".to_owned(), endpoint.into());
                }
            }
            // As forms send it.
            if let Some(Value::String(text)) = item.get("negative") {
                let negative = text == "true";
                item.insert("negative".to_owned(), negative.into());
            }
            Ok(Value::Object(item))
        });
        items.collect::<Result<Vec<_>, _>>().map(Value::from)
    }
}

fn is_over(token: &Record) -> bool {
    token.value.get("expires_at").and_then(Value::as_i64).is_some_and(|end| end <= seconds())
}

/// A token as it is shown: never with its hash.
fn shown(token: &Record, user: &Record) -> Map<String, Value> {
    let of = |name: &str| token.value.get(name).cloned().unwrap_or_default();
    let scope = |name: &str| token.value.get("scope").and_then(|scope| scope.get(name)).cloned().unwrap_or_default();
    let shown = json!({
        "id": token.id.to_string(),
        "name": of("name"),
        "comment": of("comment"),
        "created_at": of("created_at"),
        "expires_at": of("expires_at"),
        "expired": is_over(token),
        "endpoints": scope("endpoints"),
        "entities": scope("entities"),
        "user": {"id": user.id.to_string(), "name": user.text("name")},
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}
