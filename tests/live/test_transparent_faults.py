"""What goes wrong between the two, under each method: FAULTS 1, 5, 13-17, 20 and 22. `ALL` and `WITH_TLS` say for which a
test is; the others have the method in their name. FAULTS 40 has all of them in test_transparent_ways.py. Under strip there is no
TLS to be broken (13, 16), cut (14), looked at (17) or to be crossed into (20): there it must not come about."""
import re
import ssl
import time

import pytest

from netns import CLIENT, CLIENT_2, CLIENT_3
from peer import any_context, message, trusting
from pki import MX
from upstream import Over, fin, rst

# Which method a client gets.
METHOD = {"terminate": CLIENT, "strip": CLIENT_2, "passthrough": CLIENT_3}
ALL = pytest.mark.parametrize("method", METHOD)
WITH_TLS = pytest.mark.parametrize("method", ["terminate", "passthrough"])
STRICT = "10.9.200."  # servers there have to have TLS


@pytest.fixture(scope="module")
def gw(site):
    strict = {"tls": "terminate", "authority": "corp", "ca": site.pki.ca, "crl": site.pki.crl}
    return site.gateway(listen_tls=None, action="watch", rules=[
        {"name": "encrypt", "client": CLIENT, "destination": STRICT + "0/25", "action": "encrypt"},
        {"name": "verify", "client": CLIENT, "destination": STRICT + "128/25", "action": "verify"},
        {"name": "open", "client": CLIENT, "action": "open"},
        {"name": "plain", "client": CLIENT_2, "action": "plain"}],
        actions={"encrypt": {**strict, "upstream_tls": "encrypt"},
                 "verify": {**strict, "upstream_tls": "verify", "client_tls": "encrypt"}})


def call(lab, up, method, **options):
    return lab.connect(up, source=METHOD[method], **options)


def secured(lab, up, method):
    """A client under TLS where the method has it."""
    c = call(lab, up, method)
    if method == "strip":
        c.hello()
    else:
        c.secure_hello()
    return c


def tls(lab):
    return lab.pki.leaf(MX).context()


def nothing_came(up):
    assert up.settled()
    assert up.messages == []


@WITH_TLS
@pytest.mark.parametrize("at", ["command", "body"])
def test_FAULTS_13_forged_octets_of_the_client(lab, gw, method, at):
    up = lab.upstream(tls=tls(lab))
    c = secured(lab, up, method)
    c.envelope()
    if at == "body":
        c.cmd("DATA", 354)
        c.send(b"half of it\r\n")
    c.send_below(b"\r\n.\r\nQUIT\r\n")
    with pytest.raises((ssl.SSLError, OSError, EOFError, AssertionError)):
        while c.reply():
            pass
    nothing_came(up)
    if method == "terminate":
        assert gw.session(c)["fault"] == "peer"


@WITH_TLS
def test_FAULTS_13_forged_octets_of_the_server(lab, gw, method):
    """The client never takes them for an answer."""
    def forge(conn, _):
        conn.wire.send_below(b"250 2.0.0 queued by someone else\r\n")
        conn.wire.sock.settimeout(3)
        conn.wire.read_to_end()
        raise Over("forged")
    up = lab.upstream(tls=tls(lab), dot=forge)
    with secured(lab, up, method) as c:
        c.envelope()
        try:
            reply = c.data(message())
        except (ssl.SSLError, OSError, AssertionError, EOFError):
            reply = None
    assert reply is None or reply.code // 100 == 4
    assert reply is None or method == "terminate"
    nothing_came(up)


@ALL
def test_FAULTS_13_FAULTS_16_TLS_where_none_was_agreed(lab, gw, method):
    """A hello in the middle of the commands: it has NULs, and is no command."""
    up = lab.upstream(tls=tls(lab))
    with call(lab, up, method) as c:
        c.hello()
        with pytest.raises((ssl.SSLError, OSError)):
            c.start_tls(any_context(), name=MX)
        assert gw.session(c)["fault"] == "peer"
    nothing_came(up)


@ALL
@pytest.mark.parametrize("how", ["fin", "reset", "close_notify"])
def test_FAULTS_1_FAULTS_14_cut_in_the_body(lab, gw, method, how):
    if how == "close_notify" and method == "strip":
        how = "fin"
    up = lab.upstream(tls=tls(lab))
    c = secured(lab, up, method)
    c.envelope()
    c.cmd("DATA", 354)
    c.send(b"half of it\r\n")
    time.sleep(0.05)
    {"fin": c.close, "reset": c.reset, "close_notify": c.close_notify}[how]()
    c.close()
    nothing_came(up)


@ALL
@pytest.mark.parametrize("act", [fin, rst], ids=["fin", "reset"])
def test_FAULTS_14_FAULTS_8_server_gone_in_the_body(lab, gw, method, act):
    up = lab.upstream(tls=tls(lab), dot=act)
    with secured(lab, up, method) as c:
        c.envelope()
        try:
            assert c.data(message()).code // 100 == 4
        except (ssl.SSLError, OSError, AssertionError, EOFError):
            assert method != "terminate"  # it has the server's own end of the connection
    nothing_came(up)


@ALL
@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
def test_FAULTS_5_the_servers_own_words(lab, gw, method, step):
    said = "452-4.3.1 line one\n452-4.3.1 \tand = two\n452 4.3.1 end"
    up = lab.upstream(tls=tls(lab), **{step: said})
    with secured(lab, up, method) as c:
        for line in ("MAIL FROM:<a@client.example>", "RCPT TO:<b@dest.example>", "DATA"):
            reply = c.cmd(line)
            if reply.code == 452:
                break
        if step == "dot":
            c.send(b"x\r\n.\r\n")
            reply = c.reply()
        assert reply.raw == said.replace("\n", "\r\n").encode() + b"\r\n"
        c.cmd("RSET", 250)
        c.quit()


# STARTTLS towards the server does not work out.

seen = []


def broken(conn, _):
    """The answer to the hello is no TLS."""
    conn.wire.sock.recv(4096)
    conn.wire.send(b"no TLS\r\n" * 20)
    conn.wire.sock.settimeout(3)
    seen.append(conn.wire.read_to_end())
    raise Over("broken handshake")


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 5.5.1 no"])
def test_FAULTS_15_terminate_refused_by_the_server(lab, gw, answer):
    """terminate: the client is told of no TLS, for there is no certificate to show; mail goes in clear."""
    up = lab.upstream(tls=tls(lab), starttls=answer)
    with call(lab, up, "terminate") as c:
        assert b"STARTTLS" not in c.hello().keywords
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        [txn] = gw.transactions(gw.session(c))
    assert (txn["up_tls"], txn["up_tls_absent"]) == ("none", "refused")
    assert [m.secure for m in up.messages] == [False]


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 5.5.1 no", "554-5.7.0 never\n554 5.7.0 ever"])
def test_FAULTS_15_passthrough_refused_by_the_server(lab, gw, answer):
    """Its own words; it is for the client to go on in clear, or not. A second try is another question to the server."""
    up = lab.upstream(tls=tls(lab), starttls=[answer])
    with call(lab, up, "passthrough") as c:
        assert b"STARTTLS" in c.hello().keywords
        assert c.cmd("STARTTLS").raw == answer.replace("\n", "\r\n").encode() + b"\r\n"
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        assert gw.session(c)["client_tls_absent"] == "refused"
    assert [m.secure for m in up.messages] == [False]
    again = lab.upstream(tls=tls(lab), starttls=[answer])
    with call(lab, again, "passthrough") as c:
        c.hello()
        c.cmd("STARTTLS")
        c.starttls()
        c.cmd("EHLO client.example", 250)
        c.quit()


@pytest.mark.parametrize("method, absent", [("passthrough", "refused"), ("strip", "not-offered"), ("terminate", None)])
def test_FAULTS_15_not_offered_by_the_server(lab, gw, method, absent):
    up = lab.upstream()
    with call(lab, up, method) as c:
        assert b"STARTTLS" not in c.hello().keywords
        assert c.cmd("STARTTLS").code // 100 == 5
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
        assert absent in (None, session["client_tls_absent"])
    assert [m.secure for m in up.messages] == [False]


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", None])
def test_FAULTS_15_FAULTS_16_strip_never_asks_the_server(lab, gw, answer):
    """So it can't be refused there, nor can a handshake fail; the client is told of none, and may not begin one."""
    up = lab.upstream(tls=tls(lab), starttls=answer, handshake=[broken])
    with call(lab, up, "strip") as c:
        assert b"STARTTLS" not in c.hello().keywords
        c.cmd("STARTTLS", 502)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        assert gw.session(c)["client_tls_absent"] == "stripped"
    assert "STARTTLS" not in up.verbs
    assert [m.secure for m in up.messages] == [False]


@pytest.mark.parametrize("level, host", [("encrypt", "1"), ("verify", "129")])
@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 5.5.1 no", None])
def test_FAULTS_15_terminate_TLS_is_required(lab, gw, level, host, answer):
    """None: it is not offered. No MAIL, whatever the client says."""
    up = lab.upstream(host=STRICT + host, tls=tls(lab) if answer else None, starttls=answer)
    with call(lab, up, "terminate") as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        if reply.code == 250:
            reply = c.cmd("MAIL FROM:<a@client.example>")
        assert reply.code // 100 == 4 and b" 4.7." in reply.raw
        c.read_to_end()
        gw.session(c)
    nothing_came(up)
    assert "MAIL" not in up.verbs


def test_FAULTS_16_terminate_handshake_fails(lab, gw):
    """Under `may` the mail goes in clear, on another connection; on the first nothing more is said in clear."""
    seen.clear()
    up = lab.upstream(tls=tls(lab), handshake=[broken])
    with call(lab, up, "terminate") as c:
        assert b"STARTTLS" not in c.hello().keywords
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        gw.session(c)
    assert up.settled()
    assert [m.secure for m in up.messages] == [False]
    assert [conn.verbs[:2] for conn in up.connections] == [["EHLO", "STARTTLS"], ["EHLO", "MAIL"]]
    assert not any(re.search(rb"MAIL|EHLO|QUIT", octets) for octets in seen)
    assert gw.log(event="upstream-fallback")


@pytest.mark.parametrize("level, host", [("encrypt", "2"), ("verify", "130")])
def test_FAULTS_16_terminate_handshake_fails_and_TLS_is_required(lab, gw, level, host):
    seen.clear()
    up = lab.upstream(host=STRICT + host, tls=tls(lab), handshake=[broken] * 3)
    with call(lab, up, "terminate") as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        assert reply.code // 100 == 4 and b" 4.7.0 " in reply.raw
        c.read_to_end()
    nothing_came(up)
    assert "MAIL" not in up.verbs
    assert not any(re.search(rb"MAIL|EHLO|QUIT", octets) for octets in seen)


def test_FAULTS_16_passthrough_handshake_fails(lab, gw):
    """It is the client whose handshake fails."""
    up = lab.upstream(tls=tls(lab), handshake=[broken])
    with call(lab, up, "passthrough") as c:
        c.hello()
        c.line("STARTTLS")
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            assert c.reply().code == 220 and not c.buf
            c.start_tls(any_context(), name=MX)
            c.cmd("EHLO client.example")
    nothing_came(up)
    assert up.last.verbs == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize("what", ["expired", "self-signed", "unknown CA", "revoked"])
def test_FAULTS_17_terminate_verification_is_required(lab, gw, what):
    """No MAIL, and the reason in the answer. The client's own TLS is refused as well."""
    context = (lab.pki.revoked if what == "revoked" else lab.pki.bad(what)).context()
    up = lab.upstream(host=STRICT + "140", tls=context)
    with call(lab, up, "terminate") as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        if reply.code == 250:
            reply = c.cmd("MAIL FROM:<a@client.example>")
        assert re.match(rb"4\d\d 4\.7\.5 ", reply.raw), reply.raw
        assert re.search({"revoked": rb"revoked", "expired": rb"expired", "self-signed": rb"(?i)self.signed",
                          "unknown CA": rb"(?i)issuer|unable"}[what], reply.raw)
    nothing_came(up)
    assert "MAIL" not in up.verbs


@pytest.mark.parametrize("what", ["expired", "self-signed", "unknown CA", "wrong name"])
def test_FAULTS_17_passthrough_is_for_the_client_to_see(lab, gw, what):
    """The server's own certificate, as bad as it is: who verifies leaves, who does not delivers."""
    up = lab.upstream(tls=lab.pki.bad(what).context())
    with call(lab, up, "passthrough") as c:
        c.hello()
        with pytest.raises(ssl.SSLCertVerificationError):
            c.starttls(trusting(lab.pki.ca), MX)
    nothing_came(up)
    with call(lab, up, "passthrough") as c:
        c.secure_hello(any_context(), MX)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        assert gw.session(c)["client_tls"] == "tunnel"
    assert [m.secure for m in up.messages] == [True]


def test_FAULTS_17_strip_sees_no_certificate(lab, gw):
    up = lab.upstream(tls=lab.pki.bad("expired").context())
    with secured(lab, up, "strip") as c:
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
    assert [m.secure for m in up.messages] == [False]


# FAULTS 20: across the border into TLS.

@ALL
def test_FAULTS_20_behind_STARTTLS(lab, gw, method):
    up = lab.upstream(tls=tls(lab))
    with call(lab, up, method) as c:
        c.hello()
        c.send(b"STARTTLS\r\nMAIL FROM:<evil@x.example>\r\n")
        if method == "strip":
            assert [c.reply().code for _ in range(2)] == [502, 250]  # there is no border
            c.quit()
            return
        assert re.fullmatch(rb"554 5\.5\.1 [^\r\n]*\r\n", c.read_to_end())
        assert gw.session(c)["outcome"] == "tls-dirty"
    nothing_came(up)
    assert "MAIL" not in up.verbs


@pytest.mark.parametrize("split", [False, True], ids=["with the 220", "right after it"])
@WITH_TLS
def test_FAULTS_20_behind_the_220(lab, gw, method, split):
    def inject(conn, _):
        if split:
            conn.say("220 2.0.0 go")
            time.sleep(0.02)
            conn.say("250-evil.example\n250 AUTH PLAIN")
        else:
            conn.say("220 2.0.0 go\n250-evil.example\n250 AUTH PLAIN")
        conn.wire.sock.settimeout(3)
        seen.append(conn.wire.read_to_end())
        raise Over("injected")
    seen.clear()
    up = lab.upstream(tls=tls(lab), starttls=[inject] * 3)
    with call(lab, up, method) as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        assert b"evil" not in reply.raw
        if reply.code == 250 and b"STARTTLS" in reply.keywords:
            c.line("STARTTLS")
            data = c.read_to_end() if not split else b""
            assert b"evil" not in data
        c.close()
    assert up.settled()
    assert "MAIL" not in up.verbs
    assert not any(b"EHLO" in octets for octets in seen)


# FAULTS 22: what can be read in two ways.

@ALL
@pytest.mark.parametrize("body", [b"x\n.\r\n", b"x\r\n.\n", b"a\rb\r\n", b"a\0b\r\n", b"a\nb\r\n", b"x\r\n.\r"],
                         ids=["LF . CRLF", "CRLF . LF", "CR", "NUL", "LF", "CRLF . CR"])
def test_FAULTS_22_NEW_13_no_smuggling(lab, gw, method, body):
    """In clear, where each method reads along."""
    up = lab.upstream()
    with call(lab, up, method) as c:
        c.hello()
        c.envelope()
        c.cmd("DATA", 354)
        c.send(body + b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<b@dest.example>\r\nDATA\r\nevil\r\n.\r\n")
        assert c.reply().raw.startswith(b"550 5.6.11 ")
    nothing_came(up)


@ALL
@pytest.mark.parametrize("line", [b"NOOP\nMAIL FROM:<evil@x.example>\r\n", b"NO\rOP\r\n", b"NOOP \0\r\n"], ids=["LF", "CR", "NUL"])
def test_FAULTS_22_commands(lab, gw, method, line):
    up = lab.upstream()
    with call(lab, up, method) as c:
        c.hello()
        c.send(line)
        data = c.read_to_end()
        assert re.match(rb"500 5\.5\.2 ", data), data
        assert gw.session(c)["outcome"] == "bad-line"
    nothing_came(up)
    assert up.verbs[:2] in (["EHLO"], ["EHLO", "QUIT"])


def test_FAULTS_22_under_TLS(lab, gw):
    """terminate reads there, too; in a tunnel it is for the two to settle."""
    for method in ("terminate", "passthrough"):
        up = lab.upstream(tls=tls(lab))
        with secured(lab, up, method) as c:
            c.envelope()
            c.cmd("DATA", 354)
            c.send(b"x\n.\r\ny\r\n.\r\n")
            reply = c.reply()
        assert up.settled()
        assert reply.raw.startswith(b"550 5.6.11 ") == (method == "terminate")
        assert len(up.messages) == (method == "passthrough")


def test_MC_4_a_client_with_the_wrong_trust(lab, gw):
    """Its alert is in the log, the server is let go, and the next one is served."""
    up = lab.upstream(tls=tls(lab))
    with call(lab, up, "terminate") as c:
        c.hello()
        with pytest.raises(ssl.SSLCertVerificationError):
            c.starttls(trusting(lab.pki.ca), MX)
        c.close()
        assert re.search(r"alert", gw.session(c)["why"])
    nothing_came(up)
    with call(lab, up, "terminate") as c:
        c.secure_hello(trusting(lab.authority.ca), MX)
        c.quit()
