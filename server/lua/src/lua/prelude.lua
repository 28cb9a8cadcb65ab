-- What is written in Lua itself: it runs once in each worker's state, before anything else.

local raw_pcall, raw_xpcall, raw_resume = pcall, xpcall, coroutine.resume
local raw_getmetatable, raw_setmetatable, type, error, next, pairs = getmetatable, setmetatable, type, error, next, pairs
local ended, text = ngx._ended, ngx._text
ngx._ended, ngx._text = nil, nil

-- A phase that has been ended (kong.response.exit) does not come back to life in a protected call.
-- What went wrong in the gateway is a text, as in Kong.
local function settle(ok, ...)
  if ok then
    return ok, ...
  end
  if ended() then
    error("exit", 0)
  end
  local err = ...
  if type(err) == "userdata" then
    return ok, text(err)
  end
  return ok, ...
end

function pcall(...)
  return settle(raw_pcall(...))
end

function xpcall(...)
  return settle(raw_xpcall(...))
end

function coroutine.resume(...)
  return settle(raw_resume(...))
end

local kept = {}

-- Only tables that the caller made have a metatable for it to see or to set.
function getmetatable(value)
  if type(value) ~= "table" or kept[value] then
    return nil
  end
  return raw_getmetatable(value)
end

function setmetatable(value, metatable)
  if kept[value] then
    error("attempt to change a read-only table", 2)
  end
  return raw_setmetatable(value, metatable)
end

local raw_rawset = rawset
function rawset(table, key, value)
  if kept[table] then
    error("attempt to change a read-only table", 2)
  end
  return raw_rawset(table, key, value)
end

-- A table that can be read and not changed.
function _frozen(original)
  local proxy = raw_setmetatable({}, {
    __index = original,
    __newindex = function()
      error("attempt to change a read-only table", 2)
    end,
    __metatable = false,
  })
  kept[proxy] = true
  return proxy
end

local function freeze(value)
  local metatable = raw_getmetatable(value)
  local copy = {}
  for name, member in next, value do
    if type(member) == "table" and not kept[member] then
      member = freeze(member)
    end
    copy[name] = member
  end
  local proxy = raw_setmetatable({}, {
    __index = metatable and metatable.__index and function(_, name)
      local member = copy[name]
      if member ~= nil then
        return member
      end
      return metatable.__index(value, name)
    end or copy,
    __newindex = metatable and metatable.__newindex or function()
      error("attempt to change a read-only table", 2)
    end,
    __call = metatable and metatable.__call,
    __metatable = false,
  })
  kept[proxy] = true
  return proxy
end

-- kong.cache: a value is made once for each key; the callback's errors are told, never kept.
local cache = kong.cache
local raw = kong._cache
kong._cache = nil

function cache:get(key, options, callback, ...)
  if type(key) ~= "string" then
    error("key must be a string", 2)
  end
  local found, value = raw.get(key)
  if found then
    return value, nil, 1
  end
  if type(callback) ~= "function" then
    error("callback must be a function", 2)
  end
  local ok, made, err, ttl = pcall(callback, ...)
  if not ok then
    return nil, "callback threw an error: " .. tostring(made)
  end
  if err ~= nil then
    return nil, tostring(err)
  end
  local options_ttl = type(options) == "table" and options.ttl or nil
  local negative = type(options) == "table" and options.neg_ttl or nil
  raw.set(key, made, made == nil and negative or ttl or options_ttl)
  return made, nil, 3
end

function cache:probe(key)
  local found, value, ttl = raw.get(key)
  if not found then
    return nil
  end
  return ttl, nil, value
end

function cache:invalidate(key)
  raw.delete_everywhere(key)
end

function cache:invalidate_local(key)
  raw.delete(key)
end

function cache:purge()
  raw.purge()
end

kong.core_cache = cache

local log = kong.log
local raw_inspect = log._inspect
log._inspect = nil

local inspecting = true
log.inspect = raw_setmetatable({
  on = function()
    inspecting = true
  end,
  off = function()
    inspecting = false
  end,
}, {
  __call = function(_, ...)
    if inspecting then
      raw_inspect(...)
    end
  end,
})

local shared = ngx._shared
ngx._shared = nil
raw_rawset(ngx, "shared", raw_setmetatable({}, {
  __index = function(dictionaries, name)
    local dictionary = {}
    for method, implementation in pairs(shared) do
      dictionary[method] = function(_, ...)
        return implementation(name, ...)
      end
    end
    raw_rawset(dictionaries, name, dictionary)
    return dictionary
  end,
}))

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local made = {}
  for name, member in next, value do
    made[name] = copy(member)
  end
  return raw_setmetatable(made, raw_getmetatable(value))
end

-- Settings: lists and objects are the reader's own, so that pairs, ipairs and # work on them.
local settings = kong.configuration
kong.configuration = raw_setmetatable({
  remove_sensitive = function()
    return copy(settings)
  end,
}, {
  __index = function(_, name)
    return copy(settings[name])
  end,
  __newindex = function()
    error("cannot write to configuration", 2)
  end,
})

print = function(...)
  return log.notice(...)
end

-- The last step: nobody changes what all share.
function _seal()
  _seal = nil
  kong = freeze(kong)
  ngx = freeze(ngx)
end
