//! A value of a property, typed as `GET /` shows it.

use serde_json::{Map, Number, Value as Json};

use crate::property::{Kind, Property};

/// A typed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not set, and no default.
    Unset,
    /// Of a [`Kind::Boolean`].
    Boolean(bool),
    /// Of a [`Kind::Number`]; finite.
    Number(f64),
    /// Of a [`Kind::Text`], [`Kind::Choice`] or [`Kind::OnOff`] (`on` or `off`).
    Text(String),
    /// Of a [`Kind::List`].
    List(Vec<String>),
}

impl Value {
    /// Reads the text of anything but a list. The error is Kong's message, with what would be right.
    pub fn parse(property: &Property, text: &str) -> Result<Self, (String, String)> {
        let name = property.name;
        let wrong_type = || format!("{name} is not a {}: '{text}'", property.kind.name());
        match property.kind {
            Kind::Text => Ok(Self::Text(text.to_owned())),
            Kind::List => Ok(Self::List(elements(text))),
            Kind::Boolean => match text {
                "on" | "true" => Ok(Self::Boolean(true)),
                "off" | "false" => Ok(Self::Boolean(false)),
                _ => Err((wrong_type(), "on or off".into())),
            },
            Kind::OnOff => match text {
                "on" | "true" => Ok(Self::Text("on".into())),
                "off" | "false" => Ok(Self::Text("off".into())),
                _ => Err((wrong_type(), "on or off".into())),
            },
            Kind::Number => match number(text) {
                Some(n) => Ok(Self::Number(n)),
                None => Err((wrong_type(), format!("a number such as {}", property.default.unwrap_or("10")))),
            },
            Kind::Choice => {
                // Kong turns on/off spelled true/false into the enumeration's own words.
                let text = match text {
                    "true" if property.values.contains(&"on") => "on",
                    "false" if property.values.contains(&"off") => "off",
                    other => other,
                };
                if property.values.contains(&text) {
                    return Ok(Self::Text(text.to_owned()));
                }
                let message = format!("{name} has an invalid value: '{text}' ({})", property.values.join(", "));
                Err((message, format!("one of {}", property.values.join(", "))))
            }
        }
    }

    /// The default of a property.
    pub fn default_of(property: &Property) -> Self {
        match (property.default, property.kind) {
            (None, Kind::List) => Self::List(Vec::new()),
            (None, _) => Self::Unset,
            (Some(text), _) => Self::parse(property, text).unwrap_or(Self::Unset),
        }
    }

    /// As Kong prints it: whole numbers without a fraction, an empty list as `{}`.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Unset => Json::Null,
            Self::Boolean(b) => Json::Bool(*b),
            Self::Number(n) => number_json(*n),
            Self::Text(t) => Json::String(t.clone()),
            Self::List(items) if items.is_empty() => Json::Object(Map::new()),
            Self::List(items) => Json::Array(items.iter().cloned().map(Json::String).collect()),
        }
    }

    /// As it would be written in a file.
    pub fn to_text(&self) -> String {
        match self {
            Self::Unset => String::new(),
            Self::Boolean(b) => if *b { "on" } else { "off" }.to_owned(),
            Self::Number(n) => number_json(*n).to_string(),
            Self::Text(t) => t.clone(),
            Self::List(items) => items.join(","),
        }
    }
}

/// Elements of a list: comma-separated, trimmed, empty ones dropped.
pub fn elements(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|e| !e.is_empty()).map(str::to_owned).collect()
}

fn number_json(n: f64) -> Json {
    if n.fract() == 0.0 && n.abs() < 9_007_199_254_740_992.0 {
        return Json::Number(Number::from(n as i64));
    }
    Number::from_f64(n).map_or(Json::Null, Json::Number)
}

/// A number as Lua reads one: decimal, with exponent, or hexadecimal.
fn number(text: &str) -> Option<f64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+')).map(|n| sign * n as f64);
    }
    if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    text.parse::<f64>().ok().filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [
            ("5", Some("5")),
            ("-1", Some("-1")),
            ("0.01", Some("0.01")),
            ("1e3", Some("1000")),
            ("0x10", Some("16")),
            ("5.0", Some("5")),
            ("", None),
            ("ten", None),
            ("1,000", None),
            ("inf", None),
            ("nan", None),
            ("0x", None),
            ("1e999", None),
        ];
        for (text, json) in cases {
            assert_eq!(number(text).map(|n| number_json(n).to_string()).as_deref(), json, "{text}");
        }
    }

    #[test]
    fn lists() {
        assert_eq!(elements(" a, b ,,c,"), ["a", "b", "c"]);
        assert!(elements("").is_empty());
    }
}
