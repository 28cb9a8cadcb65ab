-- kong.meta

local version = kong.version
local major, minor, patch = version:match("^(%d+)%.(%d+)%.(%d+)")

local table_of = setmetatable({
  major = tonumber(major),
  minor = tonumber(minor),
  patch = tonumber(patch),
}, {
  __tostring = function()
    return version
  end,
})

return {
  _VERSION = version,
  _VERSION_TABLE = table_of,
  _SERVER_TOKENS = "kong/" .. version,
  version = version,
  core_version = version,
}
