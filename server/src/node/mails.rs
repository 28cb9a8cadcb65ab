//! Mails of the Admin API, on their way to the room that sends them.

use super::core::Core;
use super::translate;
use admin::{Mail, Mailer};
use config::Settings;
use mail::Outgoing;
use std::sync::Arc;

/// Mails that are left with the node's `Shipper`.
struct Post(Outgoing);

impl Mailer for Post {
    fn send(&self, mail: Mail) {
        let Mail { to, subject, text } = mail;
        if let Err(error) = self.0.leave(mail::Mail { to, subject, text }) {
            tracing::error!("{error}");
        }
    }
}

/// What sends mails; none where they are only pretended (`smtp_mock`).
///
/// # Errors
/// A sentence, where the settings do not suffice.
pub fn open(settings: &Settings, core: &Core) -> Result<Option<Arc<dyn Mailer>>, String> {
    let Some(given) = translate::mail(settings)? else { return Ok(None) };
    let outgoing = Outgoing::open(given, &*core.outbound.depot).map_err(|error| error.to_string())?;
    Ok(Some(Arc::new(Post(outgoing))))
}
