-- kong.db: one object for each entity, with the methods of Kong's.

local raw = kong._db
kong._db = nil

local error, type, tostring, ipairs = error, type, tostring, ipairs
local methods = {}

function methods:select(primary_key)
  return raw.select(self.name, primary_key)
end

function methods:insert(entity)
  return raw.write(self.name, "insert", nil, nil, entity)
end

function methods:update(primary_key, entity)
  return raw.write(self.name, "update", nil, primary_key, entity)
end

function methods:upsert(primary_key, entity)
  return raw.write(self.name, "upsert", nil, primary_key, entity)
end

function methods:delete(primary_key)
  return raw.write(self.name, "delete", nil, primary_key)
end

function methods:page(size, offset)
  return raw.page(self.name, nil, nil, size, offset)
end

-- An iterator over every record: entity, err, page number.
local function each(name, owner, id, size)
  local rows, index, offset, number, over = {}, 0, nil, 0, false
  return function()
    while index >= #rows do
      if over then
        return nil
      end
      local err
      rows, err, _, offset = raw.page(name, owner, id, size or 1000, offset)
      if not rows then
        over, rows, index = true, {}, 0
        return false, err, number
      end
      index, number, over = 0, number + 1, offset == nil
    end
    index = index + 1
    return rows[index], nil, number
  end
end

function methods:each(size)
  return each(self.name, nil, nil, size)
end

function methods:cache_key(key, ...)
  local parts = { self.name, type(key) == "table" and (key.id or key.name) or tostring(key) }
  for index, part in ipairs({ ... }) do
    parts[index + 2] = tostring(part)
  end
  return table.concat(parts, ":")
end

local function method_of(name, method)
  local field = method:match("^select_by_(.+)$")
  if field then
    return function(_, value)
      return raw.select_by(name, field, value)
    end
  end
  local what
  what, field = method:match("^(%a+)_by_(.+)$")
  if what == "update" or what == "upsert" or what == "delete" then
    return function(_, value, entity)
      return raw.write(name, what, field, value, entity)
    end
  end
  local owner = method:match("^each_for_(.+)$")
  if owner then
    return function(_, id, size)
      return each(name, owner, id, size)
    end
  end
  owner = method:match("^page_for_(.+)$")
  if owner then
    return function(_, id, size, offset)
      return raw.page(name, owner, id, size, offset)
    end
  end
  error("kong.db." .. name .. ":" .. method .. " is not available in this gateway", 2)
end

local entities = {}

kong.db = setmetatable({}, {
  __index = function(_, name)
    if not entities[name] and type(name) == "string" and raw.has(name) then
      local members = { name = name, schema = { name = name } }
      for method, implementation in pairs(methods) do
        members[method] = implementation
      end
      entities[name] = _frozen(setmetatable(members, {
        __index = function(_, method)
          return type(method) == "string" and method_of(name, method) or nil
        end,
      }))
    end
    return entities[name]
  end,
})
