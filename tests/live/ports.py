"""Free ports, below the range from which the kernel takes those of outgoing connections.

Several test processes run at once, and a port is free until whoever was given it has bound it: each keeps the
last ports that it was given locked, by a file of their number."""
import collections
import fcntl
import itertools
import os
import socket
import tempfile

_next = itertools.count(os.getpid() * 37)
_locks = os.path.join(tempfile.gettempdir(), "sallyport-test-ports")
_held = collections.deque()
_HELD_MOST = 200


def _lock(port):
    os.makedirs(_locks, exist_ok=True)
    fd = os.open(os.path.join(_locks, str(port)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return False
    _held.append(fd)
    if len(_held) > _HELD_MOST:
        os.close(_held.popleft())
    return True


def _is_unused(port):
    try:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind((host, port))
        return True
    except OSError:
        return False


def free_port():
    for _ in range(22000):
        port = 10000 + next(_next) % 22000
        if _is_unused(port) and _lock(port):
            return port
    raise OSError("no port is free")


class deaf:
    """A port whose queue is full: connection attempts to it get no answer at all."""

    def __enter__(self):
        self.port = free_port()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection may linger there
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(0)
        self.waiting = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.waiting.append(s)
        return self

    def __exit__(self, *_):
        for s in self.waiting + [self.listener]:
            s.close()
