-- kong.tools.string, as far as plugins use it.

local _M = {}

function _M.strip(text)
  if text == nil then
    return ""
  end
  return (tostring(text):gsub("^%s+", ""):gsub("%s+$", ""))
end

function _M.split(text, separator)
  local parts, from = {}, 1
  if separator == nil or separator == "" then
    for index = 1, #text do
      parts[index] = text:sub(index, index)
    end
    return parts
  end
  while true do
    local first, last = text:find(separator, from, true)
    if not first then
      parts[#parts + 1] = text:sub(from)
      return parts
    end
    parts[#parts + 1] = text:sub(from, first - 1)
    from = last + 1
  end
end


function _M.replace_dashes(text)
  return (text:gsub("-", "_"))
end

function _M.replace_dashes_lower(text)
  return (text:gsub("-", "_"):lower())
end

return _M
