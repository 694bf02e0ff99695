"""A message of 100 MB leaves an edge's memory where it was; back-pressure both ways."""
import socket
import threading
import time

import pytest

from gateway import memory, sanitized
from peer import any_context, message
from pki import MX

pytestmark = pytest.mark.skipif(sanitized(), reason="ASan holds on to what was freed")

MB = 1 << 20
LINE = b"0123456789" * 9 + b"01234567\r\n"
PIECE = LINE * 5000  # 500,000 octets


def pour(c, how, octets):
    """A message of at least so many octets, in pieces."""
    count = octets // len(PIECE) + 1
    head = b"Subject: big\r\n\r\n"
    if how == "DATA":
        c.cmd("DATA", 354)
        c.send(head)
        for _ in range(count):
            c.send(PIECE)
        c.send(b".\r\n")
    else:
        c.send(b"BDAT %d LAST\r\n" % (len(head) + count * len(PIECE)) + head)
        for _ in range(count):
            c.send(PIECE)
    return count


@pytest.mark.parametrize("how, secure", [("DATA", False), ("BDAT", True)])
def test_a_hundred_megabytes(pki, upstream, gateway, how, secure):
    up = upstream(tls=pki.leaf(MX).context() if secure else None, patience=120)
    gw = gateway(up, tls="encrypt" if secure else "none", mx={"max_message_size": "200M"})
    [edge] = gw.edges()
    with gw.connect(timeout=120) as c:
        c.secure_hello() if secure else c.hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.envelope()
        before, peak_before = memory(edge), memory(edge, "VmHWM")
        count = pour(c, how, 100 * MB)
        assert c.reply().code == 250
        after, peak = memory(edge), memory(edge, "VmHWM")
    assert after - before < 8 * MB
    assert peak - peak_before < 8 * MB
    content = up.messages[1].content
    assert len(content) == len(b"Subject: big\r\n\r\n") + count * len(PIECE)
    assert content.endswith(PIECE) and content.count(LINE) == count * 5000


def test_back_pressure_from_the_upstream(upstream, gateway):
    """An upstream that stops to read stops the client: nothing is buffered without an end."""
    go = threading.Event()

    def wait(conn, seen):
        if seen > 100000 and not conn.acted:
            conn.acted = True
            go.wait(30)
    up = upstream(body=wait, patience=60)
    gw = gateway(up, mx={"max_message_size": "200M"})
    [edge] = gw.edges()
    with gw.connect(timeout=60) as c:
        c.hello()
        c.envelope()
        c.cmd("DATA", 354)
        before = memory(edge)
        c.sock.settimeout(1)
        sent = 0
        try:
            while sent < 150 * MB:
                sent += c.sock.send(PIECE)
        except TimeoutError:
            pass
        assert sent < 60 * MB  # what the kernel's buffers take on the way
        assert memory(edge) - before < 4 * MB
        c.sock.settimeout(60)
        rest = sent % len(LINE)
        go.set()
        c.send(LINE[rest:] + b".\r\n")
        assert c.reply().code == 250
    assert len(up.messages[0].content) == sent + len(LINE) - rest


def test_a_slow_upstream_harms_no_other_session(upstream, gateway):
    go = threading.Event()
    up = upstream(body=lambda conn, seen: None if seen < 100000 or go.wait(20) else None, patience=60)
    gw = gateway(up)
    with gw.connect() as stuck, gw.connect() as c:
        stuck.hello()
        stuck.envelope()
        stuck.cmd("DATA", 354)
        stuck.sock.settimeout(0.3)
        try:
            for _ in range(400):
                stuck.sock.send(PIECE)
        except TimeoutError:
            pass
        begin = time.monotonic()
        c.hello()
        c.envelope()
        assert c.data(message()).code == 250
        assert time.monotonic() - begin < 3
        go.set()


def test_a_client_that_reads_no_answers(upstream, gateway):
    """Answers wait in a bounded buffer, and no more commands are taken meanwhile."""
    gw = gateway(upstream())
    [edge] = gw.edges()
    with gw.connect() as c:
        c.hello()
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = memory(edge)
        c.sock.settimeout(0.5)
        sent = 0
        try:
            while sent < 100 * MB:
                sent += c.sock.send(b"HELP\r\n" * 10000)
        except TimeoutError:
            pass
        assert sent < 50 * MB
        assert memory(edge) - before < 4 * MB


def test_many_sessions_give_their_memory_back(upstream, gateway):
    gw = gateway(upstream(), mx={"max_connections_per_address": 500})
    [edge] = gw.edges()

    def wave():
        clients = [gw.connect() for _ in range(100)]
        for c in clients:
            c.secure_hello(any_context())
        for c in clients:
            c.quit()
    wave()
    wave()
    before = memory(edge)
    for _ in range(3):
        wave()
    assert memory(edge) - before < 6 * MB
