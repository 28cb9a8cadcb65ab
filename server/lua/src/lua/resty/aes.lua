-- resty.aes

local raw = ...
local _M = {}
local methods = { __index = _M }

_M.hash = { md5 = "md5", sha1 = "sha1", sha224 = "sha224", sha256 = "sha256", sha384 = "sha384", sha512 = "sha512" }

function _M.cipher(size, mode)
  local name = "aes-" .. (size or 128) .. "-" .. (mode or "cbc")
  local length = raw.key_length(name)
  if not length then
    return nil
  end
  return { name = name, size = size or 128, mode = mode or "cbc", length = length }
end

-- Key and iv of a password, as OpenSSL derives them (EVP_BytesToKey).
local function derived(digest, password, salt, rounds, wanted)
  local last, out = "", ""
  while #out < wanted do
    last = raw.digest(digest, last .. password .. salt)
    for _ = 2, rounds do
      last = raw.digest(digest, last)
    end
    out = out .. last
  end
  return out
end

function _M:new(key, salt, cipher, hash, rounds, iv_length, padding)
  cipher = cipher or _M.cipher()
  if not cipher then
    return nil, "invalid cipher"
  end
  hash = hash or "md5"
  if salt and #salt ~= 8 then
    return nil, "salt must be 8 characters or nil"
  end
  local own_iv = cipher.mode == "gcm" and (iv_length or 12) or 16
  local made
  if type(hash) == "table" then
    local iv = hash.iv
    if not iv or #iv > 16 then
      return nil, "bad iv"
    end
    if hash.method then
      key = hash.method(key)
    end
    if #key ~= cipher.length then
      return nil, "bad key length"
    end
    if cipher.mode ~= "ecb" and #iv < own_iv then
      return nil, "bad iv length"
    end
    made = { key = key, iv = iv }
  else
    local bytes = derived(hash, key, salt or "", rounds or 1, cipher.length + 16)
    made = { key = bytes:sub(1, cipher.length), iv = bytes:sub(cipher.length + 1, cipher.length + own_iv) }
  end
  made.cipher = cipher.name
  made.gcm = cipher.mode == "gcm"
  made.padding = padding ~= false
  return setmetatable(made, methods)
end

function _M:encrypt(text, aad)
  local data, tag = raw.cipher(self.cipher, true, {
    key = self.key, iv = self.iv, data = text, padding = self.padding, aad = aad,
  })
  if not data then
    return nil, tag
  end
  if self.gcm then
    return { data, tag }
  end
  return data
end

function _M:decrypt(text, tag, aad)
  local data, err = raw.cipher(self.cipher, false, {
    key = self.key, iv = self.iv, data = text, padding = self.padding, tag = tag, aad = aad,
  })
  if not data then
    return nil, err
  end
  return data
end

return _M
