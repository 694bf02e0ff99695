"""Free ports, below the range from which the kernel takes those of outgoing connections."""
import itertools
import os
import socket

_next = itertools.count(10000 + os.getpid() * 37 % 18000)


def free_port():
    while True:
        port = 10000 + (next(_next) - 10000) % 22000
        try:
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                with socket.socket(family) as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((host, port))
            return port
        except OSError:
            continue


class deaf:
    """A port whose queue is full: connection attempts to it get no answer at all."""

    def __enter__(self):
        self.port = free_port()
        self.listener = socket.socket()
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
