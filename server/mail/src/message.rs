//! A mail, from its words to what the server is given.

use crate::settings::{MailError, Settings};
use exchange::Mail;
use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use serde::{Deserialize, Serialize};

/// The mail that waits in the queue: with what every try has in common.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub id: String,
    pub mail: Mail,
}

pub(crate) fn mailbox(address: &str) -> Result<Mailbox, MailError> {
    address.parse().map_err(|cause| MailError::Address { address: address.to_owned(), cause })
}

impl Waiting {
    /// As the server is given it.
    pub fn message(&self, settings: &Settings) -> Result<Message, MailError> {
        let Mail { to, subject, text } = &self.mail;
        let mut builder: MessageBuilder = Message::builder()
            .from(mailbox(&settings.from)?)
            .to(mailbox(to)?)
            .subject(subject.clone())
            .message_id(Some(format!("<{}@{}>", self.id, settings.domain)))
            .header(ContentType::TEXT_PLAIN);
        if let Some(address) = &settings.reply_to {
            builder = builder.reply_to(mailbox(address)?);
        }
        Ok(builder.body(text.clone())?)
    }
}
