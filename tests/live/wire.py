"""One TCP connection with TLS in our own hands, for either end of a test.

TLS runs over memory BIOs, so a test can cut the stream anywhere: below TLS, between the
records, with a close_notify or without one."""
import socket
import ssl
import struct


class Cut(Exception):
    """TCP ended under TLS without close_notify."""


class Wire:
    def __init__(self, sock, timeout=15):
        self.sock = sock
        self.buf = b""
        self.tls = None
        self.reads = []  # what each recv below TLS gave, in clear or decrypted
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # TLS

    def start_tls(self, context, server_side=False, name=None, session=None):
        """The handshake. Bytes that wait in `buf` stay there: they came in clear."""
        self.inb, self.outb = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inb, self.outb, server_side=server_side,
                        server_hostname=name, session=session)
        self._drive(self.tls.do_handshake)

    def _drive(self, step, *args):
        while True:
            try:
                result = step(*args)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                data = self.sock.recv(262144)
                if data:
                    self.inb.write(data)
                else:
                    self.inb.write_eof()
            except ssl.SSLError:
                try:
                    self._flush()  # the alert
                except OSError:
                    pass
                raise

    def _flush(self):
        data = self.outb.read()
        if data:
            self.sock.sendall(data)

    # bytes

    def send(self, data):
        if self.tls is None:
            self.sock.sendall(data)
            return
        view = memoryview(data)
        while len(view):
            view = view[self._drive(self.tls.write, view[:65536]):]

    def send_below(self, data):
        """Past TLS: forged records, octets in clear."""
        self.sock.sendall(data)

    def recv(self):
        """Some bytes; b"" at FIN or close_notify. Raises Cut, ConnectionResetError, TimeoutError."""
        if self.tls is None:
            return self.sock.recv(262144)
        try:
            return self._drive(self.tls.read, 262144)
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            raise Cut() from None

    def fill(self):
        data = self.recv()
        if data:
            self.reads.append(data)
            self.buf += data
        return bool(data)

    def readline(self):
        """A line with its LF; what is left where the stream ends before it; b"" at the end."""
        while b"\n" not in self.buf:
            if not self.fill():
                rest, self.buf = self.buf, b""
                return rest
        line, _, self.buf = self.buf.partition(b"\n")
        return line + b"\n"

    def read_exactly(self, count):
        while len(self.buf) < count:
            if not self.fill():
                raise EOFError(f"{len(self.buf)} of {count} octets")
        data, self.buf = self.buf[:count], self.buf[count:]
        return data

    def read_to_end(self):
        """All that still comes. A reset or a cut ends it too."""
        try:
            while self.fill():
                pass
        except (Cut, ConnectionError):
            pass
        rest, self.buf = self.buf, b""
        return rest

    def at_end(self):
        """True once the peer has ended, however; anything it says before that is an error."""
        return self.read_to_end() == b""

    # ends

    def close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self._flush()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        """A FIN; under TLS this is a cut, unless close_notify was called."""
        self.sock.close()

    @property
    def secure(self):
        return self.tls is not None

    @property
    def resumed(self):
        return self.tls is not None and self.tls.session_reused

    @property
    def peer_cert(self):
        return self.tls.getpeercert(binary_form=True) if self.tls else None
