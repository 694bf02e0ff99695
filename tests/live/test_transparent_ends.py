"""How the sides of a tunnel end, each for the other to see, however much is under way (MC-6); see also
test_transparent_tunnel.py."""
import hashlib
import os
import socket
import struct
import threading

import pytest

from gateway import wait_until
from intercept import LOOSE

MB = 1 << 20
# Of no period that any buffer has.
TEXT = bytes((n * 31 + n // 251) & 255 for n in range(1_000_003))


@pytest.fixture(scope="module")
def gw(site):
    return site.gateway(action="watch", **LOOSE)


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


def pipe_ends(gw):
    def count(pid):
        links = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except OSError:
                pass  # closed meanwhile
        return sum(link.startswith("pipe:") for link in links)
    return [count(pid) for pid in gw.edges()]


def descriptors(gw):
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in gw.edges()]


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


def fill(sock):
    """Until it takes no more, and keeps to that."""
    sock.settimeout(0.2)
    try:
        while True:
            sock.send(TEXT)
    except TimeoutError:
        pass


def test_MC_6_tunnel_stuck(site, gw):
    """Tunnels that stand still, full of octets, harm nobody; they are let go, and each descriptor with them."""
    before = descriptors(gw)
    stuck = [Ends(site) for _ in range(6)]
    try:
        fillers = [threading.Thread(target=fill, args=[ends.client], daemon=True) for ends in stuck]
        for thread in fillers:
            thread.start()
        for thread in fillers:
            thread.join(60)
        with Ends(site) as free:
            got = {}
            thread = receive(free.server, got)
            sent = send(free.client, 20 * MB, socket.SHUT_WR)
            thread.join(60)
            assert got == {"digest": sent.digest.hexdigest(), "size": 20 * MB}
    finally:
        for ends in stuck:
            reset(ends.client)
    for ends in stuck:
        # What was held for it is lost with the reset, as it would be on the way.
        assert isinstance(how_it_ends(ends.server), ConnectionResetError)
        line = gw.wait_log(event="session-end", client=ends.name)[0]
        assert line["outcome"] == "client-reset"
        ends.__exit__()
    # What the pool keeps is pipes: two descriptors each, and no more of them than there were tunnels, and both ways.
    assert all(b <= a + 2 * 2 * 7 for a, b in zip(before, descriptors(gw)))


def through(site, gw, size):
    """All of it comes; octets that went by splice."""
    with Ends(site) as ends:
        got = {}
        thread = receive(ends.server, got)
        sent = send(ends.client, size, socket.SHUT_WR)
        thread.join(60)
        assert got == {"digest": sent.digest.hexdigest(), "size": size}
        ends.server.shutdown(socket.SHUT_WR)
        return gw.wait_log(event="session-end", client=ends.name)[0]["tunnel_spliced"]


def test_MC_6_tunnel_pipes_are_given_back(site, gw):
    """More tunnels that stand still, full of octets, than there are pipes: others go on with read and write. When
    they end the pipes are there again, and no descriptor is left."""
    pipes, stuck = 64, []
    # So many full sockets are full soon.
    site.net.router.sysctl(net__ipv4__tcp_rmem="4096 131072 262144", net__ipv4__tcp_wmem="4096 65536 262144")
    assert through(site, gw, 20 * MB) > 0
    before = sum(descriptors(gw))
    try:
        stuck += [Ends(site) for _ in range(pipes + 16)]
        fillers = [threading.Thread(target=fill, args=[ends.client], daemon=True) for ends in stuck]
        for thread in fillers:
            thread.start()
        for thread in fillers:
            thread.join(60)
        assert sum(descriptors(gw)) <= before + 2 * len(stuck) + 2 * pipes
        assert through(site, gw, 20 * MB) == 0
    finally:
        for ends in stuck:
            ends.__exit__()
    for ends in stuck:
        gw.wait_log(event="session-end", client=ends.name)
    assert through(site, gw, 20 * MB) > 0
    # What is kept is the pool, and no more.
    assert sum(descriptors(gw)) <= before + 2 * pipes


def take(sock, size):
    while size > 0:
        some = sock.recv(min(size, MB))
        assert some
        size -= len(some)


@pytest.mark.parametrize("splice", [False, True], ids=["read and write", "splice"])
@pytest.mark.parametrize("who", ["client", "server"])
def test_MC_6_FAULTS_12_tunnel_reset_behind_a_full_pipe(site, gw, who, splice):
    """Who resets need not wait for the other one to read: that one gets the reset at once, with all that was held lost."""
    before = pipe_ends(gw)
    with Ends(site) as ends:
        one, other = (ends.client, ends.server) if who == "client" else (ends.server, ends.client)
        if splice:
            thread = send(one, 8 * MB)
            take(other, 8 * MB)
            thread.join(60)
        fill(one)
        reset(one)
        line = gw.wait_log(event="session-end", client=ends.name)[0]  # `other` has read nothing
        assert (line["outcome"], line["fault"]) == (f"{who}-reset", "peer")
        assert isinstance(how_it_ends(other), ConnectionResetError)
    # One pipe for each way may stay in the pool. (Sockets are no measure: each edge has some in stock.)
    assert wait_until(lambda: all(b <= a + 2 * 2 for a, b in zip(before, pipe_ends(gw))))
