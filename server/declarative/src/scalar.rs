//! Plain YAML scalars: what an unquoted word means, and which words must be quoted to stay text.

use serde_json::{Number, Value};

/// The value of an unquoted scalar, by the rules of YAML 1.1 as Kong's parser applies them: `yes` and `off` are booleans,
/// `0777` is octal, `1_000` a number and `1:30` ninety. Infinity and not-a-number, which JSON lacks, stay text.
pub fn read(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.' | '_')) {
        return Value::String(text.to_owned());
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if !digits.is_ascii() || digits.is_empty() {
        return None;
    }
    if let Some(rest) = digits.strip_prefix("0x") {
        return integer(negative, rest, 16);
    }
    if let Some(rest) = digits.strip_prefix("0b") {
        let plain = rest.trim_start_matches('_');
        return if plain.len() > 1 { integer(negative, plain, 2) } else { None };
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        if digits.starts_with('0') && digits.len() > 1 {
            let rest = digits[1..].trim_start_matches('_');
            if !rest.is_empty() && rest.bytes().all(|byte| matches!(byte, b'0'..=b'7' | b'_')) {
                return integer(negative, rest, 8);
            }
        }
        return integer(negative, digits, 10);
    }
    if digits.contains(':') {
        return sexagesimal(negative, digits);
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    let float = plain.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
        && plain.bytes().any(|byte| byte.is_ascii_digit())
        && plain.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !float {
        return None;
    }
    plain.parse::<f64>().ok().filter(|value| value.is_finite()).and_then(Number::from_f64)
}

/// An integer as such while it fits, a float above.
fn integer(negative: bool, digits: &str, radix: u32) -> Option<Number> {
    let mut value: i128 = 0;
    let mut any = false;
    for digit in digits.chars().filter(|c| *c != '_') {
        let digit = digit.to_digit(radix)?;
        any = true;
        value = value.saturating_mul(i128::from(radix)).saturating_add(i128::from(digit));
    }
    if !any {
        return None;
    }
    let signed = if negative { -value } else { value };
    if let Ok(small) = i64::try_from(signed) {
        return Some(small.into());
    }
    if let Ok(large) = u64::try_from(signed) {
        return Some(large.into());
    }
    let beyond = if radix == 10 {
        digits.replace('_', "").parse().ok()?
    } else {
        digits
            .chars()
            .filter_map(|c| c.to_digit(radix))
            .fold(0f64, |sum, digit| sum * f64::from(radix) + f64::from(digit))
    };
    Number::from_f64(if negative { -beyond } else { beyond })
}

/// `190:20:30`, base 60, with an optional fraction.
fn sexagesimal(negative: bool, digits: &str) -> Option<Number> {
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            (whole, Some(fraction))
        }
        Some(_) => return None,
        None => (digits, None),
    };
    let (first, rest) = whole.split_once(':')?;
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if first.is_empty() || rest.is_empty() || rest.starts_with(':') || !whole.split(':').all(is_digits) {
        return None;
    }
    let mut value = 0f64;
    for part in whole.split(':').filter(|part| !part.is_empty()) {
        value = value * 60.0 + part.parse::<f64>().ok()?;
    }
    if let Some(fraction) = fraction {
        value += format!("0.{fraction}").parse::<f64>().ok()?;
        return Number::from_f64(if negative { -value } else { value });
    }
    if value < 9e15 {
        #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        let whole = value as i64;
        return Some(if negative { -whole } else { whole }.into());
    }
    Number::from_f64(if negative { -value } else { value })
}

/// Text as a scalar that reads back as that text: plain where it can be, else in quotes.
pub fn quoted(text: &str) -> String {
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        // A JSON string is a YAML string, but for these line breaks, which YAML would fold.
        let json = Value::String(text.to_owned()).to_string();
        let mut out = String::with_capacity(json.len());
        for c in json.chars() {
            if c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                out.push(c);
            }
        }
        return out;
    }
    let plain = text
        .starts_with(|first: char| first.is_ascii_alphanumeric() || matches!(first, '/' | '_' | '(' | '$' | '.'))
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains(['[', ']', '{', '}', ','])
        && matches!(read(text), Value::String(_))
        && !text.starts_with("...");
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_words_mean_what_they_mean_to_kong() {
        for (text, value) in [
            ("0", json!(0)),
            ("-17", json!(-17)),
            ("+5", json!(5)),
            ("1_000", json!(1000)),
            ("0777", json!(511)),
            ("089", json!(89)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("3.0", json!(3.0)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("-1.5", json!(-1.5)),
            ("1:30", json!(90)),
            ("1:30.5", json!(90.5)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("9223372036854775807", json!(i64::MAX)),
            ("99999999999999999999", json!(1e20)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!("y")),
            ("yEs", json!("yEs")),
            ("1.2.3.4", json!("1.2.3.4")),
            ("10.0.0.1:80", json!("10.0.0.1:80")),
            ("1a", json!("1a")),
            ("-", json!("-")),
            (".inf", json!(".inf")),
            ("1e999", json!("1e999")),
            ("2020-01-02", json!("2020-01-02")),
            ("e", json!("e")),
            ("/path", json!("/path")),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
    }

    #[test]
    fn text_is_quoted_where_it_would_change() {
        for (text, written) in [
            ("plain", "plain"),
            ("3.0", "'3.0'"),
            ("it's", "it's"),
            ("'x'", "'''x'''"),
            ("a: b", "'a: b'"),
            ("", "''"),
            ("a\nb", "\"a\\nb\""),
        ] {
            assert_eq!(quoted(text), written);
        }
    }
}
