local typedefs = require "kong.db.schema.typedefs"

local function not_teapot(value)
  if value == 418 then
    return nil, "no teapots"
  end
  return true
end

return {
  name = "full",
  fields = {
    { consumer_group = typedefs.no_consumer_group },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { header = typedefs.header_name { required = true, default = "X-Full" } },
        { status = { type = "integer", between = { 100, 599 }, default = 200, custom_validator = not_teapot } },
        { words = { type = "array", default = {}, elements = { type = "string", len_min = 2 } } },
        { limits = { type = "record", required = true, fields = {
          { low = { type = "number", default = 1 } },
          { high = { type = "number", default = 9 } },
        } } },
        { tags_by_name = { type = "map", keys = { type = "string" }, values = { type = "string", one_of = { "a", "b" } } } },
        { secret = { type = "string", referenceable = true, encrypted = true, description = "Kept to itself." } },
        { port = typedefs.port },
      },
      entity_checks = {
        { mutually_exclusive = { "secret", "port" } },
        { custom_entity_check = {
          field_sources = { "limits" },
          fn = function(entity)
            if entity.limits ~= ngx.null and entity.limits.low > entity.limits.high then
              return nil, "low must not be above high"
            end
            return true
          end,
        } },
      },
      shorthand_fields = {
        { word = { type = "string", func = function(value) return { words = { value } } end } },
      },
    } },
  },
}
