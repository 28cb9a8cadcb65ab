-- kong.db.schema.typedefs: common fields. `_typedef` names the rules that the gateway itself has for such a field.

local schema = require("kong.db.schema")
local define = schema.define
local null = ngx.null

local typedefs = {}

for name, kind in pairs({
  host = "string",
  host_with_optional_port = "string",
  wildcard_host = "string",
  ip = "string",
  ip_or_cidr = "string",
  cidr_v4 = "string",
  path = "string",
  url = "string",
  sni = "string",
  header_name = "string",
  cookie_name = "string",
  utf8_name = "string",
  tag = "string",
  protocol = "string",
  lua_code = "map",
  port = "integer",
  timeout = "number",
}) do
  typedefs[name] = define({ type = kind, _typedef = name })
end

typedefs.timeout.type = "integer"
typedefs.lua_code.keys = { type = "string", len_min = 1 }
typedefs.lua_code.values = { type = "string", len_min = 1 }
typedefs.http_method = define({ type = "string", match = "^%u+$" })
typedefs.uuid = define({ type = "string", uuid = true, auto = true })
typedefs.name = define({ type = "string", unique = true, _typedef = "utf8_name" })
typedefs.tags = define({ type = "set", elements = typedefs.tag })
typedefs.key = define({ type = "string" })
typedefs.certificate = define({ type = "string" })
typedefs.methods = define({ type = "set", elements = typedefs.http_method })
typedefs.hosts = define({ type = "array", elements = typedefs.wildcard_host })
typedefs.paths = define({ type = "array", elements = typedefs.path })
typedefs.headers = define({
  type = "map",
  keys = typedefs.header_name,
  values = { type = "array", elements = { type = "string" } },
})
typedefs.auto_timestamp_s = define({ type = "integer", timestamp = true, auto = true })
typedefs.auto_timestamp_ms = define({ type = "number", timestamp = true, auto = true })
typedefs.semantic_version = define({ type = "string", match_any = {
  patterns = { "^%d+[%.%d]*$" },
  err = "invalid version number: must be in format of X.Y.Z",
} })

for scope, entity in pairs({
  consumer = "consumers",
  service = "services",
  route = "routes",
  consumer_group = "consumer_groups",
}) do
  typedefs["no_" .. scope] = define({ type = "foreign", reference = entity, eq = null })
end

local http = { "grpc", "grpcs", "http", "https" }
local stream = { "tcp", "tls", "udp" }
local all = { "grpc", "grpcs", "http", "https", "tcp", "tls", "tls_passthrough", "udp" }

local function protocols(default, allowed)
  return define({
    type = "set",
    required = true,
    default = default,
    elements = { type = "string", one_of = allowed },
  })
end

typedefs.protocols = protocols(http, all)
typedefs.protocols_http = protocols(http, http)
typedefs.protocols_stream = protocols(stream, stream)

return setmetatable(typedefs, {
  __index = function(_, name)
    error("schema typedef error: definition " .. tostring(name) .. " does not exist", 2)
  end,
})
