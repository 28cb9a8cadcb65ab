//! `/admins`: invitations, passwords, roles.

use super::credentials::{fitting, hashed};
use super::desk::{Call, without};
use super::sign_in::refused;
use crate::body::Body;
use crate::errors;
use crate::query;
use crate::respond::Answer;
use crate::scope::seconds;
use access::Action;
use schema::Errors;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use store::{Id, Operation, Record};

/// What of an admin is nobody's business.
const HIDDEN: [&str; 9] = [
    "password",
    "register_token",
    "register_expires",
    "reset_token",
    "reset_expires",
    "rbac_user",
    "totp_secret",
    "totp_enabled",
    "totp_step",
];

/// How long a reset of a password is open, in seconds.
const RESET: i64 = 86_400;

/// What failed changes of a password are counted under.
const CHANGE: &str = "change_password";

/// An admin as it is shown.
pub(super) fn shown(admin: &Record) -> Map<String, Value> {
    without(admin, &HIDDEN)
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn required<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, Answer> {
    text(members, name).ok_or_else(|| errors::schema_violation(Errors::of(name, "required field missing")))
}

impl Call<'_> {
    fn admin_named(&self, key: &str) -> Option<Arc<Record>> {
        self.find("admins", "username", key, false).filter(|admin| self.reaches(admin))
    }

    pub(super) fn the_admin(&self) -> Result<Arc<Record>, Answer> {
        self.admin_named(self.parameter(0)).ok_or_else(errors::not_found)
    }

    /// Whether an admin belongs to the workspace that is asked in, or the one who asks governs all of them.
    fn reaches(&self, admin: &Record) -> bool {
        let pass = self.scope.pass;
        let belongs = admin.reference("belong_workspace") == Some(Id::Uuid(self.scope.workspace));
        belongs || pass.subject.as_deref().is_none_or(|subject| subject.everything(None))
    }

    pub(super) fn user_behind(&self, admin: &Record) -> Result<Arc<Record>, Answer> {
        let user = admin.reference("rbac_user").and_then(|user| self.view.get("rbac_users", &user).cloned());
        user.ok_or_else(errors::not_found)
    }

    pub(super) fn list_admins(&self) -> Result<Answer, Answer> {
        let everywhere = query::first(self.query, "all_workspaces").and_then(Value::as_str) == Some("true");
        let here = Id::Uuid(self.scope.workspace);
        let belongs = |admin: &&Arc<Record>| admin.reference("belong_workspace").as_ref() == Some(&here);
        let admins = self.view.all("admins").filter(|admin| (everywhere && self.reaches(admin)) || belongs(admin));
        self.listed(admins.cloned().collect(), shown)
    }

    /// `POST /admins`
    pub(super) async fn invite(&self, body: Body) -> Result<Answer, Answer> {
        let members = self.sent("admins", body)?;
        for name in members.keys() {
            if !["username", "email", "custom_id", "rbac_token_enabled"].contains(&name.as_str()) {
                return Err(errors::schema_violation(Errors::of(name, "unknown field")));
            }
        }
        let username = required(&members, "username")?.to_owned();
        let email = text(&members, "email").map(str::to_lowercase);
        if email.as_deref().is_some_and(|email| !is_address(email)) {
            return Err(errors::schema_violation(Errors::of("email", "invalid email address")));
        }
        let lower = username.to_lowercase();
        let taken = |admin: &Arc<Record>| {
            admin.text("username_lower") == Some(&lower)
                || (email.is_some() && admin.text("email") == email.as_deref())
                || (text(&members, "custom_id").is_some() && admin.text("custom_id") == text(&members, "custom_id"))
        };
        let named = |user: &Arc<Record>| user.text("name").is_some_and(|name| name.to_lowercase() == lower);
        if self.view.all("admins").any(taken) || self.view.all("rbac_users").any(named) {
            return Err(errors::plain(409, "user already exists with same username, email, or custom_id"));
        }
        let home = Some(self.scope.workspace);
        let user = self.scope.made("rbac_users", home, json!({"name": username, "is_admin": true}))?;
        let mut value = members.clone();
        value.insert("username_lower".to_owned(), lower.into());
        value.insert("email".to_owned(), email.clone().into());
        value.insert("status".to_owned(), 4.into());
        value.insert("rbac_user".to_owned(), json!({"id": user.id.to_string()}));
        value.insert("belong_workspace".to_owned(), json!({"id": self.scope.workspace.to_string()}));
        let mut admin = self.scope.made("admins", None, value.into())?;
        let by_mail = self.mails() && self.gate.settings.passwords && email.is_some();
        let token = if by_mail { Some(self.open_invitation(&mut admin)?) } else { None };
        let mut operations = vec![Operation::Insert(user.clone())];
        operations.extend(self.first_role(&user).await?);
        operations.push(Operation::Insert(admin.clone()));
        self.write(operations).await?;
        if let Some(token) = token {
            self.mail_invitation(&admin, &token);
        }
        Ok(Answer::json(200, &json!({"admin": shown(&admin)})))
    }

    pub(super) async fn admin(&self, body: Body) -> Result<Answer, Answer> {
        let found = self.admin_named(self.parameter(0));
        match (self.method, found) {
            // One that is there and out of reach is not said to be removed.
            ("DELETE", None) if self.find("admins", "username", self.parameter(0), false).is_some() => {
                Err(errors::not_found())
            }
            ("DELETE", None) => self.scope.pass.absent(None),
            (_, None) => Err(errors::not_found()),
            ("DELETE", Some(admin)) => {
                let user = self.user_behind(&admin)?;
                let mut operations = super::pass::ends_of_rights(&self.view, std::slice::from_ref(&admin));
                let (more, resting) = self.removal(&user).await?;
                operations.extend(more);
                self.write_if(operations, resting).await?;
                Ok(Answer::empty(204))
            }
            ("PATCH", Some(admin)) => self.change_admin(&admin, body).await,
            (_, Some(admin)) => {
                let wanted = query::first(self.query, "generate_register_url").and_then(Value::as_str) == Some("true");
                let is_invited = admin.value.get("status").and_then(Value::as_i64) == Some(4);
                if wanted && is_invited {
                    return self.new_invitation(&admin).await;
                }
                Ok(Answer::json(200, &shown(&admin).into()))
            }
        }
    }

    /// A new token for an open invitation; the one before ends.
    async fn new_invitation(&self, admin: &Record) -> Result<Answer, Answer> {
        // Who has the token becomes the admin: that is more than reading.
        let pass = self.scope.pass;
        if let Some(subject) = pass.subject.as_deref()
            && (!subject.at(pass.place, &pass.segments, Action::Update).is_allowed()
                || !pass.may(admin, Action::Update))
        {
            return Err(super::gate::forbidden(subject, Action::Update));
        }
        self.check_reach(&self.roles_of(&self.user_behind(admin)?.id)).await?;
        let mut record = admin.clone();
        let token = self.open_invitation(&mut record)?;
        self.write(vec![Operation::Update(record.clone())]).await?;
        let mut body = shown(&record);
        body.insert("register_url".to_owned(), self.page_for("register", &record, &token).into());
        body.insert("token".to_owned(), token.into());
        Ok(Answer::json(200, &body.into()))
    }

    /// Has an admin be invited with a token, which is given back.
    fn open_invitation(&self, admin: &mut Record) -> Result<String, Answer> {
        let token = access::random().ok_or_else(errors::unexpected)?;
        admin.value.insert("register_token".to_owned(), access::digest(&token).into());
        let expiry = self.gate.settings.invitation_expiry;
        let ends = expiry.map(|time| seconds().saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)));
        admin.value.insert("register_expires".to_owned(), ends.into());
        Ok(token)
    }

    async fn change_admin(&self, admin: &Record, body: Body) -> Result<Answer, Answer> {
        let mut members = self.sent("admins", body)?;
        for name in members.keys() {
            if !["username", "email", "custom_id", "rbac_token_enabled"].contains(&name.as_str()) {
                return Err(errors::schema_violation(Errors::of(name, "unknown field")));
            }
        }
        let user = self.user_behind(admin)?;
        self.check_reach(&self.roles_of(&user.id)).await?;
        let mut resting = Vec::new();
        if members.get("rbac_token_enabled") == Some(&Value::Bool(false)) && !self.gate.settings.signs_in() {
            // The token is the only way in.
            if self.is_self(&user.id) {
                return Err(errors::plain(400, "one's own access cannot be taken away"));
            }
            resting = self.check_last(&user.id, None)?;
        }
        if let Some(email) = text(&members, "email").map(str::to_lowercase) {
            if !is_address(&email) {
                return Err(errors::schema_violation(Errors::of("email", "invalid email address")));
            }
            members.insert("email".to_owned(), email.into());
        }
        let mut operations = Vec::new();
        if let Some(name) = text(&members, "username").map(str::to_owned) {
            members.insert("username_lower".to_owned(), name.to_lowercase().into());
            if user.text("name") != Some(&name) {
                let renamed = self.changed(&user, Map::from_iter([("name".to_owned(), name.into())]))?;
                operations.push(Operation::Update(renamed));
            }
        }
        let record = self.changed(admin, members)?;
        operations.push(Operation::Update(record.clone()));
        self.check_entities(&operations)?;
        match self.scope.commit(operations, resting).await {
            Ok(_) => Ok(Answer::json(200, &shown(&record).into())),
            Err(store::Error::Unique { .. }) => {
                Err(errors::plain(409, "user already exists with same username, email, or custom_id"))
            }
            Err(error) => Err(errors::store(&error)),
        }
    }

    pub(super) async fn admin_roles(&self, body: Body) -> Result<Answer, Answer> {
        let admin = self.the_admin()?;
        let user = self.user_behind(&admin)?;
        self.roles_at(&user, body, None).await
    }

    pub(super) fn admin_workspaces(&self) -> Result<Answer, Answer> {
        let admin = self.the_admin()?;
        let user = self.user_behind(&admin)?;
        let workspaces: Vec<Value> = self.workspaces_of(&user.id).into_iter().map(Value::Object).collect();
        Ok(Answer::json(200, &workspaces.into()))
    }

    /// `PATCH /admins/{admin}/workspaces/{workspace}`
    pub(super) async fn move_admin(&self) -> Result<Answer, Answer> {
        let admin = self.the_admin()?;
        self.check_reach(&self.roles_of(&self.user_behind(&admin)?.id)).await?;
        let workspace = self.find("workspaces", "name", self.parameter(1), false).filter(|found| self.knows(found));
        let workspace = workspace.ok_or_else(errors::not_found)?;
        self.check_workspace(workspace.text("name").unwrap_or("*"))?;
        let place = Map::from_iter([("belong_workspace".to_owned(), json!({"id": workspace.id.to_string()}))]);
        let record = self.changed(&admin, place)?;
        self.write(vec![Operation::Update(record.clone())]).await?;
        Ok(Answer::json(200, &shown(&record).into()))
    }

    /// `GET /admins/{admin}/consumer`: what older clients take an admin for.
    pub(super) fn admin_consumer(&self) -> Result<Answer, Answer> {
        let admin = self.the_admin()?;
        let of = |name: &str| admin.value.get(name).cloned().unwrap_or_default();
        let body = json!({
            "id": admin.id.to_string(),
            "username": of("username"),
            "username_lower": of("username_lower"),
            "custom_id": of("custom_id"),
            "type": 2,
            "tags": null,
            "created_at": of("created_at"),
            "updated_at": of("updated_at"),
        });
        Ok(Answer::json(200, &body))
    }

    /// `POST /admins/register`
    pub(super) async fn register(&self, body: Body) -> Result<Answer, Answer> {
        if !self.gate.settings.passwords {
            return Err(errors::not_found());
        }
        let (members, _) = body.into_members();
        let (username, email) = (required(&members, "username")?, required(&members, "email")?);
        let (token, password) = (required(&members, "token")?, required(&members, "password")?);
        let lower = username.to_lowercase();
        let admin = self.view.all("admins").find(|admin| admin.text("username_lower") == Some(&lower));
        let admin = admin.filter(|admin| {
            let open = admin.value.get("register_expires").and_then(Value::as_i64).is_none_or(|ends| ends > seconds());
            let is_invited = admin.value.get("status").and_then(Value::as_i64) == Some(4);
            let fits = admin.text("register_token").is_some_and(|digest| access::same(digest, &access::digest(token)));
            open && is_invited && fits && admin.text("email") == Some(&email.to_lowercase())
        });
        let admin = admin.ok_or_else(|| errors::plain(401, "Unauthorized"))?;
        self.check_password(password)?;
        let mut record = (**admin).clone();
        record.value.insert("password".to_owned(), hashed(password).await?.into());
        record.value.insert("status".to_owned(), 0.into());
        record.value.insert("register_token".to_owned(), Value::Null);
        record.value.insert("register_expires".to_owned(), Value::Null);
        self.replace_admin(admin, record.clone(), Vec::new()).await?;
        Ok(Answer::json(201, &shown(&record).into()))
    }

    fn check_password(&self, password: &str) -> Result<(), Answer> {
        let checked = self.gate.settings.complexity.check(password);
        checked.map_err(|error| errors::schema_violation(Errors::of("password", error.to_string())))
    }

    /// Writes an admin unless it has changed meanwhile: a token is used once.
    async fn replace_admin(&self, before: &Arc<Record>, after: Record, more: Vec<Operation>) -> Result<(), Answer> {
        let unchanged = store::Precondition::Unchanged(before.clone());
        let operations = [Operation::Update(after)].into_iter().chain(more).collect();
        match self.scope.commit(operations, vec![unchanged]).await {
            Ok(_) => Ok(()),
            Err(store::Error::Precondition(_)) => Err(errors::plain(409, "the admin has changed meanwhile")),
            Err(error) => Err(errors::store(&error)),
        }
    }

    /// `POST` and `PATCH /admins/password_resets`
    pub(super) async fn password_resets(&self, body: Body) -> Result<Answer, Answer> {
        if !self.gate.settings.passwords {
            return Err(errors::not_found());
        }
        let (members, _) = body.into_members();
        let email = required(&members, "email")?.to_lowercase();
        let approved = |admin: &&Arc<Record>| admin.value.get("status").and_then(Value::as_i64) == Some(0);
        let mut admins = self.view.all("admins").filter(approved);
        let admin = admins.find(|admin| admin.text("email") == Some(&email)).cloned();
        if self.method == "POST" {
            // The same answer for addresses nobody has.
            if let Some(admin) = admin {
                let token = access::random().ok_or_else(errors::unexpected)?;
                let mut record = (*admin).clone();
                record.value.insert("reset_token".to_owned(), access::digest(&token).into());
                record.value.insert("reset_expires".to_owned(), (seconds() + RESET).into());
                self.replace_admin(&admin, record, Vec::new()).await?;
                self.mail_reset(&admin, &token, RESET);
            }
            return Ok(Answer::empty(201));
        }
        let (token, password) = (required(&members, "token")?, required(&members, "password")?);
        let admin = admin.filter(|admin| {
            let open = admin.value.get("reset_expires").and_then(Value::as_i64).is_some_and(|ends| ends > seconds());
            open && admin.text("reset_token").is_some_and(|digest| access::same(digest, &access::digest(token)))
        });
        let admin = admin.ok_or_else(|| errors::plain(401, "Unauthorized"))?;
        self.check_password(password)?;
        self.set_password(&admin, password).await?;
        self.mail_changed(&admin);
        Ok(Answer::empty(200))
    }

    /// A new password; every session begun with the old one ends.
    async fn set_password(&self, admin: &Arc<Record>, password: &str) -> Result<(), Answer> {
        let mut record = (**admin).clone();
        record.value.insert("password".to_owned(), hashed(password).await?.into());
        record.value.insert("reset_token".to_owned(), Value::Null);
        record.value.insert("reset_expires".to_owned(), Value::Null);
        let sessions = self.gate.sessions_of(admin).await.map_err(|error| errors::store(&error))?;
        self.replace_admin(admin, record, sessions).await
    }

    pub(super) fn own_admin(&self) -> Result<Arc<Record>, Answer> {
        let admin = self.scope.pass.subject.as_deref().and_then(|subject| subject.admin.as_ref());
        let admin = admin.and_then(|admin| self.view.get("admins", &Id::Uuid(admin.id)).cloned());
        admin.ok_or_else(errors::not_found)
    }

    /// `PATCH /admins/self/password`
    pub(super) async fn own_password(&self, body: Body) -> Result<Answer, Answer> {
        let admin = self.own_admin()?;
        let (members, _) = body.into_members();
        let (old, new) = (required(&members, "old_password")?, required(&members, "password")?);
        let limits = self.gate.settings.change_password_attempts;
        let hash = admin.text("password").map(str::to_owned).ok_or_else(refused)?;
        // Counted before it is looked at: many at once are not more.
        if !self.gate.count_failure(&admin, CHANGE, limits).await? || fitting(old, vec![((), hash)]).await.is_none() {
            return Err(refused());
        }
        if old == new {
            return Err(errors::schema_violation(Errors::of("password", "must differ from the old one")));
        }
        self.check_password(new)?;
        self.gate.forgive(&admin, CHANGE).await?;
        self.set_password(&admin, new).await?;
        self.mail_changed(&admin);
        Ok(Answer::empty(204))
    }

    /// `PATCH /admins/self/token`
    pub(super) async fn own_token(&self, body: Body) -> Result<Answer, Answer> {
        let admin = self.own_admin()?;
        if admin.value.get("rbac_token_enabled") == Some(&Value::Bool(false)) {
            return Err(errors::plain(403, "RBAC tokens are disabled for this admin"));
        }
        let (members, _) = body.into_members();
        let token = match text(&members, "token") {
            Some(token) => token.to_owned(),
            None => access::random().ok_or_else(errors::unexpected)?,
        };
        let user = self.user_behind(&admin)?;
        let mut record = (*user).clone();
        self.gate.take_token(&self.view, Some(&user.id), &token, &mut record.value).await?;
        self.write(vec![Operation::Update(record)]).await?;
        Ok(Answer::json(200, &json!({"token": token, "message": "Token reset successfully"})))
    }
}

/// Whether a text may be an e-mail address: something on both sides of one `@`, and nothing that ends a header line.
fn is_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | ',' | ';'));
    plain && parts.len() == 2 && parts.iter().all(|part| !part.is_empty())
}
