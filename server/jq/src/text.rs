//! What programs give, as text: JSON as jq writes it.

use exchange::programs::Writing;
use jaq_json::{Num, Val};

/// A value that JSON has no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it gave an object with a key that is no string")]
pub struct NoPlace;

/// Writes one value, and the line's end where there is to be one.
pub fn write(value: &Val, writing: Writing, out: &mut Vec<u8>) -> Result<(), NoPlace> {
    match value {
        Val::TStr(text) | Val::BStr(text) if writing.raw && !writing.ascii => out.extend_from_slice(text),
        value => Writer { writing, out }.value(value, 0)?,
    }
    if !writing.join {
        out.push(b'\n');
    }
    Ok(())
}

struct Writer<'a> {
    writing: Writing,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Val, depth: usize) -> Result<(), NoPlace> {
        match value {
            Val::Null => self.out.extend_from_slice(b"null"),
            Val::Bool(true) => self.out.extend_from_slice(b"true"),
            Val::Bool(false) => self.out.extend_from_slice(b"false"),
            Val::Num(number) => self.out.extend_from_slice(numeral(number).as_bytes()),
            Val::TStr(text) | Val::BStr(text) => self.string(text),
            Val::Arr(items) => {
                self.out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    self.next(index, depth + 1);
                    self.value(item, depth + 1)?;
                }
                self.end(items.is_empty(), depth, b']');
            }
            Val::Obj(members) => {
                let mut members: Vec<(&[u8], &Val)> = members
                    .iter()
                    .map(|(key, value)| match key {
                        Val::TStr(key) => Ok((&key[..], value)),
                        _ => Err(NoPlace),
                    })
                    .collect::<Result<_, _>>()?;
                if self.writing.sort {
                    members.sort_by_key(|(key, _)| *key);
                }
                self.out.push(b'{');
                let colon: &[u8] = if self.writing.compact { b":" } else { b": " };
                for (index, (key, value)) in members.iter().enumerate() {
                    self.next(index, depth + 1);
                    self.string(key);
                    self.out.extend_from_slice(colon);
                    self.value(value, depth + 1)?;
                }
                self.end(members.is_empty(), depth, b'}');
            }
        }
        Ok(())
    }

    fn next(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push(b',');
        }
        self.line(depth);
    }

    fn end(&mut self, empty: bool, depth: usize, bracket: u8) {
        if !empty {
            self.line(depth);
        }
        self.out.push(bracket);
    }

    fn line(&mut self, depth: usize) {
        if !self.writing.compact {
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', depth * 2));
        }
    }

    /// Strings may have been made of any bytes; JSON is UTF-8.
    fn string(&mut self, text: &[u8]) {
        self.out.push(b'"');
        for letter in String::from_utf8_lossy(text).chars() {
            match letter {
                '"' => self.out.extend_from_slice(b"\\\""),
                '\\' => self.out.extend_from_slice(b"\\\\"),
                '\n' => self.out.extend_from_slice(b"\\n"),
                '\r' => self.out.extend_from_slice(b"\\r"),
                '\t' => self.out.extend_from_slice(b"\\t"),
                '\u{8}' => self.out.extend_from_slice(b"\\b"),
                '\u{c}' => self.out.extend_from_slice(b"\\f"),
                letter if letter < ' ' || letter == '\u{7f}' || (self.writing.ascii && !letter.is_ascii()) => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        self.out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                    }
                }
                letter => self.out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.out.push(b'"');
    }
}

/// A number as JSON has it: one that was read and not calculated with as it was, none as `null`, infinity as the largest.
fn numeral(number: &Num) -> String {
    let float = match number {
        Num::Int(_) | Num::BigInt(_) => return number.to_string(),
        Num::Dec(text) if serde_json::from_str::<serde_json::Number>(text).is_ok() => return text.to_string(),
        Num::Dec(text) => text.parse().unwrap_or(f64::NAN),
        Num::Float(float) => *float,
    };
    if float.is_nan() {
        return "null".to_owned();
    }
    let float = float.clamp(f64::MIN, f64::MAX);
    if float.fract() == 0.0 && float.abs() < 1e17 {
        format!("{float:.0}")
    } else {
        serde_json::Number::from_f64(float).map_or_else(|| "null".to_owned(), |number| number.to_string())
    }
}
