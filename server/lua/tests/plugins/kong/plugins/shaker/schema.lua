local typedefs = require "kong.db.schema.typedefs"

return {
  name = "shaker",
  fields = {
    { protocols = typedefs.protocols_http },
    { config = { type = "record", fields = {
      { authority = { type = "string", required = true } },
      { certificate = { type = "string", required = true } },
      { key = { type = "string", required = true } },
    } } },
  },
}
