"""FAULTS 22, NEW-13: CRLF.CRLF ends DATA and nothing else does; what could be read in two ways
reaches no next hop."""
import pytest

from peer import message

SECOND = b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@dest.example>\r\nDATA\r\n" \
         b"Subject: smuggled\r\n\r\nhello\r\n"
LOOKALIKES = {
    "LF . LF": b"\n.\n",
    "LF . CRLF": b"\n.\r\n",
    "CRLF . LF": b"\r\n.\n",
    "CR . CR": b"\r.\r",
    "CRLF . CR": b"\r\n.\r",
    "CR . CRLF": b"\r.\r\n",
    "CR CRLF . CRLF": b"\r\r\n.\r\n",
    "CRLF NUL . CRLF": b"\r\n\0.\r\n",
    "CRLF . NUL CRLF": b"\r\n.\0\r\n",
    "LF alone": b"\nx",
    "CR alone": b"\rx",
    "NUL alone": b"\0",
}


@pytest.mark.parametrize("name", LOOKALIKES)
@pytest.mark.parametrize("piece", [1 << 20, 1])
def test_NEW_13_lookalike_in_data(upstream, gateway, name, piece):
    up = upstream()
    gw = gateway(up)
    body = b"Subject: x\r\n\r\nfirst" + LOOKALIKES[name] + SECOND
    if name == "CR CRLF . CRLF":
        body = body.replace(SECOND, b"")  # a real end of data: what follows would be commands
    with gw.connect() as c:
        c.hello()
        c.envelope()
        c.cmd("DATA", 354)
        raw = body + (b"" if body.endswith(b"\r\n.\r\n") else b"\r\n.\r\n")
        for n in range(0, len(raw), piece):
            c.send(raw[n:n + piece])
        reply = c.reply()
        assert reply.raw.startswith(b"550 5.6.11 "), reply.raw
        assert b"[BARE]" in reply.raw
        c.envelope()  # one answer, and the session goes on
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert [m.content for m in up.seen] == [message()]
    assert "evil@x.example" not in str(up.last.lines)
    assert [t["outcome"] for t in gw.transactions(session)] == ["bad-body", "delivered"]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one write"])
@pytest.mark.parametrize("name", ["LF . CRLF", "CR alone", "NUL alone", "CRLF . LF"])
def test_NEW_13_lookalike_in_bdat(upstream, gateway, name, together):
    """Each chunk has its answer, the last one's is ours."""
    up = upstream()
    gw = gateway(up)
    body = b"Subject: x\r\n\r\nfirst" + LOOKALIKES[name] + SECOND
    with gw.connect(timeout=5) as c:
        c.hello()
        c.envelope()
        if together:
            replies = c.bdat(body[:20], body[20:])
        else:
            c.send(b"BDAT 20\r\n" + body[:20])
            replies = [c.reply(), *c.bdat(body[20:])]
        assert replies[-1].raw.startswith(b"550 5.6.11 "), replies
        c.envelope()
        assert c.data(message()).code == 250
    assert [m.content for m in up.seen] == [message()]


def test_NEW_13_cr_and_lf_in_two_chunks_are_one_line_end(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.envelope()
        assert [r.code for r in c.bdat(b"a\r", b"\nb\r", b"\n")] == [250] * 3
        c.envelope()
        assert c.bdat(b"a\r\nb\r")[-1].code == 550  # a CR that nothing follows
    assert [m.content for m in up.messages] == [b"a\r\nb\r\n"]


@pytest.mark.parametrize("line", [
    b"NOOP\nQUIT\r\n", b"NOOP\rQUIT\r\n", b"NO\0OP\r\n", b"MAIL FROM:<a@b.example>\n",
    b"MAIL FROM:<a@b.example\r>\r\n", b"EHLO a.example\n"])
def test_FAULTS_22_bare_line_end_in_a_command(upstream, gateway, line):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.send(line + b"RSET\r\n")
        reply = c.reply()
        assert reply.raw.startswith(b"500 5.5.2 ")
        assert b"[LINE]" in reply.raw
        assert c.at_end()
        session = gw.session(c)
    assert session["outcome"] == "bad-line"
    assert set(up.verbs) <= {"EHLO", "QUIT"}


def test_FAULTS_22_a_command_too_long(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        for length in (3000, 300000):
            reply = c.cmd(b"NOOP " + b"x" * length)
            assert reply.raw.startswith(b"500 5.5.2 "), reply.raw
        c.cmd("NOOP", 250)
        c.envelope()
        assert c.data(message()).code == 250
    assert len(up.messages) == 1


@pytest.mark.parametrize("command, start", [
    (b"\xff\xfe\xfd\r\n", b"500 5.5"),
    (b"MAIL FROM:<\xff@b.example>\r\n", b"5"),
    (b"EHLO b\xff\r\n", b"501 5.5.2"),
    (b"MAIL FROM:<a@b.example> X=\xff\r\n", b"5"),
    (b"RCPT TO:<@a,@b:u@c>\r\n", b"5")])
def test_FAULTS_22_odd_octets_in_commands(upstream, gateway, command, start):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.send(command)
        assert c.reply().raw.startswith(start)
        c.cmd("NOOP", 250)
    assert "MAIL" not in up.verbs


def test_WG_20_source_route(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        reply = c.cmd("RCPT TO:<@a.example,@b.example:u@c.example>", 553)
        assert b"[ROUTE]" in reply.raw
    assert "RCPT" not in up.verbs
