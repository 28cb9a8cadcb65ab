local Full = { PRIORITY = 1234, VERSION = "1.2.3" }

local seen = setmetatable({}, { __mode = "k" })

function Full:rewrite(conf)
  kong.ctx.plugin.began = true
end

function Full:access(conf)
  seen[conf] = (seen[conf] or 0) + 1
  kong.service.request.set_header(conf.header, conf.status .. ":" .. #conf.words .. ":" .. tostring(conf.secret))
  kong.ctx.plugin.count = seen[conf]
  kong.ctx.shared.authenticated_groups = { "made", "up" }
  if kong.request.get_query_arg("stop") then
    return kong.response.exit(conf.status, { message = "stopped by " .. kong.plugin.get_id() })
  end
  if kong.request.get_query_arg("fail") then
    error("as it was told")
  end
end

function Full:header_filter(conf)
  kong.response.set_header(conf.header, kong.ctx.plugin.count)
end

function Full:body_filter(conf)
  local body = kong.response.get_raw_body()
  if body then
    kong.response.set_raw_body(body:upper())
  end
end

function Full:log(conf)
  local entry = kong.log.serialize()
  kong.log.set_serialize_value("full.seen", entry.request.method .. seen[conf])
end

return Full
