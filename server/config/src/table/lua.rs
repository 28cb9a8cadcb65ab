//! Lua, proxy-wasm and external plugin servers.

use crate::property::{Property, boolean, choice, list, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    number("lua_socket_pool_size", "256", "cosocket pool size").without_effect(),
    text("lua_package_path", "./?.lua;./?/init.lua;", "Lua path"),
    text("lua_package_cpath", "", "Lua C path").without_effect(),
    number("lua_max_req_headers", "100", "request headers parsed (1..1000)"),
    number("lua_max_resp_headers", "100", "response headers parsed (1..1000)"),
    number("lua_max_uri_args", "100", "query args parsed (1..1000)"),
    number("lua_max_post_args", "100", "form args parsed (1..1000)"),
    list("pluginserver_names", "", "external plugin server names"),
    choice(
        "untrusted_lua",
        "sandbox",
        &["on", "off", "sandbox"],
        "Lua in serverless and log plugins: on, off, sandbox",
    ),
    list("untrusted_lua_sandbox_requires", "", "modules allowed in the sandbox"),
    list("untrusted_lua_sandbox_environment", "", "globals allowed in the sandbox"),
    text("openresty_path", "", "OpenResty install path").without_effect(),
    boolean("wasm", "off", "enable proxy-wasm").later(),
    text("wasm_filters_path", "", "directory of *.wasm").later(),
    text("wasm_dynamic_module", "", "internal").later(),
    list("wasm_filters", "bundled,user", "filters: bundled, user, off, names").later(),
    text("nginx_wasm_main_shm_kv", "", "wasm shared kv").later(),
];
