"""terminate: two TLS legs in the place of one. What the client is shown (WG-5, WG-6), when it is shown nothing or
nothing to be trusted (WG-7), our own certificate (MC-4), and what else the client then hears."""
import base64
import re
import signal
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from netns import CLIENT, CLIENT_2, CLIENT_3
from peer import any_context, message, trusting
from pki import GW, MX, NOW
from upstream import CAPS, drip, late

# Clients by their address: what is done for them where the server's certificate is bad, and one who sees our own.
REFUSED, MINTED, OWN = CLIENT, CLIENT_2, CLIENT_3


@pytest.fixture(scope="module")
def gw(site):
    open_ = {"tls": "terminate", "ca": site.pki.ca, "crl": site.pki.crl}
    second = site.pki.leaf("second.example.net")
    first = site.pki.leaf(GW)
    return site.gateway(
        certificates={"gw": {"chain": first.chain, "key": first.key},
                      "second": {"chain": second.chain, "key": second.key}},
        actions={"watch": None, "plain": None, "open": None,
                 "refuse": {**open_, "authority": "corp", "on_untrusted": "refuse"},
                 "mint": {**open_, "authority": "corp", "on_untrusted": "untrusted"},
                 "own": {**open_, "certificates": ["gw", "second"]}},
        rules=[{"name": "first", "client": REFUSED, "action": "refuse"},
               {"name": "second", "client": [MINTED], "action": "mint"}],
        action="own")


def bad(pki, what):
    return (pki.revoked if what == "revoked" else pki.bad(what)).context()


# The server's certificate is bad, all but the name, which is for the client to look at.
BAD = ("expired", "not yet valid", "for clients only", "self-signed", "unknown CA", "missing intermediate",
       "issued by a leaf", "revoked")


def shown(lab, up, context=None, implicit=False, name=MX, source=REFUSED):
    """The certificate that a client is shown."""
    with lab.connect(up, source=source, tls=context if implicit else None, name=name) as c:
        if implicit:
            c.hello()
        else:
            c.secure_hello(context, name)
        cert = x509.load_der_x509_certificate(c.peer_cert)
        c.quit()
    return cert


def signed_by(cert, path):
    with open(path, "rb") as f:
        issuer = x509.load_pem_x509_certificate(f.read())
    issuer.public_key().verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(cert.signature_hash_algorithm))
    return cert.issuer == issuer.subject


def print_of(cert):
    return cert.fingerprint(hashes.SHA256())


@pytest.mark.parametrize("implicit", [False, True], ids=["25", "465"])
def test_WG_6_a_client_verifies_the_real_name_through_a_minted_leaf(lab, gw, implicit):
    up = lab.upstream(port=465 if implicit else 25, implicit=implicit, tls=lab.pki.leaf(MX).context())
    trust = trusting(lab.authority.ca)
    with lab.connect(up, tls=trust if implicit else None, name=MX) as c:
        if implicit:
            c.hello()
        else:
            c.secure_hello(trust, MX)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        [txn] = gw.transactions(gw.session(c))
    assert (txn["up_verified"], txn["client_tls"], txn["up_tls"]) == ("ok", "TLSv1.3", "TLSv1.3")
    [mail] = up.messages
    assert mail.secure
    # STARTTLS is the only thing that was said to it in clear (MC-5).
    assert mail.conn.clear_verbs == ([] if implicit else ["EHLO", "STARTTLS"])


@pytest.mark.parametrize("key", ["ec", "rsa2048"])
def test_WG_6_in_the_likeness_of_the_servers(lab, gw, key):
    leaf = lab.pki.leaf(MX, key=key, names=(MX, "*.mail.example.net", "192.0.2.1"))
    up = lab.upstream(tls=leaf.context())
    ours = shown(lab, up, trusting(lab.authority.ca))
    with open(leaf.chain, "rb") as f:
        theirs = x509.load_pem_x509_certificate(f.read())
    with open(lab.authority.ca, "rb") as f:
        authority = x509.load_pem_x509_certificate(f.read())

    def extension(cert, kind):
        return cert.extensions.get_extension_for_class(kind).value
    assert ours.subject == theirs.subject
    assert extension(ours, x509.SubjectAlternativeName) == extension(theirs, x509.SubjectAlternativeName)
    assert ours.not_valid_before >= theirs.not_valid_before and ours.not_valid_after <= theirs.not_valid_after
    assert ours.not_valid_after > NOW
    assert ours.serial_number != theirs.serial_number
    assert ours.issuer == authority.subject
    assert extension(ours, x509.AuthorityKeyIdentifier).key_identifier == \
        extension(authority, x509.SubjectKeyIdentifier).digest
    assert extension(ours, x509.SubjectKeyIdentifier) == \
        x509.SubjectKeyIdentifier.from_public_key(ours.public_key())
    assert x509.ExtendedKeyUsageOID.SERVER_AUTH in extension(ours, x509.ExtendedKeyUsage)
    assert signed_by(ours, lab.authority.ca)

    def spki(cert):
        return cert.public_key().public_bytes(serialization.Encoding.DER,
                                              serialization.PublicFormat.SubjectPublicKeyInfo)
    assert spki(ours) != spki(theirs)


def test_WG_6_one_signature_for_each_certificate_of_a_server(lab, gw):
    """A leaf that was signed again would have another serial and another print."""
    one, two = lab.pki.leaf(MX).context(), lab.pki.leaf(MX, days=30).context()
    up = lab.upstream(tls=one)
    tls = lab.upstream(host=up.host, port=465, implicit=True, tls=one)
    elsewhere = lab.upstream(tls=one)
    trust = trusting(lab.authority.ca)
    prints = [print_of(shown(lab, up, trust)) for _ in range(5)]
    prints += [print_of(shown(lab, tls, trust, implicit=True)), print_of(shown(lab, elsewhere, trust))]
    assert len(set(prints)) == 1
    up.tls = two
    assert print_of(shown(lab, up, trust)) not in prints
    up.tls = one
    assert print_of(shown(lab, up, trust)) in prints


def test_WG_6_the_servers_handshake_comes_first(lab, gw):
    """The client's EHLO is answered once the server's TLS stands."""
    go = threading.Event()
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), handshake=lambda conn, _: go.wait(10) and None)
    with lab.connect(up, timeout=0.5) as c:
        c.reply()
        c.line("EHLO client.example")
        with pytest.raises(TimeoutError):
            c.reply()
        assert up.last.verbs == ["EHLO", "STARTTLS"] and up.last.facts is None
        go.set()
        c.sock.settimeout(10)
        assert b"STARTTLS" in c.reply().keywords
        assert up.last.facts is not None
        c.quit()


# WG-7: trust is never laundered.

@pytest.mark.parametrize("what", BAD)
def test_WG_7_FAULTS_17_FAULTS_18_refused(lab, gw, what):
    """No TLS for the client, whose session goes on."""
    up = lab.upstream(tls=bad(lab.pki, what))
    with lab.connect(up, source=REFUSED) as c:
        assert b"STARTTLS" in c.hello().keywords
        for _ in range(2):
            assert c.cmd("STARTTLS").raw.startswith(b"454 4.7.5 ")
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        [txn] = gw.transactions(gw.session(c))
    assert txn["up_verified"] != "ok"
    assert txn["up_verify"]
    if what == "revoked":
        assert "revoked" in txn["up_verify"]


@pytest.mark.parametrize("what", BAD)
def test_WG_7_FAULTS_17_FAULTS_18_never_made_good(lab, gw, what):
    """Who verifies sees that it is bad; who does not has TLS all the same."""
    up = lab.upstream(tls=bad(lab.pki, what))
    with lab.connect(up, source=MINTED) as c:
        c.hello()
        with pytest.raises(ssl.SSLCertVerificationError):
            c.starttls(trusting(lab.authority.ca), MX)
        c.close()
        session = gw.session(c)
    assert session["outcome"] == "tls-failed"
    assert re.search(r"alert.*48|48.*alert|unknown ca", session["why"]), session["why"]
    assert signed_by(shown(lab, up, any_context(), source=MINTED), lab.authority.untrusted_ca)


@pytest.mark.parametrize("source", [REFUSED, MINTED])
def test_WG_7_wrong_name_is_for_the_client_to_see(lab, gw, source):
    """It is shown the server's names under the good authority: to nobody else than the client is it known whom it meant."""
    up = lab.upstream(tls=bad(lab.pki, "wrong name"))
    with lab.connect(up, source=source) as c:
        c.hello()
        with pytest.raises(ssl.SSLCertVerificationError, match="(?i)hostname mismatch"):
            c.starttls(trusting(lab.authority.ca), MX)
        c.close()
        assert gw.session(c)["outcome"] == "tls-failed"
    shown(lab, up, trusting(lab.authority.ca), name="other.example.org", source=source)
    assert up.messages == []


@pytest.mark.parametrize("what", ["expired", "self-signed", "unknown CA", "revoked"])
def test_WG_7_port_465(lab, gw, what):
    up = lab.upstream(port=465, implicit=True, tls=bad(lab.pki, what))
    with pytest.raises((ssl.SSLError, OSError)):
        lab.connect(up, source=REFUSED, tls=any_context(), name=MX).close()
    with pytest.raises(ssl.SSLCertVerificationError):
        lab.connect(up, source=MINTED, tls=trusting(lab.authority.ca), name=MX).close()
    assert signed_by(shown(lab, up, any_context(), implicit=True, source=MINTED), lab.authority.untrusted_ca)


# MC-4, MC-5: our own certificate.

@pytest.mark.parametrize("tls", [True, False], ids=["server with TLS", "server without"])
@pytest.mark.parametrize("name", [GW, "second.example.net"])
def test_MC_4_our_own_certificate_by_SNI(lab, gw, name, tls):
    up = lab.upstream(tls=lab.pki.leaf(MX).context() if tls else None)
    with lab.connect(up, source=OWN) as c:
        c.secure_hello(trusting(lab.pki.ca), name)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
    assert up.messages[0].secure == tls


def test_MC_4_a_client_that_verifies_refuses_our_own(lab, gw):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    with lab.connect(up, source=OWN) as c:
        c.hello()
        with pytest.raises(ssl.SSLCertVerificationError):
            c.starttls(trusting(lab.pki.ca), MX)
        c.close()
        assert "alert" in gw.session(c)["why"]
    assert up.settled() and "MAIL" not in up.verbs


def test_WG_6_nothing_to_mint_from(lab, gw):
    """A server without TLS has no certificate: the client is offered none."""
    up = lab.upstream()
    with lab.connect(up) as c:
        assert b"STARTTLS" not in c.hello().keywords
        c.cmd("STARTTLS", 502)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()


# What else the client hears, and the server.

def test_MC_8_each_believes_to_speak_with_the_other(lab, gw):
    up = lab.upstream(greeting="220-mx.example.net ESMTP at your service\n220 second line")
    with lab.connect(up) as c:
        assert c.reply().raw == b"220-mx.example.net ESMTP at your service\r\n220 second line\r\n"
        assert c.cmd("EHLO the-client.example", 250).lines[0].startswith(b"mx.example.net")
        c.quit()
    assert up.last.lines[0][2] == b"EHLO the-client.example"


def test_WG_19_only_what_is_understood_is_offered(lab, gw):
    words = (*CAPS, "XEXCH50", "X-ANONYMOUSTLS", "ETRN", "VRFY", "AUTH=LOGIN", "XCLIENT NAME ADDR", "TURN", "BURL imap")
    up = lab.upstream(caps=words)
    with lab.connect(up) as c:
        assert set(c.hello().keywords) <= {word.split()[0].encode() for word in CAPS} | {b"AUTH"}
        c.cmd("XEXCH50 1 2", 500)
        c.cmd("ETRN example.net")
        c.quit()
        session = gw.session(c)
    assert up.settled() and "XEXCH50" not in up.verbs and "ETRN" not in up.verbs
    assert session["up_unknown_keywords"] == 8
    assert session["up_unknown"] == "XEXCH50 X-ANONYMOUSTLS ETRN VRFY AUTH=LOGIN XCLIENT TURN BURL"
    since = len(gw.lines)
    gw.signal(signal.SIGUSR1)
    [stats] = gw.wait_log(event="stats", since=since)
    assert stats["ehlo_unknown"] >= 8


def test_WG_19_FAULTS_42_hostile_keywords(lab, gw):
    """They are bounded in the log, and can't forge anything there."""
    words = ["X\x1b[2J", 'X"outcome=quit"', "X=\xe9", *(f"X-{'A' * 60}{n}" for n in range(60))]
    up = lab.upstream(ehlo="\n".join([f"250-{w}" for w in ["mx", *words]] + ["250 DSN"]))
    with lab.connect(up) as c:
        assert set(c.hello().keywords) == {b"DSN"}
        c.quit()
        session = gw.session(c)
    assert session["up_unknown_keywords"] == len(words)
    assert re.fullmatch(r'X\?\[2J X"outcome=quit" X=\? [!-~ ]{0,100}', session["up_unknown"])
    assert len(session["up_unknown"]) < 100


def test_MC_4_ehlo_answer_one_octet_at_a_time(lab, gw):
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), ehlo=drip("250-mx.example.net\n250-SIZE 1000\n250 STARTTLS"))
    with lab.connect(up) as c:
        assert b"SIZE" in c.secure_hello(trusting(lab.authority.ca), MX).keywords
        c.quit()
    assert up.last.facts


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_MC_9_auth_is_relayed_and_the_secret_is_not_logged(lab, gw, mechanism):
    """-PLUS mechanisms are bound to a TLS channel that is not the client's own."""
    given = []

    def auth(conn, line):
        given.append(line)
        if mechanism == "LOGIN":
            for word in (b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"):
                conn.wire.send(b"334 " + word + b"\r\n")
                given.append(conn.wire.readline().strip())
        return "235 2.7.0 welcome"
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), auth=auth,
                      caps=(*CAPS, "AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"))
    word = [base64.b64encode(w) for w in (b"\0anna\0tell-no-one", b"anna", b"tell-no-one")]
    with lab.connect(up) as c:
        offered = c.secure_hello(trusting(lab.authority.ca), MX).keywords[b"AUTH"].split()
        assert b"PLAIN" in offered and b"SCRAM-SHA-256-PLUS" not in offered
        if mechanism == "PLAIN":
            c.cmd(b"AUTH PLAIN " + word[0], 235)
        else:
            c.cmd("AUTH LOGIN", 334)
            c.cmd(word[1], 334)
            c.cmd(word[2], 235)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        gw.session(c)
    assert up.messages
    text = gw.transcript()
    assert "anna" in text
    for secret in (b"tell-no-one", word[0], word[2]):
        assert secret.decode() not in text
    assert given[0] == (b"AUTH PLAIN " + word[0] if mechanism == "PLAIN" else b"AUTH LOGIN")
    assert given[1:] == ([] if mechanism == "PLAIN" else word[1:])
