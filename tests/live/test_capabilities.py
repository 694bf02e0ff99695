"""Law 4: what is offered is what we know, and the upstream offers, and the policy allows."""
import pytest

from peer import message
from upstream import CAPS


def offered(gw):
    with gw.connect() as c:
        words = set(c.hello().keywords)
        c.quit()
    return words - {b"STARTTLS"}


@pytest.mark.parametrize("caps, want", [
    ((), set()),
    (("PIPELINING",), {b"PIPELINING"}),
    (("8BITMIME", "SMTPUTF8", "DSN"), {b"8BITMIME", b"SMTPUTF8", b"DSN"}),
    (("pipelining", "8bitmime"), {b"PIPELINING", b"8BITMIME"}),
    (("BINARYMIME",), set()),
    (("CHUNKING", "BINARYMIME"), {b"CHUNKING", b"BINARYMIME"}),
    (("XEXCH50", "AUTH PLAIN", "ETRN", "XCLIENT NAME", "STARTTLSX", "LIMITS RCPTMAX=1"), set()),
    (("ENHANCEDSTATUSCODES", "SIZE"), {b"ENHANCEDSTATUSCODES"}),
])
def test_NEW_22_ehlo_is_the_intersection(upstream, gateway, caps, want):
    """WG-19: an unknown keyword never passes. SIZE and CHUNKING we can do for an upstream without."""
    gw = gateway(upstream(caps=caps))
    assert offered(gw) - {b"SIZE", b"CHUNKING", b"ENHANCEDSTATUSCODES"} == \
        want - {b"CHUNKING", b"ENHANCEDSTATUSCODES"}


def test_starttls_is_ours_alone(pki, upstream, gateway):
    """Each hop has its own TLS."""
    from pki import MX
    for up in (upstream(), upstream(tls=pki.leaf(MX).context())):
        gw = gateway(up)
        with gw.connect() as c:
            assert list(c.hello().keywords).count(b"STARTTLS") == 1
    assert b"STARTTLS" not in offered(gw)


def test_a_greeting_line_is_no_keyword(upstream, gateway):
    gw = gateway(upstream(ehlo="250-PIPELINING\n250 8BITMIME"))
    assert offered(gw) & {b"PIPELINING", b"8BITMIME"} == {b"8BITMIME"}


@pytest.mark.parametrize("lost, mail, rcpt", [
    ("8BITMIME", " BODY=8BITMIME", ""), ("SMTPUTF8", " SMTPUTF8", ""),
    ("DSN", " RET=HDRS", ""), ("DSN", "", " NOTIFY=NEVER")])
def test_an_extension_lost_between_two_sessions(upstream, gateway, lost, mail, rcpt):
    """A clean refusal for now, never damage."""
    up = upstream()
    gw = gateway(up)
    assert lost.encode() in offered(gw)
    up.settled()
    with gw.connect() as c:
        assert lost.encode() in c.hello().keywords
        up.caps = tuple(w for w in CAPS if w != lost)
        reply = c.cmd("MAIL FROM:<a@client.example>" + mail)
        if reply.code == 250:
            reply = c.cmd("RCPT TO:<b@dest.example>" + rcpt)
        assert reply.raw.startswith(b"451 4.6.3 ") and b"[CAPS]" in reply.raw
        c.cmd("RSET", 250)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
    assert lost.encode() not in offered(gw)
    assert len(up.messages) == 1


def test_chunking_lost_between_two_sessions(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    offered(gw)
    with gw.connect() as c:
        c.hello()
        up.caps = tuple(w for w in CAPS if w != "CHUNKING")
        c.envelope()
        assert c.bdat(message()[:10], message()[10:])[-1].code == 250
    assert [(m.how, m.content) for m in up.messages] == [("DATA", message())]


def test_binarymime_lost_between_two_sessions(upstream, gateway):
    up = upstream(caps=CAPS + ("BINARYMIME",))
    gw = gateway(up)
    offered(gw)
    with gw.connect() as c:
        c.hello()
        up.caps = CAPS
        assert c.cmd("MAIL FROM:<a@client.example> BODY=BINARYMIME").raw.startswith(b"451 4.6.3 ")
    assert "MAIL" not in up.verbs


def test_pipelining_lost_between_two_sessions(upstream, gateway):
    """The upstream of the tests objects by itself where it is pipelined to."""
    up = upstream()
    gw = gateway(up)
    offered(gw)
    with gw.connect() as c:
        c.hello()
        up.caps = tuple(w for w in CAPS if w != "PIPELINING")
        c.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.example>\r\nDATA\r\n")
        assert [c.reply().code for _ in range(3)] == [250, 250, 354]
        c.send(message() + b".\r\n")
        assert c.reply().code == 250
    assert len(up.messages) == 1


@pytest.mark.parametrize("line, code", [
    ("MAIL FROM:<a@client.example> BODY=BINARYMIME", (501, 504, 555)),
    ("MAIL FROM:<a@client.example> SMTPUTF8", (555,)), ("MAIL FROM:<a@client.example> RET=FULL", (555,)),
    ("MAIL FROM:<a@client.example> XEXCH=1", (555,)), ("AUTH PLAIN AAAA", (502, 503, 504)),
    ("XCLIENT NAME=x", (500,)), ("BDAT x LAST", (501,)), ("MAIL FROM:<a@client.example> SIZE=x", (501,))])
def test_what_was_not_offered_is_refused(upstream, gateway, line, code):
    up = upstream(caps=("PIPELINING", "8BITMIME"))
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        assert c.cmd(line).code in code
    assert set(up.verbs) <= {"EHLO", "QUIT"}
