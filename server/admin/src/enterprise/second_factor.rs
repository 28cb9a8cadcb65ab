//! `/admins/self/totp`: one-time codes as a second factor beside the password.

use super::desk::Call;
use super::gate::Gate;
use super::settings::Attempts;
use super::sign_in::refused;
use crate::body::Body;
use crate::errors;
use crate::respond::Answer;
use crate::scope::seconds;
use access::{SecondFactor, authenticator_url};
use actix_web::http::header::HeaderMap;
use schema::Errors;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{Operation, Precondition, Record};

/// The header of a code beside name and password.
const HEADER: &str = "kong-admin-otp";
/// What failures are counted under.
const WHAT: &str = "totp";
/// How many wrong codes there may be where sign-ins have no limit: codes are short.
const LIMIT: Attempts = Attempts { limit: Some(10), ttl: Duration::from_secs(900) };

fn is_on(admin: &Record) -> bool {
    admin.value.get("totp_enabled") == Some(&Value::Bool(true))
}

/// The code that comes with a request.
pub(super) fn code(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(HEADER);
    let first = values.next()?.to_str().ok()?.trim().to_owned();
    values.next().is_none().then_some(first)
}

/// An admin with the step of a code that has just been used, so that it counts once.
fn used(admin: &Record, code: &str) -> Option<Record> {
    let at = seconds().unsigned_abs();
    let after = admin.value.get("totp_step").and_then(Value::as_u64);
    let step = SecondFactor::of(admin.text("totp_secret")?)?.step(code, at, after)?;
    let mut admin = admin.clone();
    admin.value.insert("totp_step".to_owned(), step.into());
    Some(admin)
}

/// What is told of an admin's second factor.
fn state(admin: &Record) -> Answer {
    let pending = !is_on(admin) && admin.text("totp_secret").is_some();
    Answer::json(200, &json!({"enabled": is_on(admin), "pending": pending}))
}

impl Gate {
    /// Asks for the second factor of an admin whose password was right, where it has one.
    pub(super) async fn check_second(
        &self,
        admin: &Arc<Record>,
        code: Option<&str>,
        request_id: &str,
    ) -> Result<(), Answer> {
        if !is_on(admin) {
            return Ok(());
        }
        let Some(code) = code else {
            return Err(errors::plain(401, "a one-time code is required in the header Kong-Admin-OTP"));
        };
        let (before, after) = self.take_code(admin, code).await?;
        let resting = vec![Precondition::Unchanged(before)];
        match self.write_for(admin, vec![Operation::Update(after)], resting, request_id).await? {
            true => Ok(()),
            // Another request used it first, or the admin has changed.
            false => Err(refused()),
        }
    }

    /// The admin before and after a code is used; wrong ones are counted, before they are looked at: many at once are not more.
    async fn take_code(&self, admin: &Arc<Record>, code: &str) -> Result<(Arc<Record>, Record), Answer> {
        let limits = Some(self.settings.login_attempts).filter(|limits| limits.limit.is_some()).unwrap_or(LIMIT);
        if !self.count_failure(admin, WHAT, limits).await? {
            return Err(refused());
        }
        let after = used(admin, code).ok_or_else(refused)?;
        self.forgive(admin, WHAT).await?;
        Ok((admin.clone(), after))
    }
}

impl Call<'_> {
    /// The admin who asks, as it is now.
    async fn fresh_admin(&self) -> Result<Arc<Record>, Answer> {
        let known = self.own_admin()?;
        let found = self.gate.store.get("admins", &known.id).await.map_err(|error| errors::store(&error))?;
        found.ok_or_else(errors::not_found)
    }

    async fn replace(&self, before: Arc<Record>, after: Record) -> Result<(), Answer> {
        self.write_if(vec![Operation::Update(after)], vec![Precondition::Unchanged(before)]).await
    }

    /// `/admins/self/totp`: told, begun with a secret that is shown once, confirmed by a first code, ended by a code.
    pub(super) async fn own_second_factor(&self, body: Body) -> Result<Answer, Answer> {
        let admin = self.fresh_admin().await?;
        let (members, _) = body.into_members();
        let code = || {
            let code = match members.get("code") {
                Some(Value::String(code)) => Some(code.trim().to_owned()),
                _ => None,
            };
            code.ok_or_else(|| errors::schema_violation(Errors::of("code", "required field missing")))
        };
        match self.method {
            "POST" if is_on(&admin) => Err(errors::plain(409, "one-time codes are on already: end them first")),
            "POST" => {
                let secret = SecondFactor::secret().ok_or_else(errors::unexpected)?;
                let mut after = Record::clone(&admin);
                after.value.insert("totp_secret".to_owned(), secret.clone().into());
                after.value.insert("totp_step".to_owned(), Value::Null);
                let url = authenticator_url("Silverback", admin.text("username").unwrap_or_default(), &secret);
                self.replace(admin, after).await?;
                Ok(Answer::json(201, &json!({"enabled": false, "secret": secret, "url": url})))
            }
            "PATCH" if is_on(&admin) || admin.text("totp_secret").is_none() => {
                Err(errors::plain(409, "there is nothing to confirm"))
            }
            "PATCH" => {
                let (before, mut after) = self.gate.take_code(&admin, &code()?).await?;
                after.value.insert("totp_enabled".to_owned(), true.into());
                self.replace(before, after.clone()).await?;
                Ok(state(&after))
            }
            "DELETE" => {
                let before = match is_on(&admin) {
                    true => self.gate.take_code(&admin, &code()?).await?.0,
                    false => admin,
                };
                self.end_second(before).await
            }
            _ => Ok(state(&admin)),
        }
    }

    /// `/admins/{admin}/totp`: told, and ended by someone who could as well set the admin's token: for who has lost the device.
    pub(super) async fn second_factor_of(&self) -> Result<Answer, Answer> {
        let admin = self.the_admin()?;
        if self.method == "GET" {
            return Ok(state(&admin));
        }
        let user = self.user_behind(&admin)?;
        if self.is_self(&user.id) {
            return Err(errors::plain(403, "one's own second factor is ended at /admins/self/totp, with a code"));
        }
        self.check_reach(&self.roles_of(&user.id)).await?;
        self.end_second(admin).await
    }

    async fn end_second(&self, admin: Arc<Record>) -> Result<Answer, Answer> {
        let mut after = Record::clone(&admin);
        after.value.insert("totp_enabled".to_owned(), false.into());
        after.value.insert("totp_secret".to_owned(), Value::Null);
        // The step stays: a code that was used does not count again for the same secret.
        self.replace(admin, after).await?;
        Ok(Answer::empty(204))
    }
}
