"""The machine: processors, accounts of what processes use, descriptors, ports, versions."""
import os
import pathlib
import platform
import re
import resource
import socket
import subprocess
import time

HOST = "127.0.0.1"
PROXY_CPU, LOAD_CPU = 0, 1
CPUS = sorted(os.sched_getaffinity(0))


class Wrong(Exception):
    """The bench cannot go on; the text says why and what would help."""


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def wait_until(truth, seconds=15, pause=0.02):
    until = time.monotonic() + seconds
    while not truth():
        if time.monotonic() > until:
            return False
        time.sleep(pause)
    return True


def listens(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((HOST, port)) == 0


def pin(cpu):
    if len(CPUS) > 1:
        os.sched_setaffinity(0, {CPUS[cpu % len(CPUS)]})


def raise_limits():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def cgroup_root():
    for line in pathlib.Path("/proc/mounts").read_text(encoding="ascii").splitlines():
        fields = line.split()
        if fields[2] == "cgroup2" and os.access(fields[1], os.W_OK):
            return pathlib.Path(fields[1])
    return None


class Account:
    """All that the processes of one proxy use, those that have ended included: a cgroup where one can be made,
    else sums over /proc (of ended processes only those that were waited for)."""

    made = 0

    def __init__(self):
        Account.made += 1
        root = cgroup_root()
        self.folder = root / f"sallyport-bench-{os.getpid()}-{Account.made}" if root else None
        self.leader = None
        try:
            if self.folder:
                self.folder.mkdir()
        except OSError:
            self.folder = None

    def enter(self):
        """To be called by the child, before it becomes the proxy."""
        if self.folder:
            (self.folder / "cgroup.procs").write_text("0")

    def pids(self):
        if self.folder:
            return [int(word) for word in (self.folder / "cgroup.procs").read_text().split()]
        return tree(self.leader)

    def usec(self):
        if self.folder:
            return int(re.search(r"usage_usec (\d+)", (self.folder / "cpu.stat").read_text()).group(1))
        return sum(stat_usec(pid) for pid in self.pids())

    def memory(self):
        """Proportional set size of all processes, in octets."""
        total = 0
        for pid in self.pids():
            try:
                text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            except OSError:
                continue
            total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) * 1024
        return total

    def close(self):
        if self.folder:
            wait_until(lambda: not self.pids(), 5)
            try:
                self.folder.rmdir()
            except OSError:
                pass


def tree(pid):
    found = [pid]
    for parent in found:
        try:
            found += map(int, pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        except OSError:
            pass
    return found


def stat_usec(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15])) * 1000000 // os.sysconf("SC_CLK_TCK")


def thread_usec(pid):
    """Of the one thread of a process, finer than the clock's ticks."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000


def said(*command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def versions():
    """(name, version) of what is measured."""
    def find(pattern, text):
        match = re.search(pattern, text)
        return match.group(1) if match else "not there"
    return [
        ("nginx", find(r"nginx/(\S+)", said("nginx", "-v"))),
        ("HAProxy", find(r"version (\S+)", said("haproxy", "-v"))),
        ("stunnel", find(r"stunnel (\S+) on", said("stunnel4", "-version"))),
        ("Postfix", find(r"= (\S+)", said("postconf", "mail_version"))),
        ("OpenSSL", find(r"OpenSSL (\S+)", said("openssl", "version"))),
        ("Linux", platform.release()),
    ]


def description():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.M)
    system = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    name = re.search(r'^PRETTY_NAME="(.+)"$', system, re.M)
    return f"{len(CPUS)} × {model.group(1) if model else platform.machine()}, {name.group(1) if name else platform.system()}"
