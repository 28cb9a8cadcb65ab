//! Cookies of a request (RFC 6265 §4.2).

use exchange::Headers;

/// The value of a cookie, its name compared without its case; the first one counts.
pub fn cookie<'a>(headers: &'a Headers, name: &'a str) -> Option<&'a [u8]> {
    headers.get_all("cookie").flat_map(|line| line.split(|byte| *byte == b';')).find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        key.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_name() {
        let headers: Headers =
            [("Cookie", "a=1; bb = x=y ;c;d="), ("X", "a=2"), ("cookie", "e=5; a=3")].into_iter().collect();
        for (name, value) in [("a", Some("1")), ("BB", Some("x=y")), ("c", None), ("d", Some("")), ("e", Some("5"))] {
            assert_eq!(cookie(&headers, name).map(|value| std::str::from_utf8(value).unwrap()), value, "{name}");
        }
    }
}
