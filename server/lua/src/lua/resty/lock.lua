-- resty.lock: one at a time among all workers of this node.

local _M = {}
local methods = { __index = _M }

function _M:new(dictionary, options)
  options = options or {}
  return setmetatable({
    dictionary = ngx.shared[dictionary],
    timeout = options.timeout or 5,
    exptime = options.exptime or 30,
    step = options.step or 0.001,
    ratio = options.ratio or 2,
    max_step = options.max_step or 0.5,
  }, methods)
end

function _M:lock(key)
  if not key then
    return nil, "nil key"
  end
  if self.key then
    return nil, "locked"
  end
  local step, waited = self.step, 0
  while true do
    local ok, err = self.dictionary:add(key, true, self.exptime)
    if ok then
      self.key = key
      return waited
    end
    if err ~= "exists" then
      return nil, err
    end
    if waited >= self.timeout then
      return nil, "timeout"
    end
    local wait = math.min(step, self.timeout - waited)
    ngx.sleep(wait)
    waited = waited + wait
    step = math.min(step * self.ratio, self.max_step)
  end
end

function _M:unlock()
  if not self.key then
    return nil, "unlocked"
  end
  self.dictionary:delete(self.key)
  self.key = nil
  return 1
end

function _M:expire(seconds)
  if not self.key then
    return nil, "unlocked"
  end
  return self.dictionary:expire(self.key, seconds or self.exptime)
end

return _M
