//! Rust types as field types.

use crate::{Field, Kind};
use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    marker::PhantomData,
    ops::Deref,
};
use uuid::Uuid;

/// What a Rust type is as a field.
pub trait FieldType {
    /// Whether a struct field of this type is required.
    const REQUIRED: bool = true;

    /// The nameless definition.
    fn field() -> Field;
}

macro_rules! simple {
    ($($kind:ident: $($type:ty),+;)+) => {
        $($(impl FieldType for $type {
            fn field() -> Field {
                Field::new("", Kind::$kind)
            }
        })+)+
    };
}

simple! {
    String: String, std::sync::Arc<str>, Box<str>;
    Integer: i8, i16, i32, i64, isize, u8, u16, u32, u64, usize;
    Number: f32, f64;
    Boolean: bool;
}

impl<T: FieldType> FieldType for Option<T> {
    const REQUIRED: bool = false;

    fn field() -> Field {
        T::field()
    }
}

impl<T: FieldType> FieldType for Box<T> {
    const REQUIRED: bool = T::REQUIRED;

    fn field() -> Field {
        T::field()
    }
}

impl<T: FieldType> FieldType for std::sync::Arc<T> {
    const REQUIRED: bool = T::REQUIRED;

    fn field() -> Field {
        T::field()
    }
}

impl<T: FieldType> FieldType for Vec<T> {
    fn field() -> Field {
        Field::array("", T::field())
    }
}

impl FieldType for Uuid {
    fn field() -> Field {
        Field::string("").uuid(true)
    }
}

impl FieldType for serde_json::Value {
    fn field() -> Field {
        Field::new("", Kind::Json(None))
    }
}

impl FieldType for serde_json::Map<String, serde_json::Value> {
    /// Any keys; definitions replace it by what they know.
    fn field() -> Field {
        Field::map("", String::field(), serde_json::Value::field())
    }
}

macro_rules! maps {
    ($($map:ident),+) => {
        $(impl<K: FieldType, V: FieldType, S> FieldType for maps!(@ $map K V S) {
            fn field() -> Field {
                Field::map("", K::field(), V::field())
            }
        })+
    };
    (@ $map:ident $k:ident $v:ident $s:ident) => { $map<$k, $v, $s> };
}

maps!(HashMap, IndexMap);

impl<K: FieldType, V: FieldType> FieldType for BTreeMap<K, V> {
    fn field() -> Field {
        Field::map("", K::field(), V::field())
    }
}

/// A list without duplicates; order kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Set<T>(Vec<T>);

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Set<T> {
    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T> Deref for Set<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: FieldType> FieldType for Set<T> {
    fn field() -> Field {
        Field::set("", T::field())
    }
}

/// An entity's plural name, as in `services`.
pub trait Named {
    /// The name.
    const NAME: &'static str;
}

/// A reference to an entity of type `T`, in JSON `{"id": …}`.
pub struct Foreign<T> {
    /// The other entity's primary key.
    pub id: Uuid,
    entity: PhantomData<fn() -> T>,
}

impl<T> Foreign<T> {
    /// To the entity with that key.
    pub fn new(id: Uuid) -> Self {
        Self { id, entity: PhantomData }
    }
}

impl<T> Clone for Foreign<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Foreign<T> {}

impl<T> PartialEq for Foreign<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl<T> Eq for Foreign<T> {}

impl<T> std::hash::Hash for Foreign<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl<T> fmt::Debug for Foreign<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foreign({})", self.id)
    }
}

#[derive(Serialize, Deserialize)]
struct Key {
    id: Uuid,
}

impl<T> Serialize for Foreign<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Key { id: self.id }.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Foreign<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Key::deserialize(deserializer).map(|key| Self::new(key.id))
    }
}

impl<T: Named> FieldType for Foreign<T> {
    fn field() -> Field {
        Field::foreign("", T::NAME)
    }
}
