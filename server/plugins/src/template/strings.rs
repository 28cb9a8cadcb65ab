//! Methods of strings (Lua 5.1 reference manual §5.4).

use super::evaluate::{TEXT_LIMIT, Value};
use crate::number;
use schema::lua::{self, Found};
use std::borrow::Cow;
use std::ops::Range;

/// Calls a method of a string. Of several results the first one.
pub(super) fn call(text: &[u8], name: &str, arguments: &[Value<'_>]) -> Result<Value<'static>, String> {
    let arguments = Arguments { method: name, values: arguments };
    Ok(match name {
        "upper" => owned(text.to_ascii_uppercase()),
        "lower" => owned(text.to_ascii_lowercase()),
        "reverse" => owned(text.iter().rev().copied().collect()),
        "len" => Value::Number(text.len() as f64),
        "sub" => owned(text[range(text.len(), arguments.integer(0)?, arguments.optional(1)?.unwrap_or(-1))].to_vec()),
        "byte" => {
            let first = arguments.optional(0)?.unwrap_or(1);
            let last = arguments.optional(1)?.unwrap_or(first);
            let found = text[range(text.len(), first, last)].first();
            found.map_or(Value::Nil, |byte| Value::Number((*byte).into()))
        }
        "rep" => {
            let times = usize::try_from(arguments.integer(0)?).unwrap_or(0);
            match text.len().checked_mul(times) {
                Some(length) if length <= TEXT_LIMIT => owned(text.repeat(times)),
                _ => return Err("resulting string too large".to_owned()),
            }
        }
        "find" => find(text, &arguments)?,
        "match" => {
            let found = lua::find(text, &arguments.text(0)?, start(text.len(), arguments.optional(1)?.unwrap_or(1)));
            found.map_or(Value::Nil, |found| owned(text[first_capture(&found)].to_vec()))
        }
        "gsub" => owned(substituted(text, &arguments)?),
        "format" => owned(formatted(text, &arguments)?),
        _ => return Err(format!("attempt to call method '{name}' (a nil value)")),
    })
}

fn owned(text: Vec<u8>) -> Value<'static> {
    Value::Text(Cow::Owned(text))
}

struct Arguments<'a, 'v> {
    method: &'a str,
    values: &'a [Value<'v>],
}

impl Arguments<'_, '_> {
    fn bad(&self, at: usize, expected: &str) -> String {
        let got = self.values.get(at).map_or("no value", Value::type_name);
        format!("bad argument #{} to '{}' ({expected} expected, got {got})", at + 1, self.method)
    }

    fn integer(&self, at: usize) -> Result<i64, String> {
        let number = self.values.get(at).and_then(Value::number);
        number.map(|number| number as i64).ok_or_else(|| self.bad(at, "number"))
    }

    fn optional(&self, at: usize) -> Result<Option<i64>, String> {
        match self.values.get(at) {
            None | Some(Value::Nil) => Ok(None),
            Some(_) => self.integer(at).map(Some),
        }
    }

    fn text(&self, at: usize) -> Result<Cow<'_, [u8]>, String> {
        match self.values.get(at) {
            Some(value @ (Value::Text(_) | Value::Number(_))) => Ok(value.text()),
            _ => Err(self.bad(at, "string")),
        }
    }
}

/// Positions count from 1, from the end where they are negative; the last one is included.
fn range(length: usize, first: i64, last: i64) -> Range<usize> {
    let last = if last < 0 { last.saturating_add_unsigned(length as u64).saturating_add(1) } else { last };
    let last = usize::try_from(last).unwrap_or(0).min(length);
    start(length, first).min(last)..last
}

fn start(length: usize, position: i64) -> usize {
    let from = if position < 0 { position.saturating_add_unsigned(length as u64) } else { position - 1 };
    usize::try_from(from).unwrap_or(0)
}

fn first_capture(found: &Found) -> Range<usize> {
    found.captures.first().unwrap_or(&found.whole).clone()
}

fn find(text: &[u8], arguments: &Arguments<'_, '_>) -> Result<Value<'static>, String> {
    let pattern = arguments.text(0)?;
    let from = start(text.len(), arguments.optional(1)?.unwrap_or(1));
    let plain = !matches!(arguments.values.get(2), None | Some(Value::Nil | Value::Boolean(false)));
    let at = if plain {
        let rest = text.get(from..);
        match rest {
            Some(_) if pattern.is_empty() => Some(from),
            Some(rest) => rest.windows(pattern.len()).position(|window| window == pattern.as_ref()).map(|at| at + from),
            None => None,
        }
    } else {
        lua::find(text, &pattern, from).map(|found| found.whole.start)
    };
    Ok(at.map_or(Value::Nil, |at| Value::Number((at + 1) as f64)))
}

fn substituted(text: &[u8], arguments: &Arguments<'_, '_>) -> Result<Vec<u8>, String> {
    let (pattern, replacement) = (arguments.text(0)?, arguments.text(1)?);
    let mut left = arguments.optional(2)?.unwrap_or(i64::MAX);
    let mut out = Vec::new();
    let mut at = 0;
    while left > 0 && at <= text.len() {
        let Some(found) = lua::find(text, &pattern, at) else { break };
        out.extend_from_slice(&text[at..found.whole.start]);
        replace(&mut out, text, &found, &replacement)?;
        if out.len() > TEXT_LIMIT {
            return Err("resulting string too large".to_owned());
        }
        at = found.whole.end;
        if found.whole.is_empty() {
            out.extend(text.get(at));
            at += 1;
        }
        left -= 1;
        if pattern.starts_with(b"^") {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(out)
}

/// Writes a replacement, in which `%1` stands for the first capture, `%0` for the match and `%%` for a percent sign.
fn replace(out: &mut Vec<u8>, text: &[u8], found: &Found, replacement: &[u8]) -> Result<(), String> {
    let mut bytes = replacement.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => match bytes.next() {
                Some(b'0') => out.extend_from_slice(&text[found.whole.clone()]),
                Some(b'1') => out.extend_from_slice(&text[first_capture(found)]),
                Some(digit) if digit.is_ascii_digit() => {
                    let capture = found.captures.get(usize::from(digit - b'1'));
                    out.extend_from_slice(&text[capture.ok_or("invalid capture index")?.clone()]);
                }
                Some(other) => out.push(*other),
                None => return Err("malformed replacement (ends with '%')".to_owned()),
            },
            other => out.push(*other),
        }
    }
    Ok(())
}

/// `%s`, `%d`, `%x`, `%X`, `%%`, without widths.
fn formatted(text: &[u8], arguments: &Arguments<'_, '_>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    let mut at = 0;
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let kind = bytes.next();
        match kind {
            Some(b'%') => out.push(b'%'),
            Some(b's') => {
                let value = arguments.values.get(at).ok_or_else(|| arguments.bad(at, "string"))?;
                out.extend_from_slice(&value.text());
            }
            Some(b'd') => out.extend_from_slice(number::text(arguments.integer(at)? as f64).as_bytes()),
            Some(b'x') => out.extend_from_slice(format!("{:x}", arguments.integer(at)?).as_bytes()),
            Some(b'X') => out.extend_from_slice(format!("{:X}", arguments.integer(at)?).as_bytes()),
            _ => return Err("invalid option to 'format': %s, %d, %x, %X and %% are known".to_owned()),
        }
        at += usize::from(kind != Some(&b'%'));
        if out.len() > TEXT_LIMIT {
            return Err("resulting string too large".to_owned());
        }
    }
    Ok(out)
}
