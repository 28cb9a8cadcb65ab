"""A plugin in Python, for the package kong-pdk as it is on PyPI."""

import json
import os

from kong_pdk.cli import start_dedicated_server

Schema = (
    {"message": {"type": "string", "required": True, "default": "hello", "description": "What is said."}},
    {"entries": {"type": "string"}},
)
version = "1.2.0"
priority = 1500


class Plugin(object):
    def __init__(self, config):
        self.config = config

    def access(self, kong):
        what = kong.request.get_query_arg("do")
        if what == "exit":
            return kong.response.exit(418, {"message": self.config["message"]}, {"X-From": "python"})
        if what == "die":
            os._exit(3)
        if what == "raise":
            raise RuntimeError("on purpose")
        try:
            kong.request.get_header(1, 2, 3)
            refused = "no"
        except Exception as error:
            refused = str(error)
        headers = kong.request.get_headers(100)
        kong.ctx.shared.set("seen", headers["x-asked"][0])
        kong.service.request.set_header("X-Python", self.config["message"] + " " + kong.request.get_method())
        kong.service.request.set_header("X-Refused", refused)
        kong.service.request.set_header("X-Absent", str(kong.request.get_header("x-none")))
        kong.response.set_header("X-Pid", str(os.getpid()))
        kong.log.notice("access of ", kong.router.get_route()["name"])

    def response(self, kong):
        kong.response.set_header("X-Length", str(len(kong.service.response.get_raw_body())))
        kong.response.set_header("X-Seen", kong.ctx.shared.get("seen"))

    def log(self, kong):
        entry = json.loads(kong.log.serialize())
        line = "%s %s %d" % (entry["request"]["uri"], kong.ctx.shared.get("seen"), kong.response.get_status())
        with open(self.config["entries"], "a") as entries:
            entries.write(line + "\n")


if __name__ == "__main__":
    start_dedicated_server("greeter", Plugin, version, priority, Schema)
