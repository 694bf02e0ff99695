"""A client of a socketmap (socketmap_table(5)), as Postfix is one."""
import socket


def netstring(text):
    octets = text if isinstance(text, bytes) else text.encode()
    return b"%d:%s," % (len(octets), octets)


class SocketMap:
    def __init__(self, address, timeout=15):
        if address.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            host, _, port = address.rpartition(":")
            self.sock = socket.create_connection((host, int(port)), timeout=timeout)
        self.octets = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, octets):
        self.sock.sendall(octets)

    def more(self):
        octets = self.sock.recv(65536)
        self.octets += octets
        return octets != b""

    def reply(self):
        """The next one; None at the end of the connection."""
        while b":" not in self.octets:
            if not self.more():
                return None
        length, _, rest = self.octets.partition(b":")
        length = int(length)
        while len(rest) < length + 1:
            if not self.more():
                return None
            rest = self.octets.partition(b":")[2]
        assert rest[length:length + 1] == b",", self.octets
        self.octets = rest[length + 1:]
        return rest[:length].decode("ascii")

    def ask(self, key, name="QUERY"):
        self.send(netstring(f"{name} {key}"))
        return self.reply()

    def at_end(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
