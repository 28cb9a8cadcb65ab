//! What of a database's migrations is done, and the texts about it.

use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Migrations of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// `core`, or the name of a plugin.
    pub name: String,
    /// The migrations, in their order.
    pub migrations: Vec<String>,
}

/// What of a database's migrations is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Whether nothing was ever made in the database.
    pub needs_bootstrap: bool,
    /// Done.
    pub executed: Vec<Namespace>,
    /// Begun by `up`, to be ended by `finish`. No migration so far has a second half.
    pub pending: Vec<Namespace>,
    /// Not begun.
    pub new: Vec<Namespace>,
}

/// Groups `core/a`, `core/b`, `acl/c` by their owners; `core` comes first.
pub(crate) fn grouped<'a>(versions: impl IntoIterator<Item = &'a str>) -> Vec<Namespace> {
    let mut found: Vec<Namespace> = Vec::new();
    for version in versions {
        let (name, migration) = version.split_once('/').unwrap_or(("core", version));
        match found.iter_mut().find(|namespace| namespace.name == name) {
            Some(namespace) => namespace.migrations.push(migration.to_owned()),
            None => found.push(Namespace { name: name.to_owned(), migrations: vec![migration.to_owned()] }),
        }
    }
    found.sort_by_key(|namespace| namespace.name != "core");
    found
}

impl State {
    /// Whether a node may run on it.
    pub fn is_up_to_date(&self) -> bool {
        !self.needs_bootstrap && self.pending.is_empty() && self.new.is_empty()
    }

    /// What `migrations list` prints, and its exit code: 3 nothing there, 4 pending, 5 new ones, 0 up to date.
    pub fn list(&self) -> (String, u8) {
        if self.needs_bootstrap {
            return (String::new(), 3);
        }
        let mut text = String::new();
        let mut block = |title: &str, namespaces: &[Namespace]| {
            if !namespaces.is_empty() {
                let _ = writeln!(text, "{title}:");
                for namespace in namespaces {
                    let _ = writeln!(text, "{:>10}: {}", namespace.name, namespace.migrations.join(", "));
                }
                text.push('\n');
            }
        };
        block("Executed migrations", &self.executed);
        block("Pending migrations", &self.pending);
        block("New migrations available", &self.new);
        let code = match (self.pending.is_empty(), self.new.is_empty()) {
            (false, _) => 4,
            (true, false) => 5,
            (true, true) => 0,
        };
        (text, code)
    }

    /// What `migrations status` prints: one JSON object.
    pub fn status(&self) -> String {
        let list = |namespaces: &[Namespace]| -> Value {
            let each = |namespace: &Namespace| json!({"namespace": namespace.name, "migrations": namespace.migrations});
            namespaces.iter().map(each).collect()
        };
        let mut status = Map::new();
        status.insert("needs_bootstrap".into(), Value::Bool(self.needs_bootstrap));
        for (name, namespaces) in [
            ("executed_migrations", &self.executed),
            ("pending_migrations", &self.pending),
            ("new_migrations", &self.new),
        ] {
            if !namespaces.is_empty() {
                status.insert(name.into(), list(namespaces));
            }
        }
        Value::Object(status).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_by_owner_with_the_exit_code_of_the_state() {
        let state = State { executed: grouped(["acl/acls_1", "core/000_base", "core/b"]), ..State::default() };
        let (text, code) = state.list();
        assert_eq!(code, 0);
        assert_eq!(text, "Executed migrations:\n      core: 000_base, b\n       acl: acls_1\n\n");
        let new = State { new: grouped(["core/c"]), ..state.clone() };
        assert_eq!(new.list().1, 5);
        assert!(new.list().0.ends_with("New migrations available:\n      core: c\n\n"));
        assert_eq!(State { pending: grouped(["core/c"]), ..new }.list().1, 4);
        assert_eq!(State { needs_bootstrap: true, ..State::default() }.list(), (String::new(), 3));
    }

    #[test]
    fn a_status_is_one_line_of_json() {
        let state = State { executed: grouped(["core/a"]), ..State::default() };
        assert_eq!(
            state.status(),
            r#"{"needs_bootstrap":false,"executed_migrations":[{"namespace":"core","migrations":["a"]}]}"#
        );
    }
}
