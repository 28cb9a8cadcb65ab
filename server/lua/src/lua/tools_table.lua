-- kong.tools.table, as far as plugins use it.

local _M = {}

local function copy(value, seen)
  if type(value) ~= "table" then
    return value
  end
  if seen[value] then
    return seen[value]
  end
  local made = {}
  seen[value] = made
  for key, member in next, value do
    made[copy(key, seen)] = copy(member, seen)
  end
  return setmetatable(made, getmetatable(value))
end

function _M.cycle_aware_deep_copy(value)
  return copy(value, {})
end

_M.deep_copy = _M.cycle_aware_deep_copy

function _M.shallow_copy(value)
  if type(value) ~= "table" then
    return value
  end
  local made = {}
  for key, member in pairs(value) do
    made[key] = member
  end
  return made
end

function _M.table_contains(list, wanted)
  for _, value in pairs(list or {}) do
    if value == wanted then
      return true
    end
  end
  return false
end

function _M.is_array(value)
  if type(value) ~= "table" then
    return false
  end
  local count = 0
  for _ in pairs(value) do
    count = count + 1
    if value[count] == nil then
      return false
    end
  end
  return true
end

function _M.table_merge(first, second)
  local made = {}
  for key, value in pairs(first or {}) do
    made[key] = value
  end
  for key, value in pairs(second or {}) do
    made[key] = value
  end
  return made
end

function _M.concat(first, second)
  for _, value in ipairs(second) do
    first[#first + 1] = value
  end
  return first
end

return _M
