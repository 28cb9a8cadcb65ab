local typedefs = require "kong.db.schema.typedefs"

local function no_tabs(value)
  if value:find("\t", 1, true) then
    return nil, "no tabs"
  end
  return true
end

return {
  {
    name = "ledger_entries",
    primary_key = { "id" },
    endpoint_key = "label",
    cache_key = { "label" },
    workspaceable = true,
    admin_api_name = "ledger-entries",
    admin_api_nested_name = "ledger",
    fields = {
      { id = typedefs.uuid },
      { created_at = typedefs.auto_timestamp_s },
      { consumer = { type = "foreign", reference = "consumers", on_delete = "cascade" } },
      { label = { type = "string", required = true, unique = true, custom_validator = no_tabs } },
      { amount = { type = "number", default = 1, between = { 0, 1000 } } },
      { notes = { type = "set", elements = { type = "string" } } },
    },
  },
}
