"""A network of our own: client, router and server, each in a network namespace.

    client 10.1.0.2 fd01::2 --- router --- server 10.9.0.0/16 fd09::/64, all of it

The namespaces have no names and are held by descriptors alone: they are gone with the process that made them,
however it ends, and any number of runs may go on beside each other. A namespace belongs to a thread: what a `with`
block opens or starts is inside, wherever it is used later."""
import ctypes
import itertools
import os
import subprocess
import threading

CLIENT, CLIENT_2, CLIENT_3, ROUTER = "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.1"
CLIENT_6, CLIENT_2_6, ROUTER_6 = "fd01::2", "fd01::3", "fd01::1"
# Of the router on the server's side: what a server sees where the client's address is not kept.
ROUTER_OUT, ROUTER_OUT_6 = "10.2.0.1", "fd02::1"
NOWHERE, NOWHERE_6 = "10.8.0.1", "fd08::1"  # what the router says of it: no route to host

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    if getattr(_libc, name)(*args) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _own():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def see_instead(path, place):
    """In a new process: from now on it sees this file there, and nobody else does."""
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    _call("mount", os.fsencode(path), os.fsencode(place), None, MS_BIND, None)


class Namespace:
    def __init__(self):
        made = []

        def make():
            _call("unshare", CLONE_NEWNET)
            made.append(_own())
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if not made:
            raise OSError("no network namespace can be made; that needs root")
        self.fd = made[0]
        self.outside = threading.local()
        self.ip("link set lo up")

    @property
    def path(self):
        """For nsenter --net= and `ip link`, as long as this process lives."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def __enter__(self):
        stack = self.outside.__dict__.setdefault("stack", [])
        stack.append(_own())
        _call("setns", self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        fd = self.outside.stack.pop()
        _call("setns", fd, CLONE_NEWNET)
        os.close(fd)

    def run(self, *command, check=True, **options):
        with self:
            return subprocess.run(command, stdin=options.pop("stdin", subprocess.DEVNULL) if "input" not in options
                                  else None, check=check, text=True, **options)

    def ip(self, *lines):
        """Lines of ip(8), without its name."""
        batch = "".join(line + "\n" for line in lines)
        done = self.run("ip", "-batch", "-", input=batch, capture_output=True, check=False)
        if done.returncode:
            raise OSError(f"ip: {done.stderr}{batch}")

    def sysctl(self, **settings):
        """net__ipv4__ip_forward=1"""
        with self:
            for name, value in settings.items():
                with open("/proc/sys/" + name.replace("__", "/"), "w", encoding="ascii") as f:
                    f.write(str(value))

    def close(self):
        os.close(self.fd)


def _join(one, name, other, other_name):
    """A cable."""
    with one:
        subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", other_name, "netns", other.path],
                       check=True, stdin=subprocess.DEVNULL)


class Network:
    def __init__(self):
        self.client, self.router, self.server = Namespace(), Namespace(), Namespace()
        self.numbers = itertools.count(1)
        for space in (self.client, self.router, self.server):
            space.sysctl(net__ipv6__conf__default__accept_dad=0)
        _join(self.client, "c0", self.router, "r0")
        _join(self.server, "s0", self.router, "r1")
        self.client.ip("link set c0 up", f"addr add {CLIENT}/24 dev c0", f"addr add {CLIENT_2}/24 dev c0",
                       f"addr add {CLIENT_3}/24 dev c0",
                       # Both are this host; the first is taken where nothing else is said.
                       f"addr add {CLIENT_2_6}/64 dev c0 nodad preferred_lft 0",
                       f"addr add {CLIENT_6}/64 dev c0 nodad",
                       f"route add default via {ROUTER}", f"route add default via {ROUTER_6}")
        self.router.ip("link set r0 up", "link set r1 up",
                       f"addr add {ROUTER}/24 dev r0", f"addr add {ROUTER_6}/64 dev r0 nodad",
                       f"addr add {ROUTER_OUT}/24 dev r1", f"addr add {ROUTER_OUT_6}/64 dev r1 nodad",
                       "route add 10.9.0.0/16 via 10.2.0.2", "route add fd09::/64 via fd02::2")
        self.router.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        self.server.ip("link set s0 up", "addr add 10.2.0.2/24 dev s0", "addr add fd02::2/64 dev s0 nodad",
                       f"route add default via {ROUTER_OUT}", f"route add default via {ROUTER_OUT_6}",
                       # Each of these addresses is the server's own.
                       "route add local 10.9.0.0/16 dev lo", "route add local fd09::/64 dev lo")
        self.server.sysctl(net__ipv6__ip_nonlocal_bind=1)

    def fresh(self, v6=False):
        """An address of the server that nobody has used before."""
        n = next(self.numbers)
        return f"fd09::{n:x}" if v6 else f"10.9.{n // 250}.{n % 250 + 1}"

    def close(self):
        for space in (self.client, self.router, self.server):
            space.close()


def ip_lines(rules):
    """What `sallyport nft-rules` printed: the commands that set up, and those that take back."""
    found = [], []
    back = False
    for line in rules.splitlines():
        back |= line.startswith("# To take it back")
        if line.startswith("#   "):
            found[back].append(line[4:])
    return found


class Rules:
    """What brings connections to a gateway, as the program itself prints it for its configuration."""

    def __init__(self, space, binary, config, *options):
        self.space = space
        self.text = subprocess.run([binary, "nft-rules", "-c", str(config), *options], stdin=subprocess.DEVNULL,
                                   capture_output=True, text=True, check=True).stdout
        self.there, self.back = ip_lines(self.text)
        space.run("nft", "-f", "-", input=self.text)
        self.shell(self.there)

    def shell(self, lines):
        self.space.run("sh", "-ec", "\n".join(lines))

    def remove(self):
        self.shell(self.back)
