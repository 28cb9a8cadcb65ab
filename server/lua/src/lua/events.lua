-- kong.worker_events, kong.cluster_events, kong.timer: what workers and nodes tell each other, and what they do later.

local raw, raw_cluster = kong._events, kong._cluster
kong._events, kong._cluster = nil, nil

local type, error, ipairs, tostring, pairs, unpack = type, error, ipairs, tostring, pairs, unpack

local callbacks = {}

local function named(source, event)
  return tostring(source) .. "\0" .. (event == nil and "*" or tostring(event))
end

local function add(callback, source, event)
  if type(callback) ~= "function" then
    error("expected parameter #1 to be a function, got: " .. type(callback), 3)
  end
  if type(source) ~= "string" then
    error("source is required", 3)
  end
  raw.listen()
  local key = named(source, event)
  callbacks[key] = callbacks[key] or {}
  local list = callbacks[key]
  for _, known in ipairs(list) do
    if known == callback then
      return
    end
  end
  list[#list + 1] = callback
end

-- Called for every event that reaches this worker.
local function tell(source, event, data, pid)
  for _, key in ipairs({ named(source, event), named(source, nil) }) do
    for _, callback in ipairs(callbacks[key] or {}) do
      local ok, err = pcall(callback, data, event, source, pid)
      if not ok then
        kong.log.err("worker-events: event callback failed; source=", source, ", event=", event, " err=", tostring(err))
      end
    end
  end
end
raw.receiver(tell)

local events = {}

function events.register(callback, source, event, ...)
  add(callback, source, event)
  for _, other in ipairs({ ... }) do
    add(callback, source, other)
  end
end

events.register_weak = events.register

function events.unregister(callback, source, event, ...)
  local names = { event or "*", ... }
  for _, name in ipairs(names) do
    local list = callbacks[named(source, name ~= "*" and name or nil)] or {}
    for index = #list, 1, -1 do
      if list[index] == callback then
        table.remove(list, index)
      end
    end
  end
end

-- What an event lacks to be told; nil where it is whole.
local function missing(source, event)
  if type(source) ~= "string" or source == "" then
    return "source is required"
  end
  if type(event) ~= "string" or event == "" then
    return "event is required"
  end
end

function events.post(source, event, data, unique)
  local err = missing(source, event)
  if err then
    return nil, err
  end
  return raw.post(source, event, data, unique)
end

function events.post_local(source, event, data)
  local err = missing(source, event)
  if err then
    return nil, err
  end
  tell(source, event, data, ngx.worker.pid())
  return true
end

function events.subscribe(source, event, callback)
  if type(event) == "function" then
    event, callback = "*", event
  end
  add(callback, source, event ~= "*" and event or nil)
end

function events.publish(target, source, event, data)
  if target == "current" then
    return events.post_local(source, event, data)
  end
  return events.post(source, event, data, target ~= "all" and target or nil)
end

function events.configured()
  return true
end

function events.poll()
  return "done"
end

kong.worker_events = events

-- What other nodes tell; one worker of each hears it.
local subscribed = {}

raw_cluster.receiver(function(channel, data)
  for _, callback in ipairs(subscribed[channel] or {}) do
    local ok, err = pcall(callback, data)
    if not ok then
      kong.log.err("[cluster_events] callback threw an error: ", tostring(err))
    end
  end
end)

local cluster = {}

function cluster:broadcast(channel, data, delay)
  if type(channel) ~= "string" then
    return nil, "channel must be a string"
  end
  if type(data) ~= "string" then
    return nil, "data must be a string"
  end
  if delay and type(delay) ~= "number" then
    return nil, "delay must be a number"
  end
  return raw_cluster.broadcast(channel, data, delay or nil)
end

function cluster:subscribe(channel, callback)
  if type(channel) ~= "string" then
    error("channel must be a string", 2)
  end
  if type(callback) ~= "function" then
    error("callback must be a function", 2)
  end
  raw_cluster.subscribe(channel)
  subscribed[channel] = subscribed[channel] or {}
  table.insert(subscribed[channel], callback)
  return true
end

kong.cluster_events = cluster

-- Timers by name; one that is cancelled does not run again.
local timers, count = {}, 0
local timer = {}

local function start(name, again, delay, callback, ...)
  if name == nil then
    count = count + 1
    name = "unix_timestamp=" .. ngx.now() * 1000 .. ";counter=" .. count
  end
  if timers[name] then
    return nil, "already exists timer"
  end
  local state = { again = again, runs = 0 }
  local function run(premature, ...)
    if state.cancelled then
      return false
    end
    if not again and timers[name] == state then
      timers[name] = nil
    end
    state.runs = state.runs + 1
    return callback(premature, ...)
  end
  local ok, err
  if again then
    -- A timer of ngx goes on for as long as the worker: this one is started anew until it is cancelled.
    local step
    step = function(premature, ...)
      local arguments = { n = select("#", ...), ... }
      local done, failed = pcall(run, premature, ...)
      if not done then
        kong.log.err("timer ", name, " failed to run: ", tostring(failed))
      end
      if not state.cancelled then
        ngx.timer.at(delay, step, unpack(arguments, 1, arguments.n))
      end
    end
    ok, err = ngx.timer.at(delay, step, ...)
  else
    ok, err = ngx.timer.at(delay, run, ...)
  end
  if not ok then
    return nil, err
  end
  timers[name] = state
  return name
end

function timer:at(delay, callback, ...)
  return start(nil, false, delay, callback, ...)
end

function timer:every(delay, callback, ...)
  return start(nil, true, delay, callback, ...)
end

function timer:named_at(name, delay, callback, ...)
  return start(name, false, delay, callback, ...)
end

function timer:named_every(name, delay, callback, ...)
  return start(name, true, delay, callback, ...)
end

function timer:cancel(name)
  local state = timers[name]
  if not state then
    return nil, "timer not found"
  end
  state.cancelled = true
  timers[name] = nil
  return true
end

function timer:is_managed(name)
  return timers[name] ~= nil
end

function timer:stats()
  local found = { sys = { running = ngx.timer.running_count(), pending = ngx.timer.pending_count() }, timers = {} }
  for name, state in pairs(timers) do
    found.timers[name] = { is_running = false, stats = { runs = state.runs } }
  end
  return found
end

kong.timer = timer
