-- Leads TLS handshakes, each as its server name says.
local ssl = require "ngx.ssl"

local Shaker = { PRIORITY = 10, VERSION = "0.1.0" }

local last = {}

local ways = {
  ["asks.test"] = function(conf)
    assert(kong.client.tls.request_client_certificate(assert(ssl.parse_pem_cert(conf.authority))))
  end,
  ["once.test"] = function()
    assert(kong.client.tls.disable_session_reuse())
  end,
  ["shown.test"] = function(conf)
    ngx.sleep(0.001)
    assert(ssl.clear_certs())
    assert(ssl.set_cert(assert(ssl.parse_pem_cert(conf.certificate))))
    assert(ssl.set_priv_key(assert(ssl.parse_pem_priv_key(conf.key))))
  end,
  ["der.test"] = function(conf)
    assert(ssl.set_der_cert(assert(ssl.cert_pem_to_der(conf.certificate))))
    assert(ssl.set_der_priv_key(assert(ssl.priv_key_pem_to_der(conf.key))))
  end,
  ["half.test"] = function(conf)
    assert(ssl.set_cert(assert(ssl.parse_pem_cert(conf.certificate))))
  end,
  ["fails.test"] = function()
    error("as it was told")
  end,
  ["ends.test"] = function()
    ngx.exit(ngx.ERROR)
  end,
  ["fine.test"] = function()
    ngx.exit(ngx.OK)
  end,
}

local function complaint(called, ...)
  local _, err = pcall(called, ...)
  return tostring(err)
end

function Shaker:certificate(conf)
  local name = ssl.server_name()
  last = {
    before = kong.ctx.shared.before,
    client = kong.client.get_ip(),
    header = complaint(kong.request.get_header, "x"),
    verify = complaint(kong.client.tls.set_client_verify, "NONE"),
    undecided = select(2, ssl.get_tls1_version_str()),
    phase = ngx.get_phase(),
    name = name,
  }
  kong.ctx.shared.after = "gone"
  if ways[name] then
    ways[name](conf)
  end
end

function Shaker:access()
  return kong.response.exit(200, {
    last = last,
    after = kong.ctx.shared.after or "nothing",
    ask = complaint(kong.client.tls.request_client_certificate),
    clear = complaint(ssl.clear_certs),
    verify = ngx.var.ssl_client_verify,
    chain = kong.client.tls.get_full_client_certificate_chain(),
    version = ssl.get_tls1_version_str(),
  })
end

return Shaker
