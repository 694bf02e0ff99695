"""FAULTS 15-17 and the levels of SPEC PP, GC: what each need makes of each upstream."""
import hashlib
import re
import ssl

import pytest

from peer import any_context, message
from pki import BAD_CERTS, GW, MX
from upstream import fin, hang, rst


def attempt(gw, secure=False):
    """Tries to send a message; the first answer that is not as it should be, else the last."""
    with gw.connect() as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        if secure and reply.code == 250:
            c.starttls()
            reply = c.cmd("EHLO client.example")
        for line, code in (("MAIL FROM:<a@client.example>", 250), ("RCPT TO:<b@dest.example>", 250),
                           ("DATA", 354)):
            if reply.code // 100 in (4, 5):
                break
            reply = c.cmd(line)
        else:
            c.send(message() + b".\r\n")
            reply = c.reply()
        c.close()
        return reply, gw.session(c)


def refuse(conn, _):
    conn.say("454 4.7.0 TLS not available")


def shake_badly(conn, _):
    """A handshake that nobody can finish."""
    conn.wire.recv()  # the ClientHello
    conn.wire.send(b"\x15\x03\x03\x00\x02\x02\x28")
    conn.wire.read_to_end()
    fin(conn)


def not_tls(conn, _):
    conn.wire.recv()  # the ClientHello
    conn.wire.send(b"554 this is not TLS\r\n" * 3)
    conn.wire.read_to_end()
    fin(conn)


NO_TLS = {
    "not offered": {"tls": None},
    "454": {"starttls": "454 4.7.0 not now"},
    "554": {"starttls": "554 5.7.0 never"},
    "502": {"starttls": "502 5.5.1 what?"},
    "handshake refused": {"handshake": shake_badly},
    "no TLS record": {"handshake": not_tls},
    "FIN after 220": {"handshake": fin},
    "RST after 220": {"handshake": rst},
    "silence after 220": {"handshake": hang},
}


def broken(pki, upstream, what, **more):
    options = {"tls": pki.leaf(MX).context(), **NO_TLS[what], **more}
    return upstream(**options)


@pytest.mark.parametrize("level", ["encrypt", "verify"])
@pytest.mark.parametrize("what", NO_TLS)
def test_FAULTS_15_no_tls_where_it_is_needed(pki, upstream, gateway, what, level):
    """PP-6: no MAIL, ever."""
    up = broken(pki, upstream, what)
    gw = gateway(up, tls=level, ca=pki.ca, names=[MX], timeout_command="1s")
    reply, session = attempt(gw)
    assert reply.code in (451, 454, 421), reply.raw
    assert set(up.verbs) <= {"EHLO", "STARTTLS", "QUIT"}, up.verbs
    assert session["sid"] in reply.text


@pytest.mark.parametrize("what", ["not offered", "454", "handshake refused"])
def test_GC_7_the_cause_has_its_own_words(pki, upstream, gateway, what):
    """Whether the EHLO is already known or not, MAIL tells what was wrong."""
    up = upstream(tls=pki.leaf(MX).context())
    gw = gateway(up, tls="encrypt")
    assert attempt(gw)[0].code == 250
    for key, value in NO_TLS[what].items():
        setattr(up, key, value) if key == "tls" else up.steps.__setitem__(key, value)
    reply, session = attempt(gw)
    assert re.match(rb"4\d\d 4\.7\.\d+ ", reply.raw), reply.raw
    words = {"not offered": "not offered", "454": "refused",
             "handshake refused": "handshake failed"}[what]
    assert words in reply.text
    assert gw.transactions(session)[-1]["outcome"] == "tls-policy"
    assert len(up.messages) == 1


@pytest.mark.parametrize("what", NO_TLS)
def test_PP_1_may_goes_on_in_clear(pki, upstream, gateway, what):
    """FAULTS 16: after a failed handshake only on a new connection."""
    up = broken(pki, upstream, what)
    gw = gateway(up, tls="may", timeout_command="1s")
    reply, session = attempt(gw)
    assert reply.code == 250, reply.raw
    assert len(up.messages) == 1 and not up.messages[0].secure
    for conn in up.connections:
        if "STARTTLS" in conn.verbs and what not in ("454", "554", "502"):
            assert conn.verbs[conn.verbs.index("STARTTLS"):] == ["STARTTLS"], conn.lines
    [line] = gw.transactions(session)
    assert line["up_tls"] == "none"
    absent = {"not offered": "not-offered", "454": "refused", "554": "refused", "502": "refused"}
    assert line["up_tls_absent"] == absent.get(what, "failed")


def test_PP_1_may_uses_tls_where_it_can_be_had(pki, upstream, gateway):
    up = upstream(tls=pki.bad("self-signed").context())
    gw = gateway(up, tls="may", ca=pki.ca, names=[MX])
    reply, session = attempt(gw)
    assert reply.code == 250
    assert up.messages[0].secure
    [line] = gw.transactions(session)
    assert line["up_tls"].startswith("TLSv1.")
    assert line["up_verified"] == "bad"


def test_none_never_asks_for_tls(pki, upstream, gateway):
    up = upstream(tls=pki.leaf(MX).context())
    gw = gateway(up, tls="none")
    assert attempt(gw)[0].code == 250
    assert "STARTTLS" not in up.verbs
    assert not up.messages[0].secure


@pytest.mark.parametrize("what", BAD_CERTS)
def test_FAULTS_17_verify(pki, upstream, gateway, what):
    """PP-7. The cause is named to the client and in the log."""
    up = upstream(tls=pki.leaf(MX).context())
    gw = gateway(up, tls="verify", ca=pki.ca, names=[MX])
    assert attempt(gw)[0].code == 250
    up.tls = pki.bad(what).context()
    reply, session = attempt(gw)
    assert re.match(rb"4\d\d 4\.7\.\d+ ", reply.raw), reply.raw
    assert "not verified" in reply.text
    assert re.search(BAD_CERTS[what], reply.text), reply.text
    assert up.settled()
    assert "MAIL" not in up.last.verbs
    assert len(up.messages) == 1
    assert gw.transactions(session)[-1]["outcome"] == "tls-policy"


def test_FAULTS_17_verify_weak_key(pki, upstream, gateway):
    cert = pki.bad("weak key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.load_cert_chain(cert.chain, cert.key)
    up = upstream(tls=context)
    gw = gateway(up, tls="verify", ca=pki.ca, names=[MX])
    assert attempt(gw)[0].code // 100 == 4
    assert "MAIL" not in up.verbs


@pytest.mark.parametrize("what", BAD_CERTS)
@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_FAULTS_17_encrypt_asks_for_no_identity(pki, upstream, gateway, what, level):
    """PP-6, GC-6: delivered, and the cause stands in the log."""
    up = upstream(tls=pki.bad(what).context())
    gw = gateway(up, tls=level, ca=pki.ca, names=[MX])
    reply, session = attempt(gw)
    assert reply.code == 250, reply.raw
    assert up.messages[0].secure
    [line] = gw.transactions(session)
    assert line["up_verified"] == "bad"
    assert re.search(BAD_CERTS[what], str(line)), line


@pytest.mark.parametrize("sans, names, good", [
    ((MX,), [MX], True),
    (("MX.Example.NET",), [MX], True),
    (("*.example.net",), [MX], True),
    (("*.example.net",), ["a.mx.example.net"], False),
    (("*.example.net",), ["example.net"], False),
    (("m*.example.net",), [MX], False),
    (("a.example.org", MX), [MX], True),
    ((MX,), ["other.example.net", MX], True),
    ((MX,), ["other.example.net"], False),
    (("127.0.0.1",), [], True),
    (("127.0.0.2",), [], False),
    ((MX,), [], False),
])
def test_PP_7_names(pki, upstream, gateway, sans, names, good):
    """RFC 9525: SAN alone, a wildcard is the whole left-most label; without names it is the host's."""
    up = upstream(tls=pki.leaf(MX, names=sans).context())
    gw = gateway(up, tls="verify", ca=pki.ca, **({"names": names} if names else {}))
    reply, _ = attempt(gw)
    assert (reply.code == 250) == good, reply.raw


def test_PP_7_host_name_of_the_upstream(pki, upstream, gateway):
    up = upstream(tls=pki.leaf("localhost").context())
    gw = gateway(f"localhost:{up.port}", tls="verify", ca=pki.ca)
    assert attempt(gw)[0].code == 250
    assert up.messages[0].conn.sni == "localhost"


def test_the_systems_roots_do_not_know_our_ca(pki, upstream, gateway):
    up = upstream(tls=pki.leaf(MX).context())
    gw = gateway(up, tls="verify", names=[MX])
    assert attempt(gw)[0].code // 100 == 4
    assert "MAIL" not in up.verbs


def test_FAULTS_15_next_host_under_the_same_need(pki, upstream, gateway):
    """NEW-24: a host that fails the need is passed over, never obeyed."""
    bad = upstream(tls=pki.bad("expired").context())
    clear = upstream()
    good = upstream(tls=pki.leaf(MX).context())
    gw = gateway([bad, clear, good], tls="verify", ca=pki.ca, names=[MX])
    assert attempt(gw)[0].code == 250
    assert len(good.messages) == 1
    assert "MAIL" not in bad.verbs + clear.verbs


# Strength

def test_GC_2_no_tls_is_strength_zero(pki, upstream, gateway):
    up = upstream(tls=pki.leaf(MX).context())
    gw = gateway(up, tls="may", min_bits=112)
    assert attempt(gw)[0].code == 250
    up.tls = None
    reply, _ = attempt(gw)
    assert re.match(rb"4\d\d 4\.7\.\d+ encryption too weak 0 less than 112 ", reply.raw), reply.raw
    assert up.settled()
    assert "MAIL" not in up.last.verbs


@pytest.mark.parametrize("cipher, bits, need", [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", 128, 256), ("ECDHE-ECDSA-AES128-GCM-SHA256", 128, 129),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", 128, 128), ("ECDHE-ECDSA-AES256-GCM-SHA384", 256, 256)])
def test_GC_5_bits_are_those_of_the_cipher(pki, upstream, gateway, cipher, bits, need):
    up = upstream(tls=pki.leaf(MX).context())
    good = need <= bits
    gw = gateway(up, tls="encrypt", min_bits=need)
    attempt(gw)
    before = len(up.messages)
    up.tls = pki.leaf(MX).context(ciphers=cipher, maximum_version=ssl.TLSVersion.TLSv1_2)
    reply, _ = attempt(gw)
    if good:
        assert reply.code == 250, reply.raw
    else:
        assert f"encryption too weak {bits} less than {need}" in reply.text
        assert len(up.messages) == before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_PP_3_old_tls_alone(pki, upstream, gateway):
    """TLS 1.0 is none: `may` goes on in clear on a new connection, `encrypt` does not go on."""
    def old():
        return pki.leaf(MX, key="rsa2048").context(
            ciphers="ALL@SECLEVEL=0", minimum_version=ssl.TLSVersion.TLSv1,
            maximum_version=ssl.TLSVersion.TLSv1_1)
    up = upstream(tls=old())
    assert attempt(gateway(up, tls="encrypt"))[0].code // 100 == 4
    assert "MAIL" not in up.verbs
    up = upstream(tls=old())
    assert attempt(gateway(up, tls="may"))[0].code == 250
    assert not up.messages[0].secure


# Mirror

@pytest.mark.parametrize("secure", [False, True])
def test_MC_5_mirror(pki, upstream, gateway, secure):
    up = upstream(tls=pki.leaf(MX).context())
    gw = gateway(up, tls="mirror")
    assert attempt(gw, secure)[0].code == 250
    assert up.messages[0].secure == secure


def test_MC_5_mirror_never_weakens(pki, upstream, gateway):
    """A client under TLS, an upstream without: no mail in clear, and with what is known of the upstream
    STARTTLS is not offered in the first place."""
    up = upstream()
    gw = gateway(up, tls="mirror")
    assert attempt(gw)[0].code == 250
    with gw.connect() as c:
        if b"STARTTLS" in c.hello().keywords:
            c.starttls()
            c.cmd("EHLO client.example", 250)
            assert c.cmd("MAIL FROM:<a@client.example>").code // 100 == 4
            pytest.fail("STARTTLS was offered although the upstream has none (SPEC MC-5)")
    with gw.connect_tls(any_context()) as c:
        c.reply()
        reply = c.cmd("EHLO client.example")
        if reply.code == 250:
            reply = c.cmd("MAIL FROM:<a@client.example>")
        assert reply.code // 100 == 4
    assert len(up.messages) == 1


# Identity of ours, sessions

def test_client_certificate(pki, upstream, gateway):
    cert = pki.leaf(GW)
    context = pki.leaf(MX).context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pki.ca)
    up = upstream(tls=context)
    gw = gateway(up, tls="verify", ca=pki.ca, names=[MX], certificate="gw")
    assert attempt(gw)[0].code == 250
    assert hashlib.sha256(up.messages[0].conn.client_cert).hexdigest() == cert.sha256


def test_sessions_are_resumed_upstream(pki, upstream, gateway):
    up = upstream(tls=pki.leaf(MX).context())
    gw = gateway(up, tls="verify", ca=pki.ca, names=[MX])
    for _ in range(3):
        assert attempt(gw)[0].code == 250
    up.settled()
    assert [c.resumed for c in up.connections if c.facts][-2:] == [True, True]


def test_law_7_no_session_across_needs(pki, upstream, gateway):
    """A session made under `encrypt` says nothing about identity: `verify` starts its own."""
    up = upstream(tls=pki.leaf(MX).context())
    verify = {"hosts": [up.addr], "tls": "verify", "ca": pki.ca, "names": [MX]}
    gw = gateway(up, tls="encrypt", upstreams={"strict": verify}, start=False)
    from ports import free_port
    gw.config["services"]["two"] = {"listen": f"127.0.0.1:{free_port()}", "upstream": "strict"}
    gw.write(gw.config)
    gw.start()
    assert attempt(gw)[0].code == 250
    first = len(up.connections)
    with gw.connect("two") as c:
        c.hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
    assert up.connections[first].resumed is False


def test_FAULTS_17_resumption_does_not_outlive_the_certificate_check(pki, upstream, gateway):
    """verify on a resumed session still stands for the certificate of the first one."""
    up = upstream(tls=pki.bad("unknown CA").context())
    gw = gateway(up, tls="verify", ca=pki.ca, names=[MX])
    for _ in range(3):
        assert attempt(gw)[0].code // 100 == 4
    assert "MAIL" not in up.verbs


def test_WG_11_facts_in_the_log(pki, upstream, gateway):
    cert = pki.leaf(MX)
    up = upstream(tls=cert.context())
    gw = gateway(up, tls="verify", ca=pki.ca, names=[MX])
    reply, session = attempt(gw, secure=True)
    assert session["client_tls"] == "TLSv1.3"
    assert session["client_cipher"].startswith("TLS_")
    [line] = gw.transactions(session)
    assert line["up_tls"] == "TLSv1.3"
    assert line["up_cipher"].startswith("TLS_")
    assert line["up_verified"] == "ok"
    assert line["up_cert_sha256"] == cert.sha256
    assert line["up_cert"] == MX
    assert line["need"] == "verify"
    assert line["up_bits"] in (128, 256)
    assert line["upstream"] == up.addr
