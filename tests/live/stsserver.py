"""The web server of the outbound tests: https://mta-sts.DOMAIN/.well-known/mta-sts.txt for every domain of a test, with a
certificate for each by SNI, and every way to be wrong (RFC 8461 section 3.3, FAULTS 34).

    web = StsServer(pki)
    web.policy("a.example", "enforce", ["mx1.a.example", "*.mx.example"])
    web.play("b.example", redirect("https://mta-sts.a.example/.well-known/mta-sts.txt"))
    web.certificate("c.example", pki.leaf("other.example"))
    web.count("a.example")           # requests that came whole
    web.stop()
"""
import socket
import ssl
import threading

from ports import free_port

PATH = "/.well-known/mta-sts.txt"


def body(mode="enforce", mx=(), max_age=86400, version="STSv1", end="\r\n"):
    lines = [f"version: {version}", f"mode: {mode}", *(f"mx: {name}" for name in mx), f"max_age: {max_age}"]
    return end.join(lines) + end


# Acts: (connection's socket under TLS, server) -> nothing; they say what they like and return when they are through.

def reply(text, status="200 OK", kind="text/plain", **fields):
    octets = text.encode() if isinstance(text, str) else text
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(octets)}\r\nConnection: close\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return lambda sock, _: sock.sendall(head.encode() + b"\r\n" + octets)


def status(line):
    return reply("no\r\n", line)


def redirect(to, line="302 Found"):
    return reply("", line, Location=to)


def oversize(good, octets=70000):
    """A good policy, made too long by what a reader must pass over."""
    return reply(good + "x_filler: " + "x" * octets + "\r\n")


def endless(good):
    """Chunk after chunk, for as long as somebody reads; noted where somebody takes 10 MB."""
    def say(sock, server):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = good.encode() + b"y: " + b"x" * 4000 + b"\r\n"
        for _ in range(10_000_000 // len(chunk)):
            sock.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        server.violations.append("10 MB of a policy were taken")
    return say


def drip(good):
    """An octet every now and then, never coming to the end while the test lasts."""
    def say(sock, server):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n")
        for octet in good.encode() + b"x" * 60000:
            if server.stopping.wait(0.05):
                return
            sock.sendall(bytes([octet]))
    return say


def hang(sock, server):
    """Silence after the request."""
    server.stopping.wait(60)


def cut(good):
    """Closed in the middle of the body."""
    octets = good.encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % (len(octets) + 100)
    return lambda sock, _: sock.sendall(head + octets)


def garbage(sock, _):
    sock.sendall(b"\x00\x01\xff this is no HTTP\r\n\r\n")


class StsServer:
    def __init__(self, pki, host="127.0.0.1"):
        self.pki, self.host = pki, host
        self.acts = {}          # domain -> act
        self.elsewhere = {}     # domain -> act for all other paths; without one they are 404
        self.certificates = {}  # domain -> Cert, where it is not the good one
        self.requests = []      # (domain, path), in order
        self.handshakes = []    # (domain asked for by SNI)
        self.violations = []
        self.stopping = threading.Event()
        self.port = free_port()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, self.port))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    # what is served

    def policy(self, domain, mode="enforce", mx=(), **more):
        self.acts[domain] = reply(body(mode, mx, **more))

    def play(self, domain, act):
        """None: connections for it are closed before anything is said, as if nobody were there."""
        self.acts[domain] = act

    def certificate(self, domain, cert):
        self.certificates[domain] = cert

    def count(self, domain):
        return sum(1 for name, path in self.requests if name == domain and path == PATH)

    # how

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def context_of(self, domain):
        return (self.certificates.get(domain) or self.pki.leaf("mta-sts." + domain)).context()

    def serve(self, raw):
        name = []

        def pick(sock, sni, _):
            name.append((sni or "").removeprefix("mta-sts."))
            self.handshakes.append(name[0])
            if self.acts.get(name[0]) is None:
                return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
            sock.context = self.context_of(name[0])
            return None

        first = self.pki.leaf("nobody.example").context()
        first.sni_callback = pick
        raw.settimeout(20)
        try:
            with first.wrap_socket(raw, server_side=True) as sock, sock.makefile("rb") as stream:
                words = stream.readline(65536).split()
                while stream.readline(65536).strip():
                    pass
                if len(words) == 3:
                    self.requests.append((name[0], words[1].decode("latin-1")))
                    acts = self.acts if words[1] == PATH.encode() else self.elsewhere
                    acts.get(name[0], status("404 Not Found"))(sock, self)
        except (OSError, ssl.SSLError):
            pass
        finally:
            raw.close()

    def stop(self):
        self.stopping.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
