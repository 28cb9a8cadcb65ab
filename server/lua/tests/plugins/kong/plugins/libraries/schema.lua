return { name = "libraries", fields = { { config = { type = "record", fields = {} } } } }
