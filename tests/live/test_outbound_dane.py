"""DANE for SMTP (RFC 7672, 7671): SPEC NEW-3, FAULTS 33 and 35. Postfix's posttls-finger reads the same zones and talks with the
same hosts: where the two don't agree, one of them is wrong."""
import re

import pytest

from dnslab import garbage, servfail, silence
from outbound import explain, mx, send, tlsa
from pki import make

WRONG = "ab" * 32
ODD_CERT = "expired, self-signed, wrong name"


def assert_refused(got, d, words=r"not verified by DANE"):
    assert got.step == "rcpt" and got.code // 100 == 4, got.text
    assert re.match(r"4\d\d 4\.7\.\d+ ", got.text) and re.search(words, got.text), got.text
    assert "MAIL" not in d.verbs
    assert d.messages == []


def assert_by_dane(got, d, host=0):
    assert got.step == "dot" and got.code == 250, got.text
    assert len(d.hosts[host].messages) == len(d.messages) == 1
    [line] = got.log
    assert (line["need"], line["up_verified"]) == ("dane", "ok"), line


USABLE = {
    # what: certificate, records, whether they match
    "3 1 1": ("good", ["3 1 1"], True),
    "3 0 1": ("good", ["3 0 1"], True),
    "3 1 2": ("good", ["3 1 2"], True),
    "3 0 2": ("good", ["3 0 2"], True),
    "3 1 0": ("good", ["3 1 0"], True),
    "3 0 0": ("good", ["3 0 0"], True),
    "2 0 1": ("good", ["2 0 1"], True),
    "2 1 1": ("good", ["2 1 1"], True),
    "2 1 2": ("good", ["2 1 2"], True),
    "2 0 0": ("good", ["2 0 0"], True),
    "3 1 1 of an odd certificate": (ODD_CERT, ["3 1 1"], True),
    "3 0 0 of an odd certificate": (ODD_CERT, ["3 0 0"], True),
    "3 1 1 of another": ("good", ["3 1 1 " + WRONG], False),
    "2 0 1 of another": ("good", ["2 0 1 " + WRONG], False),
    "2 0 1, the host's name is not in it": ("wrong name", ["2 0 1"], False),
    "2 0 1, expired": ("expired", ["2 0 1"], False),
    "2 0 1, not yet valid": ("not yet valid", ["2 0 1"], False),
    "rollover: the next one first": ("good", ["3 1 1 " + WRONG, "3 1 1"], True),
    "rollover: an old one behind": ("good", ["3 1 1", "3 1 1 " + "cd" * 32], True),
    "rollover: TA and EE": ("good", ["3 1 1 " + WRONG, "2 0 1"], True),
    "the strongest digest alone counts": ("good", ["3 1 1", "3 1 2 " + WRONG * 2], False),
    "the strongest digest is right": ("good", ["3 1 1 " + WRONG, "3 1 2"], True),
    "the whole beside a digest": ("good", ["3 1 1 " + WRONG, "3 1 0"], True),
    "an unusable one beside": ("good", ["1 1 1 " + WRONG, "3 1 1"], True),
    "an unusable one beside a wrong one": ("good", ["1 1 1", "3 1 1 " + WRONG], False),
    "many": ("good", [f"3 1 1 {n:02x}" + "ab" * 31 for n in range(12)] + ["3 1 1"], True),
}


@pytest.mark.parametrize("what", USABLE)
def test_NEW_3_records_and_certificates(world, what):
    """Expiry and name count for DANE-TA and not for DANE-EE; and Postfix says the same."""
    cert, records, good = USABLE[what]
    d = world.domain(mx(cert=cert, tlsa=records), signed=True)
    met, words = world.finger(d.name)
    assert met == good, words
    asked = len(d.hosts[0].connections)
    got = send(world.gateway(), d.rcpt())
    if good:
        assert_by_dane(got, d)
        assert d.hosts[0].connections[asked].sni == d.host_name()  # RFC 7672 section 8.1
    else:
        assert_refused(got, d)


UNUSABLE = {
    "0 x x": ["0 0 1 " + WRONG],
    "1 x x": ["1 1 1 " + WRONG],
    "an unknown usage": ["4 1 1 " + WRONG],
    "an unknown selector": ["3 7 1 " + WRONG],
    "an unknown matching": ["3 1 9 " + WRONG],
    "a digest that is short": ["3 1 1 abcd"],
    "a digest that is long": ["3 1 1 " + WRONG + "ff"],
    "a certificate that is none": ["3 0 0 deadbeef"],
    "several": ["1 1 1 " + WRONG, "3 1 9 " + WRONG],
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_FAULTS_33_unusable_records_are_tls_without_a_name(world, what):
    """RFC 7672 section 2.2: TLS must be, whoever it is."""
    d = world.domain(mx(cert=ODD_CERT, tlsa=UNUSABLE[what]), signed=True)
    clear = world.domain(mx(cert="none", tlsa=UNUSABLE[what]), signed=True)
    gw = world.gateway()
    got = send(gw, d.rcpt())
    assert got.code == 250, got.text
    assert d.messages[0].secure
    assert got.log[0]["need"] == "encrypt"
    assert_refused(send(gw, clear.rcpt()), clear, "TLS is required|not offered")


@pytest.mark.parametrize("zone", [{"signed": False}, {"signed": True, "ds": "none"}])
def test_FAULTS_33_what_dnssec_does_not_vouch_for_is_as_if_absent(world, zone):
    d = world.domain(mx(tlsa=["3 1 1 " + WRONG]), **zone)
    clear = world.domain(mx(cert="none", tlsa=["3 1 1 " + WRONG]), **zone)
    gw = world.gateway()
    assert send(gw, d.rcpt()).code == 250
    got = send(gw, clear.rcpt())
    assert got.code == 250 and got.log[0]["need"] == "may", got
    assert len(d.messages) == len(clear.messages) == 1


@pytest.mark.parametrize("nsec3", [False, True])
def test_FAULTS_33_absence_that_is_proved(world, nsec3):
    d = world.domain(mx(cert=ODD_CERT), signed=True, nsec3=nsec3)
    got = send(world.gateway(), d.rcpt())
    assert got.code == 250 and got.log[0]["need"] == "may", got


def test_NEW_3_tls_is_mandatory(world):
    d = world.domain(mx(cert="none", tlsa=["3 1 1 " + WRONG]), signed=True)
    assert_refused(send(world.gateway(), d.rcpt()), d, "TLS is required|not offered")


FAILS = {
    "bogus": {"zone": {"bogus": ["TLSA"]}},
    "SERVFAIL": {"act": servfail},
    "silence": {"act": silence},
    "garbage": {"act": garbage},
}


@pytest.mark.parametrize("what", FAILS)
def test_FAULTS_33_a_lookup_that_fails_is_no_absence(world, what):
    """RFC 7672 section 2.1.2: the host is not used. An attacker who can stop the answer gets a delay, not the mail."""
    d = world.domain(mx(tlsa=["3 1 1"]), signed=True, **FAILS[what].get("zone", {}))
    if "act" in FAILS[what]:
        world.dns.odd(f"_25._tcp.{d.host_name()}", "TLSA", FAILS[what]["act"])
    got = send(world.gateway(route={"timeout": "2s"}), d.rcpt())
    assert got.step == "rcpt" and got.text.startswith("451 4.4.3 "), got.text
    assert d.hosts[0].connections == []


@pytest.mark.parametrize("zone", [{"bogus": ["*"]}, {"bogus": ["MX"]}, {"bogus": ["A"]}, {"expired": True}, {"ds": "wrong"}])
def test_FAULTS_32_bogus_is_never_no_policy(world, zone):
    d = world.domain(mx(tlsa=["3 1 1"]), signed=True, **zone)
    got = send(world.gateway(), d.rcpt())
    assert got.step == "rcpt" and got.text.startswith("451 4.4.3 "), got.text
    assert d.hosts[0].connections == []


@pytest.mark.parametrize("first", [mx(tlsa=["3 1 1 " + WRONG]), mx(cert="none", tlsa=["3 1 1 " + WRONG]),
                                   mx(there=False, tlsa=["3 1 1 " + WRONG])])
def test_FAULTS_33_a_mismatch_passes_over_the_host(world, first):
    d = world.domain(first, mx("mx2", tlsa=["3 1 1"]), signed=True)
    assert_by_dane(send(world.gateway(), d.rcpt()), d, host=1)
    assert d.hosts[0] is None or "MAIL" not in d.hosts[0].verbs


def test_FAULTS_33_a_failed_lookup_passes_over_the_host(world):
    d = world.domain(mx(tlsa=["3 1 1"]), mx("mx2", tlsa=["3 1 1"]), signed=True)
    world.dns.odd(f"_25._tcp.{d.host_name(0)}", "TLSA", servfail)
    assert_by_dane(send(world.gateway(), d.rcpt()), d, host=1)
    assert d.hosts[0].connections == []


def test_NEW_3_a_host_without_records_beside_one_that_has_them(world):
    """RFC 7672 section 2.2: each host has its own need."""
    d = world.domain(mx(tlsa=["3 1 1 " + WRONG]), mx("mx2", cert="self-signed"), signed=True)
    got = send(world.gateway(), d.rcpt())
    assert got.code == 250 and got.log[0]["need"] == "may", got
    assert len(d.hosts[1].messages) == 1 and d.hosts[0].messages == []


def test_NEW_3_records_at_the_name_that_a_cname_leads_to(world):
    """RFC 7672 section 2.2.2: where the whole chain is secure its end comes first, and is the SNI."""
    d = world.domain(mx("real", tlsa=["3 1 1"]), signed=True)
    alias = world.domain(mx(name=d.host_name(), there=False), signed=True)
    alias.publish("@ MX 10 www", f"www CNAME {d.host_name()}.", signed=True)
    got = send(world.gateway(), alias.rcpt())
    assert_by_dane(got, d)
    assert d.hosts[0].last.sni == d.host_name()


def test_NEW_3_records_at_the_alias_where_the_target_has_none(world):
    real = world.domain(mx("real", cert=ODD_CERT), signed=True)
    alias = world.domain(signed=True, records=["@ MX 10 www", f"www CNAME {real.host_name()}."])
    good = tlsa(real.certs[0], 3, 1, 1)
    alias.publish("@ MX 10 www", f"www CNAME {real.host_name()}.", *world.tlsa_records("www", good),
                  signed=True)
    assert_by_dane(send(world.gateway(), alias.rcpt()), real)


@pytest.mark.parametrize("whose", ["the domain", "what it is an alias of", "nobody"])
def test_NEW_3_names_of_a_domain_that_is_an_alias(world, whose):
    """RFC 7672 section 3.2.2: DANE-TA takes a certificate for the domain, and for what CNAMEs make of it."""
    owner, parent = world.domain(signed=True), world.domain(signed=True)
    alias = f"sub.{parent.name}"
    cert = world.certificate("good", {"the domain": alias, "what it is an alias of": owner.name}.get(whose, "x.example"))
    address = world.next_address()
    up = world.upstream(address, cert)
    owner.publish("@ MX 10 mx", f"mx A {address}", *world.tlsa_records("mx", world.record("2 0 1", cert)), signed=True)
    parent.publish(f"sub CNAME {owner.name}.", signed=True)
    got = send(world.gateway(), f"x@{alias}")
    assert (got.code == 250) == (whose != "nobody"), got.text
    assert len(up.messages) == (whose != "nobody")


@pytest.mark.parametrize("what, good", [("nothing else", True), ("MTA-STS that knows the host", True),
                                        ("MTA-STS that does not", False), ("a rule: verify", False), ("a rule: dane", False)])
def test_NEW_3_NEW_1_PP_8_unsigned_mx_of_a_signed_host(world, what, good):
    """RFC 7672 section 2.2.1: such a host is who it says it is; whether the domain has chosen it nobody knows."""
    host = world.domain(mx(cert=ODD_CERT, tlsa=["3 1 1"]), signed=True)
    patterns = {"MTA-STS that knows the host": [host.host_name()], "MTA-STS that does not": ["mx.example.org"]}.get(what)
    d = world.domain(sts="enforce" if patterns else None, sts_mx=patterns, records=[f"@ MX 10 {host.host_name()}."])
    level = {"a rule: verify": "verify", "a rule: dane": "dane"}.get(what)
    gw = world.gateway(partners={d.name: {"outbound": level}} if level else None)
    got = send(gw, d.rcpt())
    if good:
        assert_by_dane(got, host)
    else:
        assert got.step == "rcpt" and got.code // 100 == 4, got.text
        assert host.messages == [] and "MAIL" not in host.verbs


def test_NEW_3_a_secure_domain_without_mx(world):
    d = world.domain(signed=True)
    cert = world.certificate("good", d.name)
    address = world.next_address()
    up = world.upstream(address, cert)
    d.publish(f"@ A {address}", f"_25._tcp TLSA {tlsa(cert, 3, 1, 1)}", signed=True)
    got = send(world.gateway(), d.rcpt())
    assert got.code == 250 and len(up.messages) == 1, got.text
    assert got.log[0]["need"] == "dane"


def test_NEW_3_rollover_while_the_gateway_runs(world):
    """The zone's operator publishes the next key first; what was cached is used no longer than it may be."""
    d = world.domain(mx(tlsa=["3 1 1"]), signed=True)
    gw = world.gateway({"next_hop_pool": 0})  # a kept connection would outlive its certificate
    assert_by_dane(send(gw, d.rcpt()), d)
    fresh = world.pki.save("fresh-" + d.name, make(d.host_name(), world.pki.inter, names=(d.host_name(),)), world.pki.inter)
    d.hosts[0].tls = fresh.context()
    got = send(gw, d.rcpt())
    assert got.code // 100 == 4 and len(d.messages) == 1, got.text
    old = [line for line in d.lines if "TLSA" not in line]
    d.publish(*old, *world.tlsa_records(d.host_name() + ".", tlsa(fresh, 3, 1, 1)), signed=True)
    again = world.gateway()
    assert send(again, d.rcpt()).code == 250
    assert len(d.messages) == 2


STS_BESIDE = {
    # what: TLSA, certificate, MTA-STS, delivered
    "DANE right, name wrong for MTA-STS": (["3 1 1"], ODD_CERT, "enforce", True),
    "DANE wrong, certificate good for MTA-STS": (["3 1 1 " + WRONG], "good", "enforce", False),
    "DANE wrong, MTA-STS testing": (["3 1 1 " + WRONG], "good", "testing", False),
    "both right": (["3 1 1"], "good", "enforce", True),
}


@pytest.mark.parametrize("what", STS_BESIDE)
def test_FAULTS_35_dane_outranks_mta_sts(world, what):
    records, cert, mode, good = STS_BESIDE[what]
    d = world.domain(mx(cert=cert, tlsa=records), signed=True, sts=mode)
    got = send(world.gateway(), d.rcpt())
    assert_by_dane(got, d) if good else assert_refused(got, d)


def test_FAULTS_35_a_dane_lookup_that_fails_is_not_saved_by_mta_sts(world):
    d = world.domain(mx(tlsa=["3 1 1"]), signed=True, bogus=["TLSA"], sts="enforce")
    got = send(world.gateway(), d.rcpt())
    assert got.text.startswith("451 4.4.3 "), got.text
    assert d.hosts[0].connections == []


@pytest.mark.parametrize("dane, good", [(True, False), (False, True)])
def test_NEW_3_can_be_switched_off(world, dane, good):
    d = world.domain(mx(tlsa=["3 1 1 " + WRONG]), signed=True)
    assert (send(world.gateway({"dane": dane}), d.rcpt()).code == 250) == good


def test_NEW_3_explain_tells(world):
    d = world.domain(mx(tlsa=["3 1 1"]), signed=True)
    gw = world.gateway()
    said = explain(gw, d.rcpt())
    assert "dane" in str(said["need"]), said
    assert re.search("DANE|TLSA", str(said["because"])), said
