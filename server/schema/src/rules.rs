//! The rules a value must hold beyond its type, in the order in which Kong runs them.

use crate::{Context, Validator, lua};
use serde_json::Value;

/// A Lua pattern with the text to say when it decides.
#[derive(Debug, Clone)]
pub struct ErrPattern {
    /// Lua 5.1 pattern.
    pub pattern: String,
    /// Error text.
    pub err: Option<String>,
}

/// Several Lua patterns of which one must match.
#[derive(Debug, Clone, Default)]
pub struct MatchAny {
    /// Lua 5.1 patterns.
    pub patterns: Vec<String>,
    /// Error text.
    pub err: Option<String>,
}

/// Rules of one field. Field order is the order of evaluation; the first failure wins.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Must equal; `Some(Null)` means it must be null.
    pub eq: Option<Value>,
    /// Must differ.
    pub ne: Option<Value>,
    /// Must be none of these.
    pub not_one_of: Option<Vec<Value>>,
    /// Must be one of these.
    pub one_of: Option<Vec<Value>>,
    /// Must be greater.
    pub gt: Option<f64>,
    /// Must be a positive time stamp.
    pub timestamp: bool,
    /// Must be a UUID.
    pub uuid: bool,
    /// Must compile as a PCRE.
    pub is_regex: bool,
    /// Inclusive range.
    pub between: Option<(f64, f64)>,
    /// Exact length (bytes, elements or entries).
    pub len_eq: Option<usize>,
    /// Least length; strings have 1 when this is `None`.
    pub len_min: Option<usize>,
    /// Greatest length.
    pub len_max: Option<usize>,
    /// Prefix.
    pub starts_with: Option<String>,
    /// Lua pattern that must not match.
    pub not_match: Option<String>,
    /// Lua patterns that must not match.
    pub match_none: Vec<ErrPattern>,
    /// Lua pattern that must match.
    pub matches: Option<String>,
    /// Lua patterns that must all match.
    pub match_all: Vec<ErrPattern>,
    /// Lua patterns of which one must match.
    pub match_any: Option<MatchAny>,
    /// The array or set must hold this.
    pub contains: Option<Value>,
    /// A function.
    pub custom: Option<Validator>,
    /// Values of different subsets may not stand together in a set.
    pub mutually_exclusive_subsets: Option<Vec<Vec<Value>>>,
}

/// Whether two JSON values are the same for Lua: numbers by value.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn list(values: &[Value]) -> String {
    values.iter().map(lua::to_string).collect::<Vec<_>>().join(", ")
}

fn invalid(value: &Value) -> String {
    format!("invalid value: {}", lua::to_string(value))
}

/// `8-4-4-4-12` hexadecimal digits.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

impl Rules {
    /// Runs every rule on a value that is not null and has the right type.
    pub(crate) fn check(&self, value: &Value, cx: &Context) -> Result<(), String> {
        if let Some(eq) = &self.eq
            && !same(eq, value)
        {
            return Err(format!("value must be {}", lua::to_string(eq)));
        }
        if let Some(ne) = &self.ne
            && same(ne, value)
        {
            return Err(format!("value must not be {}", lua::to_string(ne)));
        }
        if let Some(refused) = &self.not_one_of
            && refused.iter().any(|v| same(v, value))
        {
            return Err(format!("must not be one of: {}", list(refused)));
        }
        if let Some(allowed) = &self.one_of
            && !allowed.iter().any(|v| same(v, value))
        {
            return Err(format!("expected one of: {}", list(allowed)));
        }
        if let Some(limit) = self.gt
            && value.as_f64().is_none_or(|n| n <= limit)
        {
            return Err(format!("value must be greater than {}", lua::number(limit)));
        }
        if self.timestamp && value.as_f64().is_none_or(|n| n <= 0.0) {
            return Err("expected a valid timestamp".to_owned());
        }
        if self.uuid && !value.as_str().is_some_and(is_uuid) {
            return Err("expected a valid UUID".to_owned());
        }
        if self.is_regex
            && let Some(text) = value.as_str()
            && (cx.regex)(text).is_err()
        {
            return Err(format!("not a valid regex: {text}"));
        }
        if let Some((low, high)) = self.between
            && value.as_f64().is_none_or(|n| n < low || n > high)
        {
            return Err(format!(
                "value should be between {} and {}",
                lua::number(low.floor()),
                lua::number(high.floor())
            ));
        }
        self.check_length(value)?;
        if let Some(text) = value.as_str() {
            self.check_text(text, value)?;
        }
        if let Some(wanted) = &self.contains
            && !value.as_array().is_some_and(|items| items.iter().any(|item| same(item, wanted)))
        {
            return Err(format!("expected to contain: {}", lua::to_string(wanted)));
        }
        if let Some(custom) = &self.custom {
            custom.check(value)?;
        }
        if let (Some(subsets), Value::Array(items)) = (&self.mutually_exclusive_subsets, value) {
            let touched: Vec<String> = subsets
                .iter()
                .filter(|subset| items.iter().any(|item| subset.iter().any(|v| same(v, item))))
                .map(|subset| {
                    let names: Vec<String> = subset.iter().map(|v| format!("'{}'", lua::to_string(v))).collect();
                    format!("({})", names.join(", "))
                })
                .collect();
            if touched.len() > 1 {
                return Err(format!("these sets are mutually exclusive: {}", touched.join(", ")));
            }
        }
        Ok(())
    }

    fn check_length(&self, value: &Value) -> Result<(), String> {
        let (length, implicit) = match value {
            Value::String(text) => (text.len(), Some(1)),
            Value::Array(items) => (items.len(), None),
            Value::Object(members) => (members.len(), None),
            _ => return Ok(()),
        };
        if let Some(exact) = self.len_eq
            && length != exact
        {
            return Err(format!("length must be {exact}"));
        }
        if let Some(least) = self.len_min.or(implicit)
            && length < least
        {
            return Err(format!("length must be at least {least}"));
        }
        if let Some(most) = self.len_max
            && length > most
        {
            return Err(format!("length must be at most {most}"));
        }
        Ok(())
    }

    fn check_text(&self, text: &str, value: &Value) -> Result<(), String> {
        if let Some(prefix) = &self.starts_with
            && !text.starts_with(prefix.as_str())
        {
            return Err(format!("should start with: {prefix}"));
        }
        if let Some(pattern) = &self.not_match
            && lua::is_match(text, pattern)
        {
            return Err(invalid(value));
        }
        for rule in &self.match_none {
            if lua::is_match(text, &rule.pattern) {
                return Err(rule.err.clone().unwrap_or_else(|| invalid(value)));
            }
        }
        if let Some(pattern) = &self.matches
            && !lua::is_match(text, pattern)
        {
            return Err(invalid(value));
        }
        for rule in &self.match_all {
            if !lua::is_match(text, &rule.pattern) {
                return Err(rule.err.clone().unwrap_or_else(|| invalid(value)));
            }
        }
        if let Some(any) = &self.match_any
            && !any.patterns.iter().any(|pattern| lua::is_match(text, pattern))
        {
            return Err(any.err.clone().unwrap_or_else(|| invalid(value)));
        }
        Ok(())
    }

    /// These rules with those of `over` laid over them.
    pub(crate) fn overlaid(&self, over: &Rules) -> Rules {
        fn pick<T: Clone>(base: &Option<T>, over: &Option<T>) -> Option<T> {
            over.clone().or_else(|| base.clone())
        }
        fn pick_list<T: Clone>(base: &[T], over: &[T]) -> Vec<T> {
            if over.is_empty() { base.to_vec() } else { over.to_vec() }
        }
        Rules {
            eq: pick(&self.eq, &over.eq),
            ne: pick(&self.ne, &over.ne),
            not_one_of: pick(&self.not_one_of, &over.not_one_of),
            one_of: pick(&self.one_of, &over.one_of),
            gt: pick(&self.gt, &over.gt),
            timestamp: self.timestamp || over.timestamp,
            uuid: self.uuid || over.uuid,
            is_regex: self.is_regex || over.is_regex,
            between: pick(&self.between, &over.between),
            len_eq: pick(&self.len_eq, &over.len_eq),
            len_min: pick(&self.len_min, &over.len_min),
            len_max: pick(&self.len_max, &over.len_max),
            starts_with: pick(&self.starts_with, &over.starts_with),
            not_match: pick(&self.not_match, &over.not_match),
            match_none: pick_list(&self.match_none, &over.match_none),
            matches: pick(&self.matches, &over.matches),
            match_all: pick_list(&self.match_all, &over.match_all),
            match_any: pick(&self.match_any, &over.match_any),
            contains: pick(&self.contains, &over.contains),
            custom: pick(&self.custom, &over.custom),
            mutually_exclusive_subsets: pick(&self.mutually_exclusive_subsets, &over.mutually_exclusive_subsets),
        }
    }
}
