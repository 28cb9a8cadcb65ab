//! References `{vault://env/name/key?prefix=X#version}` in values; the only vault of the start is the environment.

use std::collections::HashMap;
use std::fmt;

use crate::secret::MASK;

/// Whether a value is a reference; only a whole value can be one.
pub fn is_reference(value: &str) -> bool {
    value.starts_with("{vault://") && value.ends_with('}')
}

/// The environment as a vault, as it was at the start.
#[derive(Clone, Default)]
pub struct Environment {
    /// All variables.
    pub variables: HashMap<String, String>,
    /// `vault_env_prefix`.
    pub prefix: String,
    /// Whether `vaults` loads it.
    pub enabled: bool,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, enabled, .. } = self;
        f.debug_struct("Environment").field("prefix", prefix).field("enabled", enabled).finish_non_exhaustive()
    }
}

impl Environment {
    /// The value a reference stands for, or why there is none, in Kong's words. `named` knows Vault entities: of the one with
    /// a prefix, what its variables begin with (`config.prefix`).
    pub fn resolve(&self, reference: &str, named: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let parsed = Reference::parse(reference)?;
        let missing = || format!("could not find vault ({})", parsed.vault);
        if !self.enabled {
            return Err(missing());
        }
        let begin = match parsed.vault.as_str() {
            "env" => self.prefix.clone(),
            prefix => named(prefix).ok_or_else(missing)?,
        };
        let prefix = parsed.option("prefix").unwrap_or(&begin);
        let mut name = format!("{prefix}{}", parsed.resource).replace('-', "_").to_uppercase();
        if parsed.version == Some(2) {
            name.push_str("_PREVIOUS");
        }
        let value = match parsed.version {
            None | Some(1 | 2) => self.variables.get(&name).filter(|v| !v.is_empty()),
            Some(_) => None,
        };
        let value = value.ok_or("could not get value from external vault (no value found)")?;
        match parsed.key {
            None => Ok(value.clone()),
            Some(key) => subfield(value, &key).map_err(|e| format!("could not get subfield value: {e}")),
        }
    }
}

fn subfield(value: &str, key: &str) -> Result<String, String> {
    use serde_json::Value;
    let json: Value = serde_json::from_str(value).map_err(|e| format!("unable to json decode value ({MASK}): {e}"))?;
    let Value::Object(fields) = json else {
        return Err(format!("unable to json decode value ({MASK}): not an object"));
    };
    let kind = match fields.get(key) {
        None | Some(Value::Null) => return Err(format!("subfield {key} not found in JSON secret")),
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::Array(_) | Value::Object(_)) => "table",
    };
    Err(format!("unexpected {kind} value in JSON secret for subfield {key}"))
}

/// A reference in parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    /// Name of a vault, or the prefix of a Vault entity.
    pub vault: String,
    /// What is asked for.
    pub resource: String,
    /// Member of a JSON object that is there.
    pub key: Option<String>,
    /// What the vault's configuration is to say instead, by name.
    pub options: Vec<(String, String)>,
    /// Which version of the secret.
    pub version: Option<u64>,
}

impl Reference {
    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    /// Takes a reference apart. Errors are Kong's.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text
            .strip_prefix("{vault://")
            .and_then(|t| t.strip_suffix('}'))
            .ok_or_else(|| format!("not a reference [{text}]"))?;
        let (rest, fragment) = split(inner, '#');
        let (rest, query) = split(rest, '?');
        let (vault, path) = split(rest, '/');
        if vault.is_empty() {
            return Err(format!("reference url is missing host [{text}]"));
        }
        let path = path.ok_or_else(|| format!("reference url is missing path [{text}]"))?;
        if path.is_empty() {
            return Err(format!("reference url has empty path [{text}]"));
        }
        let (resource, key) = match path.rsplit_once('/') {
            None => (path, None),
            Some((resource, "")) => (resource, None),
            Some((resource, key)) => (resource, Some(decode(key))),
        };
        let resource = decode(resource);
        if resource.trim_matches('/').is_empty() {
            return Err(format!("reference url has invalid path [{text}]"));
        }
        let version = match fragment {
            None | Some("") => None,
            Some(digits) => Some(digits.parse().map_err(|_| format!("reference url has invalid version [{text}]"))?),
        };
        let options = query
            .into_iter()
            .flat_map(|q| q.split('&'))
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        Ok(Self { vault: vault.to_owned(), resource, key, options, version })
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

/// Percent-decoding (RFC 3986 §2.1); what is not an escape stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let variables = HashMap::from(
            [
                ("MY_SECRET", "s3cret"),
                ("MY_SECRET_PREVIOUS", "older"),
                ("APP_KEY", "prefixed"),
                ("DB", r#"{"user":"u","n":1,"o":{}}"#),
                ("EMPTY", ""),
            ]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        let vault = Environment { variables, prefix: String::new(), enabled: true };
        let cases = [
            ("{vault://env/my-secret}", Ok("s3cret")),
            ("{vault://env/my-secret/}", Ok("s3cret")),
            ("{vault://env/MY_SECRET#1}", Ok("s3cret")),
            ("{vault://env/my-secret#2}", Ok("older")),
            ("{vault://env/my%2Dsecret}", Ok("s3cret")),
            ("{vault://env/key?prefix=APP_}", Ok("prefixed")),
            ("{vault://my-env/key}", Ok("prefixed")),
            ("{vault://env/db/user}", Ok("u")),
            ("{vault://env/db/x}", Err("could not get subfield value: subfield x not found in JSON secret")),
            (
                "{vault://env/db/n}",
                Err("could not get subfield value: unexpected number value in JSON secret for subfield n"),
            ),
            (
                "{vault://env/db/o}",
                Err("could not get subfield value: unexpected table value in JSON secret for subfield o"),
            ),
            ("{vault://env/empty}", Err("could not get value from external vault (no value found)")),
            ("{vault://env/none}", Err("could not get value from external vault (no value found)")),
            ("{vault://aws/x}", Err("could not find vault (aws)")),
            ("{vault://env}", Err("reference url is missing path [{vault://env}]")),
            ("{vault://env/}", Err("reference url has empty path [{vault://env/}]")),
            ("{vault:///x}", Err("reference url is missing host [{vault:///x}]")),
            ("{vault://env/x#y}", Err("reference url has invalid version [{vault://env/x#y}]")),
            ("{vault://env//}", Err("reference url has invalid path [{vault://env//}]")),
        ];
        for (reference, expected) in cases {
            let named = |prefix: &str| (prefix == "my-env").then(|| "APP_".to_owned());
            assert_eq!(
                vault.resolve(reference, named),
                expected.map(str::to_owned).map_err(str::to_owned),
                "{reference}"
            );
        }
        assert!(Environment { enabled: false, ..vault }.resolve("{vault://env/my-secret}", |_| None).is_err());
    }
}
