//! Numbers as Lua writes and reads them: what configurations and headers show.

/// A number with at most 14 significant digits, without needless ones (C's `%.14g`).
pub fn text(number: f64) -> String {
    if number == number.trunc() && number.abs() < 1e14 {
        return format!("{}", number as i64);
    }
    if !number.is_finite() {
        return if number.is_nan() {
            "nan"
        } else if number > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{number:.13e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..14).contains(&exponent) {
        let fixed = format!("{number:.*}", (13 - exponent) as usize);
        return trimmed(&fixed).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Reads what Lua's `tonumber` takes for a finite number: decimal or `0x…`, with white space around it.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => u64::from_str_radix(hex, 16).ok()? as f64,
        Some(_) => return None,
        None if digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) => {
            digits.parse().ok().filter(|number: &f64| number.is_finite() && !digits.starts_with(['+', '-']))?
        }
        None => return None,
    };
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_written_as_lua_does() {
        for (number, written) in [
            (5.0, "5"),
            (-1.5, "-1.5"),
            (0.0, "0"),
            (2.5, "2.5"),
            (0.1, "0.1"),
            (99_999_999_999_999.0, "99999999999999"),
            (100_000_000_000_000.0, "1e+14"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e20, "1e+20"),
            (1.25e-7, "1.25e-07"),
            (123_456_789.123_456_79, "123456789.12346"),
        ] {
            assert_eq!(text(number), written);
        }
    }

    #[test]
    fn numbers_are_read_as_lua_does() {
        for (written, number) in [
            ("42", Some(42.0)),
            (" -1.5 ", Some(-1.5)),
            ("+3", Some(3.0)),
            ("1e3", Some(1000.0)),
            (".5", Some(0.5)),
            ("0x10", Some(16.0)),
            ("-0xF", Some(-15.0)),
            ("abc", None),
            ("", None),
            ("1 2", None),
            ("--1", None),
            ("0x", None),
            ("inf", None),
            ("null", None),
            ("1e999", None),
        ] {
            assert_eq!(parse(written), number, "{written:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(number in any::<f64>()) {
            if number.is_finite() {
                let read = parse(&text(number));
                prop_assert!(read.is_none() || (read.unwrap_or_default() - number).abs() <= number.abs() * 1e-13);
            }
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,8}") {
            parse(&text);
        }
    }
}
