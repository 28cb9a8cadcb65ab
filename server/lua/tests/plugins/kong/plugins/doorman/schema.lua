local typedefs = require "kong.db.schema.typedefs"

return {
  name = "doorman",
  fields = {
    { protocols = typedefs.protocols { default = { "tcp", "tls" } } },
    { config = {
        type = "record",
        fields = {
          { port = typedefs.port },
          { refuse = { type = "integer" } },
          { cleartext = { type = "boolean", default = false } },
          { fail = { type = "boolean", default = false } },
        },
      },
    },
  },
}
