//! What templates know of a request.

use super::evaluate::Value;
use crate::form;
use exchange::Exchange;
use std::borrow::Cow;

/// The tables a template can name, as the request is before its transformation: `headers` (names without case, `_` also
/// stands for `-`), `query_params`, `uri_captures` (by name and by number), `shared`.
pub struct Environment<'e> {
    exchange: &'e Exchange,
    query: &'e [u8],
}

/// One of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Headers,
    Query,
    Captures,
    /// What plugins share; empty.
    Shared,
}

impl<'e> Environment<'e> {
    /// Of a request as it is now.
    pub fn of(exchange: &'e Exchange) -> Self {
        Self { exchange, query: exchange.forward.query.as_deref().unwrap_or_default() }
    }

    /// The table of a name.
    pub(super) fn table(name: &str) -> Option<Table> {
        match name {
            "headers" => Some(Table::Headers),
            "query_params" => Some(Table::Query),
            "uri_captures" => Some(Table::Captures),
            "shared" => Some(Table::Shared),
            _ => None,
        }
    }

    /// What a table has under a key.
    pub(super) fn get(&self, table: Table, key: &Value<'_>) -> Value<'e> {
        match (table, key) {
            (Table::Headers, Value::Text(name)) => self.header(name),
            (Table::Query, Value::Text(name)) => self.argument(name),
            (Table::Captures, Value::Text(name)) => {
                let named = self.exchange.captures.iter().flat_map(|captures| &captures.named);
                let mut found = named.filter(|(known, _)| known.as_bytes() == name.as_ref());
                found.next().map_or(Value::Nil, |(_, value)| Value::Text(Cow::Borrowed(value)))
            }
            (Table::Captures, Value::Number(number)) if *number >= 0.0 => {
                let captures = self.exchange.captures.as_ref();
                let group = captures.and_then(|captures| captures.numbered.get(*number as usize)?.as_deref());
                group.map_or(Value::Nil, |group| Value::Text(Cow::Borrowed(group)))
            }
            _ => Value::Nil,
        }
    }

    fn header(&self, name: &[u8]) -> Value<'e> {
        let Ok(name) = std::str::from_utf8(name) else { return Value::Nil };
        let headers = &self.exchange.request.headers;
        let name = if headers.contains(name) { Cow::Borrowed(name) } else { Cow::Owned(name.replace('_', "-")) };
        let lines = headers.iter().filter(|(line, _)| line.eq_ignore_ascii_case(name.as_bytes()));
        several(lines.map(|(_, value)| Value::Text(Cow::Borrowed(value))).collect())
    }

    fn argument(&self, name: &[u8]) -> Value<'e> {
        let pairs = form::pairs(self.query).filter(|(key, _)| key.as_ref() == name);
        several(pairs.map(|(_, value)| value.map_or(Value::Boolean(true), Value::Text)).collect())
    }
}

/// Nothing, one value, or a list.
fn several(mut values: Vec<Value<'_>>) -> Value<'_> {
    match values.len() {
        0 => Value::Nil,
        1 => values.swap_remove(0),
        _ => Value::List(values),
    }
}
