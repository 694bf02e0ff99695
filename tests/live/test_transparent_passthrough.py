"""passthrough (MC-6): read along until TLS starts, then a pipe. What the two ends do with TLS is their own."""
import re
import ssl
import time

import pytest

from netns import CLIENT_2
from peer import any_context, message, trusting
from pki import MX
from upstream import CAPS, Over, drip


@pytest.fixture(scope="module")
def gw(site):
    loose = {"tls": "passthrough", "tls_profile": "loose", "upstream_tls_profile": "loose"}
    return site.gateway(action="watch", rules=[{"name": "loose", "client": CLIENT_2, "action": "loose"}],
                        actions={"loose": loose}, tls_profiles={"loose": {"compliance": "no"}})


PORTS = pytest.mark.parametrize("implicit", [False, True], ids=["25", "465"])


def server(lab, implicit, context=None, **options):
    return lab.upstream(port=465 if implicit else 25, implicit=implicit,
                        tls=context or lab.pki.leaf(MX).context(), **options)


def secured(lab, up, context, name=MX, session=None):
    """A client under TLS, its EHLO done."""
    if up.implicit:
        c = lab.connect(up)
        c.start_tls(context, name=name, session=session)
        c.hello()
    else:
        c = lab.connect(up)
        c.secure_hello(context, name, session)
    return c


@PORTS
def test_MC_6_the_servers_own_certificate(lab, gw, implicit):
    up = server(lab, implicit, lab.pki.leaf(MX).context())
    with secured(lab, up, trusting(lab.pki.ca)) as c:
        assert c.peer_cert == ssl.PEM_cert_to_DER_cert(
            open(lab.pki.leaf(MX).chain, encoding="ascii").read().split("-----END")[0] + "-----END CERTIFICATE-----\n")
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert up.messages[0].body == message()
    assert up.last.sni == MX
    assert session["method"] == "passthrough"
    assert (session["tunnel_sni"], session["tunnel_version"]) == (MX, "TLSv1.3")
    assert session["tunnel_offered"] == "TLSv1.3"


@PORTS
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_MC_6_resumption(lab, gw, implicit, version):
    context = trusting(lab.pki.ca)
    context.maximum_version = context.minimum_version = getattr(ssl.TLSVersion, version)
    up = server(lab, implicit)
    with secured(lab, up, context) as c:
        session = c.tls.session
        assert not c.resumed
        c.quit()
    with secured(lab, up, context, session=session) as c:
        assert c.resumed
        c.quit()
        assert gw.session(c)["tunnel_version"] == version.replace("_", ".")
    assert up.last.resumed


@PORTS
@pytest.mark.parametrize("has", [True, False], ids=["with", "without"])
def test_MC_6_client_certificate(lab, gw, implicit, has):
    """A server that wants one gets the client's."""
    context = lab.pki.leaf(MX).context(verify_mode=ssl.CERT_REQUIRED)
    context.load_verify_locations(lab.pki.ca)
    up = server(lab, implicit, context)
    client = trusting(lab.pki.ca)
    if has:
        mine = lab.pki.leaf("client.example")
        client.load_cert_chain(mine.chain, mine.key)
        with secured(lab, up, client) as c:
            c.envelope()
            assert c.data(message()).code == 250
            c.quit()
        assert up.messages[0].conn.client_cert
    else:
        with pytest.raises((ssl.SSLError, OSError, AssertionError, EOFError)):
            secured(lab, up, client)
        assert up.settled() and up.messages == []


@PORTS
@pytest.mark.parametrize("what", ["expired", "self-signed", "wrong name", "unknown CA"])
def test_MC_6_FAULTS_17_the_client_judges(lab, gw, implicit, what):
    up = server(lab, implicit, lab.pki.bad(what).context())
    with pytest.raises(ssl.SSLCertVerificationError):
        secured(lab, up, trusting(lab.pki.ca))
    assert up.settled() and "MAIL" not in up.verbs
    with secured(lab, up, any_context()) as c:
        c.quit()


@pytest.mark.parametrize("answer", ["454 4.7.0 TLS not now", "502 5.5.1 not here", "501-5.5.4 no\n501 5.5.4 parameters"])
def test_MC_6_FAULTS_15_starttls_refused(lab, gw, answer):
    """The session stays in SMTP, in the server's words, and mail goes."""
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), starttls=[answer, answer])
    with lab.connect(up) as c:
        assert b"STARTTLS" in c.hello().keywords
        assert c.cmd("STARTTLS").raw == answer.replace("\n", "\r\n").encode() + b"\r\n"
        c.envelope()
        assert c.data(message()).code == 250
        c.cmd("STARTTLS")
        c.starttls(trusting(lab.pki.ca), MX)  # and where the server has changed its mind
        c.cmd("EHLO client.example", 250)
        c.quit()
        assert gw.session(c)["client_tls"] == "tunnel"
    assert [m.secure for m in up.messages] == [False]


def test_MC_6_in_clear_to_the_end(lab, gw):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    with lab.connect(up) as c:
        c.hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert (session["outcome"], session["client_tls"], session["client_tls_absent"]) == ("quit", "none", "unwanted")
    assert session["messages"] == 1


@pytest.mark.parametrize("slow", [False, True], ids=["at once", "octet by octet"])
def test_MC_6_nothing_else_is_touched(lab, gw, slow):
    reply = "250-mx.example.net  odd  blanks\n250-STARTTLS\n250-XEXCH50\n250-X-A b=c\n250 AUTH SCRAM-SHA-1-PLUS"
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), ehlo=drip(reply) if slow else reply)
    with lab.connect(up) as c:
        assert c.hello().raw == reply.replace("\n", "\r\n").encode() + b"\r\n"
        assert c.cmd("XEXCH50 2 2").raw == b"500 5.5.1 what?\r\n"
        c.quit()
    assert up.last.lines[1][2] == b"XEXCH50 2 2"


def test_MC_6_NEW_12_FAULTS_20_glued_to_starttls(lab, gw):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    with lab.connect(up) as c:
        c.hello()
        c.send(b"STARTTLS\r\nMAIL FROM:<evil@x.example>\r\n")
        assert re.fullmatch(rb"554 5\.5\.1 [^\r\n]*\r\n", c.read_to_end())
        assert gw.session(c)["outcome"] == "tls-dirty"
    assert up.settled() and "MAIL" not in up.verbs


def test_MC_6_NEW_12_FAULTS_20_glued_to_the_220(lab, gw):
    """A reply that someone put behind the server's 220 is never read by the client as if it came through TLS."""
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), starttls="220 2.0.0 go\n250-evil.example\n250 AUTH PLAIN")
    with lab.connect(up) as c:
        c.hello()
        c.line("STARTTLS")
        assert b"evil" not in c.read_to_end()
        assert gw.session(c)["outcome"] == "tls-dirty"


@PORTS
def test_MC_6_ends_are_passed_on(lab, gw, implicit):
    """close_notify and FIN, FIN without it, RST: from either side."""
    context = lab.pki.leaf(MX).context()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    up = server(lab, implicit, context)
    c = secured(lab, up, any_context())
    c.close_notify()
    c.close()
    assert up.settled() and up.last.ended == "close_notify"
    c = secured(lab, up, any_context())
    c.close()
    assert up.settled() and re.search("cut|EOF", up.last.ended)
    c = secured(lab, up, any_context())
    c.reset()
    assert up.settled() and up.last.ended == "reset"
    c = secured(lab, up, any_context())
    up.last.wire.reset()
    with pytest.raises((ConnectionResetError, ssl.SSLError)):
        c.line("NOOP")
        time.sleep(0.1)
        c.line("NOOP")
        c.reply()
    assert gw.session(c)["outcome"] == "server-reset"
    c.close()


@pytest.mark.parametrize("after", ["EHLO", "MAIL", "body"])
def test_MC_6_FAULTS_1_client_gone_in_clear(lab, gw, after):
    """Never a part of a message."""
    up = lab.upstream()
    with lab.connect(up) as c:
        c.hello()
        if after != "EHLO":
            c.envelope()
        if after == "body":
            c.cmd("DATA", 354)
            c.send(b"half a message\r\n")
        c.close()
        gw.session(c)
    assert up.settled() and up.messages == []


def test_SUB_4_WG_13_no_TLS_on_465(lab, gw):
    """What is no hello never reaches the server, and is counted."""
    up = server(lab, True)
    with lab.connect(up) as c:
        c.send(b"EHLO client.example\r\n")
        assert c.at_end()
        assert gw.session(c)["outcome"] == "tls-dirty"
    assert up.settled() and all(conn.verbs == [] for conn in up.connections)


def test_WG_13_no_TLS_after_220(lab, gw):
    up = server(lab, False)
    with lab.connect(up) as c:
        c.hello()
        c.cmd("STARTTLS", 220)
        c.send(b"MAIL FROM:<a@client.example>\r\n")
        assert c.at_end()
        assert gw.session(c)["outcome"] == "tls-dirty"
    assert up.settled() and "MAIL" not in up.last.verbs


def test_SUB_4_WG_13_compliance_no(lab, gw):
    """What is no hello goes to the server then, who knows what to say to it."""
    up = server(lab, True)
    with lab.connect(up, source=CLIENT_2) as c:
        c.send(b"EHLO client.example\r\n")
        assert b"250" not in c.read_to_end()
    assert up.settled() and up.last.ended.startswith("tls")


def test_MC_6_keywords_in_full(lab, gw):
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), caps=(*CAPS, "XEXCH50"))
    with lab.connect(up) as c:
        c.secure_hello(trusting(lab.pki.ca), MX)
        assert b"XEXCH50" in c.cmd("EHLO client.example").keywords
        c.quit()
