//! A kept response as bytes: exactly what came, whatever bytes its headers and its body have.

use bytes::{Buf, BufMut, Bytes};
use exchange::{Headers, KeptResponse};
use std::time::Duration;
use uuid::Uuid;

/// What records begin with: whose they are, and the version of what follows.
const MARK: &[u8; 4] = b"SRC\x01";

/// As bytes. Numbers in network order; before each text its length.
pub(super) fn encode(response: &KeptResponse) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + response.body.len());
    out.put_slice(MARK);
    out.put_slice(response.plugin.as_bytes());
    out.put_u16(response.status);
    out.put_u64(response.timestamp);
    out.put_u64(response.ttl);
    out.put_u64(response.kept_for.as_secs());
    let mut text = |text: &[u8]| {
        out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        out.put_slice(text);
    };
    for (name, value) in response.headers.iter() {
        text(name);
        text(value);
    }
    // No header has an empty name.
    text(b"");
    text(&response.body);
    out
}

/// Back again; `None` where it is no such record.
pub(super) fn decode(mut bytes: Bytes) -> Option<KeptResponse> {
    if take(&mut bytes, MARK.len())? != MARK.as_slice() {
        return None;
    }
    let plugin = Uuid::from_slice(&take(&mut bytes, 16)?).ok()?;
    let status = bytes.try_get_u16().ok()?;
    let mut number = || bytes.try_get_u64().ok();
    let (timestamp, ttl, kept_for) = (number()?, number()?, Duration::from_secs(number()?));
    let mut headers = Headers::default();
    loop {
        let name = text(&mut bytes)?;
        if name.is_empty() {
            break;
        }
        let value = text(&mut bytes)?;
        if !headers.append(std::str::from_utf8(&name).ok()?, &value) {
            return None;
        }
    }
    let body = text(&mut bytes)?;
    bytes.is_empty().then_some(KeptResponse { plugin, status, headers, body, timestamp, ttl, kept_for })
}

fn take(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

fn text(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32().ok()?;
    take(bytes, usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(headers: &Headers) -> Vec<(Vec<u8>, Vec<u8>)> {
        headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }

    proptest! {
        #[test]
        fn responses_come_back_as_they_were(
            status in 100..600_u16,
            names in prop::collection::vec("[A-Za-z-]{1,12}", 0..6),
            // RFC 9110 §5.5: also obs-text.
            value in prop::collection::vec(prop_oneof![0x21..0x7f_u8, 0x80..=0xff_u8], 0..20),
            body in prop::collection::vec(any::<u8>(), 0..200),
            times in any::<[u64; 3]>(),
        ) {
            let mut headers = Headers::default();
            for name in &names {
                headers.append(name, &value);
            }
            let [timestamp, ttl, kept_for] = times;
            let kept_for = Duration::from_secs(kept_for);
            let plugin = Uuid::from_u128(5);
            let response = KeptResponse { plugin, status, headers, body: body.into(), timestamp, ttl, kept_for };
            let back = decode(encode(&response).into()).expect("a record");
            prop_assert_eq!((back.plugin, back.status, back.timestamp), (plugin, status, timestamp));
            prop_assert_eq!((back.ttl, back.kept_for, &back.body), (ttl, kept_for, &response.body));
            prop_assert_eq!(lines(&back.headers), lines(&response.headers));
        }

        #[test]
        fn anything_else_is_no_record(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0..40_usize) {
            prop_assert!(decode(bytes.into()).is_none());
            let whole = encode(&KeptResponse { body: "body".into(), ..KeptResponse::default() });
            let shorter = whole[..whole.len().saturating_sub(cut + 1)].to_vec();
            prop_assert!(decode(shorter.into()).is_none());
            prop_assert!(decode([whole.as_slice(), b"x"].concat().into()).is_none());
        }
    }
}
