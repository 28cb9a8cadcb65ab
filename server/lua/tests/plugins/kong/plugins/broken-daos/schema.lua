return { name = "broken-daos", fields = { { config = { type = "record", fields = {} } } } }
