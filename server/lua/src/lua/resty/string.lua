-- resty.string

local _M = {}

function _M.to_hex(text)
  return (text:gsub(".", function(character)
    return string.format("%02x", character:byte())
  end))
end

function _M.atoi(text)
  return tonumber(tostring(text):match("^%s*[-+]?%d+")) or 0
end

return _M
