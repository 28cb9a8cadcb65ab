//! Every property with its value: what was set, parsed, references resolved; defaults for the rest; aliases followed.

use std::collections::HashMap;

use indexmap::IndexMap;

use crate::given::Collected;
use crate::problem::{Notice, Origin, Problem};
use crate::property::{Effect, Kind, Property, text};
use crate::suite::Suite;
use crate::value::{Value, elements};
use crate::vault::{self, is_reference};
use crate::{directive, obsolete, table};

/// A value with its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// What `GET /` shows instead: references stay references.
    pub shown: Option<Value>,
    /// Where it was set; [`Origin::Default`] where it was not.
    pub origin: Origin,
}

/// Every property of the table and every dynamic one that was set.
#[derive(Debug, Clone, Default)]
pub struct Values {
    entries: IndexMap<String, Entry>,
    /// What references in values were resolved with.
    pub(crate) vault: vault::Environment,
}

impl Values {
    /// All of them, in the order of the table, dynamic ones last.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The value; [`Value::Unset`] for a dynamic property that nobody set.
    pub fn value(&self, name: &str) -> &Value {
        self.entries.get(name).map_or(&Value::Unset, |e| &e.value)
    }

    /// Where it was set.
    pub fn origin(&self, name: &str) -> Origin {
        self.entries.get(name).map_or(Origin::Default, |e| e.origin.clone())
    }

    /// Whether somebody set it.
    pub fn is_set(&self, name: &str) -> bool {
        self.entries.get(name).is_some_and(|e| e.origin != Origin::Default)
    }

    fn put(&mut self, name: &str, value: Value, origin: Origin) {
        self.entries.insert(name.to_owned(), Entry { value, shown: None, origin });
    }

    pub(crate) fn resolve(collected: &mut Collected, variables: &HashMap<String, String>) -> Self {
        let vaults = collected.text("vaults").unwrap_or("bundled");
        let environment = vault::Environment {
            variables: variables.clone(),
            prefix: collected.text("vault_env_prefix").unwrap_or_default().to_owned(),
            enabled: elements(vaults).iter().any(|v| v == "bundled" || v == "env"),
        };
        let mut values = Self::default();
        let mut problems = Vec::new();
        for (property, _) in table::all() {
            values.put(property.name, Value::default_of(property), Origin::Default);
        }
        for (name, given) in &collected.given {
            if given.text.is_empty() {
                continue;
            }
            let property = table::find(name).copied().unwrap_or(DYNAMIC);
            match read(name, &property, &given.text, &environment) {
                Ok((value, shown)) => {
                    values.entries.insert(name.clone(), Entry { value, shown, origin: given.origin.clone() });
                }
                Err(reasons) => problems.extend(reasons.into_iter().map(|(message, hint)| Problem {
                    property: name.clone(),
                    origin: given.origin.clone(),
                    message,
                    hint,
                })),
            }
        }
        collected.problems.append(&mut problems);
        values.follow_deprecated();
        values.follow_aliases();
        values.apply_suite(collected);
        values.vault = environment;
        values
    }

    /// Older names whose value counts where the newer one is not set.
    fn follow_deprecated(&mut self) {
        let pairs = [
            ("opentelemetry_tracing", "tracing_instrumentations"),
            ("opentelemetry_tracing_sampling_rate", "tracing_sampling_rate"),
            ("privileged_worker", "dedicated_config_processing"),
            ("router_consistency", "worker_consistency"),
        ];
        for (old, new) in pairs {
            self.inherit(old, new);
        }
    }

    fn follow_aliases(&mut self) {
        for (property, _) in table::all() {
            if let Some(target) = property.alias_of {
                self.inherit(property.name, target);
            }
            for target in property.sets {
                if !self.is_set(target) {
                    let entry = self.entries.get(property.name);
                    let text = entry.map(|e| (e.value.to_text(), e.origin.clone())).filter(|(t, _)| !t.is_empty());
                    if let Some((text, origin)) = text {
                        self.put(target, Value::Text(text), origin);
                    }
                }
            }
        }
    }

    fn inherit(&mut self, from: &str, to: &str) {
        if !self.is_set(from) || self.is_set(to) {
            return;
        }
        let Some(entry) = self.entries.get(from).cloned() else { return };
        let kind = table::find(to).map_or(Kind::Text, |p| p.kind);
        let value = match (kind, entry.value) {
            (Kind::Text | Kind::Choice | Kind::OnOff, value) => Value::Text(value.to_text()),
            (_, value) => value,
        };
        self.put(to, value, entry.origin);
    }

    /// A cipher suite by name decides versions, ciphers and their order, except `custom`.
    fn apply_suite(&mut self, collected: &Collected) {
        let Value::Text(name) = self.value("ssl_cipher_suite") else { return };
        let Some(suite) = Suite::named(name) else { return };
        let origin = self.origin("ssl_cipher_suite");
        let put =
            |values: &mut Self, name: &str, text: &str| values.put(name, Value::Text(text.to_owned()), origin.clone());
        put(self, "ssl_protocols", suite.protocols);
        if let Some(ciphers) = suite.ciphers {
            put(self, "ssl_ciphers", ciphers);
        }
        if let Some(dhparam) = suite.dhparam {
            put(self, "ssl_dhparam", dhparam);
        }
        for block in ["http", "stream"] {
            let directives = [
                ("ssl_protocols", Some(suite.protocols)),
                ("ssl_prefer_server_ciphers", Some(suite.prefer_server_ciphers)),
                ("ssl_dhparam", suite.dhparam),
            ];
            for (directive, value) in directives {
                let name = format!("nginx_{block}_{directive}");
                let by_hand = collected.text(&name).is_some();
                if let (Some(value), false) = (value, by_hand) {
                    put(self, &name, value);
                }
            }
        }
    }

    /// What somebody set that does nothing, in one sentence each for what never will and what does not yet; and what
    /// is said about older names that act.
    pub(crate) fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut without = Vec::new();
        let mut later = Vec::new();
        for (name, entry) in self.iter().filter(|(_, e)| e.origin != Origin::Default) {
            match table::find(name) {
                Some(property) => {
                    if let Some(instead) = property.deprecated {
                        let text = format!("{name} ({}) is deprecated: {instead}", entry.origin);
                        notices.push(Notice::warning(text));
                    }
                    let plain = entry.value == Value::default_of(property)
                        || matches!(&entry.value, Value::List(items) if items.iter().any(|i| i == "off"))
                        || entry.value == Value::Text("off".into())
                        || entry.value == Value::Boolean(false);
                    match property.effect {
                        Effect::Acts => {}
                        _ if plain || self.derived(property, entry) => {}
                        Effect::Without => without.push(name),
                        Effect::Later => later.push(name),
                    }
                }
                None if !directive::acts(name) => {
                    if name.starts_with("nginx_") && !name.starts_with("nginx_wasm") {
                        &mut without
                    } else {
                        &mut later
                    }
                    .push(name);
                }
                None => {}
            }
        }
        if self.value("worker_consistency") == &Value::Text("strict".into()) {
            notices.push(Notice::warning("worker_consistency = strict is deprecated: use eventual"));
        }
        if let Value::List(listen) = self.value("cluster_listen")
            && let Some(sentence) = listen.iter().find_map(|l| obsolete::serf_port(l))
        {
            notices.push(Notice::warning(format!("cluster_listen ({}): {sentence}", self.origin("cluster_listen"))));
        }
        if !without.is_empty() {
            let text =
                format!("accepted without effect, since they only tune what is not here: {}", without.join(", "));
            notices.push(Notice::information(text));
        }
        if !later.is_empty() {
            let text = format!("accepted, but not available yet: {}", later.join(", "));
            notices.push(Notice::warning(text));
        }
        notices
    }

    /// Whether the value came from an other property and not from a person.
    fn derived(&self, property: &Property, entry: &Entry) -> bool {
        table::all().any(|(other, _)| {
            (other.sets.contains(&property.name)
                || other.alias_of == Some(property.name)
                || other.name == "ssl_cipher_suite")
                && other.name != property.name
                && self.get(other.name).is_some_and(|e| e.origin == entry.origin)
        })
    }
}

/// How a property that no table lists is read.
const DYNAMIC: Property = text("", "", "");

type Reasons = Vec<(String, Option<String>)>;

fn read(
    name: &str,
    property: &Property,
    text: &str,
    vault: &vault::Environment,
) -> Result<(Value, Option<Value>), Reasons> {
    let resolve = |reference: &str| {
        vault.resolve(reference, |_| None).map_err(|error| {
            let message = format!("failed to dereference '{reference}': {error} for config option '{name}'");
            (message, Some("a reference such as {vault://env/my-secret} names a variable, here MY_SECRET".to_owned()))
        })
    };
    if property.kind == Kind::List {
        let written = elements(text);
        if !written.iter().any(|e| is_reference(e)) {
            return Ok((Value::List(written), None));
        }
        let mut resolved = Vec::with_capacity(written.len());
        let mut reasons = Vec::new();
        for element in &written {
            match is_reference(element).then(|| resolve(element)) {
                None => resolved.push(element.clone()),
                Some(Ok(value)) => resolved.push(value),
                Some(Err(reason)) => reasons.push(reason),
            }
        }
        return if reasons.is_empty() { Ok((Value::List(resolved), Some(Value::List(written)))) } else { Err(reasons) };
    }
    let parse = |text: &str| Value::parse(property, text).map_err(|(message, hint)| vec![(message, Some(hint))]);
    if is_reference(text) {
        let value = resolve(text).map_err(|reason| vec![reason])?;
        return Ok((parse(value.trim_end_matches(['\n', '\r']))?, Some(Value::Text(text.to_owned()))));
    }
    Ok((parse(text)?, None))
}
