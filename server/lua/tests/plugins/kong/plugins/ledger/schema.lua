return {
  name = "ledger",
  fields = { { config = { type = "record", fields = {
    { header = { type = "string", default = "X-Label" } },
  } } } },
}
