//! Members of JSON objects, as transformations change them: each stays as it was written until it is touched.

use indexmap::IndexMap;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An object whose members stay as they were written.
pub(crate) type Object<'a> = IndexMap<String, Cow<'a, RawValue>>;

/// A member that is `false` counts as missing; one that is `null` does not.
pub(crate) fn is_there(member: &RawValue) -> bool {
    member.get() != "false"
}

/// A list with one value more. Text becomes the first of two; a number, `true`, `false` and `null` give way.
pub(crate) fn appended(current: Option<&RawValue>, value: &RawValue) -> Option<Box<RawValue>> {
    let current = current.map_or("null", RawValue::get);
    let text = match current.as_bytes().first() {
        Some(b'"') => format!("[{current},{value}]"),
        Some(b'[') => {
            let mut values: Vec<&RawValue> = serde_json::from_str(current).ok()?;
            values.push(value);
            serde_json::to_string(&values).ok()?
        }
        Some(b'{') => {
            let mut members: IndexMap<String, &RawValue> = serde_json::from_str(current).ok()?;
            if members.is_empty() {
                format!("[{value}]")
            } else {
                // An object has no end to append at: the value gets the next number for a name.
                let name = (1..).map(|number: u64| number.to_string()).find(|name| !members.contains_key(name))?;
                members.insert(name, value);
                serde_json::to_string(&members).ok()?
            }
        }
        _ => format!("[{value}]"),
    };
    RawValue::from_string(text).ok()
}
