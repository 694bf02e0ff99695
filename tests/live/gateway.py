"""The program under test: its configuration, its processes, its log."""
import fcntl
import json
import os
import resource
import signal
import subprocess
import threading
import time
from pathlib import Path

from peer import Client
from pki import GW
from ports import free_port

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.path.abspath(os.environ.get("SALLYPORT", ROOT / "build" / "sallyport"))


def yaml(value, indent=0):
    """Block YAML; every leaf in JSON's words, which are YAML's too."""
    pad = "  " * indent
    out = ""
    for key, item in value.items():
        key = json.dumps(key) if key.startswith("*") else key
        if isinstance(item, dict):
            out += f"{pad}{key}:\n{yaml(item, indent + 1)}" if item else f"{pad}{key}: {{}}\n"
        else:
            out += f"{pad}{key}: {json.dumps(item)}\n"
    return out


def merged(base, more):
    out = dict(base)
    for key, value in more.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = value
    return out


def wait_until(truth, seconds=10, pause=0.01):
    deadline = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def children(pid):
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state not in "ZX"
    except OSError:
        return False


def memory(pid, field="VmRSS"):
    """In octets."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


class Gateway:
    def __init__(self, config, folder, files=None):
        """`files`: how many descriptors its processes may have."""
        self.files = files
        self.folder = Path(folder)
        self.file = self.folder / "gw.yaml"
        self.config = config
        self.write(config)
        self.lines = []    # log lines, parsed
        self.noise = []    # what is no log line
        self.changed = threading.Condition()
        self.process = None

    def write(self, config):
        self.config = config
        self.file.write_text(config if isinstance(config, str) else yaml(config))

    def start(self):
        self.lines.clear()
        self.process = subprocess.Popen(
            [BINARY, "run", "-c", str(self.file)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=self.limits)
        fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)  # lines of a burst wait here
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        self.reader.start()
        if not self.wait_log(event="ready"):
            self.kill()
            raise AssertionError("not ready:\n" + self.transcript())
        return self

    def limits(self):
        if self.files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    # the log

    def read_log(self):
        for raw in self.process.stdout:
            with self.changed:
                try:
                    self.lines.append(json.loads(raw))
                except ValueError:
                    self.noise.append(raw.decode("latin-1"))
                self.changed.notify_all()

    def log(self, since=0, **fields):
        return [line for line in self.lines[since:]
            if all(line.get(k) == v for k, v in fields.items())]

    def wait_log(self, seconds=10, count=1, since=0, **fields):
        """The lines with these fields, once there are `count`; [] where that never was."""
        def there():
            return len(self.log(since, **fields)) >= count or self.process.poll() is not None
        with self.changed:
            for _ in range(int(seconds * 10)):
                if self.changed.wait_for(there, 0.1):
                    break
        if self.process.poll() is not None:
            self.reader.join(2)
        found = self.log(since, **fields)
        return found if len(found) >= count else []

    def session(self, client, seconds=6):
        """The closing line of this client's session. (An earlier client may have had the same port.)"""
        since = getattr(client, "since", 0)
        lines = self.wait_log(seconds, event="session-end", client=client.name,
                              since=since if since <= len(self.lines) else 0)  # it was started anew
        assert lines, f"no session-end for {client.name}:\n{self.transcript()}"
        return lines[0]

    def transactions(self, session):
        return self.log(event="transaction", sid=session["sid"])

    def transcript(self):
        return "\n".join([json.dumps(line) for line in self.lines[-40:]] + self.noise[-40:])

    # addresses

    def address(self, key="listen", service="mx"):
        listen = self.config["services"][service][key]
        host, _, port = (listen if isinstance(listen, str) else listen[0]).rpartition(":")
        return host.strip("[]").replace("*", "127.0.0.1"), int(port)

    def connect(self, service="mx", **options):
        return self.since_now(lambda: Client(self.address("listen", service), **options))

    def connect_tls(self, context, service="mx", **options):
        return self.since_now(lambda: Client(self.address("listen_tls", service), tls=context, **options))

    def since_now(self, call):
        since = len(self.lines)
        client = call()
        client.since = since
        return client

    # processes

    @property
    def pid(self):
        return self.process.pid

    def edges(self):
        return [p for p in children(self.pid) if command_line(p)[1:3] == [b"--role", b"edge"]]

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, config=None, good=True):
        """The lines that say how it went; [] where nothing was said in time."""
        since = len(self.lines)
        if config is not None:
            self.write(config)
        self.signal(signal.SIGHUP)
        return self.wait_log(event="ready" if good else "reload-refused", since=since)

    def wait_exit(self, seconds=15):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        """Ends it; what it left undone is the test's failure."""
        if self.process is None or self.process.poll() is not None:
            return
        kids = children(self.pid)
        self.signal(signal.SIGTERM)
        code = self.wait_exit()
        left = [p for p in kids if alive(p)] if code is not None else kids
        self.kill(left)
        self.reader.join(5)
        assert code == 0, f"exit code {code}\n" + self.transcript()
        assert not left, f"processes left behind: {left}"

    def kill(self, pids=()):
        for pid in list(pids) + children(self.pid) + [self.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


def sallyport(*args, cwd=None, timeout=30, **env):
    """Runs a command of the program to its end."""
    return subprocess.run([BINARY, *map(str, args)], stdin=subprocess.DEVNULL,
                  capture_output=True, text=True, timeout=timeout, cwd=cwd,
                  env={**os.environ, **env})


def sanitized():
    return b"__asan_init" in Path(BINARY).read_bytes()


def base_config(pki, upstream, host="127.0.0.1", **upstream_settings):
    """What every test starts from. `upstream`: what has an .addr, or an address, or a list."""
    hosts = upstream if isinstance(upstream, list) else [upstream]
    cert = pki.leaf(GW)
    return {
        "hostname": GW,
        "edges": 1,
        "drain_timeout": "5s",
        "log": {"format": "json"},
        "certificates": {"gw": {"chain": cert.chain, "key": cert.key}},
        "upstreams": {"backend": {
            "hosts": [getattr(h, "addr", h) for h in hosts], "tls": "none", "pool": 0,
            **upstream_settings}},
        "services": {"mx": {
            "listen": [f"{host}:{free_port()}"],
            "listen_tls": [f"{host}:{free_port()}"],
            "upstream": "backend",
            "max_connections_per_address": 1000}},  # all tests come from one
    }
