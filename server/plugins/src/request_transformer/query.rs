//! Arguments: of a query, or of a urlencoded form.

use super::operations::Operation;
use crate::form;
use exchange::escape::RESERVED;
use indexmap::IndexMap;
use percent_encoding::percent_encode;

/// Arguments by name, in their order; no value stands for a bare name.
#[derive(Debug, Default)]
pub(super) struct Arguments(IndexMap<Vec<u8>, Vec<Option<Vec<u8>>>>);

impl Arguments {
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut arguments = Self::default();
        arguments.extend(text);
        arguments
    }

    /// Takes over those of another text; values of a name both have come together.
    pub(super) fn extend(&mut self, text: &[u8]) {
        for (name, value) in form::pairs(text) {
            self.0.entry(name.into_owned()).or_default().push(value.map(Into::into));
        }
    }

    /// Applies operations, each to what the one before has left; tells whether something changed.
    pub(super) fn apply(&mut self, operations: &[Operation<'_>]) -> bool {
        let mut changed = false;
        for operation in operations {
            match operation {
                Operation::Remove(name) => changed |= self.0.shift_remove(name.as_bytes()).is_some(),
                Operation::Rename(old, new) => {
                    if old.as_bytes() != new.as_ref()
                        && let Some(values) = self.0.shift_remove(old.as_bytes())
                    {
                        self.0.insert(new.to_vec(), values);
                        changed = true;
                    }
                }
                Operation::Replace(name, value) => {
                    if let Some(values) = self.0.get_mut(name.as_bytes()) {
                        *values = vec![Some(value.to_vec())];
                        changed = true;
                    }
                }
                Operation::Add(name, value) => {
                    if !self.0.contains_key(name.as_bytes()) {
                        self.0.insert(name.as_bytes().to_vec(), vec![Some(value.to_vec())]);
                        changed = true;
                    }
                }
                Operation::Append(name, value) => {
                    self.0.entry(name.as_bytes().to_vec()).or_default().push(Some(value.to_vec()));
                    changed = true;
                }
            }
        }
        changed
    }

    /// In the order of their names, as `kong.service.request.set_query` writes them.
    pub(super) fn sorted(mut self) -> Self {
        self.0.sort_unstable_keys();
        self
    }

    /// As text.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, values) in &self.0 {
            for value in values {
                if !out.is_empty() {
                    out.push(b'&');
                }
                percent_encode(name, RESERVED).for_each(|part| out.extend_from_slice(part.as_bytes()));
                if let Some(value) = value {
                    out.push(b'=');
                    percent_encode(value, RESERVED).for_each(|part| out.extend_from_slice(part.as_bytes()));
                }
            }
        }
        out
    }
}
