-- resty.jit-uuid, and kong.tools.uuid

local raw = ...
local _M = {}

function _M.generate_v4()
  local bytes = { raw.random(16):byte(1, 16) }
  bytes[7] = bytes[7] % 16 + 64
  bytes[9] = bytes[9] % 64 + 128
  return string.format(
    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", unpack(bytes)
  )
end

function _M.is_valid(text)
  return type(text) == "string" and #text == 36
    and text:find("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$") ~= nil
end

_M.uuid = _M.generate_v4
_M.is_valid_uuid = _M.is_valid

function _M.seed() end

return setmetatable(_M, {
  __call = function()
    return _M.generate_v4()
  end,
})
