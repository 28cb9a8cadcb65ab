//! Where a value stands inside a record.

use serde_json::{Map, Value};

/// One step down: a member of a record or map, or an element of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// The way from the record to a value; empty is the record itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Step>);

impl Path {
    /// The member `name` of what is here.
    pub fn key(&self, name: impl Into<String>) -> Self {
        self.then(Step::Key(name.into()))
    }

    /// The element at `index` of the list here.
    pub fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether this is `other` or lies inside it.
    pub fn starts_with(&self, other: &Path) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Where the value that holds this one is; none for the record itself.
    pub fn parent(&self) -> Option<Path> {
        let (_, parents) = self.0.split_last()?;
        Some(Self(parents.to_vec()))
    }

    /// The same path with another position in the list at `list`; none when `list` does not hold it.
    pub fn moved(&self, list: &Path, to: usize) -> Option<Path> {
        self.position_in(list)?;
        let mut steps = self.0.clone();
        steps[list.0.len()] = Step::Index(to);
        Some(Self(steps))
    }

    /// At which position of the list at `list` this lies.
    pub fn position_in(&self, list: &Path) -> Option<usize> {
        match self.0.get(list.0.len()) {
            Some(Step::Index(index)) if self.starts_with(list) => Some(*index),
            _ => None,
        }
    }

    /// An id for the document: letters, digits, `-` and `_` only, different for different paths.
    pub fn id(&self) -> String {
        let mut id = String::from("field");
        for step in &self.0 {
            id.push('-');
            match step {
                Step::Index(index) => id.push_str(&index.to_string()),
                Step::Key(key) => {
                    for c in key.chars() {
                        match c {
                            'a'..='z' | 'A'..='Z' | '0'..='9' => id.push(c),
                            '_' => id.push('_'),
                            other => id.push_str(&format!("__{:x}_", u32::from(other))),
                        }
                    }
                }
            }
        }
        id
    }

    /// The value here.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => value.get(key),
            Step::Index(index) => value.get(index),
        })
    }

    /// Puts a value here; records and lists on the way are made where they are missing.
    pub fn put(&self, root: &mut Value, new: Value) {
        let mut place = root;
        for step in &self.0 {
            place = match step {
                Step::Key(key) => {
                    if !place.is_object() {
                        *place = Value::Object(Map::new());
                    }
                    let Value::Object(members) = place else { return };
                    members.entry(key.as_str()).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    if !place.is_array() {
                        *place = Value::Array(Vec::new());
                    }
                    let Value::Array(elements) = place else { return };
                    if elements.len() <= *index {
                        elements.resize(index + 1, Value::Null);
                    }
                    &mut elements[*index]
                }
            };
        }
        *place = new;
    }

    /// Takes the member or element away from what holds it.
    pub fn take(&self, root: &mut Value) -> Option<Value> {
        let (last, parents) = self.0.split_last()?;
        let mut place = root;
        for step in parents {
            place = match step {
                Step::Key(key) => place.get_mut(key)?,
                Step::Index(index) => place.get_mut(index)?,
            };
        }
        match (last, place) {
            // Order is kept: what stays is shown where it was.
            (Step::Key(key), Value::Object(members)) => members.shift_remove(key),
            (Step::Index(index), Value::Array(elements)) if *index < elements.len() => Some(elements.remove(*index)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_put_is_got_and_taken() {
        let path = Path::default().key("config").key("headers").index(1).key("x");
        let mut root = json!({"name": "n"});
        path.put(&mut root, json!(7));
        assert_eq!(root, json!({"name": "n", "config": {"headers": [null, {"x": 7}]}}));
        assert_eq!(path.get(&root), Some(&json!(7)));
        assert_eq!(path.take(&mut root), Some(json!(7)));
        assert_eq!(path.get(&root), None);
        assert_eq!(path.take(&mut root), None);
    }

    #[test]
    fn ids_differ_and_need_no_escape() {
        let root = Path::default();
        let paths = [root.key("a_b"), root.key("a").key("b"), root.key("a.b"), root.key("a").index(0), root.key("ä")];
        for (position, path) in paths.iter().enumerate() {
            assert!(path.id().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{}", path.id());
            for other in &paths[position + 1..] {
                assert_ne!(path.id(), other.id());
            }
        }
    }

    #[test]
    fn positions_in_lists() {
        let list = Path::default().key("a");
        let inside = list.index(2).key("x");
        assert_eq!(inside.position_in(&list), Some(2));
        assert_eq!(inside.moved(&list, 5), Some(list.index(5).key("x")));
        assert_eq!(Path::default().key("b").index(1).position_in(&list), None);
    }
}
