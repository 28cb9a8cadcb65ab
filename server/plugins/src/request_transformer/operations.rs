//! Operations on named values, and what they are for one request.

use super::Config;
use crate::pairs::parted;
use crate::template::{Environment, Template};
use std::borrow::Cow;

/// Operations on headers, on arguments or on a body, in the order in which they apply.
#[derive(Debug, Default)]
pub(super) struct Operations {
    remove: Vec<String>,
    rename: Vec<Pair>,
    replace: Vec<Pair>,
    add: Vec<Pair>,
    append: Vec<Pair>,
}

/// A name with its value, where it has one. A template that is none fails when it is needed.
#[derive(Debug)]
struct Pair {
    name: String,
    value: Option<Result<Template, String>>,
}

/// One operation on a request.
#[derive(Debug, PartialEq)]
pub(super) enum Operation<'o> {
    /// Take it out.
    Remove(&'o str),
    /// Give it another name.
    Rename(&'o str, Cow<'o, [u8]>),
    /// Give it another value where it is there.
    Replace(&'o str, Cow<'o, [u8]>),
    /// Give it a value where it is not there.
    Add(&'o str, Cow<'o, [u8]>),
    /// Give it one value more.
    Append(&'o str, Cow<'o, [u8]>),
}

impl Operations {
    pub(super) fn on_headers(config: &Config) -> Self {
        let Config { remove, rename, replace, add, append, .. } = config;
        Self::new(&remove.headers, [&rename.headers, &replace.headers, &add.headers, &append.headers])
    }

    pub(super) fn on_query(config: &Config) -> Self {
        let Config { remove, rename, replace, add, append, .. } = config;
        let others = [&rename.querystring, &replace.querystring, &add.querystring, &append.querystring];
        Self::new(&remove.querystring, others)
    }

    pub(super) fn on_body(config: &Config) -> Self {
        let Config { remove, rename, replace, add, append, .. } = config;
        Self::new(&remove.body, [&rename.body, &replace.body, &add.body, &append.body])
    }

    fn new(remove: &[String], others: [&Vec<String>; 4]) -> Self {
        let [rename, replace, add, append] = others.map(|pairs| pairs.iter().map(|pair| Pair::new(pair)).collect());
        Self { remove: remove.iter().map(|name| parted(name).0.to_owned()).collect(), rename, replace, add, append }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.remove.is_empty() && [&self.rename, &self.replace, &self.add, &self.append].iter().all(|of| of.is_empty())
    }

    /// The operations with their values for a request. Pairs without a value do nothing.
    pub(super) fn rendered(&self, environment: &Environment<'_>) -> Result<Vec<Operation<'_>>, String> {
        let mut out: Vec<_> = self.remove.iter().map(|name| Operation::Remove(name)).collect();
        type Make<'o> = fn(&'o str, Cow<'o, [u8]>) -> Operation<'o>;
        let groups: [(&Vec<Pair>, Make<'_>); 4] = [
            (&self.rename, Operation::Rename),
            (&self.replace, Operation::Replace),
            (&self.add, Operation::Add),
            (&self.append, Operation::Append),
        ];
        for (pairs, make) in groups {
            for pair in pairs {
                if let Some(value) = &pair.value {
                    let template = value.as_ref().map_err(Clone::clone)?;
                    out.push(make(&pair.name, template.render(environment)?));
                }
            }
        }
        Ok(out)
    }
}

impl Pair {
    fn new(pair: &str) -> Self {
        let (name, value) = parted(pair);
        Self { name: name.to_owned(), value: value.map(Template::compile) }
    }
}
