local typedefs = require "kong.db.schema.typedefs"

return {
  name = "greeter",
  fields = {
    { consumer = typedefs.no_consumer },
    { protocols = typedefs.protocols_http },
    { config = {
      type = "record",
      fields = {
        { header = typedefs.header_name { required = true, default = "X-Greeting" } },
        { text = { type = "string", required = true, description = "What the header says." } },
      },
    } },
  },
}
