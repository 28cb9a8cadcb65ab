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

    /// What happened and what to do, for people.
    pub fn sentence(&self) -> String {
        let said = self.body["message"].as_str().unwrap_or_default();
        let own = match self.status {
            0 => "The Admin API cannot be reached. Nothing was lost: try again when it is back.",
            401 => "The Admin API asks who you are: sign in and try again.",
            403 => "You may not do this.",
            404 => "This does not exist (any more).",
            405 => "This gateway does not take changes here.",
            409 => "Somebody else has something with the same name or value.",
            429 => "Too many requests at once: wait a moment and try again.",
            503 => "The gateway cannot reach its database: try again when it is back.",
            500.. => "The gateway failed at this: its error log says why.",
            _ => "",
        };
        match (own, said) {
            ("", "") => format!("The Admin API answered {}.", self.status),
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
