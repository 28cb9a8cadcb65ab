//! Lists in dictionaries of `ngx.shared`: taken from and added to at both ends, by one at a time.

use super::cache::{DICTIONARIES, Entry, Held, live, named, size};
use crate::error;
use crate::value::{self, Null, one};
use mlua::{Lua, MultiValue, Table, Value};
use moka::ops::compute::Op;
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::sync::{MutexGuard, PoisonError};

/// An end of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

/// Adds the methods to those of dictionaries.
pub(super) fn add(lua: &Lua, methods: &Table) -> mlua::Result<()> {
    for (end, push_name, pop_name) in [(End::Left, "lpush", "lpop"), (End::Right, "rpush", "rpop")] {
        methods.set(
            push_name,
            lua.create_function(move |lua, (name, key, value): (String, Value, Value)| {
                push(lua, end, &named(&name, &key)?, &value)
            })?,
        )?;
        methods.set(
            pop_name,
            lua.create_function(move |lua, (name, key): (String, Value)| pop(lua, end, &named(&name, &key)?))?,
        )?;
    }
    methods.set(
        "llen",
        lua.create_function(|lua, (name, key): (String, Value)| {
            match live(DICTIONARIES.get(&named(&name, &key)?)).map(|entry| entry.held) {
                None => one(lua, 0),
                Some(Held::Many(items, _)) => one(lua, open(&items).len()),
                Some(Held::One(_)) => value::failed(lua, "value not a list"),
            }
        })?,
    )
}

fn open(items: &std::sync::Mutex<VecDeque<Json>>) -> MutexGuard<'_, VecDeque<Json>> {
    items.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a value; gives the new length.
fn push(lua: &Lua, end: End, key: &str, value: &Value) -> mlua::Result<MultiValue> {
    if !matches!(value, Value::Integer(_) | Value::Number(_) | Value::String(_)) {
        return Err(error::of("bad value type"));
    }
    let value = value::to_json(lua, value)?;
    let mut length = None;
    DICTIONARIES.entry(key.to_owned()).and_compute_with(|found| {
        let (list, bytes) = match live(found.map(moka::Entry::into_value)).map(|entry| entry.held) {
            None => Default::default(),
            Some(Held::Many(items, bytes)) => (items, bytes),
            Some(Held::One(_)) => return Op::Nop,
        };
        let bytes = bytes + size(&value) + size_of::<Json>();
        {
            let mut items = open(&list);
            match end {
                End::Left => items.push_front(value),
                End::Right => items.push_back(value),
            }
            length = Some(items.len());
        }
        Op::Put(Entry::lasting(Held::Many(list, bytes)))
    });
    match length {
        Some(length) => one(lua, length),
        None => value::failed(lua, "value not a list"),
    }
}

/// Takes a value; none where there is none.
fn pop(lua: &Lua, end: End, key: &str) -> mlua::Result<MultiValue> {
    let mut taken = Ok(None);
    DICTIONARIES.entry(key.to_owned()).and_compute_with(|found| {
        let (list, bytes) = match live(found.map(moka::Entry::into_value)).map(|entry| entry.held) {
            None => return Op::Nop,
            Some(Held::Many(items, bytes)) => (items, bytes),
            Some(Held::One(_)) => {
                taken = Err("value not a list");
                return Op::Nop;
            }
        };
        let mut items = open(&list);
        let value = match end {
            End::Left => items.pop_front(),
            End::Right => items.pop_back(),
        };
        let empty = items.is_empty();
        drop(items);
        let less = value.as_ref().map_or(0, |value| size(value) + size_of::<Json>());
        taken = Ok(value);
        if empty { Op::Remove } else { Op::Put(Entry::lasting(Held::Many(list, bytes.saturating_sub(less)))) }
    });
    match taken {
        Ok(Some(value)) => one(lua, value::from_json(lua, &value, Null::Absent)?),
        Ok(None) => one(lua, Value::Nil),
        Err(error) => value::failed(lua, error),
    }
}
