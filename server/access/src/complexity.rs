//! Rules for passwords.

use serde_json::{Map, Value};

/// Why rules or a password are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComplexityError {
    /// The setting cannot be read.
    #[error("admin_gui_auth_password_complexity: {0}")]
    Setting(String),
    /// The password is too simple.
    #[error("Invalid password: {0}")]
    Password(String),
}

/// What a password must be made of. By default anything but nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complexity {
    // The shortest length by number of classes of characters: one, two, a passphrase, three, four; `None`: never enough.
    shortest: [Option<usize>; 5],
    longest: Option<usize>,
    words: usize,
}

impl Default for Complexity {
    fn default() -> Self {
        Complexity { shortest: [Some(1); 5], longest: None, words: 0 }
    }
}

impl Complexity {
    /// Reads the setting: `{"kong-preset": "min_8"}`, or the options `min`, `max` and `passphrase` of passwdqc.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(setting: &Map<String, Value>) -> Result<Complexity, ComplexityError> {
        let wrong = |text: &str| ComplexityError::Setting(text.to_owned());
        if let Some(preset) = setting.get("kong-preset") {
            let length = match preset.as_str() {
                Some("min_8") => 8,
                Some("min_12") => 12,
                Some("min_20") => 20,
                _ => return Err(wrong("kong-preset must be one of: min_8, min_12, min_20")),
            };
            return Ok(Complexity {
                shortest: [None, None, None, Some(length), Some(length)],
                longest: None,
                words: 0,
            });
        }
        let number = |name: &str| match setting.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => text.trim().parse().map(Some).map_err(|_| wrong("a number is expected")),
            Some(value) => match value.as_u64().and_then(|number| usize::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(wrong("a number is expected")),
            },
        };
        // passwdqc's own defaults.
        let mut rules =
            Complexity { shortest: [None, Some(24), Some(11), Some(8), Some(7)], longest: Some(72), words: 3 };
        if let Some(min) = setting.get("min") {
            let text =
                min.as_str().ok_or_else(|| wrong("min is five numbers, or disabled, with commas between them"))?;
            let parts: Vec<&str> = text.split(',').map(str::trim).collect();
            if parts.len() != 5 {
                return Err(wrong("min is five numbers, or disabled, with commas between them"));
            }
            for (slot, part) in rules.shortest.iter_mut().zip(parts) {
                *slot = match part {
                    "disabled" => None,
                    number => Some(number.parse().map_err(|_| wrong("min is five numbers, or disabled"))?),
                };
            }
        }
        rules.longest = number("max")?.or(rules.longest);
        rules.words = number("passphrase")?.unwrap_or(rules.words);
        Ok(rules)
    }

    /// Checks a password.
    ///
    /// # Errors
    /// When it is too simple.
    pub fn check(&self, password: &str) -> Result<(), ComplexityError> {
        let length = password.chars().count();
        if self.longest.is_some_and(|longest| length > longest) {
            return Err(ComplexityError::Password("too long".to_owned()));
        }
        let has = |class: fn(char) -> bool| usize::from(password.chars().any(class));
        let classes = has(|c| c.is_lowercase())
            + has(|c| c.is_uppercase())
            + has(|c| c.is_numeric())
            + has(|c| !c.is_alphanumeric());
        let enough = |rule: usize| self.shortest[rule].is_some_and(|shortest| length >= shortest);
        let by_classes = match classes {
            0 => false,
            1 => enough(0),
            2 => enough(0) || enough(1),
            3 => enough(0) || enough(1) || enough(3),
            _ => enough(0) || enough(1) || enough(3) || enough(4),
        };
        let words = password.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).count();
        let by_phrase = self.words > 0 && words >= self.words && enough(2);
        if by_classes || by_phrase {
            return Ok(());
        }
        let text = match self.shortest.iter().flatten().min() {
            Some(shortest) if length < *shortest => "too short",
            _ => "not enough different characters or classes for this length",
        };
        Err(ComplexityError::Password(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(setting: Value) -> Complexity {
        Complexity::read(setting.as_object().expect("an object")).expect("rules")
    }

    #[test]
    fn passwords_are_held_to_the_rules() {
        let preset = rules(json!({"kong-preset": "min_8"}));
        let qc = rules(json!({"min": "disabled,24,11,9,8", "max": "40", "passphrase": 3}));
        for (rules, password, wanted) in [
            (&Complexity::default(), "x", true),
            (&Complexity::default(), "", false),
            (&preset, "short1!", false),
            (&preset, "alllowercase", false),
            (&preset, "lowerUPPER", false),
            (&preset, "Good-pass-77", true),
            (&preset, "lower-77-lower", true),
            (&qc, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            (&qc, "one two six", true),
            (&qc, "Ab1!efgh", true),
            (&qc, "Ab1!efg", false),
            (&qc, "Ab1!efghAb1!efghAb1!efghAb1!efghAb1!efgh9", false),
        ] {
            assert_eq!(rules.check(password).is_ok(), wanted, "{password}");
        }
    }

    #[test]
    fn settings_are_checked() {
        for setting in
            [json!({"kong-preset": "min_9"}), json!({"min": "8"}), json!({"min": "a,b,c,d,e"}), json!({"max": []})]
        {
            assert!(Complexity::read(setting.as_object().expect("an object")).is_err(), "{setting}");
        }
    }
}
