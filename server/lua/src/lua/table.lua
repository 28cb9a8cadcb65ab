-- table.nkeys, table.isempty, table.isarray, table.clone: what OpenResty adds to LuaJIT.

local _, wanted = ...

local functions = {
  nkeys = function(given)
    local count = 0
    for _ in pairs(given) do
      count = count + 1
    end
    return count
  end,
  isempty = function(given)
    return next(given) == nil
  end,
  isarray = function(given)
    for key in pairs(given) do
      if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
        return false
      end
    end
    return true
  end,
  clone = function(given)
    local made = {}
    for key, value in pairs(given) do
      made[key] = value
    end
    return made
  end,
}

return functions[wanted]
