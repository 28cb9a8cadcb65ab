//! Names of what is looked up.

use std::hash::{BuildHasher, Hasher, RandomState};
use uuid::Uuid;

/// The name of one look-up: 128 bits that nobody outside can predict, so nobody can prepare two look-ups of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64, u64);

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    Consumer(Uuid, Uuid),
    Username(Uuid, &'a str),
    CustomId(Uuid, &'a str),
    Credential(Uuid, &'static str, &'a str),
    ById(Uuid, &'static str, Uuid),
    OfConsumer(Uuid, &'static str, Uuid),
}

/// Makes names.
#[derive(Debug)]
pub(crate) struct Names([RandomState; 2]);

impl Names {
    pub(crate) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    pub(crate) fn key(&self, wanted: &Wanted<'_>) -> Key {
        let half = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            let mut parts = |kind: u8, ws: &Uuid, entity: &str, value: &[u8]| {
                hasher.write_u8(kind);
                hasher.write(ws.as_bytes());
                hasher.write_usize(entity.len());
                hasher.write(entity.as_bytes());
                hasher.write(value);
            };
            match wanted {
                Wanted::Consumer(ws, id) => parts(0, ws, "", id.as_bytes()),
                Wanted::Username(ws, name) => parts(1, ws, "", name.as_bytes()),
                Wanted::CustomId(ws, id) => parts(2, ws, "", id.as_bytes()),
                Wanted::Credential(ws, entity, key) => parts(3, ws, entity, key.as_bytes()),
                Wanted::OfConsumer(ws, entity, consumer) => parts(4, ws, entity, consumer.as_bytes()),
                Wanted::ById(ws, entity, id) => parts(5, ws, entity, id.as_bytes()),
            }
            hasher.finish()
        };
        Key(half(&self.0[0]), half(&self.0[1]))
    }
}
