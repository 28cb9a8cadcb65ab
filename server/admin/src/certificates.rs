//! The names of a Certificate, which are entities of their own and a list within it, and what certificates say of themselves.

use crate::errors;
use crate::resource::Key;
use crate::respond::Answer;
use crate::scope::{Scope, now};
use entities::x509::CertificateFacts;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Id, Operation, Record};

/// The list's name.
const SNIS: &str = "snis";

/// The kinds that hold certificates, the members that do, and the members that say what stands in them.
const DESCRIBED: [(&str, &str, &str); 3] = [
    ("certificates", "cert", "metadata"),
    ("certificates", "cert_alt", "metadata_alt"),
    ("ca_certificates", "cert", "metadata"),
];

/// The members that a kind has with `beyond_kong=1`.
pub(crate) fn described(entity: &str) -> impl Iterator<Item = &'static str> {
    DESCRIBED.iter().filter(move |(of, ..)| *of == entity).map(|(_, _, name)| *name)
}

impl Scope<'_> {
    /// Adds what the certificates of an entity say of themselves: null where that is not to be read, as of a reference to a
    /// vault.
    pub(crate) fn describe_certificates(&self, shown: &mut Map<String, Value>, entity: &str) {
        for (_, member, name) in DESCRIBED.iter().filter(|(of, ..)| *of == entity) {
            if let Some(pem) = shown.get(*member).and_then(Value::as_str) {
                shown.insert((*name).to_owned(), serde_json::json!(CertificateFacts::of(pem)));
            }
        }
    }

    /// The Certificate that a name belongs to.
    pub(crate) async fn certificate_by_sni(&self, kind: usize, name: &str) -> Result<Option<Arc<Record>>, Answer> {
        let Some(snis) = self.kinds.position(SNIS) else { return Ok(None) };
        let sni = self.by_field(snis, "name", &Value::from(name)).await?;
        match sni.and_then(|sni| sni.reference("certificate")) {
            Some(id) => self.by_id(kind, &id).await,
            None => Ok(None),
        }
    }

    /// The names of a Certificate, sorted.
    pub(crate) async fn names_of(&self, certificate: &Record) -> Result<Vec<String>, Answer> {
        let Some(snis) = self.kinds.position(SNIS) else { return Ok(Vec::new()) };
        let found = self.children(snis, "certificate", &certificate.id).await?;
        let mut names: Vec<String> = found.iter().filter_map(|sni| sni.text("name").map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Takes the list of names out of what was sent, when there is one: each valid, given once, and free or already
    /// the Certificate's (`own`).
    pub(crate) async fn take_names(
        &self,
        kind: usize,
        members: &mut Map<String, Value>,
        own: Option<&Id>,
    ) -> Result<Option<Vec<String>>, Answer> {
        if self.name(kind) != "certificates" {
            return Ok(None);
        }
        let list = match members.get(SNIS) {
            Some(Value::Array(list)) => list.clone(),
            Some(Value::Object(none)) if none.is_empty() => Vec::new(),
            Some(text @ Value::String(_)) => vec![text.clone()],
            Some(Value::Null) => {
                members.shift_remove(SNIS);
                return Ok(None);
            }
            // What is no list at all is for the definition to refuse.
            _ => return Ok(None),
        };
        members.shift_remove(SNIS);
        let wrong = |text: String| errors::schema_violation(schema::Errors::of(SNIS, text));
        let mut names = BTreeSet::new();
        for name in list {
            let Value::String(name) = name else { return Err(errors::invalid_unique("name", "expected a string")) };
            if names.contains(&name) {
                return Err(wrong(format!("{name} is duplicated")));
            }
            names.insert(name);
        }
        for name in &names {
            self.check_key(SNIS, "name", name)?;
            if let Some(holder) = self.certificate_by_sni(kind, name).await?
                && own != Some(&holder.id)
            {
                return Err(wrong(format!("{name} already associated with existing certificate '{}'", holder.id)));
            }
        }
        Ok(Some(names.into_iter().collect()))
    }

    /// What makes `names` the names of a Certificate that has others, or none, so far.
    pub(crate) async fn naming(
        &self,
        certificate: &Record,
        existing: Option<&Record>,
        names: &[String],
    ) -> Result<Vec<Operation>, Answer> {
        let Some(snis) = self.kinds.position(SNIS) else { return Ok(Vec::new()) };
        let before = match existing {
            Some(existing) => self.children(snis, "certificate", &existing.id).await?,
            None => Vec::new(),
        };
        let kept = |name: &str| before.iter().any(|sni| sni.text("name") == Some(name));
        let mut operations: Vec<Operation> = before
            .iter()
            .filter(|sni| !sni.text("name").is_some_and(|name| names.iter().any(|kept| kept == name)))
            .map(|sni| Operation::Delete { entity: SNIS, id: sni.id.clone() })
            .collect();
        for name in names.iter().filter(|name| !kept(name)) {
            let mut members = Map::new();
            members.insert("name".to_owned(), name.as_str().into());
            members.insert("certificate".to_owned(), crate::write::reference_to(&certificate.id));
            let value = self.kinds.definitions().process_insert(SNIS, members, now()).map_err(crate::write::fault)?;
            operations.push(Operation::Insert(self.record(snis, value, None)?));
        }
        Ok(operations)
    }

    /// The names a Certificate gets by a PUT: those that were sent, and the one in the path when it is new.
    pub(crate) fn names_of_put(&self, key: &Key, existing: bool, sent: Option<Vec<String>>) -> Vec<String> {
        let mut names = sent.unwrap_or_default();
        if let Key::Field(SNIS, name) = key
            && !existing
            && !names.contains(name)
        {
            names.push(name.clone());
        }
        names
    }
}
