"""FAULTS 4, 6, 8-11: the next hop is not there, goes away, or says what no server says."""
import re
import time

import pytest

from gateway import memory, sanitized
from peer import message, stuff
from ports import deaf, free_port
from upstream import after, drip, endless, fin, hang, late, rst, then

GARBAGE = {
    "no code": "hello there",
    "two digits": "25 ok",
    "a letter in the code": "2x0 ok",
    "class 1": "150 hm",
    "class 6": "650 hm",
    "LF alone": b"250 ok\n",
    "CR in the text": b"250 o\rk\r\n",
    "NUL": b"250 o\0k\r\n",
    "another code in the middle": "250-one\n251-two\n250 three",
    "4xx in a 2xx": "250-one\n450 two",
    "no separator": "250_ok",
    "a line of 5000": "250 " + "x" * 5000,
    "200 lines": "\n".join(["250-x"] * 200 + ["250 x"]),
    "endless line": endless(b"x" * 100),
    "endless lines": endless(b"250-x\r\n" * 20),
    "3xx": "354 what now?",
    "FIN": fin,
    "RST": rst,
    "half a reply, then FIN": lambda conn, _: (conn.wire.send(b"250-o"), fin(conn)),
}


def refused(reply, tag=None):
    """A refusal of ours, for now: 4xx with an enhanced code, its tag and the session id."""
    assert re.match(rb"4\d\d 4\.\d\.\d+ ", reply.raw), reply.raw
    m = re.search(r"\[([A-Z-]+)\] (\w+)$", reply.text)
    assert m, reply.raw
    if tag:
        assert m.group(1) == tag
    return m.group(2)


def settled_message(c):
    """MAIL ... dot; the first answer that is not as it should be, else the one to the dot."""
    for line, code in (("MAIL FROM:<a@client.example>", 250), ("RCPT TO:<b@dest.example>", 250),
                       ("DATA", 354)):
        reply = c.cmd(line)
        if reply.code != code:
            return reply
    c.send(stuff(message()) + b".\r\n")
    return c.reply()


GREETINGS = {
    "nobody listens": None,
    "resets": rst, "closes": fin, "421": "421 4.3.2 busy", "554": "554 5.7.1 no service",
    "garbage": "SSH-2.0-OpenSSH_9.2", "554 with lines": "554-go\n554 away", "silence": hang,
    "250": "250 odd", "endless": endless(b"220-x\r\n" * 50), "half a greeting": b"220 mx",
}


@pytest.mark.parametrize("warm", [False, True], ids=["nothing cached", "EHLO cached"])
@pytest.mark.parametrize("what", GREETINGS)
def test_FAULTS_04_no_service_at_the_next_hop(upstream, gateway, what, warm):
    act = GREETINGS[what]
    up = upstream()
    gw = gateway(up, timeout_connect="1s", timeout_greeting="1s")
    if warm:
        with gw.connect() as c:
            c.hello()
            c.quit()
        assert up.settled()
    up.steps["greeting"] = act
    if act is None:
        up.stop()
    begin = time.monotonic()
    with gw.connect() as c:
        assert c.reply().code == 220
        reply = c.cmd("EHLO client.example")
        if warm:
            assert reply.code == 250
            reply = c.cmd("MAIL FROM:<a@client.example>")
            assert reply.raw.startswith(b"451 4.4.1 ")
            sid = refused(reply, "UPSTREAM")
            c.cmd("NOOP", 250)
            c.quit()
        else:
            assert reply.raw.startswith(b"421 4.3.2 ")
            sid = refused(reply, "UPSTREAM")
            assert c.at_end()
        session = gw.session(c)
    assert time.monotonic() - begin < 12
    assert session["sid"] == sid
    assert "MAIL" not in up.verbs


def test_FAULTS_04_no_answer_to_the_connection(gateway):
    with deaf() as nobody:
        gw = gateway(f"127.0.0.1:{nobody.port}", timeout_connect="1s")
        with gw.connect() as c:
            c.reply()
            refused(c.cmd("EHLO client.example"), "UPSTREAM")


@pytest.mark.parametrize("what", ["resets", "554", "421", "silence", "garbage", "nobody listens"])
def test_FAULTS_04_next_host_is_tried(upstream, gateway, what):
    bad = upstream(greeting=GREETINGS[what] or "220 x")
    if what == "nobody listens":
        bad.stop()
    good = upstream()
    gw = gateway([bad, good], timeout_greeting="1s", retry_after="60s")
    for _ in range(3):
        with gw.connect() as c:
            c.hello()
            assert settled_message(c).code == 250
            c.quit()
    assert len(good.messages) == 3
    assert bad.seen == []
    assert len(bad.connections) <= 1  # its failure is remembered


def test_FAULTS_04_a_host_that_is_back(upstream, gateway):
    port = free_port()
    gw = gateway(f"127.0.0.1:{port}", retry_after="1s")
    with gw.connect() as c:
        c.reply()
        assert c.cmd("EHLO client.example").code == 421
    up = upstream(port=port)
    with gw.connect() as c:  # no other host: tried although it failed lately
        c.hello()
        assert settled_message(c).code == 250
    assert len(up.messages) == 1


@pytest.mark.parametrize("act", [fin, rst, "421 4.3.2 going down", then("421 4.3.2 bye", fin)],
                         ids=["FIN", "RST", "421", "421 and FIN"])
def test_FAULTS_06_lost_between_recipients(upstream, gateway, act):
    up = upstream(rcpt=["250 2.1.5 one", "250 2.1.5 two", act])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        c.cmd("RCPT TO:<b@dest.example>", 250)
        c.cmd("RCPT TO:<c@dest.example>", 250)
        reply = c.cmd("RCPT TO:<d@dest.example>")
        assert reply.code in (421, 451), reply.raw
        try:  # no dialogue can turn the two that were accepted into a delivery
            if reply.code == 451:
                reply = c.cmd("DATA")
                if reply.code == 354:
                    c.send(message() + b".\r\n")
                    reply = c.reply()
                assert reply.code // 100 in (4, 5)
                up.steps.pop("rcpt")
                assert settled_message(c).code == 250
                c.quit()
        except ConnectionError:
            pass
        gw.session(c)
    assert [m.rcpts for m in up.seen] in ([], [["b@dest.example"]])


@pytest.mark.parametrize("act", [fin, rst], ids=["FIN", "RST"])
def test_FAULTS_06_lost_between_recipients_of_a_group(upstream, gateway, act):
    up = upstream(rcpt=["250 2.1.5 one", act])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.example>\r\n"
               b"RCPT TO:<c@dest.example>\r\nRCPT TO:<d@dest.example>\r\nDATA\r\n")
        assert c.reply().code == 250
        first = c.reply().code
        assert first in (250, 421, 451)
        data = c.sock.recv(4096) if not c.buf else c.buf
        assert re.match(rb"4[25]1 ", data), data
    assert up.settled()
    assert up.seen == []


@pytest.mark.parametrize("size", [2000, 5000000])
@pytest.mark.parametrize("act", [fin, rst], ids=["FIN", "RST"])
@pytest.mark.parametrize("how", ["DATA", "BDAT"])
def test_FAULTS_08_lost_during_the_body(upstream, gateway, how, act, size):
    up = upstream(body=after(1000, act))
    gw = gateway(up)
    body = message("x" * 70 + "\r\n" + ("y" * 98 + "\r\n") * (size // 100))
    with gw.connect() as c:
        c.hello()
        c.envelope()
        try:
            reply = c.data(body) if how == "DATA" else c.bdat(body)[-1]
            assert reply.raw.startswith((b"451 4.4.2 ", b"421 4.4.2 ")), reply.raw
            refused(reply)
            if reply.code == 451:
                up.steps.pop("body")
                assert settled_message(c).code == 250
                c.quit()
        except (BrokenPipeError, ConnectionResetError):
            pass
        session = gw.session(c)
    assert [m.content for m in up.seen] in ([], [message()])
    # A small message had left whole, dot and all, when the connection broke.
    assert gw.transactions(session)[0]["outcome"] == ("in-doubt" if size == 2000 else "upstream-lost")


@pytest.mark.parametrize("act", [fin, rst, hang, "gibberish", b"250 ok\n", "354 what?"],
                         ids=["FIN", "RST", "silence", "garbage", "bare LF", "354"])
@pytest.mark.parametrize("how", ["DATA", "BDAT"])
def test_FAULTS_09_lost_after_the_dot(upstream, gateway, how, act):
    up = upstream(dot=[act])
    gw = gateway(up, timeout_final="1s")
    with gw.connect() as c:
        c.hello()
        c.envelope()
        reply = c.data(message()) if how == "DATA" else c.bdat(message())[-1]
        assert reply.raw.startswith((b"451 4.4.2 ", b"421 4.4.2 ")), reply.raw
        sid = refused(reply)
        if reply.code == 451:
            c.envelope()
            assert c.data(message("second")).code == 250
            c.quit()
        session = gw.session(c)
    assert session["sid"] == sid
    assert [m.content for m in up.seen[:1]] == [message()]
    assert all(m.content != message() for m in up.seen[1:]), "a second attempt of our own"
    assert gw.transactions(session)[0]["outcome"] == "in-doubt"


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("what", GARBAGE)
def test_FAULTS_10_garbage_for_a_reply(upstream, gateway, step, what):
    if what == "3xx" and step == "data":
        return  # the right answer to DATA
    up = upstream(**{step: [GARBAGE[what]]})
    gw = gateway(up, timeout_command="5s", timeout_final="5s")
    with gw.connect() as c:
        c.hello()
        reply = settled_message(c)
        assert reply.code in (451, 421), reply.raw
        refused(reply)
        if reply.code == 451:
            c.cmd("RSET", 250)
            c.envelope()
            assert c.data(message("second")).code == 250  # on a new connection
            c.quit()
        session = gw.session(c)
    assert up.settled()
    assert len(gw.transactions(session)) >= 1
    contents = [m.content for m in up.seen]
    assert contents.count(message()) == (1 if step == "dot" else 0)
    assert contents.count(message("second")) == (1 if reply.code == 451 else 0)


def test_FAULTS_10_endless_reply_costs_no_memory(upstream, gateway):
    up = upstream(mail=[endless(b"250-" + b"x" * 96 + b"\r\n")] * 3)
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("NOOP", 250)
        [edge] = gw.edges()
        before = memory(edge)
        for _ in range(3):
            reply = c.cmd("MAIL FROM:<a@client.example>")
            assert reply.code in (451, 421)
            if reply.code == 421:
                break
        assert sanitized() or memory(edge) - before < 8 << 20


@pytest.mark.parametrize("step", ["greeting", "ehlo"])
@pytest.mark.parametrize("what", ["no code", "LF alone", "NUL", "another code in the middle",
                                  "endless lines", "RST", "half a reply, then FIN"])
def test_FAULTS_10_garbage_before_the_mail(upstream, gateway, step, what):
    up = upstream(**{step: [GARBAGE[what]] * 8})
    gw = gateway(up, timeout_command="3s", timeout_greeting="3s")
    with gw.connect() as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        if reply.code == 250:
            reply = c.cmd("MAIL FROM:<a@client.example>")
        refused(reply)
    assert "MAIL" not in up.verbs


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data", "dot"])
def test_FAULTS_11_one_octet_at_a_time(upstream, gateway, step):
    reply = {"greeting": "220-mx\n220 hello", "data": "354 go", "ehlo": "250-mx\n250 PIPELINING"}
    up = upstream(**{step: drip(reply.get(step, "250-2.0.0 slow\n250 2.0.0 but sure"))})
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        assert settled_message(c).code == 250
    assert [m.content for m in up.messages] == [message()]


def test_FAULTS_11_slow_to_commit(upstream, gateway):
    """We wait, and the client sees nothing else."""
    up = upstream(dot=late(1.5, "250 2.0.0 at last"))
    gw = gateway(up, timeout_command="1s", timeout_data="1s", timeout_final="20s",
                 mx={"timeout_command": "1s", "timeout_data": "1s"})
    with gw.connect() as c:
        c.hello()
        c.envelope()
        assert c.data(message()).raw == b"250 2.0.0 at last\r\n"
        c.cmd("NOOP", 250)


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_FAULTS_11_limits_of_each_step(upstream, gateway, step):
    up = upstream(**{step: [hang]})
    gw = gateway(up, timeout_command="1s", timeout_data="1s")
    with gw.connect() as c:
        c.hello()
        reply = settled_message(c)
        assert reply.code in (451, 421)
        refused(reply)
    assert up.settled()
    assert up.seen == []


def test_an_upstream_that_leaves_while_idle(upstream, gateway):
    """It may close between two messages; the next message gets a new connection."""
    def leave(conn, _):
        conn.say("250 2.0.0 done, and good bye")
        fin(conn)
    up = upstream(dot=[leave, leave])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        for n in range(3):
            c.envelope()
            assert c.data(message(str(n))).code == 250
            time.sleep(0.05)
        c.quit()
    assert [m.content for m in up.seen] == [message(str(n)) for n in range(3)]
