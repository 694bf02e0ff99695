"""What an administrator demands of partners, at RCPT: SPEC PP-1 to PP-10, GC-2 to GC-11, NEW-28, NEW-33, FAULTS 15 to 18."""
import re

import pytest
from cryptography import x509

import test_upstream_tls
from gateway import wait_until
from outbound import explain, mx, need_of, send, tls12
from peer import message
from pki import revocation_list

NO_TLS = {what: how for what, how in test_upstream_tls.NO_TLS.items() if what != "silence after 220"}
BAD = ["expired", "not yet valid", "wrong name", "self-signed", "unknown CA", "missing intermediate"]
AES128 = "ECDHE-ECDSA-AES128-GCM-SHA256"


def without_tls(what, **more):
    options = dict(NO_TLS[what])
    cert = "none" if options.pop("tls", 0) is None else "good"
    return mx(cert=cert, options=options, **more)


def assert_refused(got, d, words=r"4\d\d 4\.7\.\d+ "):
    assert got.step == "rcpt" and re.match(words, got.text), got.text
    assert "MAIL" not in d.verbs and d.messages == []


def assert_delivered(got, d, need):
    assert got.step == "dot" and got.code == 250, got.text
    assert len(d.messages) == 1 and got.log[0]["need"] == need, got.log


# PP

@pytest.mark.parametrize("what", NO_TLS)
def test_PP_1_FAULTS_16_opportunistic_without_a_rule(world, what):
    d = world.domain(without_tls(what))
    got = send(world.gateway(), d.rcpt())
    assert_delivered(got, d, "may")
    assert not d.messages[0].secure
    for conn in d.hosts[0].connections:
        if "STARTTLS" in conn.verbs and what not in ("454", "554", "502"):
            assert conn.verbs[conn.verbs.index("STARTTLS"):] == ["STARTTLS"], conn.lines


@pytest.mark.parametrize("cert", BAD)
def test_PP_1_FAULTS_17_any_certificate_without_a_rule(world, cert):
    d = world.domain(mx(cert=cert))
    assert_delivered(send(world.gateway(), d.rcpt()), d, "may")
    assert d.messages[0].secure


@pytest.mark.parametrize("cert", BAD)
def test_PP_6_FAULTS_17_encrypt_asks_for_no_identity(world, cert):
    d = world.domain(mx(cert=cert))
    got = send(world.gateway(partners={d.name: {"outbound": "encrypt"}}), d.rcpt())
    assert_delivered(got, d, "encrypt")
    assert d.messages[0].secure


@pytest.mark.parametrize("level", ["encrypt", "verify"])
@pytest.mark.parametrize("what", NO_TLS)
def test_PP_6_FAULTS_15_FAULTS_16_no_tls_no_mail(world, what, level):
    d = world.domain(without_tls(what))
    got = send(world.gateway(partners={d.name: {"outbound": level}}), d.rcpt())
    assert_refused(got, d, r"4[0-9]{2} 4\.[47]\.\d+ ")
    assert set(d.verbs) <= {"EHLO", "STARTTLS", "QUIT"}, d.verbs


@pytest.mark.parametrize("cert", BAD)
def test_PP_7_FAULTS_17_verify(world, cert):
    d = world.domain(mx(cert=cert))
    got = send(world.gateway(partners={d.name: {"outbound": "verify", "names": [d.host_name()]}}), d.rcpt())
    assert_refused(got, d)
    assert "not verified" in got.text


NAMES = {
    # what: names in the certificate, those of the rule, zone, MTA-STS, good
    "the MX host's own, from unsigned DNS": ("{h}", None, {}, None, False),
    "the domain's": ("{d}", None, {}, None, True),
    "both": ("{h} {d}", None, {}, None, True),
    "a wildcard below the domain": ("*.{d}", None, {}, None, False),
    "the host's, listed": ("{h}", ["{h}"], {}, None, True),
    "the domain's, where another is listed": ("{d}", ["mx.other.example"], {}, None, False),
    "the second of a list": ("{h}", ["mx.other.example", "{h}"], {}, None, True),
    "the host's, DNSSEC vouches for it": ("{h}", None, {"signed": True}, None, True),
    "the host's, MTA-STS vouches for it": ("{h}", None, {}, "enforce", True),
    "another's": ("mx.other.example", None, {"signed": True}, None, False),
}


@pytest.mark.parametrize("what", NAMES)
def test_PP_8_which_name(world, what):
    """An attacker who can write the MX answer has a good certificate for his own host."""
    cert, names, zone, sts, good = NAMES[what]
    d = world.domain(mx(), sts=sts, **zone)
    words = {"d": d.name, "h": d.host_name()}
    d.hosts[0].tls = world.pki.leaf(d.host_name(), names=tuple(cert.format(**words).split())).context()
    rule = {"outbound": "verify"}
    if names:
        rule["names"] = [n.format(**words) for n in names]
    got = send(world.gateway(partners={d.name: rule}), d.rcpt())
    assert_delivered(got, d, "verify") if good else assert_refused(got, d)


def test_PP_9_what_is_demanded_of_the_client(world):
    """Another family of rules: mail from a partner must have come by TLS."""
    d = world.domain(mx())
    gw = world.gateway(partners={"partner.example": {"inbound": "encrypt"}})
    got = send(gw, d.rcpt(), sender="a@partner.example")
    assert got.text.startswith("530 5.7.0 ") and got.step in ("mail", "rcpt"), got.text
    assert d.hosts[0].messages == []
    assert send(gw, d.rcpt(), sender="a@partner.example", secure=True).code == 250
    assert send(gw, d.rcpt(), sender="a@other.example").code == 250
    assert len(d.messages) == 2


@pytest.mark.parametrize("on_failure, digit", [(None, "4"), ("temporary", "4"), ("permanent", "5")])
@pytest.mark.parametrize("cert", ["none", "expired"])
def test_PP_10_GC_11_temporary_or_permanent(world, on_failure, digit, cert):
    """In the session, so that the sender's own MTA writes the bounce."""
    d = world.domain(mx(cert=cert))
    rule = {"outbound": "verify", "names": [d.host_name()]}
    if on_failure:
        rule["on_failure"] = on_failure
    got = send(world.gateway(partners={d.name: rule}), d.rcpt())
    assert_refused(got, d, rf"{digit}\d\d {digit}\.7\.\d+ ")


# GC

@pytest.mark.parametrize("on_failure, text", [
    ("permanent", "503 5.7.0 encryption too weak 0 less than 112"),
    ("temporary", "403 4.7.0 encryption too weak 0 less than 112")])
def test_GC_2_no_tls_is_no_strength(world, on_failure, text):
    d = world.domain(mx(cert="none"))
    gw = world.gateway(partners={d.name: {"outbound": "encrypt", "min_bits": 112, "on_failure": on_failure}})
    got = send(gw, d.rcpt())
    assert_refused(got, d, re.escape(text) + r"(\s|$)")


@pytest.mark.parametrize("cipher, have, need", [(AES128, 128, 129), (AES128, 128, 256), (AES128, 128, 128),
                                                ("ECDHE-ECDSA-AES256-GCM-SHA384", 256, 256)])
def test_GC_5_the_ciphers_bits(world, cipher, have, need):
    d = world.domain(mx())
    d.hosts[0].tls = tls12(d.certs[0], cipher)
    rule = {"outbound": "encrypt", "min_bits": need, "on_failure": "permanent"}
    got = send(world.gateway(partners={d.name: rule}), d.rcpt())
    if have >= need:
        assert_delivered(got, d, "encrypt")
    else:
        assert_refused(got, d, rf"503 5\.7\.0 encryption too weak {have} less than {need}(\s|$)")


@pytest.mark.parametrize("cert", BAD)
def test_GC_6_strength_asks_for_no_identity(world, cert):
    d = world.domain(mx(cert=cert))
    got = send(world.gateway(partners={d.name: {"outbound": "encrypt", "min_bits": 128}}), d.rcpt())
    assert_delivered(got, d, "encrypt")


@pytest.mark.parametrize("what, words", [
    ("not offered", "not offered"), ("454", "refused"), ("handshake refused", "handshake failed")])
def test_GC_7_the_cause_has_its_own_words(world, what, words):
    d = world.domain(without_tls(what))
    got = send(world.gateway(partners={d.name: {"outbound": "encrypt"}}), d.rcpt())
    assert_refused(got, d)
    assert words in got.text


KEYS = {
    # what: rules, address, refused (the host has no TLS)
    "the domain": ({"{d}": "encrypt"}, "b@{d}", True),
    "the domain in capitals": ({"{d}": "encrypt"}, "b@{D}", True),
    "all below the domain": ({"{d}": "encrypt"}, "b@sub.{d}", True),
    "deep below": ({"{d}": "encrypt"}, "b@a.b.sub.{d}", True),
    "the label must be whole": ({"1{d}": "encrypt"}, "b@{d}", False),
    "not what ends alike": ({"{tail}": "encrypt"}, "b@{d}", False),
    "below alone, with a dot": ({".{d}": "encrypt"}, "b@{d}", False),
    "below alone, and below": ({".{d}": "encrypt"}, "b@sub.{d}", True),
    "below alone, with an asterisk": ({"*.{d}": "encrypt"}, "b@{d}", False),
    "not below, with an at sign": ({"*@{d}": "encrypt"}, "b@sub.{d}", False),
    "the domain, with an at sign": ({"*@{d}": "encrypt"}, "b@{d}", True),
    "the address": ({"b@{d}": "encrypt"}, "b@{d}", True),
    "another address": ({"c@{d}": "encrypt"}, "b@{d}", False),
    "all": ({"*": "encrypt"}, "b@{d}", True),
    "less for the domain than for all": ({"*": "encrypt", "{d}": "may"}, "b@{d}", False),
    "less for the address than for the domain": ({"{d}": "encrypt", "b@{d}": "may"}, "b@{d}", False),
    "less below than for the domain": ({"{d}": "encrypt", "sub.{d}": "may"}, "b@sub.{d}", False),
    "more for the address than for the domain": ({"{d}": "may", "b@{d}": "encrypt"}, "b@{d}", True),
}


@pytest.mark.parametrize("what", KEYS)
def test_GC_3_which_rule(world, what):
    rules, to, refused = KEYS[what]
    d = world.domain(mx(cert="none"))
    d.publish(*d.lines, f"sub MX 10 {d.host_name()}.", f"a.b.sub MX 10 {d.host_name()}.")
    words = {"d": d.name, "D": d.name.upper(), "tail": d.name[1:]}
    gw = world.gateway(partners={k.format(**words): {"outbound": v} for k, v in rules.items()})
    got = send(gw, to.format(**words))
    assert_refused(got, d) if refused else assert_delivered(got, d, got.log[0]["need"])


def test_GC_4_each_recipient(world):
    """One is refused, the other gets the message."""
    d = world.domain(mx(cert="none"))
    gw = world.gateway(partners={f"listed@{d.name}": {"outbound": "encrypt", "on_failure": "permanent"}})
    with gw.connect("out") as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        assert c.cmd(f"RCPT TO:<listed@{d.name}>").code // 100 == 5
        c.cmd(f"RCPT TO:<other@{d.name}>", 250)
        assert c.data(message()).code == 250
        c.quit()
    assert [m.rcpts for m in d.messages] == [[f"other@{d.name}"]]


def test_GC_9_a_rule_for_all_spares_the_inside(world):
    """`direction: outbound` is what mode outbound looks for; the way to our own host is another."""
    d = world.domain(mx(cert="none"))
    inside = world.upstream(world.next_address(), None)
    config = world.config(partners={"*": {"outbound": "encrypt", "direction": "outbound"}})
    config["upstreams"] = {"inside": {"hosts": [inside.addr], "tls": "may", "pool": 0}}
    port = config["services"]["out"]["listen"][0].rpartition(":")[2]
    config["services"]["mx"] = {"listen": [f"127.0.0.2:{port}"], "upstream": "inside",
                                "max_connections_per_address": 1000}
    gw = world.gateway(start=False)
    gw.write(config)
    gw.start()
    assert_refused(send(gw, d.rcpt()), d)
    assert send(gw, "b@dest.example", service="mx").code == 250
    assert len(inside.messages) == 1


def test_GC_10_a_change_lives_within_a_second_and_spares_sessions(world):
    d = world.domain(mx(cert="none"))
    gw = world.gateway()
    with gw.connect("out") as old:
        old.hello()
        old.envelope("a@client.example", d.rcpt())
        config = {**gw.config, "partners": {d.name: {"outbound": "encrypt"}}}
        assert gw.reload(config)
        # An edge of the old generation may take a connection or two more.
        assert wait_until(lambda: send(gw, d.rcpt("c")).code // 100 == 4, 1)
        assert old.data(message()).code == 250
        old.quit()
    assert [d.rcpt()] in [m.rcpts for m in d.messages]


# Shadow, exemptions, memory

@pytest.mark.parametrize("cert", ["none", "expired"])
def test_NEW_28_shadow(world, cert):
    """What would have failed is delivered, and the log says what it would have been."""
    d = world.domain(mx(cert=cert))
    rule = {"outbound": "verify", "names": [d.host_name()], "report": True}
    gw = world.gateway(partners={d.name: rule})
    got = send(gw, d.rcpt())
    assert got.code == 250 and len(d.messages) == 1, got.text
    assert "verify" in str(got.log) and re.search("report|would", str(got.log)), got.log


def test_NEW_28_explain_says_what_the_session_does(world):
    """One function decides: need and verdict are the same, row by row."""
    rows = [world.domain(mx(), reload=False), world.domain(mx(tlsa=["3 1 1"]), signed=True, reload=False),
            world.domain(mx(), sts="enforce", reload=False), world.domain(mx(), sts="testing", reload=False),
            world.domain(mx(tlsa=["1 1 1 " + "ab" * 32]), signed=True, reload=False),
            world.domain(mx(), sts="enforce", sts_mx=["nowhere.example"], reload=False),
            world.domain(records=["@ MX 0 ."], reload=False), world.domain(mx(), signed=True, bogus=["*"], reload=False),
            world.domain(mx(), reload=False), world.domain(mx(), reload=False)]
    world.dns.reload()
    gw = world.gateway(partners={rows[8].name: {"outbound": "encrypt"},
                                 rows[9].name: {"outbound": "verify", "names": [rows[9].host_name()]}})
    for d in rows:
        said, got = explain(gw, d.rcpt()), send(gw, d.rcpt())
        because = "; ".join(said["because"])
        if got.code == 250:
            assert said["status"] == 0 and need_of(said) == got.log[0]["need"], (said, got.log)
            assert because == got.log[0]["because"] != ""
        else:
            assert got.text[:3] in str(said["verdict"]), (said, got.text)
            [line] = got.refusals
            assert line["because"] and because.startswith(line["because"]), (said, line)


def test_GC_3_an_exemption_is_less_than_dane_and_mta_sts(world):
    d = world.domain(mx(cert="expired"), sts="enforce")
    plain = {"outbound": "may"}
    assert send(world.gateway(partners={d.name: plain}), d.rcpt()).code // 100 == 4
    exempt = {**plain, "why": "their certificate is late, ticket 4711", "expires": "2099-12-31"}
    assert send(world.gateway(partners={d.name: exempt}), d.rcpt()).code == 250
    over = {**exempt, "expires": "2020-01-01"}
    assert send(world.gateway(partners={d.name: over}), d.rcpt()).code // 100 == 4
    assert len(d.messages) == 1


@pytest.mark.parametrize("defers", [False, True])
def test_NEW_33_FAULTS_15_a_host_that_always_had_tls(world, defers):
    """It stripped STARTTLS, or somebody did."""
    d = world.domain(mx())
    service = {"remember": 3, "remember_defers": defers}
    gw = world.gateway(service)
    for n in range(4):
        assert send(gw, d.rcpt(f"u{n}")).code == 250
        d.hang_up()  # a kept connection is one, however much goes through it
    gw.stop()
    gw.start()  # the memory outlives it
    d.hosts[0].tls = None
    got = send(gw, d.rcpt())
    assert (got.code == 250) != defers, got.text
    assert len(d.messages) == (4 if defers else 5)
    assert wait_until(lambda: any(line.get("event") == "tls-downgrade" for line in gw.lines), 5), gw.transcript()


def test_FAULTS_18_revoked(world):
    """With a CRL, and not without."""
    d = world.domain(mx())
    pki = world.pki
    with open(d.certs[0].chain, "rb") as f:
        leaf = x509.load_pem_x509_certificate(f.read())
    crl = pki.write(f"crl-{d.name}.pem", revocation_list(pki.root) + revocation_list(pki.inter, leaf))
    rule = {d.name: {"outbound": "verify", "names": [d.host_name()]}}
    got = send(world.gateway({"crl": crl}, partners=rule), d.rcpt())
    assert_refused(got, d)
    assert "revoked" in got.text
    assert send(world.gateway(partners=rule), d.rcpt()).code == 250
