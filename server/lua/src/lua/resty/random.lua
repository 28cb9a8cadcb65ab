-- resty.random

local raw = ...
local _M = {}

function _M.bytes(count)
  return raw.random(count)
end

function _M.number(low, high)
  local bytes = { raw.random(6):byte(1, 6) }
  local value = 0
  for _, byte in ipairs(bytes) do
    value = value * 256 + byte
  end
  return low + value % (high - low + 1)
end

return _M
