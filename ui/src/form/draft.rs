//! An entity while somebody edits it.

use std::collections::BTreeMap;

use crate::order::sort_by_key;

use serde_json::{Map, Value};

use super::changes::changes;
use super::clash::merge;
use super::field::{Field, Kind, Token, Within};
use super::path::{Path, Step};

/// The value as it was, as it is now, and texts that are no value yet. Each member is unset (absent: the server
/// decides), null, or a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    // What the server has; empty for a new entity.
    original: Value,
    // What the form began with.
    start: Value,
    current: Value,
    // What was typed where it cannot be read, such as letters in a number.
    typed: BTreeMap<Path, String>,
}

impl Draft {
    /// A new entity; `start` is what is known before anybody types.
    pub fn create(start: Map<String, Value>) -> Self {
        let start = Value::Object(start);
        Self { original: Value::Object(Map::new()), current: start.clone(), start, typed: BTreeMap::new() }
    }

    /// An entity of the server.
    pub fn edit(entity: Value) -> Self {
        Self { start: entity.clone(), current: entity.clone(), original: entity, typed: BTreeMap::new() }
    }

    /// Changes of one's own to what the server has by now.
    pub fn rebased(now: Value, mine: &Map<String, Value>, fields: &[Field]) -> Self {
        let mut draft = Self::edit(now);
        merge(&mut draft.current, mine, fields);
        draft
    }

    /// The whole value.
    pub fn current(&self) -> &Value {
        &self.current
    }

    /// Whether leaving now loses something.
    pub fn is_dirty(&self) -> bool {
        self.current != self.start || !self.typed.is_empty()
    }

    /// What has to be sent.
    pub fn changes(&self, fields: &[Field]) -> Map<String, Value> {
        changes(&self.original, &self.current, fields)
    }

    /// What others changed since: `now` is what the server has.
    pub fn changed_by(&self, now: &Value, fields: &[Field]) -> Map<String, Value> {
        changes(&self.original, now, fields)
    }

    /// The value at a path; none when unset.
    pub fn value(&self, path: &Path) -> Option<&Value> {
        path.get(&self.current)
    }

    /// The value, or what the server takes when it is unset; none also for null.
    pub fn effective<'d>(&'d self, path: &Path, field: &'d Field) -> Option<&'d Value> {
        match self.value(path) {
            None => field.default.as_ref(),
            Some(Value::Null) => None,
            value => value,
        }
    }

    /// Whether it is set, so that one can go back to unset.
    pub fn is_set(&self, path: &Path) -> bool {
        self.typed.contains_key(path) || self.value(path).is_some_and(|value| !value.is_null())
    }

    /// Text that is no value yet.
    pub fn typed(&self, path: &Path) -> Option<&str> {
        self.typed.get(path).map(String::as_str)
    }

    /// All of those, with where they are.
    pub fn unread(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.typed.iter().map(|(path, text)| (path, text.as_str()))
    }

    /// What a text control shows.
    pub fn text(&self, path: &Path, field: &Field) -> String {
        if let Some(text) = self.typed(path) {
            return text.to_owned();
        }
        match (&field.kind, self.value(path)) {
            (_, None | Some(Value::Null)) => String::new(),
            (Kind::Json, Some(value)) => serde_json::to_string_pretty(value).unwrap_or_default(),
            (Kind::Foreign(_), Some(value)) => value["id"].as_str().unwrap_or_default().to_owned(),
            (_, Some(Value::String(text))) => text.clone(),
            (_, Some(value)) => value.to_string(),
        }
    }

    /// Takes what was typed into a text control. Nothing at all means unset.
    pub fn enter(&mut self, path: &Path, field: &Field, text: &str) {
        if text.is_empty() {
            return self.clear(path, field);
        }
        let value = match &field.kind {
            Kind::Number { integer } => number(text, *integer),
            Kind::Json => serde_json::from_str(text).ok(),
            Kind::Choice(options) => options.iter().find(|option| super::plain(option) == text).cloned(),
            Kind::Foreign(_) => is_uuid(text).then(|| serde_json::json!({ "id": text })),
            _ => Some(Value::String(text.to_owned())),
        };
        match value {
            Some(value) => self.set(path, value),
            None => {
                self.typed.insert(path.clone(), text.to_owned());
            }
        }
    }

    /// Sets a value.
    pub fn set(&mut self, path: &Path, value: Value) {
        self.forget(path);
        path.put(&mut self.current, value);
    }

    /// Takes the value away. The entry of a map stays, as null: somebody is typing another value.
    pub fn clear(&mut self, path: &Path, field: &Field) {
        match field.within {
            Within::Map => self.set(path, Value::Null),
            Within::Record | Within::List => self.unset(path),
        }
    }

    /// Back to unset; an element of a list stays, as null. Records that were made on the way go with it.
    pub fn unset(&mut self, path: &Path) {
        self.forget(path);
        if let Some(Step::Index(_)) = path.steps().last() {
            if self.value(path).is_some() {
                path.put(&mut self.current, Value::Null);
            }
            return;
        }
        path.take(&mut self.current);
        let mut parent = path.parent();
        while let Some(holder) = parent.filter(|holder| {
            matches!(holder.steps().last(), Some(Step::Key(_)))
                && holder.get(&self.current).and_then(Value::as_object).is_some_and(Map::is_empty)
                && holder.get(&self.start).is_none()
        }) {
            holder.take(&mut self.current);
            parent = holder.parent();
        }
    }

    fn forget(&mut self, path: &Path) {
        self.typed.retain(|typed, _| !typed.starts_with(path));
    }

    /// How many elements the list has.
    pub fn len(&self, path: &Path, field: &Field) -> usize {
        self.effective(path, field).and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Adds an element; a list that is unset begins with its default.
    pub fn push(&mut self, path: &Path, field: &Field, element: Value) {
        self.own(path, field);
        let at = path.index(self.len(path, field));
        at.put(&mut self.current, element);
    }

    /// Adds what was typed to a list of short things; what it already holds is not added to a set.
    pub fn push_token(&mut self, path: &Path, field: &Field, token: Token, text: &str) {
        let value = match token {
            Token::Text => None,
            Token::Integer => number(text, true),
            Token::Number => number(text, false),
        };
        self.push(path, field, value.unwrap_or_else(|| Value::String(text.to_owned())));
    }

    /// Takes an element away.
    pub fn remove(&mut self, path: &Path, field: &Field, index: usize) {
        self.own(path, field);
        path.index(index).take(&mut self.current);
        self.settle(path, field);
        self.renumber(path, |at| match at.cmp(&index) {
            std::cmp::Ordering::Less => Some(at),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(at - 1),
        });
    }

    /// Adds an entry to a map; one that is unset begins with its default.
    pub fn put_entry(&mut self, path: &Path, field: &Field, key: &str, value: Value) {
        self.own(path, field);
        self.set(&path.key(key), value);
    }

    /// Takes an entry away.
    pub fn remove_entry(&mut self, path: &Path, field: &Field, key: &str) {
        self.own(path, field);
        let entry = path.key(key);
        self.forget(&entry);
        entry.take(&mut self.current);
        self.settle(path, field);
    }

    /// Exchanges an element with the one before it.
    pub fn raise(&mut self, path: &Path, field: &Field, index: usize) {
        self.own(path, field);
        let Some(above) = index.checked_sub(1) else { return };
        let Some(element) = path.index(index).take(&mut self.current) else { return };
        if let Some(Value::Array(elements)) = get_mut(&mut self.current, path) {
            elements.insert(above, element);
        }
        self.renumber(path, |at| {
            Some(if at == index {
                above
            } else if at == above {
                index
            } else {
                at
            })
        });
    }

    /// Puts an option into a set, or takes it out.
    pub fn choose(&mut self, path: &Path, field: &Field, option: &Value, chosen: bool) {
        self.own(path, field);
        let mut elements = self.value(path).and_then(Value::as_array).cloned().unwrap_or_default();
        elements.retain(|element| element != option);
        if chosen {
            elements.push(option.clone());
        }
        // In the order of the description, so that choosing and taking back is no change.
        if let Kind::Choices(options) = &field.kind {
            let start = path.get(&self.start).and_then(Value::as_array);
            let same = start.filter(|s| s.len() == elements.len() && s.iter().all(|e| elements.contains(e)));
            match same {
                Some(start) => elements = start.clone(),
                None => sort_by_key(&mut elements, |e| options.iter().position(|o| o == e).unwrap_or(usize::MAX)),
            }
        }
        self.set(path, Value::Array(elements));
        self.settle(path, field);
    }

    /// Makes a default the draft's own, to change a part of it.
    fn own(&mut self, path: &Path, field: &Field) {
        let map = matches!(field.kind, Kind::Map(_));
        let fits = |value: &Value| if map { value.is_object() } else { value.is_array() };
        if !self.value(path).is_some_and(fits) {
            let value = self.effective(path, field).filter(|value| fits(value)).cloned();
            let none = if map { Value::Object(Map::new()) } else { Value::Array(Vec::new()) };
            path.put(&mut self.current, value.unwrap_or(none));
        }
    }

    /// What lost its last element or entry is unset, where it can be. The Admin API takes `[]` wherever it takes null but for
    /// members that others rule out: a Route of `tcp` must not have `paths`, nor an empty list of them.
    fn settle(&mut self, path: &Path, field: &Field) {
        let empty = match self.value(path) {
            Some(Value::Array(elements)) => elements.is_empty(),
            Some(Value::Object(entries)) => entries.is_empty(),
            _ => false,
        };
        // What began empty is no change when it is so again.
        if empty && !field.is_kept() && path.get(&self.start) != self.value(path) {
            self.unset(path);
        }
    }

    fn renumber(&mut self, list: &Path, to: impl Fn(usize) -> Option<usize>) {
        self.typed = std::mem::take(&mut self.typed)
            .into_iter()
            .filter_map(|(path, text)| match path.position_in(list) {
                None => Some((path, text)),
                Some(at) => Some((path.moved(list, to(at)?)?, text)),
            })
            .collect();
    }
}

fn get_mut<'v>(root: &'v mut Value, path: &Path) -> Option<&'v mut Value> {
    path.steps().iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

fn number(text: &str, integer: bool) -> Option<Value> {
    let text = text.trim();
    let whole = text.parse::<i64>().ok().map(Value::from);
    if integer { whole } else { whole.or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number)) }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(description: Value) -> Field {
        Field::read("x", &description)
    }

    #[test]
    fn what_cannot_be_read_is_kept_as_typed() {
        let (path, integer) = (Path::default().key("x"), field(json!({"type": "integer"})));
        let mut draft = Draft::edit(json!({"x": 5, "other": true}));
        draft.enter(&path, &integer, "12a");
        assert_eq!((draft.text(&path, &integer).as_str(), draft.value(&path)), ("12a", Some(&json!(5))));
        assert!(draft.is_dirty() && draft.unread().count() == 1);
        draft.enter(&path, &integer, "12");
        assert_eq!((draft.value(&path), draft.unread().count()), (Some(&json!(12)), 0));
        draft.enter(&path, &integer, "5");
        assert!(!draft.is_dirty());
    }

    #[test]
    fn records_made_on_the_way_go_again() {
        let path = Path::default().key("config").key("redis").key("host");
        let text = field(json!({"type": "string"}));
        let mut draft = Draft::create(Map::new());
        draft.enter(&path, &text, "h");
        assert_eq!(draft.current(), &json!({"config": {"redis": {"host": "h"}}}));
        draft.enter(&path, &text, "");
        assert_eq!(draft.current(), &json!({}));
    }

    #[test]
    fn lists_begin_with_their_default() {
        let path = Path::default().key("x");
        let list = field(json!({"type": "array", "default": ["a"], "elements": {"type": "string"}}));
        let mut draft = Draft::create(Map::new());
        assert_eq!(draft.len(&path, &list), 1);
        draft.push_token(&path, &list, Token::Text, "b");
        assert_eq!(draft.value(&path), Some(&json!(["a", "b"])));
        draft.raise(&path, &list, 1);
        assert_eq!(draft.value(&path), Some(&json!(["b", "a"])));
        draft.remove(&path, &list, 0);
        draft.remove(&path, &list, 0);
        assert_eq!(draft.value(&path), Some(&json!([])), "empty is not unset");
        draft.unset(&path);
        assert!(!draft.is_dirty());
    }

    #[test]
    fn what_loses_its_last_element_is_unset_where_it_can_be() {
        let list = json!({"type": "array", "elements": {"type": "string"}});
        let map = json!({"type": "map", "keys": {"type": "string"}, "values": list});
        let with = |of: &Value, name: &str, value: Value| {
            let mut of = of.clone();
            of[name] = value;
            of
        };
        // What the server has, and what is sent once all of it is taken away.
        let cases = [
            (list.clone(), json!(["a", "b"]), json!({"x": null})),
            (list.clone(), json!([]), json!({})),
            (with(&list, "required", json!(true)), json!(["a"]), json!({"x": []})),
            (with(&list, "default", json!(["d"])), json!(["a"]), json!({"x": []})),
            (with(&list, "default", json!([])), json!(["a"]), json!({"x": []})),
            (map.clone(), json!({"X-A": ["1"], "b": null}), json!({"x": null})),
            (with(&map, "default", json!({"d": []})), json!({"a": []}), json!({"x": {}})),
        ];
        for (of, value, expected) in cases {
            let (path, field) = (Path::default().key("x"), field(of));
            let mut draft = Draft::edit(json!({ "x": value }));
            if value == json!([]) {
                draft.push_token(&path, &field, Token::Text, "new");
            }
            match draft.value(&path).cloned() {
                Some(Value::Array(elements)) => (0..elements.len()).for_each(|_| draft.remove(&path, &field, 0)),
                Some(Value::Object(entries)) => entries.keys().for_each(|key| draft.remove_entry(&path, &field, key)),
                _ => {}
            }
            assert_eq!(Value::Object(draft.changes(&[field])), expected, "{value}");
        }
        // The values of an entry go one by one, and the entry stays.
        let (path, field) = (Path::default().key("x"), field(map));
        let Kind::Map(entry) = &field.kind else { panic!("{:?}", field.kind) };
        let mut draft = Draft::create(Map::new());
        draft.put_entry(&path, &field, "X-A", json!(null));
        draft.push_token(&path.key("X-A"), entry, Token::Text, "1");
        draft.remove(&path.key("X-A"), entry, 0);
        assert_eq!(draft.current(), &json!({"x": {"X-A": []}}));
        draft.remove_entry(&path, &field, "X-A");
        assert!(!draft.is_dirty());
        // So does one whose text is taken away, to type another.
        let (words, number) =
            (json!({"type": "map", "values": {"type": "integer"}}), Path::default().key("x").key("a"));
        let words = Field::read("x", &words);
        let Kind::Map(entry) = &words.kind else { panic!("{:?}", words.kind) };
        let mut draft = Draft::edit(json!({"x": {"a": 1}}));
        draft.enter(&number, entry, "");
        assert_eq!(draft.current(), &json!({"x": {"a": null}}));
        draft.enter(&number, entry, "2");
        assert_eq!(draft.current(), &json!({"x": {"a": 2}}));
    }

    #[test]
    fn typed_text_moves_with_its_element() {
        let path = Path::default().key("x");
        let list =
            field(json!({"type": "array", "elements": {"type": "record", "fields": [{"n": {"type": "integer"}}]}}));
        let integer = field(json!({"type": "integer"}));
        let mut draft = Draft::edit(json!({"x": [{"n": 1}, {"n": 2}, {"n": 3}]}));
        draft.enter(&path.index(2).key("n"), &integer, "?");
        draft.remove(&path, &list, 0);
        assert_eq!(draft.typed(&path.index(1).key("n")), Some("?"));
        draft.raise(&path, &list, 1);
        assert_eq!(draft.typed(&path.index(0).key("n")), Some("?"));
        assert_eq!(draft.value(&path), Some(&json!([{"n": 3}, {"n": 2}])));
        draft.remove(&path, &list, 0);
        assert_eq!(draft.unread().count(), 0);
    }

    #[test]
    fn choosing_and_taking_back_changes_nothing() {
        let path = Path::default().key("x");
        let set = field(json!({"type": "set", "elements": {"type": "string", "one_of": ["a", "b", "c"]}}));
        let mut draft = Draft::edit(json!({"x": ["c", "a"]}));
        draft.choose(&path, &set, &json!("b"), true);
        assert_eq!(draft.value(&path), Some(&json!(["a", "b", "c"])));
        draft.choose(&path, &set, &json!("b"), false);
        assert!(!draft.is_dirty());
    }
}
