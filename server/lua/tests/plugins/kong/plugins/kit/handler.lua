-- Uses what of Kong's kit is not about one request.
local Kit = { PRIORITY = 5, VERSION = "0.1.0" }

local configured = {}
local told = {}
local later = 0

function Kit:init_worker()
  kong.worker_events.register(function(data, event, source)
    told[#told + 1] = source .. ":" .. event .. ":" .. data.number
  end, "kit", "asked", "unused")
  kong.timer:named_every("kit", 0.01, function()
    later = later + 1
    if later == 3 then
      kong.timer:cancel("kit")
    end
  end)
end

function Kit:configure(configs)
  configured = {}
  for index, config in ipairs(configs or {}) do
    configured[index] = config.secret
  end
end

function Kit:access(conf)
  kong.ctx.plugin.fail = kong.request.get_query_arg("fail")
  if kong.ctx.plugin.fail then
    return
  end
  local span = kong.tracing.start_span("kit", { attributes = { of = "kit" } })
  span:set_attribute("more", true)
  span:add_event("asked")
  kong.worker_events.post("kit", "asked", { number = #told })
  local ip, port = kong.dns.toip("127.0.0.1", 80)
  local reference = kong.vault.parse_reference("{vault://mine/kit-word/key?prefix=A_#2}")
  local none, err = kong.vault.get("{vault://other/x}")
  span:finish()
  return kong.response.exit(200, {
    configured = configured,
    conf = conf.secret,
    secret = kong.vault.get("{vault://mine/word}"),
    reference = reference,
    none = none == nil and err,
    told = told,
    later = later,
    ip = ip .. ":" .. port,
    requests = kong.nginx.get_statistics().total_requests,
    memory = kong.node.get_memory_stats("k", 1).workers_lua_vms[1].http_allocated_gc,
    database = kong.configuration.database,
  })
end

function Kit:header_filter()
  if kong.ctx.plugin.fail == "header_filter" then
    error("as it was told")
  end
end

function Kit:log()
  if kong.ctx.plugin.fail == "log" then
    error("as it was told")
  end
end

return Kit
