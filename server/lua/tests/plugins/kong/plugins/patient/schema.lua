return { name = "patient", fields = { { config = { type = "record", fields = {} } } } }
