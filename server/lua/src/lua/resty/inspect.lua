-- inspect: a value as text that people read.

local function shown(value, depth, seen)
  if type(value) == "string" then
    return (string.format("%q", value):gsub("\\\n", "\\n"))
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif seen[value] then
    return "<table>"
  end
  seen[value] = true
  local parts, count = {}, #value
  for index = 1, count do
    parts[index] = shown(value[index], depth + 1, seen)
  end
  local keys = {}
  for key in pairs(value) do
    if not (type(key) == "number" and key >= 1 and key <= count and key % 1 == 0) then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, function(left, right)
    return tostring(left) < tostring(right)
  end)
  local indent = string.rep("  ", depth + 1)
  local list = #parts
  for _, key in ipairs(keys) do
    local name = type(key) == "string" and key:find("^[%a_][%w_]*$") and key or "[" .. shown(key, depth, seen) .. "]"
    parts[#parts + 1] = name .. " = " .. shown(value[key], depth + 1, seen)
  end
  seen[value] = nil
  if #parts == 0 then
    return "{}"
  elseif #parts == list then
    return "{ " .. table.concat(parts, ", ") .. " }"
  end
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. string.rep("  ", depth) .. "}"
end

local function inspect(value)
  return shown(value, 0, {})
end

return setmetatable({ inspect = inspect }, {
  __call = function(_, value)
    return inspect(value)
  end,
})
