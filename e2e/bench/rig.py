"""Processes of a measurement: started with a folder and ports of their own, asked what they used, and ended."""
import json, os, resource, shlex, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path


def tree(pid):
    """A process and those it started."""
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        try:
            for task in os.listdir(f"/proc/{found[-1]}/task"):
                todo += map(int, Path(f"/proc/{found[-1]}/task/{task}/children").read_text().split())
        except OSError:
            pass
    return found


def each(pid, read):
    total = 0
    for one in tree(pid):
        try:
            total += read(one)
        except OSError:
            pass
    return total


def cpu_us(pid):
    """User and system time of a tree, in microseconds."""
    fields = lambda one: Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
    return each(pid, lambda one: sum(map(int, fields(one)[11:13]))) * 1e6 / os.sysconf("SC_CLK_TCK")


def rss_mib(pid):
    """Resident memory of a tree."""
    return each(pid, lambda one: int(Path(f"/proc/{one}/statm").read_text().split()[1])) * os.sysconf("SC_PAGE_SIZE") / 1048576


def many_files():
    """As many open files as the system allows, here and in what is started."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Rig:
    """A folder, ports from a number on, and processes that end with it."""

    def __init__(self, name, base_port):
        self.folder, self.processes, self.next = tempfile.mkdtemp(prefix=f"{name}-"), [], base_port
        os.chmod(self.folder, 0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def port(self):
        self.next += 1
        return self.next - 1

    def write(self, name, text):
        path = Path(self.folder, name)
        path.write_text(text)
        return str(path)

    def run(self, command, *ports, **settings):
        """Starts a process, and waits until it listens on these ports."""
        log = Path(self.folder, f"{len(self.processes)}.log")
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=dict(os.environ, **settings))
        self.processes.append(process)
        deadline = time.monotonic() + 60
        for port in ports:
            while not self.listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{command[0]} does not listen on {port}, exit status {process.returncode}\n{log.read_text()}")
                time.sleep(0.05)
        return process

    @staticmethod
    def listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def nginx(self, name, body, *ports):
        """One worker; `body`: the http block."""
        f = self.folder
        return self.run(["nginx", "-c", self.write(f"{name}.conf", f"""daemon off; worker_processes 1; pid {f}/{name}.pid;
error_log {f}/{name}.err; worker_rlimit_nofile 65536; events {{ worker_connections 32768; }}
http {{ access_log off; open_file_cache max=16; sendfile on; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
client_body_temp_path {f}/b; proxy_temp_path {f}/p; fastcgi_temp_path {f}/f; uwsgi_temp_path {f}/u; scgi_temp_path {f}/s; {body} }}""")], *ports)

    def gateway(self, start, service, listen, *ports, **settings):
        """One worker, no access logs, and one Service."""
        admin = self.port()
        fixed = {"KONG_DATABASE": "off", "KONG_PREFIX": f"{self.folder}/gateway", "KONG_NGINX_WORKER_PROCESSES": "1", "KONG_PROXY_LISTEN": listen,
                 "KONG_ADMIN_LISTEN": f"127.0.0.1:{admin}", "KONG_STATUS_LISTEN": "off", "KONG_ADMIN_GUI_LISTEN": "off",
                 "KONG_LOG_LEVEL": "error", "KONG_PROXY_ACCESS_LOG": "off", "KONG_ADMIN_ACCESS_LOG": "off"}
        process = self.run(shlex.split(start), admin, *ports, **fixed, **settings)
        body = json.dumps({"_format_version": "3.0", "services": [service]}).encode()
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{admin}/config", body, {"Content-Type": "application/json"})).read()
        return process
