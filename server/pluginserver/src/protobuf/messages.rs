//! The messages of the protocol, as far as they are used here.

use prost::{Message, Oneof};
use prost_types::{Struct, Value};
use std::collections::BTreeMap;

/// A call to a server.
#[derive(Clone, PartialEq, Message)]
pub struct RpcCall {
    #[prost(int64, tag = "1")]
    pub sequence: i64,
    #[prost(oneof = "Call", tags = "33, 35, 36")]
    pub call: Option<Call>,
}

/// What is called.
#[derive(Clone, PartialEq, Oneof)]
pub enum Call {
    #[prost(message, tag = "33")]
    Start(StartInstance),
    #[prost(message, tag = "35")]
    Close(CloseInstance),
    #[prost(message, tag = "36")]
    Event(HandleEvent),
}

#[derive(Clone, PartialEq, Message)]
pub struct StartInstance {
    #[prost(string, tag = "1")]
    pub name: String,
    /// JSON text.
    #[prost(bytes = "vec", tag = "2")]
    pub config: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct CloseInstance {
    #[prost(int32, tag = "1")]
    pub instance_id: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct HandleEvent {
    #[prost(int32, tag = "1")]
    pub instance_id: i32,
    /// A phase.
    #[prost(string, tag = "2")]
    pub event_name: String,
}

/// What a server returns.
#[derive(Clone, PartialEq, Message)]
pub struct RpcReturn {
    #[prost(int64, tag = "1")]
    pub sequence: i64,
    #[prost(message, optional, tag = "33")]
    pub instance_status: Option<InstanceStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InstanceStatus {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(int32, tag = "2")]
    pub instance_id: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Bool {
    #[prost(bool, tag = "1")]
    pub v: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Int {
    #[prost(int32, tag = "1")]
    pub v: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Number {
    #[prost(double, tag = "1")]
    pub v: f64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Text {
    #[prost(string, tag = "1")]
    pub v: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Octets {
    #[prost(bytes = "vec", tag = "1")]
    pub v: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Pair {
    #[prost(string, tag = "1")]
    pub k: String,
    #[prost(message, optional, tag = "2")]
    pub v: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Exit {
    #[prost(int32, tag = "1")]
    pub status: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub body: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub headers: Option<Struct>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Target {
    #[prost(string, tag = "1")]
    pub host: String,
    #[prost(int32, tag = "2")]
    pub port: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ConsumerSpec {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(bool, tag = "2")]
    pub by_username: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Consumer {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(int64, tag = "2")]
    pub created_at: i64,
    #[prost(string, tag = "3")]
    pub username: String,
    #[prost(string, tag = "4")]
    pub custom_id: String,
    #[prost(string, repeated, tag = "5")]
    pub tags: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Credential {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub consumer_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Authenticate {
    #[prost(message, optional, tag = "1")]
    pub consumer: Option<Consumer>,
    #[prost(message, optional, tag = "2")]
    pub credential: Option<Credential>,
}

#[derive(Clone, PartialEq, Message)]
pub struct RawBody {
    #[prost(oneof = "Read", tags = "1, 3")]
    pub read: Option<Read>,
}

/// A body, or why there is none.
#[derive(Clone, PartialEq, Oneof)]
pub enum Read {
    #[prost(bytes = "vec", tag = "1")]
    Content(Vec<u8>),
    #[prost(string, tag = "3")]
    Error(String),
}

#[derive(Clone, PartialEq, Message)]
pub struct Captures {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub unnamed: Vec<Vec<u8>>,
    #[prost(btree_map = "string, bytes", tag = "2")]
    pub named: BTreeMap<String, Vec<u8>>,
}

/// The id of a Service or a Certificate.
#[derive(Clone, PartialEq, Message)]
pub struct Reference {
    #[prost(string, tag = "1")]
    pub id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Route {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(int64, tag = "2")]
    pub created_at: i64,
    #[prost(int64, tag = "3")]
    pub updated_at: i64,
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(string, repeated, tag = "5")]
    pub protocols: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    pub methods: Vec<String>,
    #[prost(string, repeated, tag = "7")]
    pub hosts: Vec<String>,
    #[prost(string, repeated, tag = "8")]
    pub paths: Vec<String>,
    #[prost(int32, tag = "10")]
    pub https_redirect_status_code: i32,
    #[prost(int32, tag = "11")]
    pub regex_priority: i32,
    #[prost(bool, tag = "12")]
    pub strip_path: bool,
    #[prost(bool, tag = "13")]
    pub preserve_host: bool,
    #[prost(string, repeated, tag = "14")]
    pub snis: Vec<String>,
    #[prost(string, repeated, tag = "17")]
    pub tags: Vec<String>,
    #[prost(message, optional, tag = "18")]
    pub service: Option<Reference>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Service {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(int64, tag = "2")]
    pub created_at: i64,
    #[prost(int64, tag = "3")]
    pub updated_at: i64,
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(int32, tag = "5")]
    pub retries: i32,
    #[prost(string, tag = "6")]
    pub protocol: String,
    #[prost(string, tag = "7")]
    pub host: String,
    #[prost(int32, tag = "8")]
    pub port: i32,
    #[prost(string, tag = "9")]
    pub path: String,
    #[prost(int32, tag = "10")]
    pub connect_timeout: i32,
    #[prost(int32, tag = "11")]
    pub write_timeout: i32,
    #[prost(int32, tag = "12")]
    pub read_timeout: i32,
    #[prost(string, repeated, tag = "13")]
    pub tags: Vec<String>,
    #[prost(message, optional, tag = "14")]
    pub client_certificate: Option<Reference>,
}

#[derive(Clone, PartialEq, Message)]
pub struct MemoryStats {
    #[prost(message, optional, tag = "1")]
    pub lua_shared_dicts: Option<Dictionaries>,
    #[prost(message, repeated, tag = "2")]
    pub workers_lua_vms: Vec<State>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dictionaries {
    #[prost(message, optional, tag = "1")]
    pub kong: Option<Dictionary>,
    #[prost(message, optional, tag = "2")]
    pub kong_db_cache: Option<Dictionary>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dictionary {
    #[prost(int64, tag = "1")]
    pub allocated_slabs: i64,
    #[prost(int64, tag = "2")]
    pub capacity: i64,
}

/// The Lua of one worker.
#[derive(Clone, PartialEq, Message)]
pub struct State {
    #[prost(int64, tag = "1")]
    pub http_allocated_gc: i64,
    #[prost(int64, tag = "2")]
    pub pid: i64,
}
