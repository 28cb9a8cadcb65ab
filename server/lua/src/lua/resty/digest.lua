-- resty.md5, resty.sha1 and the rest of them: update, final, reset.

local raw, name = ...
local _M = {}
local methods = { __index = _M }

function _M:new()
  return setmetatable({ parts = {} }, methods)
end

function _M:update(text)
  self.parts[#self.parts + 1] = tostring(text)
  return true
end

function _M:final()
  local data = table.concat(self.parts)
  self.parts = { data }
  return raw.digest(name, data)
end

function _M:reset()
  self.parts = {}
  return true
end

return _M
