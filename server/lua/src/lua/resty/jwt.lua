-- resty.jwt: JSON Web Tokens, signed (RFC 7515, RFC 7519).

local raw = ...
local cjson = require("cjson.safe")
local pkey = require("resty.openssl.pkey")
local base64 = require("ngx.base64")

local _M = {}

local HMAC = { HS256 = "sha256", HS384 = "sha384", HS512 = "sha512" }
local KEYED = {
  RS256 = { "sha256" }, RS384 = { "sha384" }, RS512 = { "sha512" },
  PS256 = { "sha256", 6 }, PS384 = { "sha384", 6 }, PS512 = { "sha512", 6 },
  ES256 = { "sha256", nil, true }, ES384 = { "sha384", nil, true }, ES512 = { "sha512", nil, true },
  EdDSA = { "sha512" },
}

-- Takes as long for any two texts of one length.
local function same(left, right)
  if #left ~= #right then
    return false
  end
  local difference = 0
  for index = 1, #left do
    difference = bit.bor(difference, bit.bxor(left:byte(index), right:byte(index)))
  end
  return difference == 0
end

local function options_of(manner)
  return { ecdsa_use_raw = manner[3] }
end

function _M:load_jwt(token)
  local object = { valid = false, verified = false }
  local header, payload, signature = tostring(token):match("^([^.]+)%.([^.]*)%.([^.]*)$")
  if not header then
    object.reason = "invalid jwt string"
    return object
  end
  local function decoded(part)
    local text = base64.decode_base64url(part)
    return text and cjson.decode(text)
  end
  object.raw_header, object.raw_payload, object.signature = header, payload, signature
  object.header = decoded(header)
  if type(object.header) ~= "table" then
    object.reason = "invalid header: " .. header
    return object
  end
  object.payload = decoded(payload)
  if type(object.payload) ~= "table" then
    object.reason = "invalid payload: " .. payload
    return object
  end
  object.valid = true
  return object
end

local function verified(secret, object)
  local algorithm = object.header.alg
  local text = object.raw_header .. "." .. object.raw_payload
  local signature = base64.decode_base64url(object.signature)
  if not signature then
    return false, "invalid signature: " .. object.signature
  end
  if HMAC[algorithm] then
    -- A public key is no secret, though its text could be taken for one.
    if type(secret) ~= "string" or secret:find("-----BEGIN ", 1, true) then
      return false, "a key in PEM form cannot be the secret of " .. algorithm
    end
    if not same(raw.hmac(HMAC[algorithm], secret, text), signature) then
      return false, "signature mismatch: " .. object.signature
    end
    return true
  end
  local manner = KEYED[algorithm]
  if not manner then
    return false, "whitelist unsupported alg: " .. tostring(algorithm)
  end
  local key, err = pkey.new(secret)
  if not key then
    return false, err
  end
  local kind = key:get_key_type().sn
  local wanted = algorithm == "EdDSA" and "ED25519" or algorithm:sub(1, 2) == "ES" and "id-ecPublicKey" or "rsaEncryption"
  if kind ~= wanted then
    return false, "the key is not one of " .. algorithm
  end
  local good
  good, err = key:verify(signature, text, manner[1], manner[2], options_of(manner))
  if not good then
    return false, err or "signature mismatch: " .. object.signature
  end
  return true
end

function _M:verify_jwt_obj(secret, object, specification)
  if not object.valid then
    return object
  end
  local good, reason = verified(secret, object)
  if not good then
    object.reason = reason
    return object
  end
  local now = ngx.time()
  local claims = object.payload
  if specification == nil then
    if claims.exp ~= nil and (type(claims.exp) ~= "number" or claims.exp <= now) then
      object.reason = "'exp' claim expired at " .. ngx.http_time(tonumber(claims.exp) or 0)
      return object
    end
    if claims.nbf ~= nil and (type(claims.nbf) ~= "number" or claims.nbf > now) then
      object.reason = "'nbf' claim not valid until " .. ngx.http_time(tonumber(claims.nbf) or 0)
      return object
    end
  else
    for name, check in pairs(specification) do
      local ok, result = pcall(check, claims[name], name, object)
      if not ok or result == false then
        object.reason = ok and "Claim '" .. name .. "' ('" .. tostring(claims[name]) .. "') returned failure" or result
        return object
      end
    end
  end
  object.verified = true
  object.reason = "everything is awesome~ :p"
  return object
end

function _M:verify(secret, token, specification)
  local object = self:load_jwt(token)
  if object.valid and type(secret) == "function" then
    secret = secret(object.header.kid)
  end
  return self:verify_jwt_obj(secret, object, specification)
end

function _M:sign(secret, object)
  local header = object.header or {}
  local algorithm = header.alg
  local text = base64.encode_base64url(cjson.encode(header)) .. "." .. base64.encode_base64url(cjson.encode(object.payload))
  local signature
  if HMAC[algorithm] then
    signature = raw.hmac(HMAC[algorithm], secret, text)
  elseif KEYED[algorithm] then
    local manner = KEYED[algorithm]
    local key, err = pkey.new(secret)
    if not key then
      error({ reason = err })
    end
    signature, err = key:sign(text, manner[1], manner[2], options_of(manner))
    if not signature then
      error({ reason = err })
    end
  else
    error({ reason = "unsupported alg: " .. tostring(algorithm) })
  end
  return text .. "." .. base64.encode_base64url(signature)
end

return _M
