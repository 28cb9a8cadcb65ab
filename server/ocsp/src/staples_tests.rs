use super::*;
use crate::testing::{Answer, Authority, Leaf, Status};
use exchange::HttpResponse;
use exchange::http_client::Asking;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivateKeyDer;
use std::future::Future;

/// A responder, and what it was asked.
#[derive(Default)]
struct Responder {
    answer: Mutex<Option<(u16, Vec<u8>)>>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl HttpClient for Responder {
    fn send(&self, request: HttpRequest) -> Asking {
        self.asked.lock().unwrap().push(request);
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(std::future::ready(match answer {
            Some((status, body)) => Ok(HttpResponse { status, body: body.into(), ..HttpResponse::default() }),
            None => Err(HttpError::new("connection refused")),
        }))
    }
}

impl Responder {
    fn answers(&self, status: u16, body: Vec<u8>) {
        *self.answer.lock().unwrap() = Some((status, body));
    }

    /// How often it was asked until now.
    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn shown(leaf: Leaf, authority: &Authority, whole: bool) -> Shown {
    let (leaf, key) = leaf.with_key(authority);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let chain = [leaf].into_iter().chain(whole.then(|| authority.der())).collect();
    Shown::new(Arc::new(CertifiedKey::from_der(chain, key, &default_provider()).unwrap()))
}

/// An answer of this moment.
fn answer(shown: &Shown, authority: &Authority, status: Status, seconds: i64) -> Vec<u8> {
    let issuer = authority.der();
    let subject = Subject::of(&shown.key.cert, [issuer.as_ref()]).unwrap();
    let now = SystemTime::now().duration_since(crate::testing::now()).map_or_else(
        |error| -i64::try_from(error.duration().as_secs()).unwrap(),
        |after| i64::try_from(after.as_secs()).unwrap(),
    );
    Answer { status, this: now - 60, next: Some(now + seconds), ..Answer::default() }.der(&subject, authority)
}

/// Asks about everything that is due at a moment; tells about how much.
fn ask(staples: &Staples, responder: &Responder, at: Instant) -> usize {
    let before = responder.count();
    let due: Vec<_> = std::iter::from_fn(|| staples.take_due(at)).collect();
    for slot in due {
        let mut asking = std::pin::pin!(staples.ask(&slot, responder));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(asking.as_mut().poll(&mut context).is_ready());
    }
    responder.count() - before
}

fn staple(staples: &Staples, shown: &Shown) -> Option<Vec<u8>> {
    staples.show(shown).ocsp.clone()
}

/// In how many seconds something is asked.
fn wait(staples: &Staples) -> u64 {
    staples.next().unwrap().duration_since(Instant::now()).as_secs_f64().round() as u64
}

#[test]
fn what_need_not_be_stapled_costs_nothing() {
    let authority = Authority::new("CA");
    let plain = shown(Leaf { features: None, ..Leaf::default() }, &authority, true);
    let staples = Staples::default();
    staples.keep([plain.clone()]);
    staples.follow([&plain], [Arc::from(authority.der().as_ref())]);
    assert_eq!((staples.next(), staples.figures()), (None, Figures::default()));
    assert!(Arc::ptr_eq(&staples.show(&plain), &plain.key));
}

#[test]
fn a_staple_stays_as_long_as_it_may() {
    let authority = Authority::new("CA");
    let (staples, responder) = (Staples::default(), Responder::default());
    let leaf = shown(Leaf::default(), &authority, true);
    staples.follow([&leaf], []);
    assert_eq!(staple(&staples, &leaf), None);

    // Nobody answers; then something else does.
    assert_eq!(ask(&staples, &responder, Instant::now()), 1);
    assert_eq!((staple(&staples, &leaf), wait(&staples)), (None, 2));
    assert_eq!(ask(&staples, &responder, Instant::now()), 0);
    responder.answers(200, b"<html>".to_vec());
    ask(&staples, &responder, staples.next().unwrap());
    let third = wait(&staples);
    assert!(staple(&staples, &leaf).is_none() && (3..=5).contains(&third), "{third}");

    let good = answer(&leaf, &authority, Status::Good, 7200);
    responder.answers(200, good.clone());
    ask(&staples, &responder, staples.next().unwrap());
    assert_eq!(staple(&staples, &leaf).as_ref(), Some(&good));
    let refresh = wait(&staples);
    assert!((3200..=4000).contains(&refresh), "{refresh}");
    {
        let asked = responder.asked.lock().unwrap();
        let request = asked.first().unwrap();
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "http://ocsp.test/a"));
        assert!(request.headers.contains(&("Content-Type".into(), "application/ocsp-request".into())));
    }

    // What comes later is wrong: the one before stays.
    let other = shown(Leaf { serial: &[7], ..Leaf::default() }, &authority, true);
    for (status, body) in [
        (500, Vec::new()),
        (200, Vec::new()),
        (200, answer(&other, &authority, Status::Good, 7200)),
        (200, answer(&leaf, &authority, Status::Good, -1)),
        (200, answer(&leaf, &authority, Status::Unknown, 7200)),
        (200, answer(&leaf, &Authority::new("CA"), Status::Revoked(None), 7200)),
    ] {
        responder.answers(status, body);
        assert_eq!(ask(&staples, &responder, staples.next().unwrap()), 1);
        assert_eq!(staple(&staples, &leaf).as_ref(), Some(&good));
    }
    assert_eq!(staples.figures(), Figures { stapled: 1, bare: 0, good: 1, revoked: 0, failed: 8 });

    // The issuer has revoked it.
    responder.answers(200, answer(&leaf, &authority, Status::Revoked(None), 7200));
    ask(&staples, &responder, staples.next().unwrap());
    assert_eq!(staple(&staples, &leaf), None);
    assert!((3200..=4000).contains(&wait(&staples)));
    assert_eq!(staples.figures(), Figures { stapled: 0, bare: 1, good: 1, revoked: 1, failed: 8 });
}

#[test]
fn a_staple_whose_time_is_over_is_not_shown() {
    let authority = Authority::new("CA");
    let (staples, responder) = (Staples::default(), Responder::default());
    let leaf = shown(Leaf::default(), &authority, true);
    staples.follow([&leaf], []);
    responder.answers(200, answer(&leaf, &authority, Status::Good, 3));
    ask(&staples, &responder, Instant::now());
    let slot = staples.slots.load().values().next().cloned().unwrap();
    let until = slot.stapled.load().as_ref().unwrap().until;
    assert!(slot.stapled(until - Duration::from_millis(1)).is_some());
    assert!(slot.stapled(until).is_none());
}

#[test]
fn configurations_come_and_go() {
    let authority = Authority::new("CA");
    let (staples, responder) = (Staples::default(), Responder::default());
    let (leaf, own) = (shown(Leaf::default(), &authority, true), shown(Leaf::default(), &authority, true));
    staples.follow([&leaf], []);
    staples.keep([own.clone()]);
    let good = answer(&leaf, &authority, Status::Good, 7200);
    responder.answers(200, good.clone());
    // They have the same serial number and the same issuer.
    assert_eq!(ask(&staples, &responder, Instant::now()), 2);

    // The same once more, compiled anew.
    let again = Shown::new(Arc::new((*leaf.key).clone()));
    staples.follow([&again, &again], []);
    assert_eq!(ask(&staples, &responder, Instant::now()), 0);
    assert_eq!((staple(&staples, &again).as_ref(), staple(&staples, &own).as_ref()), (Some(&good), Some(&good)));

    // Gone, and back.
    staples.follow([], []);
    assert_eq!((staple(&staples, &leaf), staple(&staples, &own).as_ref()), (None, Some(&good)));
    staples.follow([&leaf], []);
    assert_eq!(staple(&staples, &leaf), None);
    assert_eq!(ask(&staples, &responder, Instant::now()), 1);
}

#[test]
fn an_issuer_may_come_later() {
    let authority = Authority::new("CA");
    let (staples, responder) = (Staples::default(), Responder::default());
    let leaf = shown(Leaf::default(), &authority, false);
    responder.answers(200, answer(&leaf, &authority, Status::Good, 7200));
    let others = || [Arc::<[u8]>::from(Authority::new("CA").der().as_ref())];
    staples.follow([&leaf], others());
    assert_eq!(ask(&staples, &responder, Instant::now()), 0);
    assert_eq!(staples.next(), None);
    staples.follow([&leaf], [Arc::from(authority.der().as_ref())]);
    assert_eq!(ask(&staples, &responder, Instant::now()), 1);
    assert!(staple(&staples, &leaf).is_some());
    // It has what it needs: other authorities are no reason to ask.
    staples.follow([&leaf], others());
    assert_eq!(ask(&staples, &responder, Instant::now()), 0);
}

#[test]
fn who_dies_while_asking_is_followed_by_another() {
    let authority = Authority::new("CA");
    let (staples, responder) = (Staples::default(), Responder::default());
    let leaf = shown(Leaf::default(), &authority, true);
    staples.follow([&leaf], []);
    let now = Instant::now();
    assert!(staples.take_due(now).is_some());
    assert!(staples.take_due(now).is_none());
    assert_eq!(ask(&staples, &responder, now + LOST), 1);
}
