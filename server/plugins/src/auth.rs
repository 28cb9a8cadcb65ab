//! What every authentication plugin shares: the combination of several of them through `anonymous`, the challenge,
//! the steps from a credential to its Consumer, and comparison in constant time.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use exchange::response::Source;
use exchange::{Answer, Consumer, Credential, DirectoryError, Exchange, Flow, Lookup, Step};
use std::hint::black_box;
use std::sync::Arc;
use uuid::Uuid;

/// The `anonymous` option: unset, a failure answers at once and every authentication plugin must succeed; set, one
/// of them is enough, and where none succeeds this Consumer stands in.
#[derive(Debug, Default)]
pub struct Anonymous(Option<Arc<str>>);

impl Anonymous {
    /// From the option; its value is a Consumer's id or username.
    pub fn new(consumer: Option<&str>) -> Self {
        Self(consumer.map(Arc::from))
    }

    /// Whether there is nothing left to do: an earlier plugin has found a credential, and one is enough.
    pub fn satisfied(&self, exchange: &Exchange) -> bool {
        self.0.is_some() && exchange.identity.credential.is_some()
    }

    /// Authentication failed: the stand-in, or else the answer.
    pub fn refuse<'a>(&self, exchange: &'a mut Exchange, answer: Answer) -> Step<'a> {
        let Some(name) = &self.0 else { return answer.into() };
        if let Ok(id) = Uuid::try_parse(name) {
            let lookup = exchange.directory.consumer(exchange.workspace, id);
            let name = Arc::clone(name);
            return settled(exchange, lookup, move |exchange, found| match found {
                Ok(Some(consumer)) => stand_in(exchange, Some(consumer)),
                Ok(None) => by_username(exchange, &name),
                Err(error) => unavailable(&error).into(),
            });
        }
        by_username(exchange, name)
    }
}

fn by_username<'a>(exchange: &'a mut Exchange, name: &str) -> Step<'a> {
    let lookup = exchange.directory.consumer_by_username(exchange.workspace, name);
    settled(exchange, lookup, |exchange, found| match found {
        Ok(consumer) => stand_in(exchange, consumer),
        Err(error) => unavailable(&error).into(),
    })
}

/// An anonymous Consumer that does not exist is an error of the configuration, not of the client.
fn stand_in(exchange: &mut Exchange, consumer: Option<Arc<Consumer>>) -> Step<'_> {
    if consumer.is_none() {
        return failure().into();
    }
    exchange.authenticate(consumer, None, None);
    Step::NEXT
}

/// What of a credential goes to the upstream as `X-Credential-Identifier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// Its primary key.
    Id,
    /// A text field of it.
    Field(&'static str),
}

/// Authentication succeeded: the credential's Consumer is looked up and both are set.
pub fn accept(exchange: &mut Exchange, credential: Arc<Credential>, identifier: Identifier) -> Step<'_> {
    let lookup = match credential.consumer {
        Some(id) => exchange.directory.consumer(exchange.workspace, id),
        None => Lookup::Known(None),
    };
    settled(exchange, lookup, move |exchange, found| match found {
        Ok(consumer) => {
            let shown = Arc::clone(&credential);
            let mut id = [0; uuid::fmt::Hyphenated::LENGTH];
            let identifier = match identifier {
                Identifier::Id => Some(&*shown.id.hyphenated().encode_lower(&mut id)),
                Identifier::Field(name) => shown.text(name),
            };
            exchange.authenticate(consumer, Some(credential), identifier);
            Step::NEXT
        }
        Err(error) => unavailable(&error).into(),
    })
}

/// Goes on with what a look-up finds: at once where it is known, without allocating.
pub fn settled<'a, T: 'static>(
    exchange: &'a mut Exchange,
    lookup: Lookup<T>,
    next: impl FnOnce(&'a mut Exchange, Result<Option<T>, DirectoryError>) -> Step<'a> + 'a,
) -> Step<'a> {
    match lookup {
        Lookup::Known(found) => next(exchange, Ok(found)),
        Lookup::Wait(future) => Step::Wait(Box::pin(async move {
            let found = future.await;
            flow(next(exchange, found)).await
        })),
    }
}

/// Waits for a step where it must.
pub async fn flow(step: Step<'_>) -> Flow {
    match step {
        Step::Ready(flow) => flow,
        Step::Wait(future) => future.await,
    }
}

/// 401 in the error style with a challenge (RFC 9110 §11.6.1).
pub fn unauthorized(message: &'static str, challenge: &str) -> Answer {
    Answer::error(401, message).header("WWW-Authenticate", challenge)
}

/// `Scheme`, or `Scheme realm="…"`.
pub fn challenge(scheme: &str, realm: Option<&str>) -> String {
    match realm {
        Some(realm) => format!("{scheme} realm=\"{realm}\""),
        None => scheme.to_owned(),
    }
}

/// What a client gets where a plugin could not do its work.
pub fn failure() -> Answer {
    Answer { source: Source::Error, ..Answer::error(500, "") }
}

/// The store could not be asked: nobody is let in, nor taken for the anonymous Consumer.
pub fn unavailable(error: &DirectoryError) -> Answer {
    tracing::error!(%error, "authentication could not look up who is asking");
    failure()
}

/// Base64 as clients send it: padding or none, stray bits at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64 of either alphabet (RFC 4648 §4 and §5), padded or not.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    if !text[..end].iter().any(|byte| matches!(byte, b'-' | b'_')) {
        return BASE64.decode(&text[..end]).ok();
    }
    let standard: Vec<u8> = text[..end]
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    BASE64.decode(standard).ok()
}

/// Whether two secrets are the same, in a time that tells only their lengths.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (left, right)| black_box(difference | (left ^ right))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn same_is_equality(left in proptest::collection::vec(0..3_u8, 0..6), right in proptest::collection::vec(0..3_u8, 0..6)) {
            prop_assert_eq!(same(&left, &right), left == right);
        }
    }

    #[test]
    fn base64_of_both_alphabets_is_read() {
        for (text, bytes) in [
            ("", Some(b"".as_slice())),
            ("YQ==", Some(b"a")),
            ("YQ", Some(b"a")),
            ("YR", Some(b"a")),
            ("-_8=", Some(&[0xfb, 0xff])),
            ("+/8", Some(&[0xfb, 0xff])),
            ("Y", None),
            ("Y Q", None),
            ("=YQ", None),
        ] {
            assert_eq!(base64(text.as_bytes()).as_deref(), bytes, "{text}");
        }
    }

    #[test]
    fn challenges_name_the_realm() {
        assert_eq!(challenge("Key", None), "Key");
        assert_eq!(challenge("Basic", Some("back office")), "Basic realm=\"back office\"");
    }
}
