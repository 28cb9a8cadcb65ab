-- kong.tools.utils, kong.tools.rand, kong.tools.sha256, kong.tools.time, kong.tools.http: what plugins use most of them.

local raw, wanted = ...
local text = require("kong.tools.string")
local tables = require("kong.tools.table")

local function random_string()
  local bytes = ngx.encode_base64(raw.random(24), true)
  return (bytes:gsub("[+/]", "0"))
end

local function to_hex(binary)
  return (binary:gsub(".", function(character)
    return string.format("%02x", character:byte())
  end))
end

local modules = {
  ["kong.tools.rand"] = {
    get_rand_bytes = function(count)
      return raw.random(count)
    end,
    random_string = random_string,
  },
  ["kong.tools.sha256"] = {
    sha256_bin = function(data)
      return raw.digest("sha256", data)
    end,
    sha256_hex = function(data)
      return to_hex(raw.digest("sha256", data))
    end,
  },
  ["kong.tools.time"] = {
    time_ns = function()
      return ngx.now() * 1e9
    end,
    get_now_ms = function()
      return ngx.now() * 1000
    end,
    get_updated_now_ms = function()
      ngx.update_time()
      return ngx.now() * 1000
    end,
  },
  ["kong.tools.http"] = {
    encode_args = ngx.encode_args,
    decode_args = ngx.decode_args,
  },
}

if wanted ~= "kong.tools.utils" then
  return modules[wanted]
end

local uuids = require("kong.tools.uuid")
local all = { uuid = uuids.uuid, is_valid_uuid = uuids.is_valid_uuid }
for _, module in ipairs({ text, tables, modules["kong.tools.rand"], modules["kong.tools.sha256"],
                          modules["kong.tools.time"], modules["kong.tools.http"] }) do
  for name, value in pairs(module) do
    all[name] = value
  end
end
return all
