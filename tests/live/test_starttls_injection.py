"""FAULTS 20, NEW-12, law 2: what came in the clear is never read as if it came through TLS."""
import re
import time

import pytest

from peer import Client, any_context, message
from pki import MX
from upstream import Over, text

GLUED = b"STARTTLS\r\nMAIL FROM:<evil@x.example>\r\n"


def refused_dirty(c, gw):
    data = c.read_to_end()
    assert re.fullmatch(rb"554 5\.5\.1 [^\r\n]*\[TLS-DIRTY\][^\r\n]*\r\n", data), data
    assert gw.session(c)["outcome"] == "tls-dirty"


def test_NEW_12_command_in_the_same_segment(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.send(GLUED)
        refused_dirty(c, gw)
    assert "MAIL" not in up.verbs


@pytest.mark.parametrize("split", [n for n in range(1, len(GLUED)) if n != len(b"STARTTLS\r\n")])
def test_NEW_12_command_behind_starttls_at_every_split(plain, split):
    """Cut before the LF the rest comes with it: refused. Cut behind it, the rest is no ClientHello:
    refused as dirty where it was there before our 220, else the handshake fails. Never acted upon."""
    gw, up = plain
    with gw.connect() as c:
        c.hello()
        c.send(GLUED[:split])
        time.sleep(0.002)
        try:
            c.send(GLUED[split:])
        except OSError:
            pass
        data = c.read_to_end()
        session = gw.session(c)
    assert session["outcome"] in ("tls-dirty", "tls-failed")
    assert session["outcome"] == "tls-dirty" or split > len(b"STARTTLS\r\n")
    assert b"250" not in data
    assert "MAIL" not in up.verbs


def test_NEW_12_plain_bytes_instead_of_a_hello(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("STARTTLS", 220)
        c.send(b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<b@dest.example>\r\n")
        assert b"250" not in c.read_to_end()
        assert gw.session(c)["outcome"] == "tls-failed"
    assert "MAIL" not in up.verbs


def test_SUB_1_state_of_the_clear_is_forgotten(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<clear@client.example>", 250)
        c.cmd("RSET", 250)
        c.starttls()
        c.cmd("MAIL FROM:<a@client.example>", 503)
        reply = c.cmd("EHLO client.example", 250)
        assert b"STARTTLS" not in reply.keywords
        c.cmd("STARTTLS", 503)
        c.envelope()
        assert c.data(message()).code == 250


def test_STARTTLS_with_an_argument(upstream, gateway):
    gw = gateway(upstream())
    with gw.connect() as c:
        c.hello()
        c.cmd("STARTTLS now", 501)
        c.starttls()
        c.cmd("EHLO client.example", 250)


# The same from the other side: an upstream, or someone on the way, that answers too early.

INJECTED = "220 2.0.0 go\n250-evil.example\n250 CHUNKING"


@pytest.mark.parametrize("level", ["encrypt", "verify"])
def test_NEW_12_response_injection(pki, upstream, gateway, level):
    up = upstream(tls=pki.leaf(MX).context(), starttls=INJECTED)
    gw = gateway(up, tls=level, ca=pki.ca, names=[MX])
    with gw.connect() as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        if reply.code == 250:
            assert b"evil" not in reply.raw
            reply = c.cmd("MAIL FROM:<a@client.example>")
        assert reply.code // 100 == 4, reply.raw
    assert up.settled()
    assert all(v in ("EHLO", "STARTTLS") for v in up.verbs), up.verbs


@pytest.mark.parametrize("split", range(1, len(text(INJECTED)), 4))
def test_NEW_12_response_injection_at_every_split(pki, upstream, gateway, split):
    """The injected reply comes in a segment of its own while the handshake goes on: it is no TLS
    record, so the handshake fails; it must never be read as the answer to the EHLO within TLS."""
    data = text(INJECTED)

    def cut(conn, _):
        conn.wire.send(data[:split])
        time.sleep(0.01)
        conn.wire.send(data[split:])
        got.append(conn.wire.read_to_end())
        raise Over("injected")
    got = []
    up = upstream(tls=pki.leaf(MX).context(), starttls=[cut] * 9)
    gw = gateway(up, tls="encrypt", timeout_command="3s")
    with gw.connect() as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        if reply.code == 250:
            assert b"evil" not in reply.raw
            reply = c.cmd("MAIL FROM:<a@client.example>")
        assert reply.code // 100 == 4, reply.raw
    assert up.settled()
    assert "MAIL" not in up.verbs
    assert not any(b"MAIL" in octets or b"EHLO" in octets for octets in got)


def test_NEW_12_response_injection_under_may(pki, upstream, gateway):
    """Bytes behind the 220 are an attack or a broken server: nothing more is said on that connection."""
    up = upstream(tls=pki.leaf(MX).context(), starttls=[INJECTED] * 5)
    gw = gateway(up, tls="may")
    with gw.connect() as c:
        c.reply()
        c.cmd("EHLO client.example")
        c.close()
        gw.session(c)
    assert up.settled()
    for conn in up.connections:
        assert "STARTTLS" not in conn.verbs or conn.verbs == ["EHLO", "STARTTLS"], conn.lines


def test_FAULTS_20_octets_in_clear_under_tls(upstream, gateway):
    """A command in clear in the middle of a TLS session is a bad record."""
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.secure_hello()
        c.send_below(b"MAIL FROM:<evil@x.example>\r\n")
        try:
            c.read_to_end()
        except OSError:
            pass
        assert gw.session(c)["fault"] == "peer"
    assert "MAIL" not in up.verbs


def test_FAULTS_20_smtp_on_the_implicit_port(upstream, gateway):
    gw = gateway(upstream())
    with Client(gw.address("listen_tls")) as c:
        c.send(b"EHLO client.example\r\n")
        assert b"250" not in c.read_to_end()
        assert gw.session(c)["outcome"] == "tls-failed"
    with gw.connect_tls(any_context()) as c:
        assert b"STARTTLS" not in c.hello().keywords
