return {
  ["/ledger/total"] = {
    GET = function(self, db, helpers)
      local total, count = 0, 0
      for entry, err in db.ledger_entries:each() do
        if err then
          return kong.response.exit(500, { message = err })
        end
        total, count = total + entry.amount, count + 1
      end
      return kong.response.exit(200, { total = total, count = count })
    end,
  },

  ["/ledger/entries/:label/times"] = {
    schema = kong.db.ledger_entries and kong.db.ledger_entries.schema,
    methods = {
      before = function(self, db)
        local entry, err, err_t = db.ledger_entries:select_by_label(self.params.label)
        if err_t then
          return kong.response.exit(500, err_t)
        end
        if not entry then
          return kong.response.exit(404, { message = "Not found" })
        end
        self.entry = entry
      end,
      POST = function(self, db)
        local changed, _, err_t = db.ledger_entries:update(
          { id = self.entry.id }, { amount = self.entry.amount * (self.params.factor or 2) }
        )
        if not changed then
          return kong.response.exit(400, err_t)
        end
        return kong.response.exit(200, changed)
      end,
      DELETE = function(self)
        error("as it was told")
      end,
    },
  },

  ["/ledger/plain"] = {
    GET = function(self)
      kong.response.set_header("X-Ledger", "kept")
      return { status = 202, headers = { ["X-Plain"] = { "1", "2" } }, json = { method = self.req.method, q = self.params.q, path = kong.request.get_path() } }
    end,
  },
}
