local typedefs = require "kong.db.schema.typedefs"

return {
  name = "caller",
  fields = {
    { config = { type = "record", fields = {
      { url = typedefs.url { required = true } },
      { timeout = typedefs.timeout { default = 1000 } },
    } } },
  },
}
