"""FAULTS 12, 24, 25 and the ceilings of a service."""
import os
import signal
import statistics
import time

import pytest

from gateway import wait_until
from peer import Client, any_context, message
from upstream import CAPS


def body_of(size):
    head = b"Subject: big\r\n\r\n"
    return head + b"x" * 98 + b"\r\n" + (b"y" * 98 + b"\r\n") * ((size - len(head)) // 100)


def test_FAULTS_24_declared_size(upstream, gateway):
    up = upstream()
    gw = gateway(up, mx={"max_message_size": "10k"})
    with gw.connect() as c:
        assert c.hello().keywords[b"SIZE"] == b"10240"
        reply = c.cmd("MAIL FROM:<a@client.example> SIZE=20000")
        assert reply.raw.startswith(b"552 5.3.4 ") and b"[SIZE]" in reply.raw
        c.cmd("MAIL FROM:<a@client.example> SIZE=99999999999999999999")
        c.cmd("RSET", 250)
        c.cmd("MAIL FROM:<a@client.example> SIZE=10240", 250)
    assert all(b"20000" not in line for _, _, line in up.last.lines)


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
def test_FAULTS_24_real_size(upstream, gateway, how):
    up = upstream()
    gw = gateway(up, mx={"max_message_size": "10k"})
    with gw.connect(timeout=5) as c:
        c.hello()
        c.envelope()
        big = body_of(2000000)
        reply = c.data(big) if how == "DATA" else c.bdat(big[:5000], big[5000:])[-1]
        assert reply.raw.startswith(b"552 5.3.4 "), reply.raw
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert [m.content for m in up.seen] == [message()]
    assert [t["outcome"] for t in gw.transactions(session)] == ["too-big", "delivered"]


def test_FAULTS_24_the_smaller_limit_is_offered(upstream, gateway):
    caps = [c for c in CAPS if not c.startswith("SIZE")] + ["SIZE 5000"]
    gw = gateway(upstream(caps=caps), mx={"max_message_size": "10k"})
    with gw.connect() as c:
        assert c.hello().keywords[b"SIZE"] == b"5000"
        assert c.cmd("MAIL FROM:<a@client.example> SIZE=6000").code == 552


def test_max_recipients(upstream, gateway):
    """SPEC WG-17: the others are refused for now, never dropped in silence."""
    up = upstream()
    gw = gateway(up, mx={"max_recipients": 3})
    with gw.connect() as c:
        c.hello()
        c.send(b"MAIL FROM:<a@client.example>\r\n" +
               b"".join(b"RCPT TO:<b%d@dest.example>\r\n" % n for n in range(6)))
        replies = [c.reply() for _ in range(7)]
        assert [r.code for r in replies] == [250] * 4 + [452] * 3
        assert replies[-1].raw.startswith(b"452 4.5.3 ") and b"[RCPT-MAX]" in replies[-1].raw
        assert c.data(message()).code == 250
    assert up.messages[0].rcpts == [f"b{n}@dest.example" for n in range(3)]


def test_refused_recipients_do_not_count(upstream, gateway):
    up = upstream(rcpt=["550 5.1.1 no"] * 4)
    gw = gateway(up, mx={"max_recipients": 2})
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        codes = [c.cmd(f"RCPT TO:<b{n}@dest.example>").code for n in range(7)]
        assert codes == [550] * 4 + [250, 250, 452]


def test_max_errors(upstream, gateway):
    gw = gateway(upstream(), mx={"max_errors": 5})
    with gw.connect() as c:
        c.hello()
        replies = []
        while not replies or replies[-1].code != 421:
            assert len(replies) < 8
            replies.append(c.cmd("WHATEVER"))
        assert [r.code for r in replies[:-1]] == [500] * (len(replies) - 1)
        assert len(replies) in (5, 6)
        assert b"[ERRORS]" in replies[-1].raw
        assert c.at_end()
        assert gw.session(c)["outcome"] == "too-many-errors"


@pytest.mark.parametrize("setting, tag", [("max_connections", b"[CONN-MAX]"),
                                          ("max_connections_per_address", b"[CONN-ADDR]")])
def test_connection_limits(upstream, gateway, setting, tag):
    gw = gateway(upstream(), mx={setting: 3})
    held = [gw.connect() for _ in range(3)]
    for c in held:
        assert c.reply().code == 220
    with gw.connect() as c:
        reply = c.reply()
        assert reply.code == 421 and tag in reply.raw
        assert c.at_end()
        [line] = gw.wait_log(event="session-refused", client=c.name)
        assert line["outcome"] == "limit"
    if setting == "max_connections_per_address":
        with gw.connect(source="127.0.0.9") as c:
            assert c.reply().code == 220
    held.pop().close()

    def room():
        with gw.connect() as c:
            return c.reply().code == 220
    assert wait_until(room)
    for c in held:
        c.cmd("NOOP", 250)
        c.close()


def test_connection_limit_on_the_tls_port_is_a_plain_close(upstream, gateway):
    gw = gateway(upstream(), mx={"max_connections": 1})
    with gw.connect_tls(any_context()) as first:
        first.reply()
        with Client(gw.address("listen_tls")) as c:
            data = c.read_to_end()
            assert data == b"" or data.startswith(b"\x15"), data


def test_no_count_outlives_its_process(upstream, gateway):
    gw = gateway(upstream(), mx={"max_connections": 3})
    held = [gw.connect() for _ in range(3)]
    for c in held:
        assert c.reply().code == 220
    [edge] = gw.edges()
    os.kill(edge, signal.SIGKILL)
    assert wait_until(lambda: gw.edges() and gw.edges() != [edge])
    for c in held:
        assert c.at_end()
    for _ in range(3):
        held.append(gw.connect())
        assert held[-1].reply().code == 220
    for c in held:
        c.close()


def test_FAULTS_25_no_descriptors_left(upstream, gateway):
    """The edge waits, tells who it can, and is well again by itself."""
    up = upstream()
    gw = gateway(up, files=40)
    with gw.connect() as c:
        c.hello()
        c.quit()
    edges = gw.edges()
    many = [gw.connect() for _ in range(80)]
    held = []
    for c in many:
        c.sock.settimeout(0.05)
        try:
            reply = c.reply()
            assert reply.code in (220, 421), reply.raw
            held += [c] if reply.code == 220 else []
        except (TimeoutError, ConnectionError, AssertionError):
            pass
        c.sock.settimeout(15)
    assert 5 <= len(held) < 40
    assert held[0].cmd("EHLO client.example").code == 250  # known
    assert held[0].cmd("MAIL FROM:<a@client.example>").code in (250, 451)
    held[0].cmd("NOOP", 250)
    for c in many:
        c.close()

    def serves():
        try:
            with gw.connect(timeout=3) as c:
                c.hello()
                c.envelope()
                return c.data(message()).code == 250
        except (OSError, AssertionError):
            return False
    assert wait_until(serves, 15, 0.1)
    assert gw.edges() == edges


def test_FAULTS_12_a_thousand_slow_clients(upstream, gateway):
    """Others are served within a second; MC-10: those who say nothing cost the upstream nothing."""
    up = upstream()
    gw = gateway(up, edges=2, mx={"max_connections": 3000, "max_connections_per_address": 3000})
    for _ in range(6):  # both edges know the upstream's EHLO
        with gw.connect() as c:
            c.hello()
            c.quit()
    assert up.settled()
    known = len(up.connections)
    slow = [gw.connect() for _ in range(1000)]
    for n, c in enumerate(slow):
        c.send(b"EHLO client.example\r\nMAIL FR"[:n % 28 + 1])
    times = []
    for _ in range(20):
        for c in slow[::7]:
            try:
                c.sock.send(b"x")
            except OSError:
                pass
        begin = time.monotonic()
        with gw.connect() as c:
            c.hello()
            c.envelope()
            assert c.data(message()).code == 250
            c.quit()
        times.append(time.monotonic() - begin)
    for c in slow:
        c.close()
    assert statistics.median(times) < 1
    assert max(times) < 5
    assert len(up.connections) <= known + 20 + 2
    assert wait_until(lambda: len(gw.log(event="session-end")) >= 1000, 20)


def test_MC_10_an_idle_client_costs_no_upstream_connection(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.quit()
    assert up.settled()
    known = len(up.connections)
    idle = [gw.connect() for _ in range(40)]
    for n, c in enumerate(idle):
        if n % 2:
            c.secure_hello()
        else:
            c.hello()
        c.cmd("NOOP", 250)
        c.cmd("RSET", 250)
        c.cmd("VRFY x", 252)
    assert len(up.connections) == known
    idle[3].envelope()
    assert len(up.connections) == known + 1
    for c in idle:
        c.close()
