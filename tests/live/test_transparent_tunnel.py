"""Much through a tunnel at once, both ways, to its last octet."""
import hashlib
import random
import socket
import threading

import pytest

from intercept import LOOSE

SIZE = 200 << 20
BLOCK = random.Random(3).randbytes(1 << 20)


def send_all(sock, seed, sums):
    """Blocks that begin at different places, so that none that is lost or twice can hide; then half an end."""
    rng, digest, left = random.Random(seed), hashlib.blake2b(), SIZE
    while left:
        piece = memoryview(BLOCK)[rng.randrange(len(BLOCK) - 1):][:left]
        sock.sendall(piece)
        digest.update(piece)
        left -= len(piece)
    sock.shutdown(socket.SHUT_WR)
    sums.append(digest.hexdigest())


def take_all(sock, sums):
    digest, count, room = hashlib.blake2b(), 0, bytearray(1 << 20)
    while True:
        n = sock.recv_into(room)
        if n == 0:
            break
        digest.update(memoryview(room)[:n])
        count += n
    sums.append((count, digest.hexdigest()))


class Ends:
    """Both ends of one connection through the gateway, and threads that send and take."""

    def __init__(self, lab, gw):
        with lab.net.server:
            listener = socket.create_server((lab.net.fresh(), 465))
        with lab.net.client:
            self.client = socket.create_connection(listener.getsockname(), 10)
        self.name = "%s:%s" % self.client.getsockname()
        # The gateway looks for a hello before it calls: this is none.
        self.client.sendall(b"no hello")
        listener.settimeout(10)
        self.server = listener.accept()[0]
        listener.close()
        for sock in (self.client, self.server):
            sock.settimeout(40)
        assert self.server.recv(8, socket.MSG_WAITALL) == b"no hello"

    def close(self):
        self.client.close()
        self.server.close()


def run(*jobs):
    threads = [threading.Thread(target=job, args=args, daemon=True) for job, *args in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join(50)
    assert not any(t.is_alive() for t in threads)


@pytest.fixture
def ends(lab):
    gw = lab.gateway(action="watch", **LOOSE)
    made = Ends(lab, gw)
    yield gw, made
    made.close()


def test_MC_6_much_both_ways_at_once(ends):
    gw, both = ends
    up, down, up_seen, down_seen = [], [], [], []
    run((send_all, both.client, 1, up), (send_all, both.server, 2, down),
        (take_all, both.server, up_seen), (take_all, both.client, down_seen))
    assert up_seen == [(SIZE, up[0])]
    assert down_seen == [(SIZE, down[0])]
    [session] = gw.wait_log(event="session-end", client=both.name)
    assert session["tunnel_spliced"] > SIZE
    assert session["in"] + session["out"] <= 2 * SIZE + 8


def test_MC_6_half_close_either_way(ends):
    """One side has said all and still hears all."""
    gw, both = ends
    up, down, seen, back = [], [], [], []
    run((send_all, both.client, 3, up), (take_all, both.server, seen))
    assert seen == [(SIZE, up[0])]
    run((send_all, both.server, 4, down), (take_all, both.client, back))
    assert back == [(SIZE, down[0])]
    [session] = gw.wait_log(event="session-end", client=both.name)
    assert session["outcome"] == "client-closed"
