local Greeter = { PRIORITY = 800, VERSION = "1.0.0" }

function Greeter:access(conf)
  if kong.request.get_header("x-silent") then
    kong.ctx.plugin.silent = true
  end
end

function Greeter:header_filter(conf)
  if not kong.ctx.plugin.silent then
    kong.response.set_header(conf.header, conf.text)
  end
end

return Greeter
