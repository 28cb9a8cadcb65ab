-- resty.openssl.digest

local raw = ...
local _M = {}
local methods = { __index = _M }

function _M.new(name)
  name = (name or "sha1"):lower():gsub("-", "")
  if not raw.digest(name, "") then
    return nil, 'digest.new: invalid digest type "' .. name .. '"'
  end
  return setmetatable({ name = name, data = "" }, methods)
end

function _M.istype(value)
  return type(value) == "table" and getmetatable(value) == methods
end

function _M:update(...)
  self.data = self.data .. table.concat({ ... })
  return true
end

function _M:final(text)
  return raw.digest(self.name, self.data .. (text or ""))
end

function _M:reset()
  self.data = ""
  return true
end

return _M
