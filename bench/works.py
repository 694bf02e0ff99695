"""The works and the targets: what is measured, beside whom, and what Sallyport is to reach."""
import dataclasses

SMALL, LARGE = 4000, 1000000  # "4 KB" is what fits into a page with its dots: nginx's mail proxy stalls above it


@dataclasses.dataclass(frozen=True)
class Target:
    most: float      # Sallyport's median divided by the best of these
    beside: tuple


@dataclasses.dataclass(frozen=True)
class Work:
    key: str
    title: str
    unit: str        # "message", "MB" or "session"
    front: str       # which of the proxies' fronts
    arguments: tuple # of the generator
    peers: tuple
    targets: tuple = ()
    slow: tuple = () # peers that QUICK leaves out

    def amount(self, found):
        return {"message": found["messages"], "session": found["sessions"], "MB": found["octets"] / 1e6}[self.unit]


NEW = ("--conns", 20, "--messages", 1, "--size", SMALL)
MANY = ("--conns", 20, "--messages", 100, "--size", SMALL)
BULK = ("--conns", 8, "--messages", 10, "--size", LARGE)
HANDSHAKE = ("--conns", 20, "--handshake")

BOTH = ("nginx-stream", "haproxy", "stunnel")
BEST = ("nginx-stream", "haproxy")
HALF = ("nginx-mail", "postfix")

WORKS = (
    Work("both-new", "TLS on both legs, 4 KB, new connection", "message", "both", NEW, BOTH,
         (Target(0.60, ("nginx-stream",)), Target(0.20, ("stunnel",)))),
    Work("both-100", "TLS on both legs, 4 KB, 100 a connection", "message", "both", MANY, BOTH, (Target(0.95, BEST),), ("stunnel",)),
    Work("both-1mb", "TLS on both legs, 1 MB", "MB", "both", BULK, BOTH, (Target(0.80, BEST),), ("stunnel",)),
    Work("half-new", "TLS to the client, 4 KB, new connection", "message", "half", NEW, HALF, (Target(0.65, ("nginx-mail",)),)),
    Work("half-100", "TLS to the client, 4 KB, 100 a connection", "message", "half", MANY, HALF,
         (Target(0.85, ("nginx-mail",)),), ("postfix",)),
    Work("hello-full", "handshake only, full", "session", "half", HANDSHAKE, HALF, (Target(0.90, ("nginx-mail",)),), ("postfix",)),
    Work("hello-resumed", "handshake only, resumed", "session", "half", HANDSHAKE + ("--resume",), HALF,
         (Target(0.90, ("nginx-mail",)),), ("postfix",)),
    Work("pass-1mb", "pass-through, 1 MB", "MB", "pass", BULK, ("haproxy",), (Target(0.50, ("haproxy",)),)),
    Work("pass-100", "pass-through, 4 KB, 100 a connection", "message", "pass", MANY, ("haproxy",), (Target(0.90, ("haproxy",)),)),
)

# An idle session: (proxy, front, most octets after EHLO or None).
IDLE = (
    ("sallyport", "half", 15000),
    ("sallyport", "both", 30000),
    ("nginx-mail", "half", None),
    ("nginx-stream", "both", None),
    ("haproxy", "both", None),
    ("haproxy", "pass", None),
    ("stunnel", "both", None),
)

# Added latency: (proxy, front). The first is the one with a target.
LATENCY = (
    ("sallyport", "both"),
    ("sallyport", "half"),
    ("nginx-stream", "both"),
    ("haproxy", "both"),
    ("nginx-mail", "half"),
    ("stunnel", "both"),
    ("postfix", "half"),
)
LATENCY_RATE = 100
LATENCY_MOST_USEC, STALL_USEC = 600, 10000
MANY_IDLE, SERVED_WITHIN_USEC = 20000, 1000000
RESUMED_LEAST = 0.99
EDGES_LEAST = 1.8
