return { { name = "broken_entries", fields = { { id = { type = "string", uuid = true, auto = true } } } } }
