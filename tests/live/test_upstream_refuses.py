"""FAULTS 5, 7, MC-1: what the next hop says reaches the client as it was said."""
import pytest

from peer import message, stuff
from upstream import CAPS, after, late

REFUSALS = {
    "5xx": "550 5.7.1 no",
    "4xx": "450 4.2.0 greylisted, come back",
    "lines": "550-5.7.1 one\n550-5.7.1 two\n550 5.7.1 three",
    "no enhanced code": "550 plain old no",
    "enhanced code on the first line alone": "554-5.6.0 a\n554 b",
    "empty lines": "550-\n550-x\n550 ",
    "8-bit": b"550 5.1.1 keine gr\xc3\xbc\xc3\x9fe\r\n",
    "spaces": "550  5.1.1   wide   ",
    "a code alone": b"550\r\n",
    "another enhanced class": "550 4.7.1 muddled",
    "400 octets": "550 5.0.0 " + "x" * 400,
    "odd code": "459 4.9.9 never heard of",
    "sixty lines": "\n".join([f"550-5.7.1 line {n}" for n in range(60)] + ["550 5.7.1 end"]),
    "tab": b"550 5.7.1 a\tb\r\n",
}


def expected(reply):
    return reply if isinstance(reply, bytes) else (reply.replace("\n", "\r\n") + "\r\n").encode()


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("name", REFUSALS)
def test_MC_1_reply_unchanged(upstream, gateway, name, step):
    """FAULTS 5: code, enhanced code, text and line breaks."""
    reply = REFUSALS[name]
    up = upstream(**{step: [reply]})
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        for verb, line, code in (("mail", "MAIL FROM:<a@client.example>", 250),
                                 ("rcpt", "RCPT TO:<b@dest.example>", 250), ("data", "DATA", 354)):
            got = c.cmd(line)
            if verb == step:
                break
            assert got.code == code
        else:
            c.send(stuff(message()) + b".\r\n")
            got = c.reply()
        want = expected(reply)
        assert got.raw in (want, want.replace(b"550\r\n", b"550 \r\n"))
        c.cmd("RSET", 250)
        c.envelope()
        assert c.data(message("second")).code == 250
        c.quit()
    assert [m.content for m in up.messages] == [message("second")]


def test_FAULTS_05_per_recipient(upstream, gateway):
    up = upstream(rcpt=["550 5.1.1 a", "250 2.1.5 b", "450 4.2.1 c", "251 2.1.5 forwarded"])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        assert [c.cmd(f"RCPT TO:<{n}@dest.example>").raw for n in "abcd"] == [
            b"550 5.1.1 a\r\n", b"250 2.1.5 b\r\n", b"450 4.2.1 c\r\n", b"251 2.1.5 forwarded\r\n"]
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert up.messages[0].rcpts == ["b@dest.example", "d@dest.example"]
    [line] = gw.transactions(session)
    assert line["outcome"] == "delivered"


def test_FAULTS_05_control_characters_are_cleaned(upstream, gateway):
    up = upstream(mail=b"550 5.7.1 a\x1b[2Jb\x07c\x7f\r\n")
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        assert c.cmd("MAIL FROM:<a@client.example>").raw == b"550 5.7.1 a?[2Jb?c?\r\n"


def test_FAULTS_05_refused_at_the_dot_has_one_line(upstream, gateway):
    up = upstream(dot="554-5.7.1 spam\n554 5.7.1 go away")
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.envelope()
        c.data(message())
        c.quit()
        session = gw.session(c)
    [line] = gw.transactions(session)
    assert line["outcome"] == "refused"
    assert line["reply"].startswith("554") and "go away" in line["reply"]


def test_upstream_421_ends_the_clients_session_too(upstream, gateway):
    up = upstream(mail="421 4.3.2 shutting down")
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        assert c.cmd("MAIL FROM:<a@client.example>").raw == b"421 4.3.2 shutting down\r\n"
        assert c.at_end()
        assert gw.session(c)["outcome"] == "upstream-421"


EARLY = {"5xx": "552 5.3.4 too big for us", "4xx": "452-4.3.1 disk\n452 4.3.1 full"}


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
@pytest.mark.parametrize("size", [3000, 3000000])
@pytest.mark.parametrize("name", EARLY)
def test_FAULTS_07_refused_during_the_body(upstream, gateway, how, size, name):
    """The early answer is this message's, once; the next message has its own."""
    up = upstream(caps=CAPS if how == "BDAT" else [c for c in CAPS if c != "CHUNKING"],
                  body=after(1500, EARLY[name]), patience=5)
    gw = gateway(up)
    body = message(("z" * 98 + "\r\n") * (size // 100))
    with gw.connect() as c:
        c.hello()
        c.envelope()
        c.cmd("DATA", 354)
        c.send(body[:2000])
        assert up.wait(lambda: any(conn.acted for conn in up.connections))
        try:
            c.send(body[2000:] + b".\r\n")
            reply = c.reply()
        except ConnectionError:
            reply = c.reply()
        assert reply.raw == expected(EARLY[name]) or reply.code == 421, reply.raw
        if reply.code != 421:
            up.steps.pop("body")
            c.cmd("NOOP", 250)
            c.envelope()
            assert c.data(message("second")).raw == b"250 2.0.0 queued as 4711\r\n"
            c.quit()
        session = gw.session(c)
    assert [m.content for m in up.messages] == [message("second")]
    assert gw.transactions(session)[0]["outcome"] in ("refused-early", "refused")


def test_FAULTS_07_a_250_during_the_body_is_no_answer(upstream, gateway):
    up = upstream(body=after(1500, "250 2.0.0 thanks, that will do"), patience=5)
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.envelope()
        c.cmd("DATA", 354)
        c.send(message("a" * 90 + "\r\n" + ("b" * 90 + "\r\n") * 50))
        assert up.wait(lambda: up.last.acted)
        c.send(b"more\r\n.\r\n")
        assert c.reply().code // 100 == 4
    assert up.settled()
    assert up.messages == [] or up.messages[0].content.endswith(b"more\r\n")


def test_FAULTS_07_two_answers_to_one_dot(upstream, gateway):
    """The second must not be taken for the next message's."""
    up = upstream(dot=["250 2.0.0 first\n250 2.0.0 ghost", late(0.1, "550 5.7.1 second refused")])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.envelope()
        assert c.data(message("first")).raw in (b"250 2.0.0 first\r\n",)
        try:
            c.envelope()
            reply = c.data(message("second"))
            assert reply.code // 100 in (4, 5), reply.raw
        except (AssertionError, ConnectionError) as e:
            assert "451" in str(e) or "421" in str(e), e


def test_FAULTS_07_chunk_refused(upstream, gateway):
    up = upstream(chunk=["552 5.3.4 no more of it"])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.envelope()
        replies = c.bdat(message(), b"more\r\n", b"last\r\n")
        assert replies[-1].code // 100 in (4, 5)
        c.cmd("RSET", 250)
        c.envelope()
        assert c.data(message("second")).code == 250
    assert [m.content for m in up.messages] == [message("second")]
