//! What is done to a resource, and rules about it.

use serde_json::Value;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Looks.
    Read,
    /// Makes something new.
    Create,
    /// Changes something.
    Update,
    /// Removes something.
    Delete,
}

impl Action {
    /// All, in the order in which they are listed.
    pub const ALL: [Action; 4] = [Action::Delete, Action::Create, Action::Update, Action::Read];

    /// What a method does; `None` for methods that no endpoint has. Methods are case-sensitive (RFC 9110 §9.1).
    pub fn of_method(method: &str) -> Option<Action> {
        match method {
            "GET" | "HEAD" | "OPTIONS" => Some(Action::Read),
            "POST" => Some(Action::Create),
            "PATCH" | "PUT" => Some(Action::Update),
            "DELETE" => Some(Action::Delete),
            _ => None,
        }
    }

    /// As permissions name it.
    pub fn name(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions(u8);

impl Actions {
    /// Every action.
    pub const ALL: Actions = Actions(0b1111);
    /// Reading alone.
    pub const READ: Actions = Actions(1);

    /// Whether `action` is among them.
    pub fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These and those.
    pub fn with(self, other: Actions) -> Actions {
        Actions(self.0 | other.0)
    }

    /// The names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Action::ALL.into_iter().filter(move |action| self.contains(*action)).map(Action::name)
    }

    /// Reads what requests and records hold: `"read,create"`, a list of names, or `*`.
    ///
    /// # Errors
    /// The word that is no action.
    pub fn read(value: &Value) -> Result<Actions, String> {
        let words: Vec<&str> = match value {
            Value::String(text) => text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect(),
            Value::Array(items) => {
                let words = items.iter().map(|item| item.as_str().ok_or_else(|| item.to_string()));
                words.collect::<Result<_, _>>()?
            }
            other => return Err(other.to_string()),
        };
        words.into_iter().try_fold(Actions::default(), |all, word| {
            let one = match word {
                "*" => Actions::ALL,
                word => Action::ALL.into_iter().find(|action| action.name() == word).ok_or(word)?.into(),
            };
            Ok(all.with(one))
        })
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Actions {
        Actions(action.bit())
    }
}

/// What permissions of one rank say together: a negative one beats a positive one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Allowed by a positive permission.
    pub allow: Actions,
    /// Forbidden by a negative permission.
    pub deny: Actions,
}

impl Rule {
    /// One permission.
    pub fn of(actions: Actions, negative: bool) -> Rule {
        if negative {
            Rule { allow: Actions::default(), deny: actions }
        } else {
            Rule { allow: actions, deny: Actions::default() }
        }
    }

    /// This and another of the same rank.
    pub fn with(self, other: Rule) -> Rule {
        Rule { allow: self.allow.with(other.allow), deny: self.deny.with(other.deny) }
    }

    /// Whether it allows `action`.
    pub fn allows(self, action: Action) -> bool {
        self.allow.contains(action) && !self.deny.contains(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn actions_come_as_text_as_a_list_or_as_a_star() {
        for (given, wanted) in [
            (json!("read,create"), Ok(vec!["create", "read"])),
            (json!("read, delete"), Ok(vec!["delete", "read"])),
            (json!(["update"]), Ok(vec!["update"])),
            (json!("*"), Ok(vec!["delete", "create", "update", "read"])),
            (json!(["*"]), Ok(vec!["delete", "create", "update", "read"])),
            (json!("fly"), Err("fly".to_owned())),
            (json!(["read", 7]), Err("7".to_owned())),
            (json!(true), Err("true".to_owned())),
        ] {
            assert_eq!(Actions::read(&given).map(|actions| actions.names().collect::<Vec<_>>()), wanted, "{given}");
        }
    }

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Action::of_method("HEAD"), Some(Action::Read));
        assert_eq!(Action::of_method("get"), None);
        assert_eq!(Action::of_method("TRACE"), None);
    }
}
