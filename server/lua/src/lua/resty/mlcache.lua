-- resty.mlcache: values of one worker before those of a dictionary of `ngx.shared`, before a function that makes them.

local cjson = require "cjson"
local lrucache = require "resty.lrucache"
local resty_lock = require "resty.lock"

local type, error, tostring, xpcall, setmetatable = type, error, tostring, xpcall, setmetatable

local _M = { _VERSION = "2.7.0" }
local methods = { __index = _M }

-- What stands for nil in the first level.
local NOTHING = {}

local function check(key)
  if type(key) ~= "string" then
    error("key must be a string", 3)
  end
end

function _M.new(name, shm, opts)
  if type(name) ~= "string" then
    error("name must be a string", 2)
  end
  if type(shm) ~= "string" then
    error("shm must be a string", 2)
  end
  opts = opts or {}
  if type(opts) ~= "table" then
    error("opts must be a table", 2)
  end
  local lru, err = opts.lru, nil
  if not lru then
    lru, err = lrucache.new(opts.lru_size or 100)
    if not lru then
      return nil, err
    end
  end
  return setmetatable({
    name = name,
    dict = ngx.shared[shm],
    locks = opts.shm_locks or shm,
    lock_opts = opts.resty_lock_opts,
    lru = lru,
    ttl = opts.ttl or 30,
    neg_ttl = opts.neg_ttl or 5,
    resurrect_ttl = opts.resurrect_ttl,
    serializer = opts.l1_serializer,
    shared = opts.ipc_shm ~= nil or opts.ipc ~= nil,
    version = 0,
  }, methods)
end

function _M:_place(key)
  return self.name .. ":" .. key
end

-- Into the first level, by the serializer where there is one.
function _M:_keep(key, value, ttl, serializer)
  if value == nil then
    self.lru:set(key, NOTHING, ttl)
    return nil
  end
  serializer = serializer or self.serializer
  if serializer then
    local ok, made, err = pcall(serializer, value)
    if not ok then
      return nil, "l1_serializer threw an error: " .. tostring(made)
    end
    if err then
      return nil, err
    end
    if made == nil then
      return nil, "l1_serializer returned a nil value"
    end
    value = made
  end
  self.lru:set(key, value, ttl)
  return value
end

-- What the second level has: an entry of value, time at which it ends (0: never) and time to live.
function _M:_shared(key)
  local text, err = self.dict:get(self:_place(key))
  if err then
    return nil, "could not read from lua_shared_dict: " .. err
  end
  return text and cjson.decode(text)
end

function _M:_share(key, value, ttl)
  local entry = { value = value, ends = ttl > 0 and ngx.now() + ttl or 0, ttl = ttl }
  local keep = ttl
  if ttl > 0 and self.resurrect_ttl then
    -- What is over is still there for when nothing new can be made.
    keep = ttl + 86400
  end
  local ok, err = self.dict:set(self:_place(key), cjson.encode(entry), keep)
  if not ok then
    return nil, "could not write to lua_shared_dict: " .. err
  end
  return true
end

local function left(entry)
  if entry.ends == 0 then
    return 0
  end
  return entry.ends - ngx.now()
end

local function fresh(entry)
  return entry and (entry.ends == 0 or left(entry) > 0)
end

function _M:get(key, opts, callback, ...)
  check(key)
  if callback ~= nil and type(callback) ~= "function" then
    error("callback must be a function", 2)
  end
  opts = opts or {}
  local known = self.lru:get(key)
  if known ~= nil then
    if known == NOTHING then
      known = nil
    end
    return known, nil, 1
  end
  local entry, err = self:_shared(key)
  if err then
    return nil, err
  end
  if fresh(entry) then
    local value
    value, err = self:_keep(key, entry.value, left(entry), opts.l1_serializer)
    return value, err, not err and 2 or nil
  end
  if not callback then
    return nil, nil, -1
  end
  local lock = resty_lock:new(self.locks, self.lock_opts)
  local waited
  waited, err = lock:lock("mlcache:" .. self:_place(key))
  if not waited then
    return nil, "could not acquire callback lock: " .. err
  end
  entry, err = self:_shared(key)
  if not err and fresh(entry) then
    lock:unlock()
    local value
    value, err = self:_keep(key, entry.value, left(entry), opts.l1_serializer)
    return value, err, not err and 2 or nil
  end
  local ok, value, failed, ttl = xpcall(callback, debug.traceback, ...)
  if not ok then
    value, failed = nil, "callback threw an error: " .. tostring(value)
  end
  if failed then
    local resurrect = opts.resurrect_ttl or self.resurrect_ttl
    if resurrect and entry then
      self:_share(key, entry.value, resurrect)
      value, err = self:_keep(key, entry.value, resurrect, opts.l1_serializer)
      lock:unlock()
      return value, err, 4
    end
    lock:unlock()
    return nil, tostring(failed)
  end
  if type(ttl) ~= "number" then
    ttl = value == nil and (opts.neg_ttl or self.neg_ttl) or value ~= nil and (opts.ttl or self.ttl) or 0
  end
  if ttl < 0 then
    lock:unlock()
    return value, nil, 3
  end
  ok, err = self:_share(key, value, ttl)
  lock:unlock()
  if not ok then
    return nil, err
  end
  value, err = self:_keep(key, value, ttl, opts.l1_serializer)
  return value, err, not err and 3 or nil
end

function _M:peek(key, stale)
  check(key)
  local entry, err = self:_shared(key)
  if err or not entry or not (stale or fresh(entry)) then
    return nil, err
  end
  return left(entry), nil, entry.value, not fresh(entry) or nil
end

-- The other workers are told by the number of changes.
function _M:_changed()
  self.version = self.dict:incr("mlcache:version:" .. self.name, 1, 0) or self.version
end

local function needs_ipc(self, what)
  if not self.shared then
    error("no ipc to propagate " .. what .. ", specify opts.ipc_shm or opts.ipc", 3)
  end
end

function _M:set(key, opts, value)
  check(key)
  needs_ipc(self, "update")
  opts = opts or {}
  local ttl = value == nil and (opts.neg_ttl or self.neg_ttl) or value ~= nil and (opts.ttl or self.ttl) or 0
  local ok, err = self:_share(key, value, ttl)
  if not ok then
    return nil, err
  end
  self:_keep(key, value, ttl, opts.l1_serializer)
  self:_changed()
  return true
end

function _M:delete(key)
  check(key)
  needs_ipc(self, "deletion")
  self.dict:delete(self:_place(key))
  self.lru:delete(key)
  self:_changed()
  return true
end

function _M:purge()
  needs_ipc(self, "purge")
  local prefix = self.name .. ":"
  for _, key in ipairs(self.dict:get_keys(0)) do
    if key:sub(1, #prefix) == prefix then
      self.dict:delete(key)
    end
  end
  self.lru:flush_all()
  self:_changed()
  return true
end

function _M:update()
  needs_ipc(self, "update")
  local version = self.dict:get("mlcache:version:" .. self.name) or 0
  if version ~= self.version then
    self.version = version
    self.lru:flush_all()
  end
  return true
end

return _M
