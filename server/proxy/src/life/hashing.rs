//! What of an Exchange is hashed for consistent hashing.

use balancer::hash::Source;
use exchange::Exchange;
use std::borrow::Cow;

/// An Exchange, seen by [`balancer::hash::HashPlan`].
pub(super) struct Hashable<'a>(pub &'a Exchange);

impl Source for Hashable<'_> {
    fn consumer(&self) -> Option<Cow<'_, [u8]>> {
        let identity = &self.0.identity;
        let id = identity.consumer.as_ref().map(|consumer| consumer.id);
        let id = id.or_else(|| identity.credential.as_ref().map(|credential| credential.id))?;
        Some(id.to_string().into_bytes().into())
    }

    fn client_ip(&self) -> Option<Cow<'_, [u8]>> {
        Some(self.0.request.client_ip().to_string().into_bytes().into())
    }

    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.0.request.headers.joined(name).map(Cow::Owned)
    }

    fn cookie(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let headers = &self.0.request.headers;
        let pairs = headers.get_all("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
        for pair in pairs {
            let pair = pair.trim_ascii();
            if let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
                return Some(value.to_vec().into());
            }
        }
        None
    }

    fn path(&self) -> Option<Cow<'_, [u8]>> {
        Some(self.0.request.path.as_slice().into())
    }

    fn query_arg(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let query = self.0.request.query.as_deref()?;
        let mut values: Vec<Vec<u8>> = query
            .split(|byte| *byte == b'&')
            .filter_map(|pair| {
                let (key, value) = match memchr::memchr(b'=', pair) {
                    Some(at) => (&pair[..at], Some(&pair[at + 1..])),
                    None => (pair, None),
                };
                (decode(key) == name.as_bytes()).then(|| value.map_or_else(|| b"true".to_vec(), decode))
            })
            .collect();
        if values.is_empty() {
            return None;
        }
        values.sort();
        Some(values.join(b",".as_slice()).into())
    }

    fn uri_capture(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        capture(self.0, name)
    }

    fn fresh_uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

fn capture<'a>(exchange: &'a Exchange, name: &str) -> Option<Cow<'a, [u8]>> {
    let captures = exchange.captures.as_ref()?;
    if let Some((_, value)) = captures.named.iter().find(|(key, _)| *key == name) {
        return Some(Cow::Borrowed(value));
    }
    let value = captures.numbered.get(name.parse::<usize>().ok()?)?.as_ref()?;
    Some(Cow::Borrowed(value))
}

/// Percent-decoding of a query's parts, `+` as space.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use exchange::directory::Nobody;
    use exchange::{Request, Timeline};
    use std::sync::Arc;

    #[test]
    fn parts_of_a_request_are_found() {
        let request = Request {
            query: Some(b"a=2&flag&b=%41+x&a=1".as_slice().into()),
            headers: [("Cookie", "x=1; lb=abc"), ("X-H", "1"), ("x-h", "2")].into_iter().collect(),
            ..Request::default()
        };
        let exchange = Exchange::new(request, Timeline::default(), Arc::new(Nobody));
        let of = Hashable(&exchange);
        let text = |value: Option<Cow<'_, [u8]>>| value.map(|value| String::from_utf8_lossy(&value).into_owned());
        assert_eq!(text(of.query_arg("a")).as_deref(), Some("1,2"));
        assert_eq!(text(of.query_arg("b")).as_deref(), Some("A x"));
        assert_eq!(text(of.query_arg("flag")).as_deref(), Some("true"));
        assert_eq!(text(of.query_arg("c")), None);
        assert_eq!(text(of.cookie("lb")).as_deref(), Some("abc"));
        assert_eq!(text(of.cookie("b")), None);
        assert_eq!(text(of.header("X-h")).as_deref(), Some("1, 2"));
    }
}
