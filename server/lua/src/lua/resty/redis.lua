-- resty.redis: a client of Redis over ngx.socket.tcp (RESP 2).

local _M = {}
local unpack, tostring, type, ipairs = unpack, tostring, type, ipairs

local function encoded(command, ...)
  local arguments = { n = select("#", ...), ... }
  local parts = { "*" .. arguments.n + 1 .. "\r\n", "$" .. #command .. "\r\n", command .. "\r\n" }
  for index = 1, arguments.n do
    local text = tostring(arguments[index])
    parts[#parts + 1] = "$" .. #text .. "\r\n"
    parts[#parts + 1] = text .. "\r\n"
  end
  return table.concat(parts)
end

-- A reply; `false, err` for one that is an error, `nil, err` where the connection failed.
local function reply(sock)
  local line, err = sock:receive()
  if not line then
    if err == "timeout" then
      sock:close()
    end
    return nil, err
  end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "+" then
    return rest
  elseif kind == "-" then
    return false, rest
  elseif kind == ":" then
    return tonumber(rest)
  elseif kind == "$" then
    local size = tonumber(rest)
    if size < 0 then
      return ngx.null
    end
    local data
    data, err = sock:receive(size + 2)
    if not data then
      return nil, err
    end
    return data:sub(1, -3)
  elseif kind == "*" then
    local count = tonumber(rest)
    if count < 0 then
      return ngx.null
    end
    local values = {}
    for index = 1, count do
      local value, failed = reply(sock)
      if value then
        values[index] = value
      elseif value == nil then
        return nil, failed
      else
        values[index] = { false, failed }
      end
    end
    return values
  end
  return nil, 'unknown prefix: "' .. kind .. '"'
end

function _M:command(name, ...)
  if not self.sock then
    return nil, "not initialized"
  end
  local request = encoded(name, ...)
  if self.pipeline then
    self.pipeline[#self.pipeline + 1] = request
    return "QUEUED"
  end
  local sent, err = self.sock:send(request)
  if not sent then
    return nil, err
  end
  return reply(self.sock)
end

local methods = {
  __index = function(_, name)
    local own = _M[name]
    if own ~= nil then
      return own
    end
    -- Every other name is a command of Redis.
    return type(name) == "string" and function(self, ...)
      return _M.command(self, name, ...)
    end or nil
  end,
}

function _M.new()
  return setmetatable({ sock = ngx.socket.tcp() }, methods)
end

function _M:set_timeout(milliseconds)
  self.sock:settimeout(milliseconds)
end

function _M:set_timeouts(connect, send, read)
  self.sock:settimeouts(connect, send, read)
end

function _M:connect(host, port, options)
  if type(port) == "table" then
    port, options = nil, port
  end
  options = options or {}
  local ok, err
  if port then
    ok, err = self.sock:connect(host, port, options)
  else
    ok, err = self.sock:connect(host, options)
  end
  if not ok then
    return nil, err
  end
  if options.ssl and self.sock:getreusedtimes() == 0 then
    return self.sock:sslhandshake(false, options.server_name or host, options.ssl_verify)
  end
  return ok
end

function _M:set_keepalive(...)
  return self.sock:setkeepalive(...)
end

function _M:get_reused_times()
  return self.sock:getreusedtimes()
end

function _M:close()
  return self.sock:close()
end

function _M:read_reply()
  return reply(self.sock)
end

function _M:array_to_hash(list)
  local hash = {}
  for index = 1, #list, 2 do
    hash[list[index]] = list[index + 1]
  end
  return hash
end

function _M:hmset(key, ...)
  local first = ...
  if type(first) ~= "table" then
    return self:command("hmset", key, ...)
  end
  local arguments = {}
  for field, value in pairs(first) do
    arguments[#arguments + 1] = field
    arguments[#arguments + 1] = value
  end
  return self:command("hmset", key, unpack(arguments))
end

function _M:init_pipeline()
  self.pipeline = {}
end

function _M:cancel_pipeline()
  self.pipeline = nil
end

function _M:commit_pipeline()
  local requests = self.pipeline
  if not requests then
    return nil, "no pipeline"
  end
  self.pipeline = nil
  local sent, err = self.sock:send(table.concat(requests))
  if not sent then
    return nil, err
  end
  local values = {}
  for index = 1, #requests do
    local value, failed = reply(self.sock)
    if value == nil then
      return nil, failed
    end
    values[index] = value == false and { false, failed } or value
  end
  return values
end

return _M
