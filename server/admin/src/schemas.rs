//! `/schemas/…`: what entities, plugins and vaults look like, and whether a value is one.

use crate::body::Body;
use crate::errors;
use crate::form::Argument;
use crate::query;
use crate::respond::Answer;
use crate::scope::Scope;
use crate::state::Shared;
use serde_json::{Value, json};

fn text(segment: &[u8]) -> String {
    String::from_utf8_lossy(segment).into_owned()
}

fn answer(described: Option<Value>, unknown: &str, name: &str) -> Answer {
    match described {
        Some(described) => Answer::json(200, &described),
        None => errors::plain(404, &format!("No {unknown} named '{name}'")),
    }
}

impl Shared {
    /// `GET /schemas/{entity}`; with `beyond_kong=1` also the fields that Kong does not have.
    pub(crate) fn schema(&self, name: &[u8], query: &[Argument]) -> Answer {
        let (name, definitions) = (text(name), self.kinds.definitions());
        let described = match query::flag(query, "beyond_kong") {
            true => definitions.describe_all(&name),
            false => definitions.describe(&name),
        };
        answer(described, "entity", &name)
    }

    /// `GET /schemas/plugins/{name}`
    pub(crate) fn plugin(&self, name: &[u8]) -> Answer {
        let name = text(name);
        answer(self.kinds.definitions().describe_plugin(&name), "plugin", &name)
    }

    /// `GET /plugins/schema/{name}`: the fields of `config` alone.
    pub(crate) fn plugin_config(&self, name: &[u8]) -> Answer {
        let name = text(name);
        answer(self.kinds.definitions().plugin(&name).map(|plugin| plugin.config.describe()), "plugin", &name)
    }

    /// `GET /schemas/vaults/{name}`
    pub(crate) fn vault(&self, name: &[u8]) -> Answer {
        let name = text(name);
        answer(self.kinds.definitions().describe_vault(&name), "vault", &name)
    }

    /// `GET /schemas/filters/{name}`
    pub(crate) fn filter(name: &[u8]) -> Answer {
        errors::plain(404, &format!("Filter '{}' not found", text(name)))
    }

    /// `GET /plugins/enabled`
    pub(crate) fn enabled(&self) -> Answer {
        let names: Vec<&str> = self.kinds.definitions().plugins().iter().map(|plugin| &*plugin.name).collect();
        Answer::json(200, &json!({"enabled_plugins": names}))
    }
}

impl Scope<'_> {
    /// `POST /schemas/{entity}/validate`
    pub(crate) fn validate_only(&self, name: &[u8], body: Body) -> Result<Answer, Answer> {
        let name = text(name);
        let Some(kind) = self.kinds.position(&name) else {
            return Err(errors::plain(404, &format!("No entity named '{name}'")));
        };
        let members = self.sent(kind, body, None);
        self.validate(kind, members)?;
        Ok(errors::plain(200, "schema validation successful"))
    }
}
