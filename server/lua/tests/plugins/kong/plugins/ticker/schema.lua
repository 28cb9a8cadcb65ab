return { name = "ticker", fields = { { config = { type = "record", fields = {} } } } }
