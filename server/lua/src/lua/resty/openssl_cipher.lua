-- resty.openssl.cipher

local raw = ...
local _M = {}
local methods = { __index = _M }

function _M.new(name)
  name = (name or ""):lower()
  if not raw.key_length(name) then
    return nil, 'cipher.new: invalid cipher type "' .. name .. '"'
  end
  return setmetatable({ name = name }, methods)
end

function _M:encrypt(key, iv, text, no_padding, aad)
  local data, tag = raw.cipher(self.name, true, {
    key = key, iv = iv, data = text, padding = not no_padding, aad = aad,
  })
  if not data then
    return nil, "cipher:encrypt: " .. tag
  end
  self.tag = tag
  return data
end

function _M:get_aead_tag()
  return self.tag
end

function _M:decrypt(key, iv, text, no_padding, aad, tag)
  local data, err = raw.cipher(self.name, false, {
    key = key, iv = iv, data = text, padding = not no_padding, aad = aad, tag = tag,
  })
  if not data then
    return nil, "cipher:decrypt: " .. err
  end
  return data
end

return _M
