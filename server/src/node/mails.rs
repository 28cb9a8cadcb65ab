//! Mails of the Admin API, on their way to the room that sends them.

use super::core::Core;
use super::translate;
use config::Settings;
use exchange::Mailer;
use mail::Outgoing;
use std::sync::Arc;

/// What sends mails; none where they are only pretended (`smtp_mock`).
///
/// # Errors
/// A sentence, where the settings do not suffice.
pub fn open(settings: &Settings, core: &Core) -> Result<Option<Arc<dyn Mailer>>, String> {
    let Some(given) = translate::mail(settings)? else { return Ok(None) };
    let outgoing = Outgoing::open(given, &*core.outbound.depot).map_err(|error| error.to_string())?;
    Ok(Some(Arc::new(outgoing)))
}
