//! A request's path as both the router and the decision see it.

/// The segments of a raw path: percent-decoded, without empty segments and dot segments. A slash at the end does not count,
/// and an encoded slash stays inside its segment. `None` when dot segments lead above the root.
pub fn segments(path: &str) -> Option<Vec<Vec<u8>>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for segment in path.split('/') {
        let segment = decode(segment.as_bytes());
        match segment.as_slice() {
            b"" | b"." => {}
            b".." => drop(out.pop()?),
            _ => out.push(segment),
        }
    }
    Some(out)
}

/// Percent-decoding, with `+` for a space as in a form; what is no escape stays as it is.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                #[allow(clippy::cast_possible_truncation, reason = "two hexadecimal digits")]
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_form() {
        let read = |path: &str| {
            segments(path)
                .map(|all| all.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect::<Vec<_>>())
        };
        for (path, wanted) in [
            ("/", vec![]),
            ("/services/", vec!["services"]),
            ("//services//x", vec!["services", "x"]),
            ("/routes/../services", vec!["services"]),
            ("/./services/.", vec!["services"]),
            ("/routes/%2e%2e/services", vec!["services"]),
            ("/%72bac/users", vec!["rbac", "users"]),
            ("/services/a%2Fb", vec!["services", "a/b"]),
            ("/services/%zz%4", vec!["services", "%zz%4"]),
            ("/services/a+b%2B", vec!["services", "a b+"]),
        ] {
            assert_eq!(
                read(path).as_deref(),
                Some(wanted.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>().as_slice()),
                "{path}"
            );
        }
        assert_eq!(read("/../services"), None);
        assert_eq!(read("/a/%2E%2e/.."), None);
    }
}
