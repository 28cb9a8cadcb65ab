//! `ngx.re`: regular expressions of PCRE2.

use crate::error;
use crate::value;
use mlua::{Function, Lua, MultiValue, Table, Value};
use pcre2::bytes::{Captures, Regex, RegexBuilder};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Expressions that one worker keeps compiled (`lua_regex_cache_max_entries`).
const KEPT: usize = 1024;

/// Expressions by pattern and options.
type Compiled = HashMap<(Vec<u8>, String), Rc<Regex>>;

thread_local! {
    static COMPILED: RefCell<Compiled> = RefCell::default();
}

fn compiled(pattern: &mlua::LuaString, options: &str) -> Result<Rc<Regex>, String> {
    let key = (pattern.as_bytes().to_vec(), options.to_owned());
    if let Some(regex) = COMPILED.with_borrow(|all| all.get(&key).cloned()) {
        return Ok(regex);
    }
    let text = String::from_utf8(key.0.clone()).map_err(|_| "the pattern is no UTF-8".to_owned())?;
    let text = if options.contains('a') { format!("\\G(?:{text})") } else { text };
    let regex = RegexBuilder::new()
        .caseless(options.contains('i'))
        .multi_line(options.contains('m'))
        .dotall(options.contains('s'))
        .extended(options.contains('x'))
        .utf(options.contains('u') || options.contains('U'))
        .jit_if_available(options.contains('j'))
        .build(&text)
        .map_err(|error| format!("pcre2_compile() failed: {error}"))?;
    let regex = Rc::new(regex);
    COMPILED.with_borrow_mut(|all| {
        if all.len() >= KEPT {
            all.clear();
        }
        all.insert(key, regex.clone());
    });
    Ok(regex)
}

pub(super) fn add(lua: &Lua, ngx: &Table) -> mlua::Result<()> {
    let re = lua.create_table()?;
    re.set("match", lua.create_function(first)?)?;
    re.set("find", lua.create_function(find)?)?;
    re.set("gmatch", lua.create_function(every)?)?;
    re.set("sub", lua.create_function(|lua, all: Replacing| replace(lua, all, false))?)?;
    re.set("gsub", lua.create_function(|lua, all: Replacing| replace(lua, all, true))?)?;
    ngx.set("re", re)
}

type Replacing = (Value, mlua::LuaString, Value, Option<String>);

/// `m[0]`, `m[1]`, …, and the named groups; `false` for one that took no part.
fn table(
    lua: &Lua,
    regex: &Regex,
    subject: &[u8],
    captures: &Captures<'_>,
    into: Option<Table>,
) -> mlua::Result<Table> {
    let table = match into {
        Some(table) => table,
        None => lua.create_table()?,
    };
    for (index, name) in regex.capture_names().iter().enumerate() {
        let value = match captures.get(index) {
            Some(group) => Value::String(lua.create_string(&subject[group.start()..group.end()])?),
            None => Value::Boolean(false),
        };
        table.raw_set(index, value.clone())?;
        if let Some(name) = name {
            table.raw_set(name.as_str(), value)?;
        }
    }
    Ok(table)
}

fn position(context: Option<&Table>) -> mlua::Result<usize> {
    let position = context.map(|context| context.get::<Option<usize>>("pos")).transpose()?.flatten();
    Ok(position.unwrap_or(1).saturating_sub(1))
}

/// The first match from a position on.
fn at<'s>(regex: &Regex, subject: &'s [u8], from: usize) -> mlua::Result<Option<Captures<'s>>> {
    if from > subject.len() {
        return Ok(None);
    }
    let mut locations = regex.capture_locations();
    let found = regex.captures_read_at(&mut locations, subject, from);
    match found.map_err(|error| error::of(format!("pcre2_match() failed: {error}")))? {
        None => Ok(None),
        Some(_) if from == 0 => regex.captures(subject).map_err(|error| error::of(error.to_string())),
        Some(found) => {
            // Captures only come from the start: the expression is asked where its match begins.
            let begin = found.start();
            let mut all = regex.captures_iter(subject);
            all.find(|captures| {
                captures.as_ref().is_ok_and(|captures| captures.get(0).is_some_and(|whole| whole.start() >= begin))
            })
            .transpose()
            .map_err(|error| error::of(error.to_string()))
        }
    }
}

fn first(
    lua: &Lua,
    (subject, pattern, options, context, into): (Value, mlua::LuaString, Option<String>, Option<Table>, Option<Table>),
) -> mlua::Result<MultiValue> {
    let regex = match compiled(&pattern, &options.unwrap_or_default()) {
        Ok(regex) => regex,
        Err(error) => return value::failed(lua, error),
    };
    let subject = value::bytes(&subject)?;
    let Some(captures) = at(&regex, &subject, position(context.as_ref())?)? else { return value::one(lua, Value::Nil) };
    if let (Some(context), Some(whole)) = (&context, captures.get(0)) {
        context.set("pos", whole.end() + 1)?;
    }
    value::one(lua, table(lua, &regex, &subject, &captures, into)?)
}

fn find(
    lua: &Lua,
    (subject, pattern, options, context, group): (Value, mlua::LuaString, Option<String>, Option<Table>, Option<usize>),
) -> mlua::Result<MultiValue> {
    let regex = match compiled(&pattern, &options.unwrap_or_default()) {
        Ok(regex) => regex,
        Err(error) => {
            let error = lua.create_string(error)?;
            return Ok(MultiValue::from_iter([Value::Nil, Value::Nil, Value::String(error)]));
        }
    };
    let subject = value::bytes(&subject)?;
    let Some(captures) = at(&regex, &subject, position(context.as_ref())?)? else { return value::one(lua, Value::Nil) };
    if let (Some(context), Some(whole)) = (&context, captures.get(0)) {
        context.set("pos", whole.end() + 1)?;
    }
    match captures.get(group.unwrap_or(0)) {
        Some(group) => {
            Ok(MultiValue::from_iter([Value::Number((group.start() + 1) as f64), Value::Number(group.end() as f64)]))
        }
        None => value::one(lua, Value::Nil),
    }
}

fn every(lua: &Lua, (subject, pattern, options): (Value, mlua::LuaString, Option<String>)) -> mlua::Result<MultiValue> {
    let regex = match compiled(&pattern, &options.unwrap_or_default()) {
        Ok(regex) => regex,
        Err(error) => return value::failed(lua, error),
    };
    let subject = value::bytes(&subject)?;
    let mut matches = Vec::new();
    for captures in regex.captures_iter(&subject) {
        let captures = captures.map_err(|error| error::of(error.to_string()))?;
        matches.push(table(lua, &regex, &subject, &captures, None)?);
    }
    let mut matches = matches.into_iter();
    value::one(lua, lua.create_function_mut(move |_, ()| Ok(matches.next()))?)
}

fn replace(lua: &Lua, (subject, pattern, with, options): Replacing, all: bool) -> mlua::Result<MultiValue> {
    let regex = match compiled(&pattern, &options.unwrap_or_default()) {
        Ok(regex) => regex,
        Err(error) => {
            let error = lua.create_string(error)?;
            return Ok(MultiValue::from_iter([Value::Nil, Value::Nil, Value::String(error)]));
        }
    };
    let subject = value::bytes(&subject)?;
    let template = match &with {
        Value::Function(function) => Template::Function(function.clone()),
        other => Template::Text(value::bytes(other)?),
    };
    let (mut out, mut end, mut count) = (Vec::with_capacity(subject.len()), 0, 0);
    for captures in regex.captures_iter(&subject) {
        let captures = captures.map_err(|error| error::of(error.to_string()))?;
        let Some(whole) = captures.get(0) else { continue };
        out.extend_from_slice(&subject[end..whole.start()]);
        match &template {
            Template::Function(function) => {
                let replaced: Value = function.call(table(lua, &regex, &subject, &captures, None)?)?;
                out.extend(value::bytes(&replaced)?);
            }
            Template::Text(text) => expand(text, &subject, &captures, &mut out)?,
        }
        (end, count) = (whole.end(), count + 1);
        if !all {
            break;
        }
    }
    out.extend_from_slice(&subject[end..]);
    Ok(MultiValue::from_iter([Value::String(lua.create_string(out)?), Value::Number(f64::from(count))]))
}

enum Template {
    Text(Vec<u8>),
    Function(Function),
}

/// `$0`, `$1`, `${12}`, and `$$` for a dollar.
fn expand(template: &[u8], subject: &[u8], captures: &Captures<'_>, out: &mut Vec<u8>) -> mlua::Result<()> {
    let mut rest = template;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'$' {
            out.push(*byte);
            continue;
        }
        if let Some(after) = rest.strip_prefix(b"$") {
            out.push(b'$');
            rest = after;
            continue;
        }
        let braced = rest.strip_prefix(b"{");
        let digits: Vec<u8> = braced.unwrap_or(rest).iter().copied().take_while(u8::is_ascii_digit).collect();
        let number = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse::<usize>().ok());
        let Some(number) = number else {
            return Err(error::of("attempt to use named capturing groups or an invalid capture in the replacement"));
        };
        rest = match braced {
            Some(inside) => inside[digits.len()..]
                .strip_prefix(b"}")
                .ok_or_else(|| error::of("the closing bracket in \"${\" variable is missing"))?,
            None => &rest[digits.len()..],
        };
        if let Some(group) = captures.get(number) {
            out.extend_from_slice(&subject[group.start()..group.end()]);
        }
    }
    Ok(())
}
