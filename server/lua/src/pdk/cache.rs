//! Values that outlive a request and that all workers see: `kong.cache` and `ngx.shared`.

use crate::error;
use crate::value::{self, Null, one};
use mlua::{Lua, MultiValue, Table, Value};
use moka::Expiry;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;
use serde_json::Value as Json;
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// Bytes of all entries of one cache, names included.
const BOUND: u64 = 64 << 20;
/// Bytes that all dictionaries of `ngx.shared` share.
pub const CAPACITY: usize = 64 << 20;

/// Bytes in use by dictionary of `ngx.shared`.
pub fn sizes() -> std::collections::BTreeMap<String, usize> {
    let mut sizes = std::collections::BTreeMap::new();
    for (key, entry) in DICTIONARIES.iter() {
        if let Some((name, rest)) = key.split_once('\0') {
            *sizes.entry(name.to_owned()).or_default() += rest.len() + entry.size();
        }
    }
    sizes
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) held: Held,
    until: Option<Instant>,
}

/// What stands under a name.
#[derive(Clone)]
pub(super) enum Held {
    /// A value.
    One(Json),
    /// A list of values, and the bytes of all of them. Only what has the name to itself changes it.
    Many(Arc<Mutex<VecDeque<Json>>>, usize),
}

impl Entry {
    /// That stays until it is taken away.
    pub(super) fn lasting(held: Held) -> Self {
        Self { held, until: None }
    }

    fn one(value: Json, until: Option<Instant>) -> Self {
        Self { held: Held::One(value), until }
    }

    fn size(&self) -> usize {
        match &self.held {
            Held::One(value) => size(value),
            Held::Many(_, bytes) => *bytes,
        }
    }
}

struct Until;

impl Expiry<String, Entry> for Until {
    fn expire_after_create(&self, _: &String, entry: &Entry, now: Instant) -> Option<Duration> {
        entry.until.map(|until| until.saturating_duration_since(now))
    }
    fn expire_after_update(&self, _: &String, entry: &Entry, now: Instant, _: Option<Duration>) -> Option<Duration> {
        entry.until.map(|until| until.saturating_duration_since(now))
    }
}

/// The bytes of a value.
pub(super) fn size(json: &Json) -> usize {
    match json {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(size).sum(),
        Json::Object(members) => members.iter().map(|(name, member)| name.len() + size(member)).sum(),
        _ => 8,
    }
}

fn bounded() -> Cache<String, Entry> {
    let weight = |name: &String, entry: &Entry| u32::try_from(name.len() + entry.size() + 64).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(BOUND).weigher(weight).expire_after(Until).build()
}

static CACHE: LazyLock<Cache<String, Entry>> = LazyLock::new(bounded);
pub(super) static DICTIONARIES: LazyLock<Cache<String, Entry>> = LazyLock::new(bounded);

/// An entry whose time is not over.
pub(super) fn live(entry: Option<Entry>) -> Option<Entry> {
    entry.filter(|entry| entry.until.is_none_or(|until| until > Instant::now()))
}

fn until(seconds: Option<f64>) -> Option<Instant> {
    let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds < 1e9)?;
    Some(Instant::now() + Duration::from_secs_f64(seconds))
}

pub(super) fn add(lua: &Lua, kong: &Table) -> mlua::Result<()> {
    kong.set("cache", lua.create_table()?)?;
    let raw = lua.create_table()?;
    raw.set(
        "get",
        lua.create_function(|lua, key: String| {
            let Some(entry) = live(CACHE.get(&key)) else { return one(lua, false) };
            let left = entry.until.map_or(0.0, |until| until.saturating_duration_since(Instant::now()).as_secs_f64());
            let value = match &entry.held {
                Held::One(value) => value::from_json(lua, value, Null::Absent)?,
                Held::Many(..) => Value::Nil,
            };
            Ok(MultiValue::from_iter([Value::Boolean(true), value, Value::Number(left)]))
        })?,
    )?;
    raw.set(
        "set",
        lua.create_function(|lua, (key, value, ttl): (String, Value, Option<f64>)| {
            CACHE.insert(key, Entry::one(value::to_json(lua, &value)?, until(ttl)));
            Ok(())
        })?,
    )?;
    raw.set(
        "delete",
        lua.create_function(|_, key: String| {
            forget(&key);
            Ok(())
        })?,
    )?;
    raw.set(
        "delete_everywhere",
        lua.create_function(|_, key: String| {
            forget(&key);
            crate::cluster::invalidated(key);
            Ok(())
        })?,
    )?;
    raw.set(
        "purge",
        lua.create_function(|_, ()| {
            forget_all();
            Ok(())
        })?,
    )?;
    kong.set("_cache", raw)
}

/// Takes a value out of `kong.cache`.
pub fn forget(key: &str) {
    CACHE.invalidate(key);
}

/// Takes all out of it.
pub fn forget_all() {
    CACHE.invalidate_all();
}

/// The methods of a dictionary of `ngx.shared`, each with the dictionary's name before its arguments.
pub fn dictionary(lua: &Lua) -> mlua::Result<Table> {
    let methods = lua.create_table()?;
    methods.set("get", lua.create_function(get)?)?;
    methods.set("get_stale", lua.create_function(get)?)?;
    for (name, mode) in [
        ("set", Mode::Set),
        ("safe_set", Mode::Set),
        ("add", Mode::Add),
        ("safe_add", Mode::Add),
        ("replace", Mode::Replace),
    ] {
        methods.set(
            name,
            lua.create_function(move |lua, (name, key, value, ttl): (String, Value, Value, Option<f64>)| {
                store(lua, mode, &name, &key, &value, ttl)
            })?,
        )?;
    }
    methods.set("incr", lua.create_function(incr)?)?;
    methods.set(
        "delete",
        lua.create_function(|_, (name, key): (String, Value)| {
            DICTIONARIES.invalidate(&named(&name, &key)?);
            Ok(())
        })?,
    )?;
    methods.set(
        "ttl",
        lua.create_function(|lua, (name, key): (String, Value)| match live(DICTIONARIES.get(&named(&name, &key)?)) {
            Some(entry) => {
                let left =
                    entry.until.map_or(0.0, |until| until.saturating_duration_since(Instant::now()).as_secs_f64());
                one(lua, left)
            }
            None => value::failed(lua, "not found"),
        })?,
    )?;
    methods.set(
        "expire",
        lua.create_function(|lua, (name, key, ttl): (String, Value, f64)| {
            let key = named(&name, &key)?;
            match live(DICTIONARIES.get(&key)) {
                Some(entry) => {
                    DICTIONARIES.insert(key, Entry { until: until(Some(ttl)), ..entry });
                    one(lua, true)
                }
                None => value::failed(lua, "not found"),
            }
        })?,
    )?;
    methods.set(
        "flush_all",
        lua.create_function(|_, name: String| {
            for key in keys(&name) {
                DICTIONARIES.invalidate(&format!("{name}\0{key}"));
            }
            Ok(())
        })?,
    )?;
    super::lists::add(lua, &methods)?;
    methods.set("flush_expired", lua.create_function(|_, _: MultiValue| Ok(0))?)?;
    methods.set(
        "get_keys",
        lua.create_function(|_, (name, most): (String, Option<usize>)| {
            let most = match most {
                Some(0) => usize::MAX,
                most => most.unwrap_or(1024),
            };
            Ok(keys(&name).into_iter().take(most).collect::<Vec<_>>())
        })?,
    )?;
    Ok(methods)
}

fn keys(name: &str) -> Vec<String> {
    let own = |key: &String| key.strip_prefix(name).and_then(|rest| rest.strip_prefix('\0')).map(str::to_owned);
    let mut keys: Vec<String> = DICTIONARIES.iter().filter_map(|(key, _)| own(&key)).collect();
    keys.sort();
    keys
}

/// Where a dictionary's key is kept.
pub(super) fn named(name: &str, key: &Value) -> mlua::Result<String> {
    if key.is_nil() {
        return Err(error::of("nil key"));
    }
    Ok(format!("{name}\0{}", value::text(key)?))
}

fn get(lua: &Lua, (name, key): (String, Value)) -> mlua::Result<MultiValue> {
    match live(DICTIONARIES.get(&named(&name, &key)?)).map(|entry| entry.held) {
        Some(Held::One(value)) => one(lua, value::from_json(lua, &value, Null::Absent)?),
        Some(Held::Many(..)) => value::failed(lua, "value is a list"),
        None => one(lua, Value::Nil),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Set,
    Add,
    Replace,
}

fn store(lua: &Lua, mode: Mode, name: &str, key: &Value, value: &Value, ttl: Option<f64>) -> mlua::Result<MultiValue> {
    let key = named(name, key)?;
    if value.is_nil() {
        DICTIONARIES.invalidate(&key);
        return one(lua, true);
    }
    if !matches!(value, Value::Boolean(_) | Value::Integer(_) | Value::Number(_) | Value::String(_)) {
        return Err(error::of("bad value type"));
    }
    let there = live(DICTIONARIES.get(&key)).is_some();
    let refusal = match mode {
        Mode::Add if there => "exists",
        Mode::Replace if !there => "not found",
        _ => {
            DICTIONARIES.insert(key, Entry::one(value::to_json(lua, value)?, until(ttl)));
            return one(lua, true);
        }
    };
    let refusal = lua.create_string(refusal)?;
    Ok(MultiValue::from_iter([Value::Boolean(false), Value::String(refusal), Value::Boolean(false)]))
}

fn incr(
    lua: &Lua,
    (name, key, step, init, ttl): (String, Value, f64, Option<f64>, Option<f64>),
) -> mlua::Result<MultiValue> {
    let key = named(&name, &key)?;
    let mut refused = "not found";
    let entry = DICTIONARIES.entry(key).and_compute_with(|found| {
        let found = live(found.map(moka::Entry::into_value));
        let (begin, until) = match (&found, init) {
            (Some(Entry { held: Held::One(value), until }), _) => (value.as_f64(), *until),
            (Some(_), _) => (None, None),
            (None, Some(init)) => (Some(init), until(ttl)),
            (None, None) => return Op::Nop,
        };
        match begin {
            Some(begin) => Op::Put(Entry::one(Json::from(begin + step), until)),
            None => {
                refused = "not a number";
                Op::Nop
            }
        }
    });
    match entry {
        CompResult::Inserted(entry) | CompResult::ReplacedWith(entry) => match entry.into_value().held {
            Held::One(value) => one(lua, value.as_f64().unwrap_or_default()),
            Held::Many(..) => value::failed(lua, refused),
        },
        _ => value::failed(lua, refused),
    }
}
