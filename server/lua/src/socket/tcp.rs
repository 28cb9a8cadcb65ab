//! The object that `ngx.socket.tcp()` gives.

use super::stream::Stream;
use super::{SocketError, pool};
use crate::current::check;
use crate::error;
use crate::phase::Phases;
use crate::value::{self, failed, one};
use mlua::{AnyUserData, Lua, MultiValue, Table, UserData, UserDataMethods, UserDataRefMut, Value};
use std::time::Duration;

/// Time for each step where nothing else is said (`lua_socket_connect_timeout` and its like).
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a connection waits in a pool (`lua_socket_keepalive_timeout`).
const IDLE: Duration = Duration::from_secs(60);

/// A socket; closed until it is connected.
pub struct Tcp {
    stream: Option<Stream>,
    /// Where it goes when it is kept.
    pool: String,
    size: usize,
    /// How often the connection was used before.
    uses: u32,
    connect: Duration,
    send: Duration,
    read: Duration,
}

impl Default for Tcp {
    fn default() -> Self {
        let (connect, send, read) = (PATIENCE, PATIENCE, PATIENCE);
        Self { stream: None, pool: String::new(), size: pool::SIZE, uses: 0, connect, send, read }
    }
}

type Read = Result<Vec<u8>, SocketError>;

impl Tcp {
    async fn open(&mut self, lua: &Lua, arguments: MultiValue) -> mlua::Result<MultiValue> {
        check(Phases::WAITING)?;
        let mut arguments = arguments.into_iter();
        let Some(Value::String(host)) = arguments.next() else { return Err(error::of("host must be a string")) };
        let host = host.to_string_lossy().to_string();
        let mut next = arguments.next();
        let port = match &next {
            Some(port) if !host.starts_with("unix:") => {
                let text = value::text(port)?;
                let Ok(port) = text.parse::<u16>() else { return Err(error::of(format!("bad port number: {text}"))) };
                next = arguments.next();
                port
            }
            _ => 0,
        };
        self.pool = format!("{host}:{port}");
        self.size = pool::SIZE;
        if let Some(Value::Table(options)) = next {
            if let Some(name) = options.get::<Option<String>>("pool")? {
                self.pool = name;
            }
            if let Some(size) = options.get::<Option<usize>>("pool_size")? {
                self.size = size;
            }
        }
        self.stream = None;
        if let Some((stream, uses)) = pool::take(&self.pool) {
            (self.stream, self.uses) = (Some(stream), uses);
            return one(lua, 1);
        }
        match Stream::connect(&host, port, self.connect).await {
            Ok(stream) => {
                (self.stream, self.uses) = (Some(stream), 0);
                one(lua, 1)
            }
            Err(error) => failed(lua, error.to_string()),
        }
    }

    /// `sslhandshake(reused_session, server_name, ssl_verify)`
    async fn secure(&mut self, lua: &Lua, (name, verify): (Option<String>, Option<bool>)) -> mlua::Result<MultiValue> {
        check(Phases::WAITING)?;
        let Some(stream) = self.stream.take() else { return failed(lua, "closed") };
        let name = name.unwrap_or_else(|| self.pool.rsplit_once(':').map_or("", |(host, _)| host).to_owned());
        match stream.handshake(&name, verify.unwrap_or(false), self.connect).await {
            Ok(stream) => {
                self.stream = Some(stream);
                one(lua, true)
            }
            Err(error) => failed(lua, error.to_string()),
        }
    }

    async fn write(&mut self, lua: &Lua, data: &[u8]) -> mlua::Result<MultiValue> {
        check(Phases::WAITING)?;
        let Some(stream) = &mut self.stream else { return failed(lua, "closed") };
        match stream.send(data, self.send).await {
            Ok(()) => one(lua, data.len()),
            Err(error) => {
                self.stream = None;
                failed(lua, error.to_string())
            }
        }
    }

    /// What was read; else `nil, err` and what had come before.
    fn given(&mut self, lua: &Lua, read: Read) -> mlua::Result<MultiValue> {
        match read {
            Ok(data) => one(lua, lua.create_string(data)?),
            Err(error) => {
                let partial = self.stream.as_mut().map(Stream::rest).unwrap_or_default();
                // A connection on which time ran out may still be read from.
                if !matches!(error, SocketError::Timeout) {
                    self.stream = None;
                }
                let mut values = failed(lua, error.to_string())?;
                values.push_back(Value::String(lua.create_string(partial)?));
                Ok(values)
            }
        }
    }

    async fn receive(&mut self, lua: &Lua, pattern: Value) -> mlua::Result<MultiValue> {
        check(Phases::WAITING)?;
        let limit = self.read;
        let Some(stream) = &mut self.stream else { return failed(lua, "closed") };
        let read = match &pattern {
            Value::Nil => stream.until(b"\n", limit).await.map(line),
            Value::String(text) if text == "*l" || text == "l" => stream.until(b"\n", limit).await.map(line),
            Value::String(text) if text == "*a" || text == "a" => stream.all(limit).await,
            other => match value::text(other)?.parse::<usize>() {
                Ok(count) => stream.exactly(count, limit).await,
                Err(_) => {
                    return Err(error::of(format!(
                        "bad argument #2 to 'receive' (bad pattern argument: {})",
                        value::text(other)?
                    )));
                }
            },
        };
        self.given(lua, read)
    }
}

/// A line without its end.
fn line(mut line: Vec<u8>) -> Vec<u8> {
    line.retain(|byte| *byte != b'\r');
    line
}

/// What `send` takes: text, numbers, and lists of them.
fn bytes(value: &Value, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        Value::Table(list) => list.sequence_values::<Value>().try_for_each(|item| bytes(&item?, out)),
        Value::Nil => {
            out.extend_from_slice(b"nil");
            Ok(())
        }
        Value::String(_) | Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => {
            out.extend(value::bytes(value)?);
            Ok(())
        }
        other => Err(error::of(format!("bad data type {} found", other.type_name()))),
    }
}

/// A time-out as Lua gives it, in ms.
fn milliseconds(value: &Value, otherwise: Duration) -> Duration {
    match value::number(value) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and saturating")]
        Some(number) if number > 0.0 => Duration::from_millis(number.min(1e12) as u64),
        _ => otherwise,
    }
}

/// `ngx.socket.connect(host, port)`: a connected socket.
pub async fn connected(lua: Lua, arguments: MultiValue) -> mlua::Result<MultiValue> {
    let mut socket = Tcp::default();
    let result = socket.open(&lua, arguments).await?;
    if socket.stream.is_none() {
        return Ok(result);
    }
    one(&lua, lua.create_userdata(socket)?)
}

impl UserData for Tcp {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method_mut("connect", async |lua, mut this: UserDataRefMut<Self>, given: MultiValue| {
            this.open(&lua, given).await
        });
        methods.add_async_method_mut(
            "sslhandshake",
            async |lua, mut this: UserDataRefMut<Self>, (_, name, verify): (Value, Option<String>, Option<bool>)| {
                this.secure(&lua, (name, verify)).await
            },
        );
        methods.add_async_method_mut("send", async |lua, mut this: UserDataRefMut<Self>, data: Value| {
            let mut all = Vec::new();
            bytes(&data, &mut all)?;
            this.write(&lua, &all).await
        });
        methods.add_async_method_mut("receive", async |lua, mut this: UserDataRefMut<Self>, pattern: Value| {
            this.receive(&lua, pattern).await
        });
        methods.add_async_method_mut("receiveany", async |lua, mut this: UserDataRefMut<Self>, most: usize| {
            check(Phases::WAITING)?;
            let limit = this.read;
            let Some(stream) = &mut this.stream else { return failed(&lua, "closed") };
            let read = stream.any(most, limit).await;
            this.given(&lua, read)
        });
        methods.add_function(
            "receiveuntil",
            |lua, (this, text, options): (AnyUserData, mlua::LuaString, Option<Table>)| {
                let text = text.as_bytes().to_vec();
                let inclusive = options.map_or(Ok(None), |options| options.get::<Option<bool>>("inclusive"))?;
                lua.create_async_function(move |lua, _: MultiValue| {
                    let (this, text) = (this.clone(), text.clone());
                    async move {
                        check(Phases::WAITING)?;
                        let mut this = this.borrow_mut::<Self>()?;
                        let limit = this.read;
                        let Some(stream) = &mut this.stream else { return failed(&lua, "closed") };
                        let mut read = stream.until(&text, limit).await;
                        if let (Ok(read), Some(true)) = (&mut read, inclusive) {
                            read.extend_from_slice(&text);
                        }
                        this.given(&lua, read)
                    }
                })
            },
        );
        methods.add_method_mut("settimeout", |_, this, time: Value| {
            let time = milliseconds(&time, PATIENCE);
            (this.connect, this.send, this.read) = (time, time, time);
            Ok(())
        });
        methods.add_method_mut("settimeouts", |_, this, (connect, send, read): (Value, Value, Value)| {
            this.connect = milliseconds(&connect, PATIENCE);
            this.send = milliseconds(&send, PATIENCE);
            this.read = milliseconds(&read, PATIENCE);
            Ok(())
        });
        methods.add_method_mut("setkeepalive", |lua, this, (idle, size): (Value, Option<usize>)| {
            let Some(stream) = this.stream.take() else { return failed(lua, "closed") };
            if !stream.is_idle() {
                return failed(lua, "unread data in buffer");
            }
            let forever = value::number(&idle) == Some(0.0);
            let idle = (!forever).then(|| milliseconds(&idle, IDLE));
            pool::give(&this.pool, stream, this.uses, idle, size.unwrap_or(this.size));
            one(lua, 1)
        });
        methods.add_method("getreusedtimes", |lua, this, ()| match this.stream {
            Some(_) => one(lua, this.uses),
            None => failed(lua, "closed"),
        });
        methods.add_method_mut("close", |lua, this, ()| match this.stream.take() {
            Some(_) => one(lua, 1),
            None => failed(lua, "closed"),
        });
        methods.add_method("setoption", |_, _, _: MultiValue| Ok(true));
        for name in ["setclientcert", "bind"] {
            methods.add_method(name, move |_, _, _: MultiValue| {
                Err::<(), _>(error::of(format!("'{name}' of sockets is not available in this gateway")))
            });
        }
    }
}
