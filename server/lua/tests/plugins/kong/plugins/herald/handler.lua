-- Tells its like on other nodes what it is told, and has all of them forget.
local Herald = { PRIORITY = 10, VERSION = "1.0.0" }

function Herald:init_worker()
  kong.cluster_events:subscribe("herald", function(data)
    if data == "fail" then
      error("the herald stumbles")
    end
    -- May wait as timers do.
    ngx.sleep(0.001)
    ngx.shared.herald:incr(data, 1, 0)
  end)
end

function Herald:access()
  local asked = kong.request.get_query_arg
  local tell, forget = asked("tell"), asked("forget")
  if tell then
    local ok, err = kong.cluster_events:broadcast("herald", tell, tonumber(asked("delay")))
    return kong.response.exit(200, { ok = ok, err = err })
  end
  if forget then
    kong.cache:invalidate(forget)
    return kong.response.exit(204)
  end
  if asked("misuse") then
    local messages = {}
    for index, arguments in ipairs({ { 1, "a" }, { "a", {} }, { "a", "a", "soon" }, { "a", "a", -1 }, { "a", "\255" } }) do
      messages[index] = select(2, kong.cluster_events:broadcast(unpack(arguments)))
    end
    for _, arguments in ipairs({ { 1, print }, { "a", 1 } }) do
      local _, err = pcall(kong.cluster_events.subscribe, kong.cluster_events, unpack(arguments))
      messages[#messages + 1] = tostring(err)
    end
    return kong.response.exit(200, messages)
  end
  return kong.response.exit(200, {
    heard = ngx.shared.herald:get(asked("heard") or "") or 0,
    word = kong.cache:get("word", nil, function()
      return asked("word") or "none"
    end),
  })
end

return Herald
