//! How Lua writes values: `tostring`, `%.14g`, and table literals as Penlight's pretty printer lays them out.

use serde_json::{Map, Value};

const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// `tostring(number)`: `%.14g`.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == value.trunc() && value.abs() < 1e14 {
        return format!("{value:.0}");
    }
    let exponent_form = format!("{value:.13e}");
    let Some((mantissa, exponent)) = exponent_form.split_once('e') else { return exponent_form };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..14).contains(&exponent) {
        let digits = usize::try_from(13 - exponent).unwrap_or(0);
        let fixed = format!("{value:.digits$}");
        if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.').to_owned() } else { fixed }
    } else {
        let mantissa =
            if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
        format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
    }
}

/// `tostring(value)`; tables, which have no stable text, as a literal.
pub fn to_string(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => match n.as_i64() {
            Some(i) => i.to_string(),
            None => number(n.as_f64().unwrap_or(0.0)),
        },
        Value::String(s) => s.clone(),
        other => table(other),
    }
}

/// A table literal over several lines, two spaces per level, keys sorted.
pub fn table(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 1, Some("  "));
    out
}

/// A table literal on one line, without any blank, keys sorted: `{name="x",tags={"a"}}`.
pub fn table_inline(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 1, None);
    out
}

fn write(out: &mut String, value: &Value, level: usize, indent: Option<&str>) {
    match value {
        Value::Array(items) => {
            let sequence = items.iter().position(Value::is_null).unwrap_or(items.len());
            let mut entries = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
                let key = (index >= sequence).then(|| format!("[{}]", index + 1));
                entries.push((key, item));
            }
            write_entries(out, entries, level, indent);
        }
        Value::Object(members) => write_entries(out, sorted(members), level, indent),
        Value::String(text) => out.push_str(&quote(text)),
        other => out.push_str(&to_string(other)),
    }
}

fn sorted(members: &Map<String, Value>) -> Vec<(Option<String>, &Value)> {
    let mut entries: Vec<(&String, &Value)> = members.iter().collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    entries.into_iter().map(|(key, value)| (Some(key_text(key)), value)).collect()
}

fn key_text(key: &str) -> String {
    let bytes = key.as_bytes();
    let identifier = bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && !KEYWORDS.contains(&key);
    if identifier { key.to_owned() } else { format!("[{}]", quote(key)) }
}

fn write_entries(out: &mut String, entries: Vec<(Option<String>, &Value)>, level: usize, indent: Option<&str>) {
    out.push('{');
    if let Some(_step) = indent {
        out.push('\n');
    }
    let count = entries.len();
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if let Some(step) = indent {
            out.push_str(&step.repeat(level));
        }
        if let Some(key) = key {
            out.push_str(&key);
            out.push_str(if indent.is_some() { " = " } else { "=" });
        }
        write(out, value, level + 1, indent);
        if index + 1 < count {
            out.push(',');
        }
        if indent.is_some() {
            out.push('\n');
        }
    }
    if let Some(step) = indent {
        out.push_str(&step.repeat(level - 1));
    }
    out.push('}');
}

/// A string literal: long brackets when there is a line break, `%q` otherwise.
fn quote(text: &str) -> String {
    let equals = longest_bracket(text);
    if (text.contains('\n') || equals.is_some()) && !text.contains('\r') {
        let equals = "=".repeat(equals.map_or(0, |n| n + 1));
        let first = if text.starts_with('\n') { "\n" } else { "" };
        return format!("[{equals}[{first}{text}]{equals}]");
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// The most `=` signs in a closing or opening long bracket within `text` followed by `]`.
fn longest_bracket(text: &str) -> Option<usize> {
    let closed = format!("{text}]");
    let bytes = closed.as_bytes();
    let mut best = None;
    for (index, bracket) in bytes.iter().enumerate().filter(|(_, b)| matches!(b, b'[' | b']')) {
        let equals = bytes[index + 1..].iter().take_while(|b| **b == b'=').count();
        if bytes.get(index + 1 + equals) == Some(bracket) {
            best = best.max(Some(equals));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_print_as_in_lua() {
        for (value, text) in [
            (5.0, "5"),
            (-1.0, "-1"),
            (0.02, "0.02"),
            (1.5, "1.5"),
            (1e20, "1e+20"),
            (0.1 + 0.2, "0.3"),
            (1e-7, "1e-07"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn tables_print_sorted_with_holes_as_keys() {
        let value = json!({"b": [null, "x"], "a": {"@entity": ["t"], "end": 1}});
        let text = "{\n  a = {\n    [\"@entity\"] = {\n      \"t\"\n    },\n    [\"end\"] = 1\n  },\n  b = {\n    [2] = \"x\"\n  }\n}";
        assert_eq!(table(&value), text);
        assert_eq!(table_inline(&json!({"b": [{"c": "x"}], "a": {}})), "{a={},b={{c=\"x\"}}}");
    }
}
