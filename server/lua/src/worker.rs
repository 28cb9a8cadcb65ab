//! One Lua state for each proxy worker, and the functions compiled in it.

use crate::current;
use crate::error;
use crate::settings::{self, Trust};
use crate::{modules, ngx, pdk};
use mlua::chunk::{Chunk, ChunkMode};
use mlua::state::{GcIncParams, GcMode};
use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, Table, Value, VmState};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// Instructions that one phase of one plugin may take in the sandbox, in thousands.
pub const BUDGET: u64 = 100_000;
/// Memory of one worker's state in the sandbox, in bytes.
const MEMORY: usize = 512 << 20;
/// How large the state may become before garbage is looked for, in per cent of what was in use the last time.
const PAUSE: i32 = 400;
/// Instructions between two looks at the budget.
const LOOK: u32 = 10_000;

/// Globals that the sandbox shares with Lua itself.
const SAFE: &[&str] = &[
    "_VERSION",
    "assert",
    "error",
    "ipairs",
    "next",
    "pairs",
    "pcall",
    "print",
    "select",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
    "rawequal",
    "rawget",
    "rawset",
    "setmetatable",
    "getmetatable",
];
/// Libraries that the sandbox shows read-only.
const LIBRARIES: &[&str] = &["string", "table", "math", "bit", "coroutine"];
/// What the sandbox shows of `os`.
const CLOCKS: &[&str] = &["clock", "date", "difftime", "time"];

static KEYS: AtomicU64 = AtomicU64::new(0);

/// A number for the functions of a configuration that no other has, with room for one of each phase.
pub fn key() -> u64 {
    KEYS.fetch_add(1 << 16, Relaxed)
}

/// The Lua of one worker.
pub struct Worker {
    /// The state.
    pub lua: Lua,
    /// What the globals of a function inherit from.
    base: Table,
    compiled: RefCell<HashMap<u64, Compiled>>,
    /// Configurations of plugins in folders, while they are alive.
    configurations: RefCell<HashMap<u64, (Weak<()>, Value)>>,
    /// Functions of their schemas, by plugin.
    schemas: RefCell<HashMap<&'static str, Rc<[Function]>>>,
    /// `bind(method, handler, conf)` is the method with its arguments.
    pub bind: Function,
}

struct Compiled {
    /// Gone with the configuration.
    alive: Weak<()>,
    functions: Rc<[Slot]>,
}

/// A function of a configuration.
pub struct Slot {
    function: RefCell<Function>,
    settled: Cell<bool>,
}

impl Slot {
    /// A chunk of a configuration, which may return the function that takes its place.
    pub fn of_chunk(chunk: Function) -> Self {
        Self { function: RefCell::new(chunk), settled: Cell::new(false) }
    }

    /// A function that is called as it is.
    pub fn of_function(function: Function) -> Self {
        Self { function: RefCell::new(function), settled: Cell::new(true) }
    }

    /// What is to be called.
    pub fn function(&self) -> Function {
        self.function.borrow().clone()
    }

    /// Takes the result of a call: a chunk that returns a function is replaced by it, once; its upvalues then live as
    /// long as the configuration. Returns what must be called now.
    pub fn settle(&self, result: &Value) -> Option<Function> {
        if self.settled.replace(true) {
            return None;
        }
        let Value::Function(inner) = result else { return None };
        *self.function.borrow_mut() = inner.clone();
        Some(inner.clone())
    }
}

thread_local! {
    static WORKER: OnceCell<Rc<Worker>> = const { OnceCell::new() };
}

impl Worker {
    /// The Lua of this thread, made at its first use.
    pub fn of_thread() -> mlua::Result<Rc<Self>> {
        WORKER.with(|worker| {
            if let Some(worker) = worker.get() {
                return Ok(worker.clone());
            }
            let made = Rc::new(Self::new()?);
            Ok(worker.get_or_init(|| made).clone())
        })
    }

    fn new() -> mlua::Result<Self> {
        let settings = settings::get();
        let mut libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::BIT | StdLib::JIT | StdLib::OS;
        libraries |= StdLib::PACKAGE;
        // Plugins in folders are the operator's own.
        let trusted = settings.trust == Trust::On || !settings.folders.is_empty();
        if trusted {
            libraries |= StdLib::IO;
        }
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let array = lua.create_table()?;
        lua.set_named_registry_value(crate::value::ARRAY, &array)?;
        if settings.trust != Trust::On {
            // The compiler's loops never look at the budget.
            lua.load("jit.off()").exec()?;
            lua.set_memory_limit(MEMORY)?;
            lua.set_global_hook(HookTriggers::new().every_nth_instruction(LOOK), |_, _| {
                let Ok(call) = current::call() else { return Ok(VmState::Continue) };
                let left = call.budget.get().saturating_sub(u64::from(LOOK) / 1000);
                call.budget.set(left);
                if left == 0 {
                    return Err(error::of("the function has taken more instructions than it may"));
                }
                Ok(VmState::Continue)
            })?;
        }
        // Requests leave little behind, and what lives is looked through each time.
        lua.gc_set_mode(GcMode::Incremental(GcIncParams::default().pause(PAUSE)));
        let globals = lua.globals();
        globals.set("kong", pdk::table(&lua)?)?;
        globals.set("ngx", ngx::table(&lua)?)?;
        lua.load(include_str!("lua/prelude.lua")).set_name("=prelude").exec()?;
        lua.load(include_str!("lua/db.lua")).set_name("=kong.db").exec()?;
        lua.load(include_str!("lua/tracing.lua")).set_name("=kong.tracing").exec()?;
        lua.load(include_str!("lua/events.lua")).set_name("=kong.events").exec()?;
        globals.get::<Function>("_seal")?.call::<()>(())?;
        modules::searchers(&lua, trusted)?;
        let base = match settings.trust {
            Trust::On => globals,
            Trust::Off | Trust::Sandbox => sandbox(&lua)?,
        };
        let bind = "local method, handler, conf = ... return function() return method(handler, conf) end";
        let bind = lua.load(bind).set_name("=bind").into_function()?;
        Ok(Self {
            lua,
            base,
            compiled: RefCell::default(),
            configurations: RefCell::default(),
            schemas: RefCell::default(),
            bind,
        })
    }

    /// The functions of a configuration, made at their first use on this worker. `key` (see [`key`]) is the
    /// configuration's own for as long as `alive`.
    pub fn functions(
        &self,
        key: u64,
        alive: &Arc<()>,
        make: impl FnOnce() -> mlua::Result<Vec<Slot>>,
    ) -> mlua::Result<Rc<[Slot]>> {
        if let Some(compiled) = self.compiled.borrow().get(&key) {
            return Ok(compiled.functions.clone());
        }
        let functions: Rc<[Slot]> = make()?.into();
        let mut all = self.compiled.borrow_mut();
        all.retain(|_, compiled| compiled.alive.strong_count() > 0);
        all.insert(key, Compiled { alive: Arc::downgrade(alive), functions: functions.clone() });
        Ok(functions)
    }

    /// The configuration of a plugin in a folder, made at its first use on this worker; `key` as above.
    pub fn table(&self, key: u64, alive: &Arc<()>, make: impl FnOnce() -> mlua::Result<Value>) -> mlua::Result<Value> {
        if let Some((_, known)) = self.configurations.borrow().get(&key) {
            return Ok(known.clone());
        }
        let made = make()?;
        let mut all = self.configurations.borrow_mut();
        all.retain(|_, (alive, _)| alive.strong_count() > 0);
        all.insert(key, (Arc::downgrade(alive), made.clone()));
        Ok(made)
    }

    /// The functions of a plugin's schema in this state, read at their first use.
    pub fn schema_functions(
        &self,
        plugin: &'static str,
        read: impl FnOnce() -> mlua::Result<Rc<[Function]>>,
    ) -> mlua::Result<Rc<[Function]>> {
        if let Some(known) = self.schemas.borrow().get(plugin) {
            return Ok(known.clone());
        }
        let read = read()?;
        self.schemas.borrow_mut().insert(plugin, read.clone());
        Ok(read)
    }

    /// A function of a source, with globals of its own.
    pub fn compile(&self, source: &str) -> mlua::Result<Function> {
        let environment = self.lua.create_table()?;
        let metatable = self.lua.create_table()?;
        metatable.set("__index", &self.base)?;
        environment.set_metatable(Some(metatable))?;
        load(&self.lua, source)?.set_environment(environment).into_function()
    }
}

fn load<'a>(lua: &Lua, source: &'a str) -> mlua::Result<Chunk<'a>> {
    if source.contains('\0') {
        return Err(error::of("the function contains a zero byte"));
    }
    Ok(lua.load(source).set_name(source).set_mode(ChunkMode::Text))
}

/// Whether a source is a function that can be loaded. Errors are Lua's, with their line.
pub fn check(source: &str) -> Result<(), String> {
    if settings::get().trust == Trust::Off {
        return Err(
            "loading of untrusted Lua code disabled because 'untrusted_lua' config option is set to 'off'".into()
        );
    }
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::new()).map_err(|error| error.to_string())?;
    let loaded = load(&lua, source).and_then(Chunk::into_function);
    loaded.map(|_| ()).map_err(|error| error::text(&error))
}

/// The globals of the sandbox.
fn sandbox(lua: &Lua) -> mlua::Result<Table> {
    let settings = settings::get();
    let globals = lua.globals();
    let base = lua.create_table()?;
    for name in SAFE {
        base.set(*name, globals.get::<Value>(*name)?)?;
    }
    let frozen: Function = globals.get("_frozen")?;
    for name in LIBRARIES {
        base.set(*name, frozen.call::<Value>(globals.get::<Value>(*name)?)?)?;
    }
    let os: Table = globals.get("os")?;
    let clocks = lua.create_table()?;
    for name in CLOCKS {
        clocks.set(*name, os.get::<Value>(*name)?)?;
    }
    base.set("os", frozen.call::<Value>(clocks)?)?;
    base.set("kong", globals.get::<Value>("kong")?)?;
    base.set("ngx", globals.get::<Value>("ngx")?)?;
    for path in &settings.environment {
        let mut value = Value::Table(globals.clone());
        for part in path.split('.') {
            value = match value {
                Value::Table(table) => table.get(part)?,
                _ => Value::Nil,
            };
        }
        if let Some(name) = path.split('.').next_back() {
            base.set(name, value)?;
        }
    }
    let require = lua.create_function(|lua, name: String| {
        if !settings::get().requires.contains(&name) {
            return Err(error::of(format!("require '{name}' not allowed within sandbox")));
        }
        modules::module(lua, &name)?.ok_or_else(|| error::of(format!("module '{name}' not found")))
    })?;
    base.set("require", require)?;
    base.set("_G", &base)?;
    Ok(base)
}
