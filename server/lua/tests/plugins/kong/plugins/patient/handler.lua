local Patient = { PRIORITY = 10, VERSION = "1.0.0" }

function Patient:response(conf)
  ngx.sleep(0.001)
  kong.response.set_header("X-Patient", kong.response.get_status())
end

return Patient
