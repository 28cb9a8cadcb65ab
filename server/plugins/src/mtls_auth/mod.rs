//! `mtls-auth`: the client's certificate tells who asks.

mod certificate;
mod config;

pub use config::Config;

use crate::auth::{self, Anonymous, Identifier};
use aws_lc_rs::digest::{Context, SHA256};
use certificate::{Authority, Holder, holder};
use entities::{PluginSchema, Scopes};
use exchange::{
    About, Answer, Consumer, Credential, DirectoryError, Exchange, Flow, Phases, Plugin, Services, Step, TlsSession,
};
use moka::sync::Cache;
use rustls_pki_types::UnixTime;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// The entity that holds names of certificates.
const CREDENTIALS: &str = "mtls_auth_credentials";

/// Tells the upstream the subject of a certificate whose Consumer was not looked up.
const SUBJECT: &str = "X-Client-Cert-Dn";

/// The same for its alternative names.
const NAMES: &str = "X-Client-Cert-San";

/// How many outcomes of verifications are remembered.
const REMEMBERED: u64 = 10_000;

/// `mtls-auth`, configured.
pub struct MtlsAuth {
    config: Config,
    anonymous: Anonymous,
    known: Cache<[u8; 32], Arc<Verdict>>,
}

/// The outcome of a verification, and the authorities it was made by.
struct Verdict {
    holder: Option<Arc<Holder>>,
    authorities: Vec<Authority>,
}

impl Verdict {
    /// Whether it still is the one that would be made.
    fn holds(&self, authorities: &[Authority], now: i64) -> bool {
        let same = |(one, other): (&Authority, &Authority)| one.0 == other.0 && Arc::ptr_eq(&one.1, &other.1);
        self.authorities.len() == authorities.len()
            && self.authorities.iter().zip(authorities).all(same)
            && self.holder.as_ref().is_none_or(|holder| now <= holder.until)
    }
}

/// Who holds a certificate.
enum Found {
    Credential(Arc<Credential>),
    Consumer(Arc<Consumer>),
    Nobody,
}

impl MtlsAuth {
    /// Who the client is by its certificate; `None` where nobody vouches for it.
    fn verified(&self, exchange: &Exchange, tls: &TlsSession) -> Option<Arc<Holder>> {
        let directory = &exchange.directory;
        let listed = self.config.ca_certificates.iter().filter_map(|id| Some((*id, directory.authority(*id)?)));
        let authorities: Vec<Authority> = listed.collect();
        let now = exchange.timeline.wall();
        let seconds = since_epoch(now).as_secs();
        let mut digest = Context::new(&SHA256);
        for certificate in &tls.client_certificates {
            digest.update(&certificate.len().to_be_bytes());
            digest.update(certificate);
        }
        let mut key = [0; 32];
        key.copy_from_slice(digest.finish().as_ref());
        let known = self.known.get(&key).filter(|known| known.holds(&authorities, seconds.cast_signed()));
        if let Some(known) = known {
            return known.holder.clone();
        }
        let time = UnixTime::since_unix_epoch(since_epoch(now));
        let found = holder(&tls.client_certificates, &authorities, self.config.allow_partial_chain, time);
        if let Err(error) = &found {
            tracing::info!(plugin = Self::NAME, "a client's certificate is not valid: {error}");
        }
        let holder = found.ok().map(Arc::new);
        self.known.insert(key, Arc::new(Verdict { holder: holder.clone(), authorities }));
        holder
    }

    /// Whoever has a valid certificate passes; groups are for `acl`.
    fn pass(&self, exchange: &mut Exchange, holder: &Holder) -> Step<'static> {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_X500, holder.subject.as_bytes());
        let credential = Credential { id, entity: CREDENTIALS, ..Credential::default() };
        exchange.authenticate(None, Some(Arc::new(credential)), None);
        for (name, value) in [(SUBJECT, holder.subject.clone()), (NAMES, holder.alternative.join(", "))] {
            exchange.request.headers.remove(name);
            if !value.is_empty() {
                exchange.request.headers.append(name, value);
            }
        }
        let group = match self.config.authenticated_group_by.as_str() {
            "DN" => Some(holder.subject.clone()),
            _ => holder.common_name.clone(),
        };
        exchange.identity.authenticated_groups = group.into_iter().collect();
        Step::NEXT
    }

    /// In Kong's order: a credential for the authority, one for any, a Consumer of that name, the default Consumer.
    async fn find(&self, exchange: &Exchange, holder: &Holder) -> Result<Found, DirectoryError> {
        let (directory, ws) = (&exchange.directory, exchange.workspace);
        let mut of_any = None;
        for name in &holder.names {
            let Some(credential) = directory.credential(ws, CREDENTIALS, name).get().await? else { continue };
            match credential.record.get("ca_certificate").and_then(|authority| authority.get("id")) {
                Some(Value::String(id)) => {
                    if Uuid::try_parse(id).is_ok_and(|id| holder.authorities.contains(&id)) {
                        return Ok(Found::Credential(credential));
                    }
                }
                _ => of_any = of_any.or(Some(credential)),
            }
        }
        if let Some(credential) = of_any {
            return Ok(Found::Credential(credential));
        }
        for name in &holder.names {
            for field in self.config.consumer_by.iter().flatten() {
                let lookup = match field.as_str() {
                    "custom_id" => directory.consumer_by_custom_id(ws, name),
                    _ => directory.consumer_by_username(ws, name),
                };
                if let Some(consumer) = lookup.get().await? {
                    return Ok(Found::Consumer(consumer));
                }
            }
        }
        let Some(default) = &self.config.default_consumer else { return Ok(Found::Nobody) };
        if let Ok(id) = Uuid::try_parse(default)
            && let Some(consumer) = directory.consumer(ws, id).get().await?
        {
            return Ok(Found::Consumer(consumer));
        }
        let consumer = directory.consumer_by_username(ws, default).get().await?;
        Ok(consumer.map_or(Found::Nobody, Found::Consumer))
    }

    async fn identify(&self, exchange: &mut Exchange, holder: &Holder) -> Flow {
        match self.find(exchange, holder).await {
            Ok(Found::Credential(credential)) => auth::flow(auth::accept(exchange, credential, Identifier::Id)).await,
            Ok(Found::Consumer(consumer)) => {
                let credential = Credential {
                    id: consumer.id,
                    entity: CREDENTIALS,
                    consumer: Some(consumer.id),
                    ..Credential::default()
                };
                exchange.authenticate(Some(consumer), Some(Arc::new(credential)), None);
                Flow::Next
            }
            Ok(Found::Nobody) => {
                tracing::info!(plugin = Self::NAME, "a client's certificate belongs to no Consumer");
                auth::flow(self.anonymous.refuse(exchange, not_verified())).await
            }
            Err(error) => auth::unavailable(&error).into(),
        }
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn not_verified() -> Answer {
    Answer::error(401, "TLS certificate failed verification")
}

impl Plugin for MtlsAuth {
    const NAME: &'static str = "mtls-auth";
    const PRIORITY: i32 = 1600;
    const PHASES: Phases = Phases::ACCESS;
    type Config = Config;

    fn schema() -> PluginSchema {
        PluginSchema::new::<Config>(Self::NAME).priority(Self::PRIORITY).scopes(Scopes::NO_CONSUMER)
    }

    fn new(config: Config, _about: &About, _services: &Services) -> Result<Self, String> {
        let known = Cache::builder().max_capacity(REMEMBERED);
        let ttl = Duration::try_from_secs_f64(config.cache_ttl).unwrap_or_default();
        Ok(Self {
            anonymous: Anonymous::new(config.anonymous.as_deref()),
            known: known.time_to_live(ttl.min(Duration::from_secs(86_400))).build(),
            config,
        })
    }

    fn access<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        if self.anonymous.satisfied(exchange) {
            return Step::NEXT;
        }
        let Some(tls) = exchange.request.tls.clone().filter(|tls| !tls.client_certificates.is_empty()) else {
            return self.anonymous.refuse(exchange, Answer::error(401, "No required TLS certificate was sent"));
        };
        let Some(holder) = self.verified(exchange, &tls) else {
            return self.anonymous.refuse(exchange, not_verified());
        };
        if self.config.skip_consumer_lookup {
            return self.pass(exchange, &holder);
        }
        Step::Wait(Box::pin(async move { self.identify(exchange, &holder).await }))
    }

    fn asks_for_certificate(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
