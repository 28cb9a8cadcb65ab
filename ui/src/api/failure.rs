//! What can go wrong when the Admin API is asked.

use serde_json::Value;

/// What was asked for, or why not.
pub type Answer = Result<Value, Failure>;

/// An answer that is not one of success; `status` 0 when there was none.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub status: u16,
    /// The body; null when it was no JSON.
    pub body: Value,
}

impl Failure {
    /// No answer at all.
    pub fn unreachable() -> Self {
        Self { status: 0, body: Value::Null }
    }

    /// Whether the same question may be answered later.
    pub fn may_pass(&self) -> bool {
        matches!(self.status, 0 | 429 | 500..)
    }

    /// What happened and what to do, for people.
    pub fn sentence(&self) -> String {
        let said = self.body["message"].as_str().unwrap_or_default();
        let own = match self.status {
            0 => t!("The Admin API cannot be reached. Nothing was lost: try again when it is back."),
            401 => t!("The Admin API asks who you are: sign in and try again."),
            403 => t!("You may not do this."),
            404 => t!("This does not exist (any more)."),
            405 => t!("This gateway does not take changes here."),
            409 => t!("Somebody else has something with the same name or value."),
            429 => t!("Too many requests at once: wait a moment and try again."),
            503 => t!("The gateway cannot reach its database: try again when it is back."),
            500.. => t!("The gateway failed at this: its error log says why."),
            _ => "",
        };
        match (own, said) {
            ("", "") => t!("The Admin API answered {status}.", status = self.status),
            ("", said) => said.to_owned(),
            (own, "") => own.to_owned(),
            (own, said) => format!("{own} ({said})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_status_has_a_sentence() {
        for status in [0, 400, 401, 403, 404, 405, 409, 418, 429, 500, 503] {
            for body in [Value::Null, json!({"message": "m"}), json!([1])] {
                assert!(Failure { status, body }.sentence().ends_with(['.', ')', 'm']));
            }
        }
    }
}
