"""A message through both doors, and what either side sees of the other."""
import re

import pytest

from peer import any_context, message
from pki import GW, MX


@pytest.mark.parametrize("door", ["clear", "STARTTLS", "implicit TLS"])
@pytest.mark.parametrize("next_hop", ["clear", "STARTTLS", "implicit TLS"])
def test_MC_5_each_leg_has_its_own_tls(pki, upstream, gateway, door, next_hop):
    context = pki.leaf(MX).context() if next_hop != "clear" else None
    up = upstream(tls=context, implicit=next_hop == "implicit TLS")
    gw = gateway(up, tls="none" if next_hop == "clear" else "verify", ca=pki.ca, names=[MX],
                 implicit=next_hop == "implicit TLS")
    with gw.connect_tls(any_context()) if door == "implicit TLS" else gw.connect() as c:
        c.secure_hello() if door == "STARTTLS" else c.hello()
        c.envelope("a@client.example", "b@dest.example", "c@dest.example")
        assert c.data(message()).raw == b"250 2.0.0 queued as 4711\r\n"
        c.quit()
        session = gw.session(c)
    [got] = up.messages
    assert got.content == message()
    assert (got.sender, got.rcpts) == ("a@client.example", ["b@dest.example", "c@dest.example"])
    assert up.settled()
    if next_hop == "STARTTLS":
        assert up.last.clear_verbs == ["EHLO", "STARTTLS"]
    assert got.secure == (next_hop != "clear")
    with_ = b"ESMTP" if door == "clear" else b"ESMTPS"
    assert re.search(rb"\bwith %b\b" % with_, got.received)
    [line] = gw.transactions(session)
    assert line["outcome"] == "delivered"
    assert line["reply"] == "250 2.0.0 queued as 4711"


def test_NEW_21_received_notes_tls_of_the_client(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.secure_hello()
        version, cipher = c.tls.version(), c.tls.cipher()[0]
        c.envelope()
        c.data(message())
        session = (c.quit(), gw.session(c))[1]
    field = up.messages[0].received
    assert field.count(b"Received:") == 1
    for word in (b"client.example", b"127.0.0.1", GW.encode(), version.encode(),
                 cipher.encode(), session["sid"].encode()):
        assert word in field, word
    assert all(len(line) <= 998 for line in field.split(b"\r\n"))


def test_HELO_is_spoken_too(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        assert c.reply().code == 220
        assert c.cmd("HELO old.example", 250).raw.count(b"\r\n") == 1
        c.envelope()
        assert c.data(message()).code == 250
    assert re.search(rb"\bwith SMTP\b", up.messages[0].received)


def test_upstream_that_knows_HELO_alone(upstream, gateway):
    up = upstream(ehlo="502 5.5.1 what is EHLO?")
    gw = gateway(up)
    with gw.connect() as c:
        assert c.hello().keywords.keys().isdisjoint({b"CHUNKING", b"8BITMIME", b"DSN"})
        c.envelope()
        assert c.data(message()).code == 250
    assert up.messages[0].content == message()


def test_many_messages_in_one_session(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        for n in range(20):
            c.envelope(f"a{n}@client.example", f"b{n}@dest.example")
            body = message(f"number {n}")
            if n % 3:
                assert c.data(body).code == 250
            else:
                assert [r.code for r in c.bdat(body[:9], body[9:])] == [250, 250]
        c.quit()
    assert [m.sender for m in up.messages] == [f"a{n}@client.example" for n in range(20)]
    assert [m.content for m in up.messages] == [message(f"number {n}") for n in range(20)]


def test_RSET_forgets_the_envelope(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.envelope("first@client.example", "lost@dest.example")
        c.cmd("RSET", 250)
        c.cmd("DATA", 503)
        c.envelope("second@client.example", "kept@dest.example")
        assert c.data(message()).code == 250
    [got] = up.messages
    assert (got.sender, got.rcpts) == ("second@client.example", ["kept@dest.example"])


@pytest.mark.parametrize("command, code", [
    ("VRFY someone", 252), ("EXPN list", (250, 252, 502)), ("HELP", 214), ("NOOP", 250),
    ("NOOP with words", 250), ("RSET", 250)])
def test_small_commands_are_answered(upstream, gateway, command, code):
    gw = gateway(upstream())
    with gw.connect() as c:
        c.hello()
        reply = c.cmd(command)
        assert reply.code in (code if isinstance(code, tuple) else (code,))
        c.envelope()
        assert c.data(message()).code == 250


def test_parameters_reach_the_upstream(upstream, gateway):
    up = upstream(caps=("SIZE", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"))
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example> BODY=8BITMIME RET=HDRS ENVID=QQ314159 SIZE=500", 250)
        c.cmd("RCPT TO:<b@dest.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+40dest.example", 250)
        assert c.data(message()).code == 250
    [mail] = [line for _, verb, line in up.last.lines if verb == "MAIL"]
    for word in (b"BODY=8BITMIME", b"RET=HDRS", b"ENVID=QQ314159"):
        assert word in mail.split()
    [rcpt] = [line for _, verb, line in up.last.lines if verb == "RCPT"]
    for word in (b"NOTIFY=SUCCESS,DELAY", b"ORCPT=rfc822;B+40dest.example"):
        assert word in rcpt.split()


def test_smtputf8_addresses(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<käse@client.example>".encode(), 553)
        c.cmd("MAIL FROM:<käse@client.example> SMTPUTF8".encode(), 250)
        c.cmd("RCPT TO:<wurst@größe.example>".encode(), 250)
        assert c.data("Subject: ü\r\n\r\nß\r\n".encode()).code == 250
    [got] = up.messages
    assert got.content == "Subject: ü\r\n\r\nß\r\n".encode()
    assert got.sender.encode().decode("utf-8") == "käse@client.example"
    assert re.search(rb"with UTF8SMTP\b", got.received)


def test_loop_of_fifty_hops_is_refused(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    hop = b"Received: from a by b; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
    with gw.connect() as c:
        c.hello()
        c.envelope()
        assert c.data(hop * 48 + message()).code == 250
        c.envelope()
        reply = c.data(hop * 50 + message())
        assert reply.raw.startswith(b"554 5.4.6 ")
        assert b"[LOOP]" in reply.raw
        c.cmd("NOOP", 250)
    assert len(up.messages) == 1
