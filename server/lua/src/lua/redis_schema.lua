-- kong.tools.redis.schema: the connection to a Redis server.

local define = require("kong.db.schema").define

return {
  config_schema = define({ type = "record", required = true, _typedef = "redis" }),
}
