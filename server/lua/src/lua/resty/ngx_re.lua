-- ngx.re, the module: what splits by a regular expression.

local _M = setmetatable({}, { __index = ngx.re })

function _M.split(subject, pattern, options, context, most, into)
  local parts = into or {}
  local from = context and context.pos or 1
  local position = { pos = from }
  local count, largest = 0, most and most > 0 and most or nil
  while from <= #subject and (not largest or count < largest - 1) do
    local found, err = ngx.re.match(subject, pattern, options, position)
    if err then
      return nil, err
    end
    if not found then
      break
    end
    local last = position.pos - 1
    local first = last - #found[0] + 1
    if last < first then
      -- An expression that matches nothing stands between every two bytes.
      if first > #subject then
        break
      end
      count = count + 1
      parts[count] = subject:sub(from, from)
      from = from + 1
      position.pos = from
      if from > #subject then
        return parts
      end
    else
      count = count + 1
      parts[count] = subject:sub(from, first - 1)
      for index = 1, #found do
        if found[index] then
          count = count + 1
          parts[count] = found[index]
        end
      end
      from = last + 1
    end
  end
  parts[count + 1] = subject:sub(from)
  parts[count + 2] = nil
  return parts
end

function _M.opt() end

return _M
