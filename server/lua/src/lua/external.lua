-- Functions of the kit that plugins in other languages ask for in another shape, or by another name, than Lua does.

local kong, ngx, pairs, type, setmetatable = kong, ngx, pairs, type, setmetatable
local cjson = require "cjson"
local ssl = require "ngx.ssl"

-- Arguments and headers are lists, also where a name comes once.
local function gathered(part)
  return function(...)
    local values, err = part(...)
    if not values then
      return nil, err
    end
    local all = {}
    for name, value in pairs(values) do
      if value == true then
        all[name] = setmetatable({}, cjson.array_mt)
      else
        all[name] = type(value) == "table" and value or { value }
      end
    end
    return all
  end
end

return {
  ["kong.ctx.shared.get"] = function(name)
    return kong.ctx.shared[name]
  end,
  ["kong.ctx.shared.set"] = function(name, value)
    kong.ctx.shared[name] = value
  end,
  ["kong.log.serialize"] = function()
    return cjson.encode(kong.log.serialize())
  end,
  ["kong.nginx.get_ctx"] = function(name)
    return ngx.ctx[name]
  end,
  ["kong.nginx.get_tls1_version_str"] = function()
    return ssl.get_tls1_version_str()
  end,
  ["kong.nginx.get_var"] = function(name)
    return ngx.var[name]
  end,
  ["kong.nginx.req_start_time"] = function()
    return ngx.req.start_time()
  end,
  ["kong.nginx.set_ctx"] = function(name, value)
    ngx.ctx[name] = value
  end,
  ["kong.request.get_headers"] = gathered(kong.request.get_headers),
  ["kong.request.get_query"] = gathered(kong.request.get_query),
  ["kong.response.get_headers"] = gathered(kong.response.get_headers),
  ["kong.service.response.get_headers"] = gathered(kong.service.response.get_headers),
}
