//! Lua where Kong takes Lua.
