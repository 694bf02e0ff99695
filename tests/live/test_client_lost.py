"""FAULTS 1-3, 12-14: the client goes away, or hardly moves."""
import socket
import ssl
import time

import pytest

from gateway import wait_until
from peer import Client, message, stuff
from upstream import late


def vanish_fin(c):
    c.close()


def vanish_rst(c):
    c.reset()


def vanish_half(c):
    c.half_close()


def vanish_notify(c):
    c.close_notify()
    c.close()


def vanish_record(c):
    c.send_below(b"\x17\x03\x03\x00\x20" + b"\xa5" * 32)


WAYS = {
    "FIN": (False, vanish_fin), "RST": (False, vanish_rst), "half-close": (False, vanish_half),
    "TLS, FIN without close_notify": (True, vanish_fin), "TLS, RST": (True, vanish_rst),
    "TLS, half-close without close_notify": (True, vanish_half),
    "TLS, close_notify": (True, vanish_notify), "TLS, bad record": (True, vanish_record),
}
STAGES = ["in a group", "after RCPT", "after the 354", "in the body", "before the last LF",
          "in a chunk", "between chunks"]


def bring_to(c, stage):
    if stage == "in a group":
        c.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.exa")
        return
    c.envelope()
    if stage in ("in a chunk", "between chunks"):
        c.send(b"BDAT 2000\r\n" + b"x" * 1998 + b"\r\n")
        assert c.reply().code == 250
        if stage == "in a chunk":
            c.send(b"BDAT 5000 LAST\r\n" + b"y" * 4999)
    elif stage != "after RCPT":
        c.cmd("DATA", 354)
        if stage == "in the body":
            c.send(b"Subject: x\r\n\r\n" + b"half\r\n" * 5000)
        elif stage == "before the last LF":
            c.send(message() + b".\r")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("way", WAYS)
def test_FAULTS_01_client_vanishes_before_the_final_dot(plain, way, stage):
    gw, up = plain
    secure, act = WAYS[way]
    whole, seen, before = len(up.messages), len(up.seen), len(up.connections)
    with gw.connect() as c:
        c.secure_hello() if secure else c.hello()
        bring_to(c, stage)
        act(c)
        session = gw.session(c)
    assert up.settled(since=before)
    assert (len(up.messages), len(up.seen)) == (whole, seen)
    assert all(conn.dots == 0 for conn in up.connections[before:])
    assert session["outcome"] in ("client-closed", "client-cut", "client-reset", "tls-failed")
    if way != "RST":
        assert len(gw.log(event="session-end", sid=session["sid"])) == 1


@pytest.mark.parametrize("way", ["TLS, FIN without close_notify", "TLS, bad record"])
def test_FAULTS_14_a_cut_has_another_name_than_an_end(plain, way):
    gw, _ = plain
    with gw.connect() as c:
        c.secure_hello()
        bring_to(c, "in the body")
        WAYS[way][1](c)
        assert gw.session(c)["outcome"] not in ("quit", "client-closed")


def test_FAULTS_01_silence_in_the_body(upstream, gateway):
    up = upstream()
    gw = gateway(up, mx={"timeout_data": "1s"})
    with gw.connect() as c:
        c.hello()
        bring_to(c, "in the body")
        assert c.read_to_end().startswith(b"421 4.4.2 ")
        assert gw.session(c)["outcome"] == "client-timeout"
    assert up.settled()
    assert up.seen == []


@pytest.mark.parametrize("way", ["FIN", "RST", "TLS, RST", "TLS, FIN without close_notify"])
def test_FAULTS_02_client_vanishes_after_the_dot(upstream, gateway, way):
    up = upstream(dot=late(0.3, "250 2.0.0 queued late"))
    gw = gateway(up)
    secure, act = WAYS[way]
    with gw.connect() as c:
        c.secure_hello() if secure else c.hello()
        c.envelope()
        c.cmd("DATA", 354)
        c.send(message() + b".\r\n")
        assert up.wait(lambda: up.seen)
        act(c)
        session = gw.session(c)
    assert up.wait(lambda: up.messages)
    assert up.settled()
    assert [m.content for m in up.messages] == [message()]
    assert len(up.seen) == 1
    [line] = gw.transactions(session)
    assert line["outcome"] in ("delivered", "client-gone")
    assert "250 2.0.0 queued late" in str(line)


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
def test_FAULTS_03_half_close_after_the_dot(upstream, gateway, how):
    up = upstream(dot=late(0.1, "250 2.0.0 queued"))
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.envelope()
        if how == "DATA":
            c.cmd("DATA", 354)
            c.send(stuff(message()) + b".\r\n")
        else:
            c.send(b"BDAT %d LAST\r\n" % len(message()) + message())
        c.half_close()
        assert c.read_to_end() == b"250 2.0.0 queued\r\n"
    assert [m.content for m in up.messages] == [message()]


def test_FAULTS_03_half_close_after_a_whole_pipelined_session(upstream, gateway):
    """What `printf ... | nc` does."""
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.send(b"EHLO client.example\r\n")
        c.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.example>\r\n"
               b"BDAT %d LAST\r\n" % len(message()) + message() + b"QUIT\r\n")
        c.half_close()
        codes = []
        while True:
            codes.append(c.reply().code)
            if codes[-1] == 221:
                break
    assert codes == [220, 250, 250, 250, 250, 221]
    assert [m.content for m in up.messages] == [message()]


@pytest.mark.parametrize("stage", ["greeting", "command", "drip", "handshake", "implicit handshake"])
def test_FAULTS_12_a_client_that_does_not_go_on(upstream, gateway, stage):
    up = upstream()
    gw = gateway(up, mx={"timeout_command": "1s"})
    key = "listen_tls" if stage == "implicit handshake" else "listen"
    with Client(gw.address(key), timeout=10) as c:
        if stage in ("command", "drip", "handshake"):
            c.hello()
        if stage == "handshake":
            c.cmd("STARTTLS", 220)
            c.send(b"\x16\x03\x01")
        if stage == "drip":
            end = time.monotonic() + 8
            with pytest.raises(OSError):
                c.sock.settimeout(0.1)
                while time.monotonic() < end:  # an octet is no reason to wait longer
                    c.send(b"N")
                    try:
                        if c.sock.recv(1000) == b"":
                            raise ConnectionError
                    except TimeoutError:
                        pass
        else:
            data = c.read_to_end()
            if stage in ("greeting", "command"):
                assert b"421 4.4.2 " in data and b"[TIMEOUT]" in data
        assert gw.session(c)["outcome"] == "client-timeout"
    assert up.settled()


def test_FAULTS_12_limit_of_the_whole_session(upstream, gateway):
    gw = gateway(upstream(), mx={"timeout_session": "1s", "timeout_command": "30s"})
    with gw.connect() as c:
        c.hello()
        end = time.monotonic() + 10
        try:
            while time.monotonic() < end:
                reply = c.cmd("NOOP")
                if reply.code == 421:
                    break
                time.sleep(0.05)
        except (OSError, AssertionError):
            pass
        assert time.monotonic() < end
        assert gw.session(c)["outcome"] == "session-limit"


def test_FAULTS_12_a_client_that_never_reads(upstream, gateway):
    """It asks and asks and takes no answer: neither our memory nor our patience is without an end."""
    gw = gateway(upstream(), mx={"timeout_command": "2s", "timeout_data": "2s"})
    c = gw.connect()
    c.hello()
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.sock.settimeout(0.2)
    sent, end = 0, time.monotonic() + 15
    try:
        while time.monotonic() < end:
            try:
                sent += c.sock.send(b"HELP\r\n" * 1000)
                assert sent < 200 << 20
            except TimeoutError:
                if gw.log(event="session-end", client=c.name):
                    break
    except ConnectionError:
        pass
    c.close()
    assert wait_until(lambda: gw.log(event="session-end", client=c.name), 15)


def test_FAULTS_13_alert_of_the_client(upstream, gateway, pki):
    """SPEC MC-4: a client that does not like our certificate; its alert has a name in the log."""
    gw = gateway(upstream())
    strict = ssl.create_default_context(cafile=pki.foreign_ca)
    with gw.connect() as c:
        c.hello()
        with pytest.raises(ssl.SSLCertVerificationError):
            c.starttls(strict, name="gw.example.net")
        c.close()
        session = gw.session(c)
    assert session["outcome"] == "tls-failed"
    assert "unknown ca" in session["why"].lower().replace("_", " ") or "48" in session["why"]


def test_FAULTS_13_forged_record_in_the_body(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.secure_hello()
        bring_to(c, "in the body")
        c.send_below(b"\x17\x03\x03\x00\x30" + bytes(48))
        c.send_below(b"\r\n.\r\n")
        try:
            assert b"250" not in c.read_to_end()
        except ssl.SSLError:
            pass
        gw.session(c)
    assert up.settled()
    assert up.seen == []
