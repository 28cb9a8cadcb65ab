-- resty.openssl.hmac

local raw = ...
local _M = {}
local methods = { __index = _M }

function _M.new(key, name)
  name = (name or "sha1"):lower():gsub("-", "")
  if not raw.hmac(name, "", "") then
    return nil, 'hmac.new: invalid digest type "' .. name .. '"'
  end
  return setmetatable({ key = key, name = name, data = "" }, methods)
end

function _M:update(...)
  self.data = self.data .. table.concat({ ... })
  return true
end

function _M:final(text)
  return raw.hmac(self.name, self.key, self.data .. (text or ""))
end

function _M:reset()
  self.data = ""
  return true
end

return _M
