-- Who may come in over TCP, where to, and who was here.
local Doorman = { PRIORITY = 900, VERSION = "1.0.0" }

function Doorman:access()
  kong.response.exit(500, "not for requests")
end

function Doorman:preread(conf)
  assert(ngx.get_phase() == "preread" and kong.nginx.get_subsystem() == "stream")
  kong.ctx.plugin.met = kong.client.get_ip()
  -- Waits as requests do.
  ngx.sleep(0.001)
  if conf.fail then
    error("the doorman stumbles")
  end
  if conf.refuse then
    local ok, err = pcall(kong.response.exit, 418, "a teapot")
    assert(not ok and tostring(err):find("418", 1, true), err)
    return kong.response.exit(conf.refuse, { message = "nobody comes in" })
  end
  if conf.cleartext then
    assert(kong.service.request.disable_tls() == true)
  end
  if conf.port then
    kong.service.set_target("127.0.0.1", conf.port)
  end
end

function Doorman:log(conf)
  kong.log.notice("the doorman met ", kong.ctx.plugin.met, " and the session ended with ",
                  kong.log.serialize().session.status)
end

return Doorman
