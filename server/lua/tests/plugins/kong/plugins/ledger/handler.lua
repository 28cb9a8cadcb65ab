-- Keeps entries of its own, and answers what became of a write.
local Ledger = { PRIORITY = 900, VERSION = "1.0.0" }

function Ledger:access(conf)
  local label = kong.request.get_header(conf.header)
  if not label then
    return
  end
  local entries = kong.db.ledger_entries
  local what = kong.request.get_query_arg("do")
  local row, err, err_t
  if what == "insert" then
    row, err, err_t = entries:insert({ label = label, amount = tonumber(kong.request.get_query_arg("amount")) })
  elseif what == "upsert" then
    row, err, err_t = entries:upsert_by_label(label, { amount = 7, notes = { "b", "a" } })
  elseif what == "update" then
    row, err, err_t = entries:update_by_label(label, { amount = 8 })
  elseif what == "delete" then
    row, err, err_t = entries:delete_by_label(label)
  else
    row, err, err_t = entries:select_by_label(label)
  end
  if row == true then
    row = { deleted = true }
  end
  return kong.response.exit(200, { row = row, err = err, err_t = err_t })
end

return Ledger
