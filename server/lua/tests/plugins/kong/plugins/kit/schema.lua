return {
  name = "kit",
  fields = {
    { config = { type = "record", fields = {
      { secret = { type = "string", referenceable = true } },
    } } },
  },
}
