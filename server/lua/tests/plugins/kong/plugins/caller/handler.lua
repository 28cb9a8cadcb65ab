local http = require "resty.http"
local cjson = require "cjson.safe"

local Caller = { PRIORITY = 100, VERSION = "1.0.0" }

function Caller:access(conf)
  local client = http.new()
  client:set_timeout(conf.timeout)
  local res, err = client:request_uri(conf.url, {
    method = "POST",
    body = cjson.encode({ path = kong.request.get_path() }),
    query = { asked = "yes" },
    headers = { ["Content-Type"] = "application/json" },
  })
  if not res then
    return kong.response.exit(502, { error = err })
  end
  return kong.response.exit(res.status, res.body, { ["X-Asked"] = res.headers["x-name"], ["X-Reused"] = client.keepalive })
end

return Caller
