//! What is secret in requests: what the settings say, and the names under which plugins look for credentials.

use config::Settings;
use exchange::mask::Masks;
use serde_json::Value;
use store::View;

/// Where plugins say under which names they look for credentials.
const NAMES: [(&str, &[&str]); 3] =
    [("key-auth", &["key_names"]), ("jwt", &["header_names", "uri_param_names"]), ("oauth2", &["auth_header_name"])];

/// What the settings say.
pub fn of(settings: &Settings) -> Masks {
    match settings.telemetry.masking {
        true => Masks::with(settings.telemetry.masked_names.iter().map(String::as_str)),
        false => Masks::off(),
    }
}

/// That, and what the plugins of a configuration look for.
pub fn following(own: &Masks, view: &View) -> Masks {
    let mut names: Vec<&str> = Vec::new();
    for record in view.all("plugins") {
        let name = record.text("name").unwrap_or_default();
        let Some((_, fields)) = NAMES.iter().find(|(plugin, _)| *plugin == name) else { continue };
        for field in *fields {
            match record.value.get("config").and_then(|config| config.get(*field)) {
                Some(Value::String(name)) => names.push(name),
                Some(Value::Array(given)) => names.extend(given.iter().filter_map(Value::as_str)),
                _ => {}
            }
        }
    }
    own.and(&names)
}
