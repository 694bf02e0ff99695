"""The next hop of the tests: an SMTP server that notes exactly what it is given, and
that misbehaves at any step a test names.

    Upstream(mail="550-5.7.1 no\\n550 5.7.1 never")     a reply
    Upstream(rcpt=["250 ok", "452 4.5.3 too many"])      one for each time, then as usual
    Upstream(dot=fin)                                    an act: see below
    Upstream(body=after(1000, rst))                      while the body comes

What a peer of ours must never do (a command in the clear after STARTTLS was offered and
TLS was wanted, bytes before the 354, a pipelined command where PIPELINING was not
offered, a bare CR or LF) is collected in `violations`, which the fixture looks at."""
import hashlib
import re
import socket
import ssl
import threading
import time

from ports import free_port
from wire import Cut, Wire

CAPS = ("PIPELINING", "SIZE 200000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES",
    "CHUNKING")
FINAL_DOT = re.compile(rb"(?:^|(?<=\r\n))\.\r\n")


class Over(Exception):
    """The script has ended this connection."""


# Acts: what a step may do instead of a reply.

def fin(conn, _=None):
    conn.wire.close()
    raise Over("fin by us")


def rst(conn, _=None):
    conn.wire.reset()
    raise Over("reset by us")


def hang(conn, _=None):
    conn.wire.sock.settimeout(60)
    conn.wire.read_to_end()
    raise Over("hung up on after silence")


def then(reply, act):
    """A reply, and the act right behind it."""
    def both(conn, arg):
        conn.say(reply)
        act(conn, arg)
    return both


def late(seconds, reply):
    def say(conn, _):
        conn.server.stopping.wait(seconds)
        return reply
    return say


class Slow(bytes):
    """Said one octet at a time."""


def drip(reply):
    return lambda conn, _: Slow(text(reply))


def endless(piece):
    """A reply without an end. Whoever takes 100 MB of it has no ceiling."""
    def say(conn, _):
        block = text(piece) * (1 + 65536 // len(piece))
        for _ in range(100000000 // len(block)):
            conn.wire.send(block)
        conn.violates("100 MB of an endless reply were taken")
        raise Over("endless reply taken")
    return say


def after(octets, act):
    """For `body`: once, when so much of it has come."""
    def look(conn, seen):
        if seen >= octets and not conn.acted:
            conn.acted = True
            if callable(act):
                act(conn, seen)
            else:
                conn.say(act)
    return look


def text(reply):
    if isinstance(reply, bytes):
        return reply
    return reply.replace("\r", "").replace("\n", "\r\n").encode("latin-1") + b"\r\n"


class Message:
    def __init__(self, conn, how, body):
        self.conn, self.how, self.body = conn, how, bytes(body)
        self.sender, self.params = conn.sender, conn.params
        self.rcpts = list(conn.rcpts)
        self.secure = conn.wire.secure

    @property
    def received(self):
        """The Received field that was put on top."""
        return re.match(rb"Received:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", self.body).group()

    @property
    def content(self):
        """What the client had sent: all but that one field."""
        return self.body[len(self.received):]

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()


class Connection:
    """One connection to the upstream, told while it lasts and kept afterwards."""

    def __init__(self, server, sock):
        self.server = server
        self.wire = Wire(sock, timeout=server.patience)
        self.peer = "%s:%s" % sock.getpeername()[:2]
        self.lines = []      # (under TLS?, verb, line)
        self.body_octets = 0
        self.dots = 0        # final dots and BDAT LASTs that came
        self.sni = None
        self.facts = None    # (version, cipher) once TLS is on
        self.resumed = False
        self.client_cert = None
        self.acted = False
        self.ended = None
        self.held = None
        self.reset()

    def reset(self):
        self.sender, self.params, self.rcpts, self.chunks = None, "", [], None
        self.chunk_refused = False

    @property
    def verbs(self):
        return [verb for _, verb, _ in self.lines]

    @property
    def clear_verbs(self):
        return [verb for secure, verb, _ in self.lines if not secure]

    def say(self, reply):
        if self.held is not None:
            self.held.append(text(reply))
        elif isinstance(reply, Slow):
            for n in range(len(reply)):
                self.wire.send(reply[n:n + 1])
                time.sleep(0.002)
        else:
            self.wire.send(text(reply))
        return int(text(reply)[:1]) if text(reply)[:1].isdigit() else 0

    def play(self, step, arg, default, first=None):
        """Does what the script says at this step; the class of the reply, 0 without one.
        `first` is done before a reply of 2xx leaves."""
        act = self.server.script(step, default)
        if callable(act):
            act = act(self, arg)
        if act is None:
            return 0
        if first and text(act).startswith(b"2"):
            first()
        return self.say(act)

    def violates(self, what):
        self.server.violations.append(what)

    # the dialogue

    def run(self):
        try:
            if self.server.implicit:
                self.shake()
            self.play("greeting", b"", "220 mx.example.net ESMTP test upstream")
            while self.turn():
                pass
        except Over as over:
            self.ended = str(over)
        except Cut:
            self.ended = "cut"
        except TimeoutError:
            self.ended = "timeout"
        except ssl.SSLError as e:
            self.ended = f"tls: {e.reason}"
        except OSError as e:
            self.ended = "reset" if isinstance(e, ConnectionResetError) else str(e)
        finally:
            self.wire.close()
            self.server.notify()

    def turn(self):
        line = self.wire.readline()
        if not line:
            self.ended = "close_notify" if self.wire.secure else "fin"
            return False
        if not line.endswith(b"\r\n") or re.search(rb"[\r\n\0]", line[:-2]):
            self.violates(f"not a command line: {line!r}")
        verb = re.split(rb"[ \r\n]", line, 1)[0].upper().decode("latin-1")
        self.lines.append((self.wire.secure, verb, line[:-2]))
        self.server.notify()
        if self.wire.buf and "PIPELINING" not in self.server.caps:
            self.violates(f"pipelined behind {line!r}: {self.wire.buf[:40]!r}")
        if verb == self.server.hold_until:
            self.let_go()
        elif self.server.hold_until and verb == "MAIL":
            self.held = []
        act = getattr(self, "on_" + verb, None)
        if act is None:
            self.say("500 5.5.1 what?")
            return True
        return act(line[:-2]) is not False

    def let_go(self):
        held, self.held = self.held or [], None
        self.wire.send(b"".join(held))

    def shake(self):
        self.server.tls.sni_callback = lambda tls, name, _: self.server.note_sni(tls, name)
        self.wire.start_tls(self.server.tls, server_side=True)
        self.sni = self.server.names.pop(id(self.wire.tls), None)
        self.facts = (self.wire.tls.version(), self.wire.tls.cipher()[0])
        self.resumed = self.wire.resumed
        self.client_cert = self.wire.peer_cert

    def on_EHLO(self, line):
        self.reset()
        words = ["mx.example.net"] + list(self.server.caps)
        if self.server.tls and not self.wire.secure:
            words.append("STARTTLS")
        lines = ["250-" + w for w in words]
        lines[-1] = "250 " + words[-1]
        self.play("ehlo", line, "\n".join(lines))

    def on_HELO(self, line):
        self.reset()
        self.play("helo", line, "250 mx.example.net")

    def on_STARTTLS(self, line):
        default = "220 2.0.0 go" if self.server.tls else "502 5.5.1 not here"
        if self.play("starttls", line, default) != 2:
            return
        if self.wire.buf:
            self.violates(f"bytes in clear behind STARTTLS: {self.wire.buf!r}")
        self.wire.buf = b""
        self.play("handshake", b"", None)
        self.shake()

    def on_AUTH(self, line):
        self.play("auth", line, "502 5.5.1 not here")

    def on_MAIL(self, line):
        m = re.fullmatch(rb"MAIL FROM:<([^>]*)>(.*)", line)
        if not m:
            self.violates(f"odd MAIL: {line!r}")
        if self.play("mail", line, "250 2.1.0 ok") == 2:
            self.sender, self.params = m.group(1).decode(), m.group(2).decode().strip()
            self.rcpts = []

    def on_RCPT(self, line):
        m = re.fullmatch(rb"RCPT TO:<([^>]*)>(.*)", line)
        if self.play("rcpt", line, "250 2.1.5 ok") == 2:
            self.rcpts.append(m.group(1).decode())

    def on_DATA(self, line):
        default = "354 go" if self.rcpts else "554 5.5.1 no valid recipients"
        early = self.wire.buf
        if self.play("data", line, default) != 3:
            return
        if early:
            self.violates(f"bytes before the 354: {early[:40]!r}")
        body = self.read_body()
        self.dots += 1
        self.commit("DATA", body)

    def read_body(self):
        body = bytearray()
        seen = 0
        while True:
            body += self.wire.buf
            self.body_octets += len(self.wire.buf)
            self.wire.buf = b""
            self.play("body", self.body_octets, lambda conn, n: None)
            m = FINAL_DOT.search(body, max(0, seen - 4))
            if m:
                break
            seen = len(body)
            if not self.wire.fill():
                raise Over("ended in the body")
        self.wire.buf = bytes(body[m.end():])
        del body[m.start():]
        if body.startswith(b"."):
            del body[:1]
        return bytes(body).replace(b"\r\n.", b"\r\n")

    def on_BDAT(self, line):
        words = line.split()
        size, last = int(words[1]), len(words) > 2
        self.chunks = self.chunks or bytearray()
        while size:
            if not self.wire.buf and not self.wire.fill():
                raise Over("ended in a chunk")
            part, self.wire.buf = self.wire.buf[:size], self.wire.buf[size:]
            size -= len(part)
            self.chunks += part
            self.body_octets += len(part)
            self.play("body", self.body_octets, lambda conn, n: None)
        if self.chunk_refused:
            self.say("503 5.5.1 a chunk was refused")  # RFC 3030 section 2
            return
        if not last:
            self.chunk_refused = self.play("chunk", line, "250 2.0.0 chunk") != 2
            return
        self.dots += 1
        self.commit("BDAT", self.chunks)

    def commit(self, how, body):
        message = Message(self, how, body)
        with self.server.lock:
            self.server.seen.append(message)
        self.play("dot", body, "250 2.0.0 queued as 4711",
                  lambda: self.server.messages.append(message))
        self.reset()
        self.server.notify()

    def on_RSET(self, line):
        self.reset()
        self.play("rset", line, "250 2.0.0 ok")

    def on_NOOP(self, line):
        self.play("noop", line, "250 2.0.0 ok")

    def on_QUIT(self, line):
        self.play("quit", line, "221 2.0.0 bye")
        self.ended = "quit"
        return False


class Upstream:
    def __init__(self, tls=None, implicit=False, caps=CAPS, host="127.0.0.1", port=None,
             hold_until=None, patience=20, **steps):
        self.tls, self.implicit, self.caps = tls, implicit, tuple(caps)
        self.steps, self.hold_until, self.patience = steps, hold_until, patience
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.stopping = threading.Event()
        self.connections = []
        self.seen = []        # messages that came whole, whatever was answered
        self.messages = []    # those that were answered 2xx
        self.violations = []
        self.names = {}
        self.port = port or free_port()
        self.host = host
        self.addr = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, self.port))
        self.listener.listen(1024)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                conn = Connection(self, sock)
            except OSError:
                continue
            with self.lock:
                self.connections.append(conn)
                self.changed.notify_all()
            threading.Thread(target=conn.run, daemon=True).start()

    def script(self, step, default):
        with self.lock:
            act = self.steps.get(step, default)
            if isinstance(act, list):
                act = act.pop(0) if act else default
            return default if act is None else act

    def note_sni(self, tls, name):
        self.names[id(tls)] = name

    def notify(self):
        with self.changed:
            self.changed.notify_all()

    def wait(self, truth, seconds=10):
        """Until truth() holds; False where it never did."""
        with self.changed:
            return self.changed.wait_for(truth, seconds)

    def settled(self, seconds=10, since=0):
        """All connections have ended."""
        return self.wait(lambda: all(c.ended for c in self.connections[since:]), seconds)

    @property
    def last(self):
        return self.connections[-1]

    @property
    def verbs(self):
        return [v for c in self.connections for v in c.verbs]

    def stop(self):
        self.stopping.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            connections = list(self.connections)
        for conn in connections:
            try:
                conn.wire.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
