"""The tunnel of `passthrough`: what goes in comes out, much of it (splice) as little of it, and each side's end is
the other's to see (MC-6)."""
import hashlib
import socket
import struct
import threading

import pytest

MB = 1 << 20
# Of no period that any buffer has.
TEXT = bytes((n * 31 + n // 251) & 255 for n in range(1_000_003))


@pytest.fixture(scope="module")
def gw(site):
    return site.gateway(action="watch", max_connections_per_address=None)


class Ends:
    """A client and a server with a tunnel between them; neither speaks TLS, and nobody minds."""

    def __init__(self, site):
        host = site.net.fresh()
        with site.net.server:
            self.listener = socket.create_server((host, 465))
        with site.net.client:
            self.client = socket.create_connection((host, 465), timeout=60)
        self.name = "%s:%d" % self.client.getsockname()
        # Whom to call is decided when the client has said something.
        self.client.sendall(b"hello")
        self.listener.settimeout(30)
        self.server, _ = self.listener.accept()
        self.server.settimeout(60)
        assert self.server.recv(5, socket.MSG_WAITALL) == b"hello"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in (self.client, self.server, self.listener):
            s.close()


def send(sock, size, end=None):
    """In the background; the digest of what was sent is in what it returns, once it has been joined."""
    digest = hashlib.sha256()

    def run():
        left = size
        while left > 0:
            piece = TEXT[:left]
            sock.sendall(piece)
            digest.update(piece)
            left -= len(piece)
        if end is not None:
            sock.shutdown(end)
    thread = threading.Thread(target=run, daemon=True)
    thread.digest = digest
    thread.start()
    return thread


def receive(sock, into):
    def run():
        digest, size = hashlib.sha256(), 0
        while some := sock.recv(MB):
            digest.update(some)
            size += len(some)
        into.update(digest=digest.hexdigest(), size=size)
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def how_it_ends(sock):
    """b"": FIN; else the exception."""
    try:
        while sock.recv(MB):
            pass
        return b""
    except ConnectionResetError as e:
        return e


def descriptors(gw):
    import os
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in gw.edges()]


def test_MC_6_tunnel_200_megabytes_each_way(site, gw):
    """At once, and half-closed one after the other."""
    with Ends(site) as ends:
        at_server, at_client = {}, {}
        threads = [receive(ends.server, at_server), receive(ends.client, at_client)]
        up = send(ends.client, 200 * MB, socket.SHUT_WR)
        down = send(ends.server, 200 * MB, socket.SHUT_WR)
        for thread in (up, down, *threads):
            thread.join(120)
            assert not thread.is_alive()
        assert at_server == {"digest": up.digest.hexdigest(), "size": 200 * MB}
        assert at_client == {"digest": down.digest.hexdigest(), "size": 200 * MB}
        line = gw.wait_log(event="session-end", client=ends.name)[0]
    assert line["outcome"] in ("client-closed", "server-closed")
    assert (line["in"], line["out"]) == (200 * MB + 5, 200 * MB)
    assert line["mode"] == "tunnel"
    # The sandbox lets it, and it pays: most of it was never read.
    assert line["tunnel_spliced"] > 200 * MB


def test_MC_6_tunnel_half_close(site, gw):
    """The client has said all; long after that the server still speaks, and much."""
    with Ends(site) as ends:
        send(ends.client, 10 * MB, socket.SHUT_WR).join(60)
        got = {}
        receive(ends.server, got).join(60)
        assert got["size"] == 10 * MB
        back = {}
        thread = receive(ends.client, back)
        send(ends.server, 30 * MB, socket.SHUT_WR).join(60)
        thread.join(60)
        assert back["size"] == 30 * MB
        line = gw.wait_log(event="session-end", client=ends.name)[0]
    assert (line["outcome"], line["in"], line["out"]) == ("client-closed", 10 * MB + 5, 30 * MB)


@pytest.mark.parametrize("size", [0, 20 * MB], ids=["little", "much"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_MC_6_tunnel_reset(site, gw, who, size):
    with Ends(site) as ends:
        one, other = (ends.client, ends.server) if who == "client" else (ends.server, ends.client)
        got = {}
        if size:
            thread = threading.Thread(target=lambda: got.update(end=how_it_ends(other)), daemon=True)
            thread.start()
            send(one, size).join(60)
            reset(one)
            thread.join(30)
        else:
            reset(one)
            got["end"] = how_it_ends(other)
        assert isinstance(got["end"], ConnectionResetError)
        line = gw.wait_log(event="session-end", client=ends.name)[0]
    assert line["outcome"] == f"{who}-reset"


def test_MC_6_tunnel_pipes_are_given_back(site, gw):
    """Tunnels that stand still with octets in their pipes, more than there are pipes, harm nobody; and in the
    end each descriptor is accounted for."""
    before = descriptors(gw)
    stuck = []
    try:
        for _ in range(80):
            ends = Ends(site)
            stuck.append(ends)
            ends.client.setblocking(False)
            try:
                while True:
                    ends.client.send(TEXT)
            except BlockingIOError:
                pass
        with Ends(site) as free:
            got = {}
            thread = receive(free.server, got)
            sent = send(free.client, 20 * MB, socket.SHUT_WR)
            thread.join(60)
            assert got == {"digest": sent.digest.hexdigest(), "size": 20 * MB}
        names = [ends.name for ends in stuck]
    finally:
        for ends in stuck:
            reset(ends.client)
            ends.server.close()
            ends.listener.close()
    for name in names:
        gw.wait_log(event="session-end", client=name)
    # The pool keeps 64 pipes at the most; nothing else may be left.
    after = descriptors(gw)
    assert all(b <= a + 2 * 64 for a, b in zip(before, after))
