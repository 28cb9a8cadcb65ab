//! Mails to admins: invitations, and what becomes of their passwords.

use super::desk::Call;
use crate::query;
use exchange::Mail;
use store::Record;

/// Where the manager is where nothing else is said.
const MANAGER: &str = "http://localhost:8002";

impl Call<'_> {
    /// A page of the manager for an admin with a token.
    pub(super) fn page_for(&self, page: &str, admin: &Record, token: &str) -> String {
        let base = self.gate.settings.manager_urls.first().map_or(MANAGER, String::as_str).trim_end_matches('/');
        let of = |name: &str| query::escape(admin.text(name).unwrap_or_default());
        format!("{base}/{page}?email={}&username={}&token={token}", of("email"), of("username"))
    }

    /// Whether admins get mails at all.
    pub(super) fn mails(&self) -> bool {
        self.gate.settings.mailer.is_some()
    }

    fn mail(&self, admin: &Record, subject: &str, text: String) {
        let Some(to) = admin.text("email") else { return };
        let text = format!("Hello {},\n\n{text}\n", admin.text("username").unwrap_or_default());
        let mail = Mail { to: to.to_owned(), subject: subject.to_owned(), text };
        match &self.gate.settings.mailer {
            Some(mailer) => mailer.send(mail),
            // smtp_mock: for who looks for it.
            None => tracing::debug!(to = mail.to, subject = mail.subject, text = mail.text, "a mail is not sent"),
        }
    }

    /// Invites an admin by mail.
    pub(super) fn mail_invitation(&self, admin: &Record, token: &str) {
        let ends = match self.gate.settings.invitation_expiry {
            Some(time) => format!("It is open for {} hours.", time.as_secs().div_ceil(3600)),
            None => "It stays open until it is used.".to_owned(),
        };
        let text = format!(
            "You are invited to manage the API gateway. Choose a password here:\n\n{}\n\nThe token of this invitation is \
             {token}. {ends}",
            self.page_for("register", admin, token)
        );
        self.mail(admin, "Invitation to the API gateway", text);
    }

    /// Sends an admin what a new password can be set with.
    pub(super) fn mail_reset(&self, admin: &Record, token: &str, seconds: i64) {
        let text = format!(
            "Someone, probably you, asked to reset your password for the API gateway. Choose a new one here:\n\n{}\n\nThe \
             token is {token}; it is good for {} hours. If it was not you, nothing needs to be done.",
            self.page_for("account/reset-password", admin, token),
            seconds / 3600
        );
        self.mail(admin, "Reset of your password for the API gateway", text);
    }

    /// Tells an admin that the password is another one now.
    pub(super) fn mail_changed(&self, admin: &Record) {
        let text = "Your password for the API gateway was changed, and everyone who was signed in with the old one was \
                    signed out. If it was not you, tell who runs the gateway.";
        self.mail(admin, "Your password for the API gateway was changed", text.to_owned());
    }
}
