-- resty.lrucache: values of one worker, the least recently used of them forgotten first.

local _M = {}
local methods = { __index = _M }

-- The list is a ring: `ring.next` is the newest entry, `ring.prev` the oldest.
local function ring()
  local made = {}
  made.next, made.prev = made, made
  return made
end

local function unlink(entry)
  entry.prev.next, entry.next.prev = entry.next, entry.prev
end

local function to_front(cache, entry)
  local list = cache.list
  entry.prev, entry.next = list, list.next
  list.next.prev, list.next = entry, entry
end

function _M.new(size)
  if type(size) ~= "number" or size < 1 then
    return nil, "size too small"
  end
  return setmetatable({ size = size, entries = {}, used = 0, list = ring() }, methods)
end

function _M:get(key)
  local entry = self.entries[key]
  if not entry then
    return nil
  end
  unlink(entry)
  to_front(self, entry)
  if entry.expires and entry.expires < ngx.now() then
    return nil, entry.value, entry.flags
  end
  return entry.value, nil, entry.flags
end

function _M:set(key, value, ttl, flags)
  local entry = self.entries[key]
  if entry then
    unlink(entry)
  else
    if self.used >= self.size then
      local oldest = self.list.prev
      unlink(oldest)
      self.entries[oldest.key] = nil
      self.used = self.used - 1
    end
    entry = { key = key }
    self.entries[key] = entry
    self.used = self.used + 1
  end
  entry.value, entry.flags = value, flags or 0
  entry.expires = ttl and ttl > 0 and ngx.now() + ttl or nil
  to_front(self, entry)
end

function _M:delete(key)
  local entry = self.entries[key]
  if not entry then
    return false
  end
  unlink(entry)
  self.entries[key] = nil
  self.used = self.used - 1
  return true
end

function _M:count()
  return self.used
end

function _M:capacity()
  return self.size
end

function _M:get_keys(most, into)
  local keys, entry = into or {}, self.list.next
  while entry ~= self.list and (not most or most == 0 or #keys < most) do
    keys[#keys + 1] = entry.key
    entry = entry.next
  end
  return keys
end

function _M:flush_all()
  self.entries, self.used, self.list = {}, 0, ring()
end

return _M
