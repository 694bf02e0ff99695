"""The process `route` without a master: started as the master starts it, and spoken to as the master and an edge speak (ipc/ipc_message.h,
policy/policy_message.h). What no honest edge says can be said here."""
import fcntl
import os
import socket
import struct
import subprocess

from gateway import BINARY, yaml

SEALS = 0x1 | 0x2 | 0x4 | 0x8  # seal, shrink, grow, write
READY, DRAIN, LINE = 2, 3, 8
ASK, EVIDENCE, RESULT, OCSP_ASK, OCSP_ANSWER, TABLE = 1, 2, 3, 4, 5, 6


def text(words):
    octets = words.encode()
    return struct.pack(">H", len(octets)) + octets


def sealed(path, octets):
    fd = os.memfd_create("sallyport-conf", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, b"sallyport-conf 1\n%d %d\n%s%s" % (len(path), len(octets), path.encode(), octets))
    fcntl.fcntl(fd, 1033, SEALS)  # F_ADD_SEALS
    return fd


class Line:
    def __init__(self, route, edge=0):
        self.sock, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(15)
        socket.send_fds(route.channel, [struct.pack(">BI", LINE, edge)], [other.fileno()])
        other.close()
        self.ids = 0

    def send(self, octets):
        self.sock.send(octets)

    def receive(self):
        """(kind, id, the rest, descriptors); None at the end."""
        octets, fds, _, _ = socket.recv_fds(self.sock, 1 << 18, 4)
        if not octets:
            return None
        return (*struct.unpack(">BI", octets[:5]), octets[5:], fds)

    def answer(self, kind):
        """The next message of that kind."""
        while True:
            message = self.receive()
            if message is None or message[0] == kind:
                return message
            for fd in message[3]:
                os.close(fd)

    def table(self):
        """(generation, octets)"""
        _, _, rest, [fd] = self.answer(TABLE)
        try:
            octets = os.pread(fd, 1 << 20, 0)
            assert fcntl.fcntl(fd, 1034) & SEALS == SEALS  # F_GET_SEALS
        finally:
            os.close(fd)
        return struct.unpack(">Q", rest)[0], octets

    def ask(self, domain):
        """The id."""
        self.ids += 1
        self.send(struct.pack(">BI", ASK, self.ids) + text(domain))
        return self.ids

    def ask_ocsp(self, url, der):
        self.ids += 1
        self.send(struct.pack(">BI", OCSP_ASK, self.ids) + text(url) + der)
        return self.ids

    def result(self, domain, host, tls, delivered, kind=0, policy=0):
        self.send(struct.pack(">BI", RESULT, 0) + text(domain) + text(host) + text("192.0.2.1") + text("192.0.2.9") +
              bytes([policy, kind, tls, delivered]) + text("because"))

    def at_end(self):
        try:
            while self.receive() is not None:
                pass
        except ConnectionResetError:
            pass
        return True


class Route:
    def __init__(self, folder, **route):
        self.folder = folder
        self.lines = []
        config = {"hostname": "gw.example.net", "log": {"format": "json"},
              "route": {"state_dir": str(folder), "timeout": "2s", "private_addresses": True, **route},
              "services": {"mx": {"listen": "127.0.0.1:25", "upstream": "127.0.0.1:26"}}}
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(15)
        conf = sealed("/gw.yaml", yaml(config).encode())
        # Out of the way of the places that they go to.
        far = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in (other.fileno(), conf)]

        def places():
            for to, fd in enumerate(far, 3):
                os.dup2(fd, to)
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen([BINARY, "--role", "route", "/gw.yaml"], preexec_fn=places, close_fds=False,
                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        other.close()
        for fd in (conf, *far):
            os.close(fd)
        same = 0xffffffff
        self.channel.send(struct.pack(">BIIIIIQH", 1, 1, 0, 0, same, same, 1800000000, 0))
        assert self.channel.recv(64) == bytes([READY]), self.said()

    def said(self):
        return (self.folder / "log").read_text()

    def line(self, edge=0):
        self.lines.append(Line(self, edge))
        return self.lines[-1]

    def stop(self):
        self.channel.close()
        for line in self.lines:
            line.sock.close()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "killed"
