-- What libraries answer, and what they should: tells where the two differ.
local Libraries = { PRIORITY = 1, VERSION = "1" }

local P256 = [[
local pkey = require "resty.openssl.pkey"
local key = assert(pkey.new({ type = "EC", curve = "prime256v1" }))
]]

local checks = {
  { [[require("resty.string").to_hex("a\255")]], "61ff" },
  { [[#require("resty.random").bytes(7)]], 7 },
  { [[(function()
      local sha = require("resty.sha256"):new()
      sha:update("a") sha:update("bc")
      return require("resty.string").to_hex(sha:final())
    end)()]], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
  { [[(function()
      local md5 = require("resty.md5"):new()
      md5:update("hi")
      return require("resty.string").to_hex(md5:final())
    end)()]], "49f68a5c8493ec2c0bf489821c21fc3b" },
  { [[(function()
      local hmac = require "resty.hmac"
      return hmac:new("key", hmac.ALGOS.SHA1):final("The quick brown fox jumps over the lazy dog", true)
    end)()]], "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9" },
  { [[(function()
      local aes = require "resty.aes"
      local box = assert(aes:new("a password", "saltsalt", aes.cipher(256, "cbc"), aes.hash.sha256, 3))
      return box:decrypt(box:encrypt("in the box")) .. #box:encrypt("in the box")
    end)()]], "in the box16" },
  { [[(function()
      local aes = require "resty.aes"
      local box = assert(aes:new(("k"):rep(16), nil, aes.cipher(128, "cbc"), { iv = ("i"):rep(16) }))
      return require("resty.string").to_hex(box:encrypt("hello"))
    end)()]], "a597fad1c9b3932effa04eee528c97c5" },
  { [[(function()
      local cipher = assert(require("resty.openssl.cipher").new("aes-256-gcm"))
      local data = assert(cipher:encrypt(("k"):rep(32), ("n"):rep(12), "sealed", false, "aad"))
      local tag = cipher:get_aead_tag()
      local other = cipher:decrypt(("k"):rep(32), ("n"):rep(12), data, false, "else", tag)
      return tostring(other) .. cipher:decrypt(("k"):rep(32), ("n"):rep(12), data, false, "aad", tag)
    end)()]], "nilsealed" },
  { [[(function()
      local digest = require("resty.openssl.digest").new("sha256")
      digest:update("abc")
      return require("resty.string").to_hex(digest:final()):sub(1, 8)
    end)()]], "ba7816bf" },
  { [[(function()
      local hmac = require("resty.openssl.hmac")
      local keyed = hmac.new("k", "SHA-256")
      keyed:update("a", "b")
      local found = require("resty.string").to_hex(keyed:final("c")):sub(1, 8)
      return found .. tostring(hmac.istype(keyed)) .. select(2, hmac.new("k", "none"))
    end)()]], '342e519ctrue' .. 'hmac.new: invalid digest type "none"' },
  { [[(function() ]] .. P256 .. [[
      local signature = assert(key:sign("text", "sha256", nil, { ecdsa_use_raw = true }))
      local public = assert(pkey.new(key:to_PEM("public")))
      assert(public:verify(signature, "text", "sha256", nil, { ecdsa_use_raw = true }))
      local again = assert(pkey.new(key:to_PEM("private")))
      assert(not public:is_private() and again:is_private())
      return #signature .. tostring(public:verify(signature, "other", "sha256", nil, { ecdsa_use_raw = true }))
    end)()]], "64false" },
  { [[(function()
      local pkey = require "resty.openssl.pkey"
      local key = assert(pkey.new({ type = "RSA", bits = 2048 }))
      local digest = require("resty.openssl.digest").new("sha256")
      digest:update("text")
      local signature = assert(key:sign(digest))
      local pss = assert(key:sign("text", "sha512", pkey.PADDINGS.RSA_PKCS1_PSS_PADDING))
      return tostring(key:verify(signature, digest)) .. #pss ..
        tostring(key:verify(pss, "text", "sha512", pkey.PADDINGS.RSA_PKCS1_PSS_PADDING)) .. key:get_key_type().sn
    end)()]], "true256truersaEncryption" },
  { [[(function()
      local key = assert(require("resty.openssl.pkey").new({ type = "Ed25519" }))
      return #key:sign("text") .. key:get_key_type().sn
    end)()]], "64ED25519" },
  { [[select(2, require("resty.openssl.pkey").new("nothing")) ~= nil]], true },
  { [[(function()
      local cache = require("resty.lrucache").new(2)
      cache:set("a", 1) cache:set("b", 2)
      cache:get("a")
      cache:set("c", 3)
      return tostring(cache:get("a")) .. tostring(cache:get("b")) .. tostring(cache:get("c")) .. cache:count()
    end)()]], "1nil32" },
  { [[#require("resty.jit-uuid")()]], 36 },
  { [[require("kong.tools.utils").is_valid_uuid(require("kong.tools.uuid").uuid())]], true },
  { [[#require("kong.tools.rand").random_string()]], 32 },
  { [[require("table.nkeys")({ a = 1, 2 })]], 2 },
  { [[require("inspect")({ 1, { a = "b" } })]], "{ 1, {\n    a = \"b\"\n  } }" },
  { [[require("cjson").encode({ 0.1 + 0.2, 1e15, "a/b" })]], "[0.3,1000000000000000,\"a\\/b\"]" },
  { [[(function()
      local cjson = require("cjson").new()
      cjson.encode_empty_table_as_object(false)
      cjson.encode_escape_forward_slash(false)
      return cjson.encode({ a = {}, }) .. cjson.encode("/")
    end)()]], "{\"a\":[]}\"/\"" },
  { [[(function()
      local cjson = require("cjson.safe").new()
      cjson.encode_sparse_array(true, 2, 3)
      return cjson.decode(cjson.encode({ [1] = 1, [9] = 2 }))["9"]
    end)()]], 2 },
  { [[require("pl.stringx").split("a b c")[2] ]], "b" },
  { [[require("pl.tablex").deepcompare({ a = { 1 } }, { a = { 1 } })]], true },
  { [[require("pl.pretty").write({ 1, 2 }, "")]], "{1,2}" },
  { [[require("pl.pretty").read("{ a = 1 }").a]], 1 },
  { [[tostring(require("pl.List")({ 1, 2 }):append(3))]], "{1,2,3}" },
  { [[require("pl.template").substitute("$(n)!", { n = 1 })]], "1!" },
  { [[require("pl.xml").parse("<a b='c'/>").attr.b]], "c" },
  { [[require("pl.class")({ name = "x" }).name ~= nil]], true },
  { [[require("ngx.re").split("a,b;c", "[,;]")[3] ]], "c" },
  { [[select(2, pcall(require, "pl.path")):match("module 'pl.path' not found") ~= nil]], true },
  { [[require("resty.openssl.x509.store").new():add(assert(require("resty.openssl.x509").new(CERTIFICATE)))]], true },
  { [[require("resty.openssl.x509").new(CERTIFICATE):get_subject_name():tostring()]], "CN=library.test" },
  { [[require("resty.openssl.x509").new(CERTIFICATE):get_not_after() > 1e9]], true },
  { [[#require("ngx.ssl").cert_pem_to_der(CERTIFICATE) > 200]], true },
  { [[require("ngx.ssl").parse_pem_cert(CERTIFICATE) ~= nil]], true },
  { [[(function()
      local ssl, service = require "ngx.ssl", kong.service
      local store = require("resty.openssl.x509.store").new()
      store:add(require("resty.openssl.x509").new(CERTIFICATE))
      assert(service.set_tls_verify_store(store))
      return service.set_tls_cert_key(ssl.parse_pem_cert(CERTIFICATE), ssl.parse_pem_priv_key(CERTIFICATE))
    end)()]], true },
  { [[(function()
      local jwt = require "resty.jwt"
      local token = jwt:sign("s3", { header = { typ = "JWT", alg = "HS256" }, payload = { sub = "ann" } })
      local old = jwt:sign("s3", { header = { alg = "HS256" }, payload = { exp = 1 } })
      assert(jwt:verify("s3", token).verified and jwt:verify("s3", token).payload.sub == "ann")
      return jwt:verify("s4", token).reason:sub(1, 18) .. ";" .. jwt:verify("s3", old).reason:sub(1, 19)
    end)()]], "signature mismatch;'exp' claim expired" },
  { [[(function() ]] .. P256 .. [[
      local jwt = require "resty.jwt"
      local token = jwt:sign(key:to_PEM("private"), { header = { alg = "ES256" }, payload = { a = 1 } })
      local public = key:to_PEM("public")
      local fooled = jwt:sign(public, { header = { alg = "HS256" }, payload = { a = 1 } })
      assert(jwt:verify(public, token).verified)
      return tostring(jwt:verify(public, fooled).verified) .. tostring(jwt:verify(public, "a.b").reason)
    end)()]], "falseinvalid jwt string" },
  { [[require("lyaml").load('{"a":[1,null]}').a[1] ]], 1 },
  { [[require("lyaml").load('{"a":[1,null]}').a[2] == require("lyaml").null]], true },
  { [[require("lyaml").dump({ { a = 1 } })]], '---\n{"a":1}\n...\n' },
  { [[select(2, pcall(require("lyaml").load, "{")) ~= nil]], true },
  { [[(function()
      local cache = assert(require("resty.mlcache").new("made", "library", { ipc_shm = "library" }))
      local calls = 0
      local function make(word)
        calls = calls + 1
        return { word = word }
      end
      local first, _, third = cache:get("a", nil, make, "x")
      local _, _, one = cache:get("a", nil, make, "y")
      cache.lru:flush_all()
      local again, _, two = cache:get("a", nil, make, "z")
      assert(first.word == "x" and again.word == "x" and calls == 1)
      assert(cache:set("b", nil, 7) and cache:get("b") == 7 and select(3, cache:peek("b")) == 7)
      assert(cache:delete("b") and cache:get("b") == nil and cache:update())
      local none, err = cache:get("c", nil, function() error("no") end)
      assert(none == nil and err:match("^callback threw an error"))
      assert(select(2, cache:get("d", nil, function() return nil, "refused" end)) == "refused")
      return third .. one .. two .. select(3, cache:get("e", nil, function() end))
    end)()]], "3123" },
  { [[select(2, require("ngx.ssl").parse_pem_priv_key("none"))]], "PEM_read_bio_PrivateKey() failed" },
}

function Libraries:access()
  local wrong = {}
  kong.service.set_target_retry_callback(function()
    if ngx.get_phase() ~= "balancer" then
      return nil, nil, "a wrong phase"
    end
    return "other.test", 81
  end)
  local environment = setmetatable({ CERTIFICATE = kong.request.get_raw_body() }, { __index = _G })
  for _, check in ipairs(checks) do
    local chunk, err = loadstring("return " .. check[1])
    local ok, found = false, err
    if chunk then
      ok, found = pcall(setfenv(chunk, environment))
    end
    if not ok or found ~= check[2] then
      wrong[#wrong + 1] = check[1] .. " is " .. tostring(found)
    end
  end
  return kong.response.exit(200, { checked = #checks, wrong = table.concat(wrong, "\n") })
end

return Libraries
