"""A mail client that says exactly what a test tells it to."""
import socket
import ssl
from typing import NamedTuple

from wire import Wire


class Reply(NamedTuple):
    code: int
    lines: list  # texts without code and separator
    raw: bytes

    @property
    def text(self):
        return b"\n".join(self.lines).decode("latin-1")

    @property
    def keywords(self):
        """Of an EHLO reply: {b"SIZE": b"1000", ...}; line 1 is the greeting."""
        return {k: v for k, _, v in (line.partition(b" ") for line in self.lines[1:])}


def any_context(**options):
    """A client's TLS that looks at no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for key, value in options.items():
        setattr(context, key, value)
    return context


def trusting(ca, **options):
    """A client's TLS that wants a certificate from there, for the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    for key, value in options.items():
        setattr(context, key, value)
    return context


class Client(Wire):
    def __init__(self, addr, tls=None, name=None, timeout=15, source=None):
        family = socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
        sock = socket.socket(family)
        sock.settimeout(timeout)
        if source:
            sock.bind(source if isinstance(source, tuple) else (source, 0))
        sock.connect(addr)
        super().__init__(sock, timeout)
        host, port = sock.getsockname()[:2]
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if tls:
            self.start_tls(tls, name=name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def reply(self):
        lines, raw = [], b""
        while True:
            line = self.readline()
            raw += line
            if not line.endswith(b"\r\n") or not line[:3].isdigit() or line[3:4] not in b" -\r":
                raise AssertionError(f"not a reply: {raw!r}")
            lines.append(line[4:-2])
            if line[3:4] != b"-":
                return Reply(int(line[:3]), lines, raw)

    def line(self, text):
        self.send((text.encode() if isinstance(text, str) else text) + b"\r\n")

    def cmd(self, text, code=None):
        self.line(text)
        reply = self.reply()
        assert code in (None, reply.code), f"{text!r}: wanted {code}, got {reply.raw!r}"
        return reply

    def hello(self, name="client.example"):
        """Greeting and EHLO."""
        greeting = self.reply()
        assert greeting.code == 220, greeting.raw
        return self.cmd(f"EHLO {name}", 250)

    def starttls(self, context=None, name=None, session=None):
        self.cmd("STARTTLS", 220)
        assert self.buf == b"", f"bytes behind the 220: {self.buf!r}"
        self.start_tls(context or any_context(), name=name, session=session)

    def secure_hello(self, context=None, name=None, session=None):
        self.hello()
        self.starttls(context, name, session)
        return self.cmd("EHLO client.example", 250)

    def envelope(self, sender="a@client.example", *rcpts, params=""):
        self.cmd(f"MAIL FROM:<{sender}>{params}", 250)
        for rcpt in rcpts or ("b@dest.example",):
            self.cmd(f"RCPT TO:<{rcpt}>", 250)

    def data(self, content):
        """DATA with dot-stuffing; the answer to the dot. `content` ends with CRLF."""
        self.cmd("DATA", 354)
        self.send(stuff(content) + b".\r\n")
        return self.reply()

    def bdat(self, *chunks):
        """BDAT in one write; the answers."""
        out = b""
        for n, chunk in enumerate(chunks, 1):
            out += b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if n == len(chunks) else b"") + chunk
        self.send(out)
        return [self.reply() for _ in chunks]

    def quit(self):
        reply = self.cmd("QUIT", 221)
        self.read_to_end()
        self.close()
        return reply


def stuff(content):
    content = content.replace(b"\r\n.", b"\r\n..")
    return b"." + content if content.startswith(b".") else content


def message(text="Hello.", subject="test"):
    return (f"From: <a@client.example>\r\nTo: <b@dest.example>\r\nSubject: {subject}\r\n"
        f"\r\n{text}\r\n").encode()
