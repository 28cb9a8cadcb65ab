-- resty.hmac

local raw = ...
local _M = {
  ALGOS = {
    MD5 = "md5", SHA1 = "sha1", SHA224 = "sha224", SHA256 = "sha256", SHA384 = "sha384", SHA512 = "sha512",
  },
}
local methods = { __index = _M }

local function to_hex(text)
  return (text:gsub(".", function(character)
    return string.format("%02x", character:byte())
  end))
end

function _M:new(key, algorithm)
  return setmetatable({ key = key, algorithm = algorithm or "md5", parts = {} }, methods)
end

function _M:update(text)
  self.parts[#self.parts + 1] = tostring(text)
  return true
end

function _M:final(text, hex)
  if text then
    self:update(text)
  end
  local digest = raw.hmac(self.algorithm, self.key, table.concat(self.parts))
  self.parts = {}
  return hex and digest and to_hex(digest) or digest
end

function _M:reset()
  self.parts = {}
  return true
end

return _M
