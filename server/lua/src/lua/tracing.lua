-- kong.tracing: spans of a plugin's own, inside the request's.

local raw = kong._tracing
kong._tracing = nil

local type, error, tostring, pairs, ipairs, setmetatable = type, error, tostring, pairs, ipairs, setmetatable
local log_phase = kong._log_phase
kong._log_phase = nil

local function now()
  return raw.now()
end

local Span = {}
Span.__index = Span

function Span:set_attribute(key, value)
  if type(key) ~= "string" then
    error("invalid key", 2)
  end
  local kind = type(value)
  if value ~= nil and kind ~= "string" and kind ~= "number" and kind ~= "boolean" and kind ~= "table" then
    error("invalid value", 2)
  end
  self.attributes = self.attributes or {}
  self.attributes[key] = value
end

function Span:add_event(name, attributes, time_ns)
  if type(name) ~= "string" then
    error("invalid name", 2)
  end
  if attributes ~= nil and type(attributes) ~= "table" then
    error("invalid attributes", 2)
  end
  self.events = self.events or {}
  self.events[#self.events + 1] = { name = name, attributes = attributes or {}, time_ns = time_ns or now() }
end

function Span:record_error(err)
  if type(err) ~= "string" then
    err = tostring(err)
  end
  self:add_event("exception", { ["exception.message"] = err })
end

function Span:set_status(status)
  if status ~= 0 and status ~= 1 and status ~= 2 then
    error("invalid status", 2)
  end
  self.status = status
end

function Span:set_baggage_item(key, value)
  self.baggage = self.baggage or {}
  self.baggage[key] = value
end

function Span:get_baggage_item(key)
  return self.baggage and self.baggage[key]
end

function Span:each_baggage_item()
  return pairs(self.baggage or {})
end

function Span:finish(end_time_ns)
  if self.end_time_ns then
    return
  end
  if end_time_ns ~= nil and (type(end_time_ns) ~= "number" or end_time_ns < 0) then
    error("invalid end_time_ns", 2)
  end
  self.end_time_ns = end_time_ns or now()
  raw.keep(self)
end

function Span:cleanup() end

local function nothing() end

-- What a request that nobody traces gets: it takes everything and keeps nothing.
local noop = {
  name = "noop",
  is_recording = false,
  should_sample = false,
  set_attribute = nothing,
  add_event = nothing,
  record_error = nothing,
  set_status = nothing,
  set_baggage_item = nothing,
  get_baggage_item = nothing,
  each_baggage_item = function()
    return nothing
  end,
  finish = nothing,
  cleanup = nothing,
}
noop = _frozen(noop)

-- The request's own span, as plugins see it; it ends with the request.
local function root(core)
  if core.root_span then
    return core.root_span
  end
  local trace_id, span_id, parent_id, sampled, begun = raw.context()
  if not trace_id then
    return nil
  end
  core.root_span = setmetatable({
    name = "kong",
    trace_id = trace_id,
    span_id = span_id,
    parent_id = parent_id,
    should_sample = sampled,
    kind = 2,
    start_time_ns = begun,
    is_recording = true,
    finish = nothing,
  }, Span)
  core.spans = { core.root_span }
  return core.root_span
end

local function begin(name, options)
  if type(name) ~= "string" or name == "" then
    error("invalid span name", 3)
  end
  if options ~= nil and type(options) ~= "table" then
    error("invalid options", 3)
  end
  options = options or {}
  if options.start_time_ns ~= nil and (type(options.start_time_ns) ~= "number" or options.start_time_ns < 0) then
    error("invalid start_time_ns", 3)
  end
  if options.span_kind ~= nil and type(options.span_kind) ~= "number" then
    error("invalid options.span_kind", 3)
  end
  local core = kong.ctx.core
  local first = root(core)
  if not first or not first.should_sample or options.should_sample == false then
    return noop
  end
  local parent = options.parent
  if parent == nil or parent == noop then
    parent = core.active_span or first
  end
  local attributes
  for key, value in pairs(options.attributes or {}) do
    attributes = attributes or {}
    attributes[key] = value
  end
  local span = setmetatable({
    name = name,
    trace_id = first.trace_id,
    span_id = raw.id(),
    parent_id = parent.span_id,
    parent = parent,
    should_sample = true,
    kind = options.span_kind or 1,
    start_time_ns = options.start_time_ns or now(),
    attributes = attributes,
    is_recording = true,
  }, Span)
  core.spans[#core.spans + 1] = span
  return span
end

local tracing = { name = "core" }

function tracing.start_span(name, options)
  return begin(name, options)
end

function tracing.create_span(_, options)
  options = options or {}
  return begin(options.name or options.span_name or "span", options)
end

function tracing.active_span()
  local core = kong.ctx.core
  return core.active_span or root(core)
end

function tracing.set_active_span(span)
  if type(span) ~= "table" then
    error("invalid span", 2)
  end
  if span ~= noop then
    kong.ctx.core.active_span = span
  end
end

function tracing.process_span(processor, ...)
  log_phase()
  if type(processor) ~= "function" then
    error("processor must be a function", 2)
  end
  local core = kong.ctx.core
  root(core)
  for _, span in ipairs(core.spans or {}) do
    processor(span, ...)
  end
end

function tracing:set_should_sample(should_sample)
  if type(should_sample) ~= "boolean" then
    error("argument #1 must be a boolean", 2)
  end
  local core = kong.ctx.core
  if root(core) then
    raw.sample(should_sample)
    for _, span in ipairs(core.spans) do
      span.should_sample = should_sample
    end
  end
end

function tracing:get_sampling_decision(parent_should_sample, plugin_sampling_rate)
  if not root(kong.ctx.core) then
    return false
  end
  if parent_should_sample == false then
    return false
  end
  return raw.within(plugin_sampling_rate or kong.configuration.tracing_sampling_rate or 1)
end

function tracing.new(name)
  if type(name) ~= "string" then
    error("tracer name must be a string", 2)
  end
  local made = { name = name }
  for key, value in pairs(tracing) do
    made[key] = made[key] or value
  end
  return made
end

kong.tracing = tracing
