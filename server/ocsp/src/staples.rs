//! What handshakes show, and whom is asked about it next.

use crate::response::{Refused, Staple, check};
use crate::schedule::{pause, recheck, refresh};
use crate::subject::{Subject, SubjectError, must_be_stapled, named};
use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand;
use exchange::{HttpClient, HttpError, HttpRequest};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// For one question, connecting included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer. Most have less than 2 kB.
const LONGEST: usize = 64 << 10;
/// After how long a question is asked again whose answer never came back here: whoever asked it died.
const LOST: Duration = Duration::from_secs(60);

/// SHA-256 of a chain.
pub type Fingerprint = [u8; 32];

/// A certificate with its key, as handshakes show it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Without a staple.
    pub key: Arc<CertifiedKey>,
    // Only of certificates that must be stapled.
    fingerprint: Option<Fingerprint>,
}

impl Shown {
    /// Looks whether it must be stapled.
    pub fn new(key: Arc<CertifiedKey>) -> Self {
        let wants = key.cert.first().is_some_and(|leaf| must_be_stapled(leaf));
        let fingerprint = wants.then(|| {
            let mut context = Context::new(&SHA256);
            key.cert.iter().for_each(|certificate| context.update(certificate));
            let mut fingerprint = Fingerprint::default();
            fingerprint.copy_from_slice(context.finish().as_ref());
            fingerprint
        });
        Self { key, fingerprint }
    }

    /// Whether it must be stapled.
    pub fn must_be_stapled(&self) -> bool {
        self.fingerprint.is_some()
    }

    /// What it is known by, where it must be stapled, and itself.
    fn wanted(&self) -> Option<(Fingerprint, Arc<CertifiedKey>)> {
        Some((self.fingerprint?, self.key.clone()))
    }
}

/// A certificate that must be stapled.
pub struct Slot {
    key: Arc<CertifiedKey>,
    stapled: ArcSwapOption<Stapled>,
    plan: Mutex<Plan>,
}

struct Stapled {
    key: Arc<CertifiedKey>,
    until: SystemTime,
}

/// When somebody is asked.
#[derive(Clone, Copy)]
struct Plan {
    /// `None` where asking again would be no use.
    next: Option<Instant>,
    /// In a row.
    failures: u32,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Certificates that must be stapled, and are.
    pub stapled: u64,
    /// Certificates that must be stapled, and are not.
    pub bare: u64,
    /// Answers that were good.
    pub good: u64,
    /// Answers that a certificate is revoked.
    pub revoked: u64,
    /// Questions without an answer that can be used.
    pub failed: u64,
}

/// The staples of a node. Outlive who asks for them.
#[derive(Default)]
pub struct Staples {
    slots: ArcSwap<Slots>,
    followed: Mutex<Followed>,
    /// There is something new to ask, or somebody has done with asking.
    pub changed: Notify,
    good: AtomicU64,
    revoked: AtomicU64,
    failed: AtomicU64,
}

type Slots = HashMap<Fingerprint, Arc<Slot>, foldhash::fast::RandomState>;

#[derive(Default)]
struct Followed {
    own: Vec<Shown>,
    authorities: Arc<Vec<Arc<[u8]>>>,
}

/// Why there is nothing new to staple.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Subject(#[from] SubjectError),
    #[error("{0}: {1}")]
    Unreachable(String, HttpError),
    #[error("{0}: the responder answered with status {1}")]
    Status(String, u16),
    #[error("{0}: {1}")]
    Refused(String, Refused),
}

impl Staples {
    /// What a handshake shows: the certificate with its staple, where it must have one and there is one. Takes no lock.
    pub fn show(&self, certificate: &Shown) -> Arc<CertifiedKey> {
        let stapled = certificate.fingerprint.and_then(|fingerprint| {
            let slots = self.slots.load();
            slots.get(&fingerprint)?.stapled(SystemTime::now())
        });
        stapled.unwrap_or_else(|| certificate.key.clone())
    }

    /// Certificates that are in use from now on beside those of configurations.
    pub fn keep(&self, certificates: impl IntoIterator<Item = Shown>) {
        let mut followed = self.followed();
        followed.own.extend(certificates.into_iter().filter(Shown::must_be_stapled));
        let mut slots = Slots::clone(&self.slots.load());
        for (fingerprint, key) in followed.own.iter().filter_map(Shown::wanted) {
            slots.entry(fingerprint).or_insert_with(|| Arc::new(Slot::new(key)));
        }
        self.put(slots);
    }

    /// Follows a configuration that is about to be in use: its certificates, and its CA certificates, DER. What it still
    /// has keeps its staple; what it has no more is forgotten.
    pub fn follow<'a>(
        &self,
        certificates: impl IntoIterator<Item = &'a Shown>,
        authorities: impl IntoIterator<Item = Arc<[u8]>>,
    ) {
        let mut followed = self.followed();
        let slots = self.slots.load_full();
        let wanted: Slots = certificates
            .into_iter()
            .filter_map(Shown::wanted)
            .chain(followed.own.iter().filter_map(Shown::wanted))
            .map(|(fingerprint, key)| {
                let slot = slots.get(&fingerprint).cloned();
                (fingerprint, slot.unwrap_or_else(|| Arc::new(Slot::new(key))))
            })
            .collect();
        let mut authorities: Vec<_> = authorities.into_iter().collect();
        authorities.sort_unstable();
        if *followed.authorities != authorities {
            followed.authorities = Arc::new(authorities);
            // An issuer that was unknown may be known now.
            for slot in slots.values() {
                slot.plan().next.get_or_insert_with(Instant::now);
            }
        }
        if !(wanted.is_empty() && slots.is_empty()) {
            self.put(wanted);
        }
    }

    fn put(&self, slots: Slots) {
        self.slots.store(Arc::new(slots));
        self.changed.notify_one();
    }

    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate that was to be asked about first, where its time has come; nobody else gets it meanwhile.
    pub fn take_due(&self, now: Instant) -> Option<Arc<Slot>> {
        let slots = self.slots.load();
        let (slot, _) = planned(&slots).min_by_key(|(_, next)| *next).filter(|(_, next)| *next <= now)?;
        slot.plan().next = Some(now + LOST);
        Some(slot.clone())
    }

    /// When there is something to ask; `None` for never.
    pub fn next(&self) -> Option<Instant> {
        planned(&self.slots.load()).map(|(_, next)| next).min()
    }

    /// Asks about a certificate once, staples what is good, and says in the log what went wrong.
    pub async fn ask(&self, slot: &Slot, http: &dyn HttpClient) {
        let authorities = self.followed().authorities.clone();
        let asked = slot.question(&authorities, http).await;
        let now = SystemTime::now();
        let answered = asked.and_then(|(subject, answer)| {
            check(&subject, &answer, now).map_err(|error| Unanswered::Refused(subject.responder, error))
        });
        match answered {
            Ok(staple) => {
                self.good.fetch_add(1, Relaxed);
                slot.staple(staple, now);
            }
            Err(Unanswered::Subject(error)) => {
                self.failed.fetch_add(1, Relaxed);
                let followed = self.followed();
                // Where CA certificates changed meanwhile, what is missing may be there.
                let known = Arc::ptr_eq(&followed.authorities, &authorities);
                slot.plan().next = (!known).then(Instant::now);
                drop(followed);
                tracing::error!("the certificate {} must be stapled, and cannot be: {error}", slot.name());
            }
            Err(error) => {
                let revoked = matches!(error, Unanswered::Refused(_, Refused::Revoked(_)));
                if revoked { &self.revoked } else { &self.failed }.fetch_add(1, Relaxed);
                slot.go_without(&error, now);
            }
        }
    }

    /// What is counted at this moment.
    pub fn figures(&self) -> Figures {
        let (slots, now) = (self.slots.load(), SystemTime::now());
        let stapled = slots.values().filter(|slot| slot.stapled(now).is_some()).count() as u64;
        Figures {
            stapled,
            bare: slots.len() as u64 - stapled,
            good: self.good.load(Relaxed),
            revoked: self.revoked.load(Relaxed),
            failed: self.failed.load(Relaxed),
        }
    }
}

fn planned(slots: &Slots) -> impl Iterator<Item = (&Arc<Slot>, Instant)> {
    slots.values().filter_map(|slot| Some((slot, slot.plan().next?)))
}

impl Slot {
    fn new(key: Arc<CertifiedKey>) -> Self {
        let plan = Mutex::new(Plan { next: Some(Instant::now()), failures: 0 });
        Self { key, stapled: ArcSwapOption::empty(), plan }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With its staple, where that may be shown.
    fn stapled(&self, now: SystemTime) -> Option<Arc<CertifiedKey>> {
        let stapled = self.stapled.load();
        stapled.as_ref().filter(|stapled| now < stapled.until).map(|stapled| stapled.key.clone())
    }

    fn name(&self) -> String {
        named(self.key.cert.first().map(AsRef::as_ref).unwrap_or_default())
    }

    async fn question(
        &self,
        authorities: &[Arc<[u8]>],
        http: &dyn HttpClient,
    ) -> Result<(Subject, Vec<u8>), Unanswered> {
        let subject = Subject::of(&self.key.cert, authorities.iter().map(AsRef::as_ref))?;
        // RFC 6960 appendix A.1.
        let mut request = HttpRequest::new("POST", subject.responder.clone(), subject.request.clone())
            .header("Content-Type", "application/ocsp-request")
            .header("Accept", "application/ocsp-response");
        (request.timeout, request.max_answer) = (PATIENCE, LONGEST);
        let unreachable = |error| Unanswered::Unreachable(subject.responder.clone(), error);
        let answer = http.send(request).await.map_err(unreachable)?;
        if answer.status != 200 {
            return Err(Unanswered::Status(subject.responder, answer.status));
        }
        Ok((subject, answer.body.to_vec()))
    }

    fn staple(&self, staple: Staple, now: SystemTime) {
        let (name, first) = (self.name(), self.stapled(now).is_none());
        let left = staple.until.duration_since(now).unwrap_or_default();
        let key = Arc::new(CertifiedKey { ocsp: Some(staple.response), ..(*self.key).clone() });
        self.stapled.store(Some(Arc::new(Stapled { key, until: staple.until })));
        let next = refresh(left, chance());
        *self.plan() = Plan { next: Some(Instant::now() + next), failures: 0 };
        let (left, next) = (left.as_secs(), next.as_secs());
        match first {
            true => tracing::info!("the certificate {name} is stapled: valid for {left} s, asked again in {next} s"),
            false => tracing::debug!("the staple of {name} is new: valid for {left} s, asked again in {next} s"),
        }
    }

    fn go_without(&self, error: &Unanswered, now: SystemTime) {
        let name = self.name();
        if let Unanswered::Refused(responder, error @ Refused::Revoked(_)) = error {
            // What was said before does not count any more.
            self.stapled.store(None);
            let next = recheck(chance());
            *self.plan() = Plan { next: Some(Instant::now() + next), failures: 0 };
            tracing::error!(
                "the certificate {name} is not stapled, {responder} says: {error}; it should be replaced; asked again in {} s",
                next.as_secs()
            );
            return;
        }
        let pause = {
            let mut plan = self.plan();
            plan.failures = plan.failures.saturating_add(1);
            let pause = pause(plan.failures, chance());
            plan.next = Some(Instant::now() + pause);
            pause.as_secs()
        };
        match self.stapled(now) {
            Some(_) => tracing::warn!("the staple of {name} stays as it is: {error}; asked again in {pause} s"),
            None => tracing::error!(
                "the certificate {name} must be stapled, and is shown without: {error}; asked again in {pause} s"
            ),
        }
    }
}

/// Between 0 and 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    match rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
#[path = "staples_tests.rs"]
mod tests;
