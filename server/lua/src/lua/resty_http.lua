-- resty.http: HTTP/1.1 over ngx.socket.tcp, with the interface of the library of that name.

local setmetatable, type, tostring, tonumber, pairs, ipairs = setmetatable, type, tostring, tonumber, pairs, ipairs
local concat, lower, upper, match, gsub = table.concat, string.lower, string.upper, string.match, string.gsub
local pcall = pcall
local encode_args, encode_base64 = ngx.encode_args, ngx.encode_base64

local _M = { _VERSION = "0.17" }
local client = { __index = _M }

-- Names of header lines have no case; the first spelling is kept.
local function headers_table()
  local names = {}
  return setmetatable({}, {
    __index = function(headers, name)
      local known = type(name) == "string" and names[lower(name)]
      return known and rawget(headers, known) or nil
    end,
    __newindex = function(headers, name, value)
      local key = lower(tostring(name))
      names[key] = names[key] or name
      rawset(headers, names[key], value)
    end,
  })
end

function _M.new()
  return setmetatable({ sock = ngx.socket.tcp(), keepalive = true }, client)
end

function _M:set_timeout(timeout)
  return self.sock:settimeout(timeout)
end

function _M:set_timeouts(connect, send, read)
  return self.sock:settimeouts(connect, send, read)
end

function _M.parse_uri(_, uri, query_in_path)
  if query_in_path == nil then
    query_in_path = true
  end
  local scheme, rest = match(uri, "^([%a][%w+.-]*)://(.*)$")
  if not scheme then
    scheme, rest = nil, match(uri, "^//(.*)$")
  end
  if not rest then
    return nil, "bad uri: " .. uri
  end
  scheme = scheme and lower(scheme) or (ngx.var and ngx.var.scheme) or "http"
  if scheme ~= "http" and scheme ~= "https" then
    return nil, "bad uri: " .. uri
  end
  local authority, path = match(rest, "^([^/?#]*)(.*)$")
  path = match(path, "^([^#]*)")
  authority = match(authority, "@(.*)$") or authority
  local host, port = match(authority, "^(%[[^%]]*%]):?(%d*)$")
  if not host then
    host, port = match(authority, "^([^:]+):?(%d*)$")
  end
  if not host then
    return nil, "bad uri: " .. uri
  end
  local only_path, query = match(path, "^([^?]*)%??(.*)$")
  if only_path == "" then
    only_path = "/"
  end
  if query_in_path and query ~= "" then
    only_path = only_path .. "?" .. query
    query = ""
  end
  return { scheme, host, tonumber(port) or (scheme == "https" and 443 or 80), only_path, query }
end

-- Proxies for the connections to come: http_proxy and https_proxy are URLs, http_proxy_authorization and
-- https_proxy_authorization what they are told, no_proxy is a list of hosts, with those below them, that are asked without.
function _M:set_proxy_options(options)
  self.proxy_opts = options
end

-- The URL of the proxy that a host is asked through, if it is through one.
local function proxy_of(options, scheme, host)
  if not options then
    return nil
  end
  for entry in (options.no_proxy or ""):gmatch("[^%s,]+") do
    local domain = match(lower(entry), "^%.?(.*)$")
    local asked = lower(host)
    if domain == "*" or asked == domain or asked:sub(-#domain - 1) == "." .. domain then
      return nil
    end
  end
  if scheme == "https" then
    return options.https_proxy
  end
  return options.http_proxy
end

function _M:get_proxy_uri(scheme, host)
  return proxy_of(self.proxy_opts, scheme, host)
end

-- What the user of a URL is authorized by, if it names one.
local function basic(url)
  local user = match(url, "^%a+://([^/?#]*)@")
  return user and "Basic " .. encode_base64(user)
end

-- Host and port as URLs have them: without the scheme's own port.
local function authority(host, port, ssl)
  if port == nil or port == (ssl and 443 or 80) then
    return host
  end
  return host .. ":" .. port
end

-- An address of IPv6 without its brackets, any other host as it is.
local function bare(host)
  return match(host, "^%[(.*)%]$") or host
end

local function clean(value, what)
  value = tostring(value)
  if value:find("[\r\n%z]") then
    error("a " .. what .. " of a request holds a line break", 3)
  end
  return value
end

-- Has the proxy at the other end of the socket open a tunnel (CONNECT).
local function open_tunnel(sock, target, authorization)
  target = clean(target, "host")
  local lines = { "CONNECT " .. target .. " HTTP/1.1", "Host: " .. target }
  if authorization then
    lines[#lines + 1] = "Proxy-Authorization: " .. clean(authorization, "header")
  end
  local ok, err = sock:send(concat(lines, "\r\n") .. "\r\n\r\n")
  if not ok then
    return nil, err
  end
  local line
  line, err = sock:receive("*l")
  if not line then
    return nil, err
  end
  local status = match(line, "^HTTP/%d%.%d (%d%d%d)")
  if not status then
    return nil, "couldn't parse HTTP version from response status line: " .. line
  end
  local lines_left = 100
  repeat
    line, err = sock:receive("*l")
    lines_left = lines_left - 1
    if not line or lines_left == 0 then
      return nil, err or "the answer of a proxy has too many lines"
    end
  until line == ""
  if status:sub(1, 1) ~= "2" then
    return nil, "failed to establish a tunnel through a proxy: " .. status
  end
  return true
end

-- connect({ scheme, host, port, … }), or connect(host, port, options) of a socket.
function _M:connect(options, ...)
  if type(options) ~= "table" then
    local arguments = { ... }
    self.host = options
    self.port = type(arguments[1]) == "table" and nil or arguments[1]
    self.ssl = false
    self.keepalive = true
    self.through = nil
    return self.sock:connect(options, ...)
  end
  local ssl = options.scheme == "https"
  self.host = options.host
  self.port = options.port or (ssl and 443 or 80)
  self.ssl = ssl
  self.keepalive = true
  local host = bare(self.host)
  local name = options.ssl_server_name or host
  local verify = options.ssl_verify ~= false
  local proxy_opts, scheme = options.proxy_opts or self.proxy_opts, ssl and "https" or "http"
  local url = not match(host, "^unix:") and proxy_of(proxy_opts, scheme, host)
  local proxy, authorization
  self.through = nil
  if url then
    local err
    proxy, err = self:parse_uri(url)
    if not proxy then
      return nil, err
    end
    if proxy[1] ~= "http" then
      return nil, "protocol " .. proxy[1] .. " not supported for proxy connections"
    end
    authorization = proxy_opts[scheme .. "_proxy_authorization"] or basic(url)
    if not ssl then
      self.through = { authorization = authorization }
    end
  end
  local pool = { options.scheme or "http", host, tostring(self.port), ssl and name or "", tostring(ssl and verify) }
  if proxy then
    pool[#pool + 1] = concat({ "proxy", proxy[2], tostring(proxy[3]), ssl and authorization or "" }, ":")
  end
  local socket_options = { pool = options.pool or concat(pool, ":"), pool_size = options.pool_size }
  local ok, err
  if match(host, "^unix:") then
    self.port = nil
    ok, err = self.sock:connect(host, socket_options)
  elseif proxy then
    ok, err = self.sock:connect(bare(proxy[2]), proxy[3], socket_options)
  else
    ok, err = self.sock:connect(host, self.port, socket_options)
  end
  if not ok then
    return nil, err
  end
  if ssl and self.sock:getreusedtimes() == 0 then
    if proxy then
      ok, err = open_tunnel(self.sock, self.host .. ":" .. self.port, authorization)
    end
    if ok then
      ok, err = self.sock:sslhandshake(nil, name, verify)
    end
    if not ok then
      self.sock:close()
      return nil, err
    end
  end
  return true
end

function _M:ssl_handshake(_, name, verify)
  self.ssl = true
  return self.sock:sslhandshake(nil, name, verify)
end

function _M:set_keepalive(...)
  if self.keepalive then
    return self.sock:setkeepalive(...)
  end
  local ok, err = self.sock:close()
  if not ok then
    return nil, err
  end
  return 2, "connection must be closed"
end

function _M:get_reused_times()
  return self.sock:getreusedtimes()
end

function _M:close()
  return self.sock:close()
end

local function request_head(self, params, headers)
  local path = clean(params.path or "/", "path")
  local query = params.query
  if type(query) == "table" then
    query = encode_args(query)
  end
  if query and query ~= "" then
    query = clean(query, "query")
    path = path .. (query:sub(1, 1) == "?" and "" or "?") .. query
  end
  if self.through then
    path = "http://" .. clean(authority(self.host, self.port), "host") .. path
  end
  local version = params.version or 1.1
  local lines = { clean(upper(params.method or "GET"), "method") .. " " .. path .. (version == 1 and " HTTP/1.0" or " HTTP/1.1") }
  for name, values in pairs(headers) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      lines[#lines + 1] = clean(name, "header") .. ": " .. clean(value, "header")
    end
  end
  lines[#lines + 1] = "\r\n"
  return concat(lines, "\r\n")
end

local function receive_headers(sock)
  local headers = headers_table()
  while true do
    local line, err = sock:receive("*l")
    if not line then
      return nil, err
    end
    if line == "" then
      return headers
    end
    local name, value = match(line, "^([^:%s]+):%s*(.-)%s*$")
    if name then
      local known = headers[name]
      if known == nil then
        headers[name] = value
      elseif type(known) == "table" then
        known[#known + 1] = value
      else
        headers[name] = { known, value }
      end
    end
  end
end

-- A function that gives the next piece of the body, and nil after the last.
local function chunked_reader(sock)
  local left, over = 0, false
  return function(most)
    if over then
      return nil
    end
    if left == 0 then
      local line, err = sock:receive("*l")
      if not line then
        return nil, err
      end
      left = tonumber(match(line, "^%x+") or "", 16)
      if not left then
        return nil, "unable to read chunksize"
      end
      if left == 0 then
        over = true
        repeat
          line, err = sock:receive("*l")
          if not line then
            return nil, err
          end
        until line == ""
        return nil
      end
    end
    local size = most and most < left and most or left
    local data, err = sock:receive(size)
    if not data then
      return nil, err
    end
    left = left - size
    if left == 0 then
      sock:receive(2)
    end
    return data
  end
end

local function counted_reader(sock, length)
  local left = length
  return function(most)
    if left == 0 then
      return nil
    end
    local size = most and most < left and most or left
    local data, err = sock:receive(size)
    if not data then
      return nil, err
    end
    left = left - size
    return data
  end
end

local function closing_reader(sock)
  return function(most)
    local data, err = sock:receiveany(most or 65536)
    if not data and err ~= "closed" then
      return nil, err
    end
    return data
  end
end

local function no_reader()
  return nil
end

local function read_body(response)
  local pieces = {}
  while true do
    local piece, err = response.body_reader()
    if err then
      return nil, err, concat(pieces)
    end
    if not piece then
      return concat(pieces)
    end
    pieces[#pieces + 1] = piece
  end
end

function _M:request(params)
  params = params or {}
  local sock = self.sock
  local headers = headers_table()
  for name, value in pairs(params.headers or {}) do
    headers[name] = value
  end
  local body = params.body
  local reader = type(body) == "function" and body or nil
  local method = upper(params.method or "GET")
  if type(body) == "table" then
    body = concat(body)
  end
  if not headers["Host"] then
    headers["Host"] = match(self.host or "", "^unix:") and "localhost" or authority(self.host, self.port, self.ssl)
  end
  if self.through and self.through.authorization and not headers["Proxy-Authorization"] then
    headers["Proxy-Authorization"] = self.through.authorization
  end
  if not headers["User-Agent"] then
    headers["User-Agent"] = "lua-resty-http/" .. _M._VERSION .. " (Lua)"
  end
  if reader and not headers["Content-Length"] then
    headers["Transfer-Encoding"] = "chunked"
  elseif type(body) == "string" and not headers["Content-Length"] then
    headers["Content-Length"] = #body
  elseif body == nil and (method == "POST" or method == "PUT" or method == "PATCH") then
    headers["Content-Length"] = 0
  end
  if params.version == 1 and not headers["Connection"] then
    headers["Connection"] = "Keep-Alive"
  end
  local head = request_head(self, params, headers)
  local ok, err = sock:send(type(body) == "string" and { head, body } or head)
  if not ok then
    return nil, err
  end
  if reader then
    local chunked = headers["Transfer-Encoding"] == "chunked"
    while true do
      local piece, failure = reader(65536)
      if failure then
        return nil, failure
      end
      if not piece then
        break
      end
      if #piece > 0 then
        ok, err = sock:send(chunked and { string.format("%x\r\n", #piece), piece, "\r\n" } or piece)
        if not ok then
          return nil, err
        end
      end
    end
    if chunked then
      ok, err = sock:send("0\r\n\r\n")
      if not ok then
        return nil, err
      end
    end
  end

  local version, status, reason, received
  repeat
    local line
    line, err = sock:receive("*l")
    if not line then
      return nil, err
    end
    version, status, reason = match(line, "^HTTP/(%d%.%d) (%d%d%d) ?(.*)$")
    status = tonumber(status)
    if not status then
      return nil, "couldn't parse HTTP version from response status line: " .. line
    end
    received, err = receive_headers(sock)
    if not received then
      return nil, err
    end
  until status >= 200 or status == 101

  local connection = lower(tostring(received["Connection"] or ""))
  if connection:find("close", 1, true) or (version == "1.0" and not connection:find("keep-alive", 1, true)) then
    self.keepalive = false
  end
  local response = {
    status = status,
    reason = reason,
    headers = received,
    has_body = false,
    body_reader = no_reader,
    read_body = read_body,
    read_trailers = function()
      return received
    end,
  }
  if method ~= "HEAD" and status ~= 204 and status ~= 304 and status >= 200 then
    local encoding = lower(tostring(received["Transfer-Encoding"] or ""))
    local length = tonumber(received["Content-Length"])
    response.has_body = true
    if encoding:find("chunked", 1, true) then
      response.body_reader = chunked_reader(sock)
    elseif length then
      response.body_reader = counted_reader(sock, length)
    else
      self.keepalive = false
      response.body_reader = closing_reader(sock)
    end
  end
  return response
end

-- One request of its own: connects, asks, reads the whole body, and keeps the connection for the next.
local function whole(self, uri, params)
  local given = {}
  for name, value in pairs(params or {}) do
    given[name] = value
  end
  if uri then
    local parsed, err = self:parse_uri(uri, false)
    if not parsed then
      return nil, err
    end
    given.scheme, given.host, given.port = given.scheme or parsed[1], given.host or parsed[2], given.port or parsed[3]
    given.path = given.path or parsed[4]
    given.query = given.query or parsed[5]
    local authorization = basic(uri)
    if authorization then
      given.headers = given.headers or {}
      given.headers["Authorization"] = given.headers["Authorization"] or authorization
    end
  end
  local ok, err = self:connect(given)
  if not ok then
    return nil, err
  end
  local response
  response, err = self:request(given)
  if not response then
    self:close()
    return nil, err
  end
  local body
  body, err = response:read_body()
  if not body then
    self:close()
    return nil, err
  end
  response.body = body
  if given.keepalive == false then
    self:close()
  else
    ok, err = self:set_keepalive(given.keepalive_timeout, given.keepalive_pool)
    if not ok then
      ngx.log(ngx.ERR, err)
    end
  end
  return response
end

-- Whether questions are spans: `http_client` of `tracing_instrumentations`, which stays as it is.
local traced = false
for _, kind in ipairs(kong.configuration.tracing_instrumentations or {}) do
  traced = traced or kind == "all" or kind == "http_client"
end

-- The span of a question in the request's trace, if there is one. Neither its query nor who asks is told: they may be secret.
local function opened(uri, params)
  if not traced then
    return nil
  end
  local found, span = pcall(function()
    local given = params or {}
    local url = uri and gsub(match(uri, "^[^?#]*"), "^(%a+://)[^/]*@", "%1")
      or (given.scheme or "http") .. "://" .. tostring(given.host) .. (given.path or "/")
    local method = given.method or "GET"
    return kong.tracing.start_span("kong.internal.request", {
      span_kind = 3,
      attributes = {
        ["http.method"] = method,
        ["http.request.method"] = method,
        ["http.url"] = url,
        ["url.full"] = url,
      },
    })
  end)
  return found and span or nil
end

function _M:request_uri(uri, params)
  local span = opened(uri, params)
  local response, err = whole(self, uri, params)
  if span then
    if response then
      span:set_attribute("http.status_code", response.status)
      span:set_attribute("http.response.status_code", response.status)
    else
      span:record_error(err)
      span:set_status(2)
    end
    span:finish()
  end
  return response, err
end

return _M
