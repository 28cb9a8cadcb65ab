return {
  name = "herald",
  fields = {
    { config = { type = "record", fields = {} } },
  },
}
