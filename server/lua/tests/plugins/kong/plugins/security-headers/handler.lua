-- Custom Kong plugin for advanced security headers

local SecurityHeadersHandler = {}

function SecurityHeadersHandler:header_filter(conf)

kong.response.set_header("X-Frame-Options", "DENY")

kong.response.set_header("X-Content-Type-Options", "nosniff")

kong.response.set_header("X-XSS-Protection", "1; mode=block")

kong.response.set_header("Strict-Transport-Security",

"max-age=31536000; includeSubDomains; preload")

kong.response.set_header("Content-Security-Policy",

"default-src 'self'; script-src 'self' 'unsafe-inline'")

end

return SecurityHeadersHandler
