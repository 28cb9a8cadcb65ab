-- resty.openssl.rand

local raw = ...

return {
  bytes = function(count)
    return raw.random(count)
  end,
}
