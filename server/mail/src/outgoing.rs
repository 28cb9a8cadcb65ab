//! The way out: a queue, and the mail server behind it.

use crate::message::{Waiting, mailbox};
use crate::settings::{Auth, MailError, Scheme, Security, Settings};
use bytes::Bytes;
use exchange::{
    Destination, Mail, Mailer, Outbox, Pack, QueueLimits, Receiver, Receiving, Recipient, Shipment, Shipping,
};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// What waits, and for how long: a mail that cannot be delivered does not hold up others.
fn limits() -> QueueLimits {
    QueueLimits {
        max_entries: 1000,
        max_bytes: Some(16 << 20),
        max_retry_time: Duration::from_secs(600),
        initial_retry_delay: Duration::from_secs(5),
        max_retry_delay: Duration::from_secs(120),
        concurrent: true,
        ..QueueLimits::once(1)
    }
}

/// Takes mails.
pub struct Outgoing(Arc<dyn Outbox>);

impl Outgoing {
    /// Opens the way out. Nobody is asked yet.
    ///
    /// # Errors
    /// Where the sender's address is none, or TLS cannot be spoken with these authorities.
    pub fn open(settings: Settings, shipping: &dyn Shipping) -> Result<Self, MailError> {
        let destination = Destination::Receiver(Recipient {
            name: format!("{}:{} (SMTP)", settings.host, settings.port),
            receiver: Arc::new(Server::new(settings)?),
        });
        let (name, limits, pack) = ("mail".to_owned(), limits(), Pack::Each);
        Ok(Self(shipping.open(Shipment { plugin: "mail", name, limits, pack, destination })))
    }

    /// Leaves a mail; it goes out beside whoever leaves it.
    ///
    /// # Errors
    /// Where its address is none.
    pub fn leave(&self, mail: Mail) -> Result<(), MailError> {
        mailbox(&mail.to)?;
        let waiting = Waiting { id: Uuid::new_v4().to_string(), mail };
        // Strings are always written.
        self.0.push(serde_json::to_vec(&waiting).unwrap_or_default().into());
        Ok(())
    }
}

impl Mailer for Outgoing {
    fn send(&self, mail: Mail) {
        if let Err(error) = self.leave(mail) {
            tracing::error!("{error}");
        }
    }
}

/// The mail server.
struct Server {
    transport: Transport,
    settings: Arc<Settings>,
}

impl Server {
    fn new(settings: Settings) -> Result<Self, MailError> {
        mailbox(&settings.from)?;
        settings.reply_to.as_deref().map(mailbox).transpose()?;
        let tls = match settings.security {
            Security::None => Tls::None,
            Security::StartTls => Tls::Required(parameters(&settings)?),
            Security::Tls => Tls::Wrapper(parameters(&settings)?),
        };
        let mut builder = Transport::builder_dangerous(&settings.host)
            .port(settings.port)
            .hello_name(ClientId::Domain(settings.domain.clone()))
            .timeout(Some(settings.step))
            .tls(tls);
        if let Some(Auth { scheme, user, password }) = &settings.auth {
            let mechanism = match scheme {
                Scheme::Plain => Mechanism::Plain,
                Scheme::Login => Mechanism::Login,
            };
            let credentials = Credentials::new(user.clone(), password.clone());
            builder = builder.credentials(credentials).authentication(vec![mechanism]);
        }
        Ok(Self { transport: builder.build(), settings: Arc::new(settings) })
    }
}

/// Who may vouch for the server.
fn parameters(settings: &Settings) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    builder = builder.certificate_store(match settings.authorities.is_empty() {
        true => CertificateStore::WebpkiRoots,
        false => CertificateStore::None,
    });
    for authority in &settings.authorities {
        builder = builder.add_root_certificate(Certificate::from_der(authority.clone()).map_err(MailError::Tls)?);
    }
    builder.build().map_err(MailError::Tls)
}

impl Receiver for Server {
    fn receive(&self, message: Bytes) -> Receiving {
        let (transport, settings) = (self.transport.clone(), self.settings.clone());
        Box::pin(async move {
            let waiting: Waiting = serde_json::from_slice(&message).map_err(|error| error.to_string())?;
            let message = waiting.message(&settings).map_err(|error| error.to_string())?;
            match tokio::time::timeout(settings.whole, transport.send(message)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(format!("the mail server: {error}")),
                Err(_) => Err("the mail server takes too long".to_owned()),
            }
        })
    }
}
