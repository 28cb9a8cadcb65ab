local Ticker = { PRIORITY = 5, VERSION = "0.1.0" }

function Ticker:init_worker()
  kong.cache:purge()
  ngx.timer.at(0, function(premature, name)
    ngx.sleep(0.001)
    ngx.shared.ticker:set("once", name)
  end, "once")
  ngx.timer.every(0.001, function()
    ngx.shared.ticker:incr("ticks", 1, 0)
  end)
end

function Ticker:access()
  kong.response.exit(200, { once = ngx.shared.ticker:get("once"), ticks = ngx.shared.ticker:get("ticks"), worker = ngx.worker.id() })
end

return Ticker
