//! The request that Lua runs for: reachable from every function of the PDK, without a reference held by Lua.
//!
//! A phase lends the Exchange for as long as it runs ([`run`], or each poll of [`Running`]); functions reach it by
//! [`with`] and [`read`]. Nothing of Lua may be called inside those two.

use crate::error;
use crate::phase::{Phase, Phases};
use crate::value;
use bytes::{Bytes, BytesMut};
use exchange::{Answer, Exchange};
use mlua::{Lua, Table, Value};
use scoped_tls_hkt::scoped_thread_local;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use uuid::Uuid;

/// Where plugins leave the groups of a client.
const GROUPS: &str = "authenticated_groups";

scoped_thread_local!(static mut CHANGED: Exchange);
scoped_thread_local!(static SEEN: Exchange);

thread_local! {
    static CALL: RefCell<Option<Rc<Call>>> = const { RefCell::new(None) };
}

/// What Lua remembers of a request, from phase to phase.
#[derive(Clone)]
pub struct Remembered(Rc<Memory>);

struct Memory {
    /// `kong.ctx.shared`; like the other tables made when it is first asked for.
    shared: OnceCell<Table>,
    /// `ngx.ctx`
    ngx: OnceCell<Table>,
    /// `kong.ctx.plugin`, by the plugin's configuration.
    plugins: RefCell<HashMap<Uuid, Table>>,
    /// The response's body, as far as it came, for `kong.response.get_raw_body`.
    body: RefCell<BytesMut>,
    /// `ngx.var` as Lua has set it.
    variables: OnceCell<Table>,
    /// What Lua did to the response's head before there was one.
    head: RefCell<Vec<Edit>>,
    /// `ngx.status` as Lua has set it before there was a response.
    status: Cell<Option<u16>>,
}

/// A change of the response's head.
pub enum Edit {
    /// These are the only lines of that name.
    Set(String, Vec<Vec<u8>>),
    /// These come on top.
    Add(String, Vec<Vec<u8>>),
    /// No line of that name.
    Clear(String),
}

impl Edit {
    /// Makes the change. Lines that could be more than one line are left out.
    pub fn apply(&self, headers: &mut exchange::Headers) {
        match self {
            Self::Clear(name) => {
                headers.remove(name);
            }
            Self::Set(name, values) => {
                headers.remove(name);
                append(headers, name, values);
            }
            Self::Add(name, values) => append(headers, name, values),
        }
    }
}

impl Remembered {
    fn new() -> Self {
        Self(Rc::new(Memory {
            shared: OnceCell::new(),
            ngx: OnceCell::new(),
            plugins: RefCell::default(),
            body: RefCell::default(),
            variables: OnceCell::new(),
            head: RefCell::default(),
            status: Cell::new(None),
        }))
    }

    /// `kong.ctx.shared`
    pub fn shared(&self, lua: &Lua) -> mlua::Result<Table> {
        made(&self.0.shared, lua)
    }

    /// `ngx.ctx`
    pub fn ngx(&self, lua: &Lua) -> mlua::Result<Table> {
        made(&self.0.ngx, lua)
    }

    /// Variables that Lua has set.
    pub fn variables(&self, lua: &Lua) -> mlua::Result<Table> {
        made(&self.0.variables, lua)
    }

    /// `kong.ctx.plugin` of a configuration.
    pub fn plugin(&self, lua: &Lua, id: Uuid) -> mlua::Result<Table> {
        if let Some(table) = self.0.plugins.borrow().get(&id) {
            return Ok(table.clone());
        }
        let table = lua.create_table()?;
        self.0.plugins.borrow_mut().insert(id, table.clone());
        Ok(table)
    }

    /// A change of a head that is not there yet.
    pub fn later(&self, edit: Edit) {
        self.0.head.borrow_mut().push(edit);
    }

    /// Makes the changes that were asked for before there was a head.
    pub fn settle(&self, headers: &mut exchange::Headers) {
        for edit in self.0.head.take() {
            edit.apply(headers);
        }
    }

    /// The head as it would be now.
    pub fn planned(&self) -> exchange::Headers {
        let mut headers = exchange::Headers::default();
        self.0.head.borrow().iter().for_each(|edit| edit.apply(&mut headers));
        headers
    }

    /// The status that Lua has set before there was a response.
    pub fn status(&self) -> &Cell<Option<u16>> {
        &self.0.status
    }

    /// Shows Lua the groups that a plugin before found, as `ngx.ctx.authenticated_groups`.
    pub fn show_groups(&self, lua: &Lua, groups: &[String]) -> mlua::Result<()> {
        if groups.is_empty() || self.groups()?.is_some_and(|known| known == groups) {
            return Ok(());
        }
        if let Some(shared) = self.0.shared.get() {
            shared.raw_set(GROUPS, Value::Nil)?;
        }
        self.ngx(lua)?.raw_set(GROUPS, groups)
    }

    /// The groups that Lua says the client is in: `kong.ctx.shared.authenticated_groups`, else that of `ngx.ctx`.
    pub fn groups(&self) -> mlua::Result<Option<Vec<String>>> {
        for table in [&self.0.shared, &self.0.ngx].into_iter().filter_map(OnceCell::get) {
            if let Value::Table(groups) = table.raw_get(GROUPS)? {
                let groups = groups.sequence_values::<Value>().map(|group| value::text(&group?));
                return groups.collect::<mlua::Result<Vec<_>>>().map(Some);
            }
        }
        Ok(None)
    }

    /// The body so far, with a chunk more.
    pub fn gather(&self, chunk: &[u8]) {
        self.0.body.borrow_mut().extend_from_slice(chunk);
    }

    /// The body that was gathered.
    pub fn gathered(&self) -> Bytes {
        self.0.body.borrow_mut().split().freeze()
    }
}

/// A table, made at its first use.
fn made(cell: &OnceCell<Table>, lua: &Lua) -> mlua::Result<Table> {
    if let Some(table) = cell.get() {
        return Ok(table.clone());
    }
    let table = lua.create_table()?;
    Ok(cell.get_or_init(|| table).clone())
}

/// Adds lines of one name. A line that could be more than one is left out.
pub fn append(headers: &mut exchange::Headers, name: &str, values: &[Vec<u8>]) {
    for value in values {
        headers.append(name, value);
    }
}

/// One plugin's phase while it runs.
pub struct Call {
    /// The phase.
    pub phase: Phase,
    /// Name of the plugin.
    pub plugin: &'static str,
    /// Its configuration's id.
    pub id: Uuid,
    /// What Lua remembers of the request.
    pub remembered: Remembered,
    /// The answer that ends the phase (`kong.response.exit`).
    pub answer: RefCell<Option<Answer>>,
    /// Whether the phase was ended by Lua, with or without an answer (`ngx.exit(ngx.OK)`).
    pub ended: Cell<bool>,
    /// `ngx.arg`: the chunk that passes, in the phase `body_filter`.
    pub chunk: RefCell<Bytes>,
    /// Whether it is the last one.
    pub last: Cell<bool>,
    /// Text of `ngx.print` and `ngx.say`: the body of an answer that Lua writes itself.
    pub written: RefCell<Vec<u8>>,
    /// Instructions left, in thousands, before the call is stopped.
    pub budget: Cell<u64>,
}

impl Call {
    /// A call of a plugin's phase for a request. What is remembered of the request is made at its first call.
    pub fn new((plugin, id): (&'static str, Uuid), phase: Phase, remembered: Option<Remembered>) -> Rc<Self> {
        let remembered = remembered.unwrap_or_else(Remembered::new);
        Rc::new(Self {
            phase,
            plugin,
            id,
            remembered,
            answer: RefCell::default(),
            ended: Cell::new(false),
            chunk: RefCell::default(),
            last: Cell::new(false),
            written: RefCell::default(),
            budget: Cell::new(crate::worker::BUDGET),
        })
    }
}

impl Call {
    /// Whether it is held to a bound of instructions: what a configuration's Lua is, and the operator's is not.
    pub fn is_bound(&self) -> bool {
        crate::settings::get().trust != crate::settings::Trust::On && self.budget.get() <= crate::worker::BUDGET
    }
}

/// Puts the call before this one back, also where Lua panics.
struct Restore(Option<Rc<Call>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CALL.set(self.0.take());
    }
}

fn enter(call: &Rc<Call>) -> Restore {
    Restore(CALL.replace(Some(call.clone())))
}

/// Runs something for a request that it may change.
pub fn run<T>(call: &Rc<Call>, exchange: &mut Exchange, body: impl FnOnce() -> T) -> T {
    let _restore = enter(call);
    CHANGED.set(exchange, body)
}

/// Runs something for a request that is over.
pub fn look<T>(call: &Rc<Call>, exchange: &Exchange, body: impl FnOnce() -> T) -> T {
    let _restore = enter(call);
    SEEN.set(exchange, body)
}

/// Runs something for no request (timers).
pub fn alone<T>(call: &Rc<Call>, body: impl FnOnce() -> T) -> T {
    let _restore = enter(call);
    body()
}

/// A future that has its request whenever it is polled.
pub struct Running<'a, F> {
    pub call: Rc<Call>,
    pub exchange: &'a mut Exchange,
    pub future: F,
}

impl<F: Future + Unpin> Running<'_, F> {
    /// One step.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let future = Pin::new(&mut self.future);
        run(&self.call, self.exchange, || future.poll(context))
    }
}

/// The call that runs now.
pub fn call() -> mlua::Result<Rc<Call>> {
    CALL.with_borrow(Clone::clone).ok_or_else(|| error::of("no request: this function needs a phase to run in"))
}

/// The phase that runs now; `init_worker` outside all of them.
pub fn phase() -> Phase {
    CALL.with_borrow(|call| call.as_ref().map_or(Phase::InitWorker, |call| call.phase))
}

/// Refuses a function outside of its phases.
pub fn check(allowed: Phases) -> mlua::Result<()> {
    let phase = phase();
    if allowed.has(phase) { Ok(()) } else { Err(error::of(allowed.refusal(phase))) }
}

/// Refuses what asks a database where nothing can be waited for; `what` begins the sentence that says so.
pub fn may_wait(what: &str) -> mlua::Result<()> {
    let phase = phase();
    if Phases::WAITING.has(phase) || phase == Phase::InitWorker {
        return Ok(());
    }
    Err(error::of(format!("{what} in the {} phase", phase.name())))
}

/// Whether what runs now is held to a bound, as in the sandbox; what runs beside every call is not.
pub fn is_bound() -> bool {
    call().is_ok_and(|call| call.is_bound())
}

/// The request, to change.
pub fn with<T>(body: impl FnOnce(&mut Exchange) -> T) -> mlua::Result<T> {
    if CHANGED.is_set() {
        return Ok(CHANGED.with(body));
    }
    Err(error::of(format!("the request cannot be changed in the {} phase", phase().name())))
}

/// The request, to read.
pub fn read<T>(body: impl FnOnce(&Exchange) -> T) -> mlua::Result<T> {
    if CHANGED.is_set() {
        Ok(CHANGED.with(|exchange| body(exchange)))
    } else if SEEN.is_set() {
        Ok(SEEN.with(body))
    } else {
        Err(error::of(format!("no request in the {} phase", phase().name())))
    }
}
