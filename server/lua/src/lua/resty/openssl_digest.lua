-- resty.openssl.digest and resty.openssl.hmac: new, update, final, reset.

local raw, kind = ...
local keyed = kind == "hmac"
local _M = {}
local methods = { __index = _M }

-- Of (name) for a digest, (key, name) for a keyed one.
function _M.new(key, name)
  if not keyed then
    key, name = "", key
  end
  name = (name or "sha1"):lower():gsub("-", "")
  if not raw.digest(name, "") then
    return nil, kind .. '.new: invalid digest type "' .. name .. '"'
  end
  return setmetatable({ key = key, name = name, parts = {} }, methods)
end

function _M.istype(value)
  return type(value) == "table" and getmetatable(value) == methods
end

function _M:update(...)
  self.parts[#self.parts + 1] = table.concat({ ... })
  return true
end

-- What it was given so far.
function _M:whole()
  local data = table.concat(self.parts)
  self.parts = { data }
  return data
end

function _M:final(text)
  local data = self:whole() .. (text or "")
  if keyed then
    return raw.hmac(self.name, self.key, data)
  end
  return raw.digest(self.name, data)
end

function _M:reset()
  self.parts = {}
  return true
end

return _M
