return { name = "broken-schema", fields = { { config = { type = "record", fields = { { a = { type = "strin" } } } } } } }
