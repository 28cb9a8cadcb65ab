-- resty.cookie

local _M = {}
local methods = { __index = _M }

function _M:new()
  return setmetatable({}, methods)
end

function _M:get_all()
  if self.all then
    return self.all
  end
  local line = ngx.var.http_cookie
  if not line then
    return nil, "no cookie found in the current request"
  end
  local all = {}
  for name, value in line:gmatch("%s*([^=;%s]+)%s*=%s*([^;]*)") do
    all[name] = all[name] or (value:gsub('^"(.*)"$', "%1"):gsub("%s+$", ""))
  end
  self.all = all
  return all
end

function _M:get(name)
  local all, err = self:get_all()
  if not all then
    return nil, err
  end
  return all[name]
end

function _M:set(cookie)
  if type(cookie) ~= "table" or not cookie.key or cookie.value == nil then
    return nil, 'missing cookie field "key" or "value"'
  end
  if tostring(cookie.key):find("[%s;,=%c]") or tostring(cookie.value):find("[;%c]") then
    return nil, "the cookie's key or value has characters that no cookie may have"
  end
  local parts = { cookie.key .. "=" .. cookie.value }
  for _, pair in ipairs({
    { "expires", "Expires" }, { "max_age", "Max-Age" }, { "domain", "Domain" }, { "path", "Path" },
    { "samesite", "SameSite" },
  }) do
    if cookie[pair[1]] then
      parts[#parts + 1] = pair[2] .. "=" .. cookie[pair[1]]
    end
  end
  if cookie.secure then
    parts[#parts + 1] = "Secure"
  end
  if cookie.httponly then
    parts[#parts + 1] = "HttpOnly"
  end
  if cookie.extension then
    parts[#parts + 1] = cookie.extension
  end
  local line = table.concat(parts, "; ")
  local there = ngx.header["Set-Cookie"]
  if there == nil then
    ngx.header["Set-Cookie"] = line
  else
    local lines = type(there) == "table" and there or { there }
    lines[#lines + 1] = line
    ngx.header["Set-Cookie"] = lines
  end
  return true
end

return _M
