//! `name:value` pairs of transformations.

/// `old:new` or `name:value`, parted at the first colons; an empty value is none.
pub(crate) fn parted(pair: &str) -> (&str, Option<&str>) {
    let (name, value) = pair.split_once(':').unwrap_or((pair, ""));
    (name, Some(value.trim_start_matches(':')).filter(|value| !value.is_empty()))
}

/// Checks a header's name as transformations take it.
fn header_name(name: &str) -> Result<(), String> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || !name.bytes().all(valid) {
        return Err(format!("'{name}' is not a valid header"));
    }
    Ok(())
}

/// Checks a pair whose name is that of a header.
pub(crate) fn one_header_name(pair: &str) -> Result<(), String> {
    header_name(parted(pair).0)
}

/// Checks a pair of two names of headers.
pub(crate) fn two_header_names(pair: &str) -> Result<(), String> {
    let (old, new) = parted(pair);
    header_name(old)?;
    header_name(new.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_parted_at_the_first_colons() {
        for (pair, name, value) in [
            ("a:b", "a", Some("b")),
            ("a:b:c", "a", Some("b:c")),
            ("a::b", "a", Some("b")),
            ("a:", "a", None),
            ("a", "a", None),
            ("a: b", "a", Some(" b")),
        ] {
            assert_eq!(parted(pair), (name, value));
        }
    }
}
