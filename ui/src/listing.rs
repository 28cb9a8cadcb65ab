//! What of a list is shown, and in which order. Pure.

use std::cmp::Ordering;

use serde_json::Value;

use crate::entities::EntityKind;
use crate::form::{label, plain};
use crate::order::sort_by;

/// A member of an entity by the name of a column; `a.b` is one inside another.
pub fn member<'e>(entity: &'e Value, column: &str) -> &'e Value {
    column.split('.').fold(entity, |value, name| &value[name])
}

/// What people call a column.
pub fn title(column: &str) -> String {
    label(column.rsplit('.').next().unwrap_or(column))
}

/// What the address says of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Part of a name, or the beginning of an id.
    pub name: String,
    /// As the Admin API takes them.
    pub tags: String,
    /// A member, and a part of its text.
    pub field: String,
    pub value: String,
    /// The member to sort by; empty: as the server has them.
    pub sort: String,
    /// Greatest first.
    pub descending: bool,
}

impl Wanted {
    /// Whether anything is left out.
    pub fn narrows(&self) -> bool {
        !(self.name.is_empty() && self.tags.is_empty() && self.value.is_empty())
    }

    /// Whether the server's own pages are not what is shown: it filters by tags only, and sorts by id.
    pub fn is_local(&self) -> bool {
        !(self.name.is_empty() && self.value.is_empty() && self.sort.is_empty())
    }

    /// Whether an entity is among those that are wanted; tags are the server's.
    pub fn accepts(&self, kind: &EntityKind, entity: &Value) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let named = self.name.is_empty()
            || entity["id"].as_str().is_some_and(|id| id.starts_with(&self.name.to_lowercase()))
            || ["instance_name"]
                .iter()
                .chain(kind.names)
                .any(|name| entity[*name].as_str().is_some_and(|text| has(text, &self.name)));
        named && (self.value.is_empty() || has(&plain(member(entity, &self.field)), &self.value))
    }

    /// Sorts; what is equal keeps its order, and what has no value comes last.
    pub fn sort(&self, kind: &EntityKind, rows: &mut Vec<Value>) {
        if self.sort.is_empty() {
            return;
        }
        // Of the name column, whatever names the entity.
        let key = |entity: &Value| match self.sort.as_str() {
            "name" => Value::String(kind.name_of(entity).to_lowercase()),
            field => member(entity, field).clone(),
        };
        let mut keyed: Vec<(Key, Value)> =
            rows.drain(..).map(|entity| (Key { value: key(&entity), descending: self.descending }, entity)).collect();
        sort_by(&mut keyed, |a, b| a.0.cmp(&b.0));
        rows.extend(keyed.into_iter().map(|(_, entity)| entity));
    }
}

#[derive(PartialEq)]
struct Key {
    value: Value,
    descending: bool,
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = match (&self.value, &other.value) {
            (Value::Null, Value::Null) => return Ordering::Equal,
            // Last in either direction.
            (Value::Null, _) => return Ordering::Greater,
            (_, Value::Null) => return Ordering::Less,
            (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal),
            (a, b) => plain(a).to_lowercase().cmp(&plain(b).to_lowercase()),
        };
        if self.descending { order.reverse() } else { order }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::entities::by_key;

    #[test]
    fn what_has_no_value_comes_last() {
        let kind = by_key("services").expect("a kind");
        let all = [json!({"name": "B", "port": 80}), json!({"name": "a", "port": 443}), json!({"name": "c"})];
        for (sort, descending, expected) in [
            ("", false, "Bac"),
            ("name", false, "aBc"),
            ("name", true, "cBa"),
            ("port", false, "Bac"),
            ("port", true, "aBc"),
        ] {
            let mut rows = all.to_vec();
            Wanted { sort: sort.to_owned(), descending, ..Wanted::default() }.sort(kind, &mut rows);
            let names: String = rows.iter().map(|row| plain(&row["name"])).collect();
            assert_eq!(names, expected, "{sort} {descending}");
        }
    }

    #[test]
    fn columns_may_stand_inside_others() {
        let kind = by_key("certificates").expect("a kind");
        let mut rows = vec![
            json!({"metadata": {"expiry": 9, "subject": "CN=b"}}),
            json!({"metadata": null}),
            json!({"metadata": {"expiry": 5, "subject": "CN=a"}}),
        ];
        Wanted { sort: "metadata.expiry".into(), ..Wanted::default() }.sort(kind, &mut rows);
        let subjects: Vec<String> = rows.iter().map(|row| plain(member(row, "metadata.subject"))).collect();
        assert_eq!(subjects, ["CN=a", "CN=b", ""]);
        let wanted = Wanted { field: "metadata.subject".into(), value: "cn=B".into(), ..Wanted::default() };
        assert_eq!(rows.iter().map(|row| wanted.accepts(kind, row)).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!((title("metadata.san_names"), title("port")), ("SAN names".to_owned(), "Port".to_owned()));
    }

    #[test]
    fn names_ids_and_fields_are_searched_in_parts() {
        let kind = by_key("plugins").expect("a kind");
        let entity = json!({"id": "ab12", "name": "key-auth", "instance_name": "Mine", "protocols": ["http", "grpc"]});
        for (name, field, value, expected) in [
            ("", "", "", true),
            ("AUTH", "", "", true),
            ("min", "", "", true),
            ("AB1", "", "", true),
            ("b12", "", "", false),
            ("", "protocols", "GRPC", true),
            ("", "protocols", "tcp", false),
            ("auth", "none", "x", false),
        ] {
            let (name, field, value) = (name.to_owned(), field.to_owned(), value.to_owned());
            assert_eq!(Wanted { name, field, value, ..Wanted::default() }.accepts(kind, &entity), expected);
        }
    }
}
