-- kong.db.schema, as far as schemas of plugins use it.

local Schema = {}

-- A definition that is called with a table lends it what the table does not say itself.
local lending = {
  __call = function(definition, given)
    given = given or {}
    for name, value in pairs(definition) do
      if given[name] == nil then
        given[name] = value
      end
    end
    return given
  end,
}

function Schema.define(definition)
  return setmetatable(definition, lending)
end

return Schema
