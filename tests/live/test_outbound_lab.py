"""The laboratory itself: that a zone is what it says, seen by libunbound and by Postfix, without the program under test. What this
gets wrong the tests of `mode: outbound` would get wrong, too."""
import subprocess

import pytest

import stsserver
from dnslab import Validator, always_truncated, garbage, raw_rdata, servfail, truncated, unsigned
from outbound import mx

SECURE, INSECURE, BOGUS = (True, False), (False, False), (False, True)


@pytest.mark.parametrize("options, mx_is, tlsa_is", [
    ({"signed": True}, SECURE, SECURE),
    ({"signed": True, "nsec3": True}, SECURE, SECURE),
    ({"signed": False}, INSECURE, INSECURE),
    ({"signed": True, "ds": "none"}, INSECURE, INSECURE),
    ({"signed": True, "ds": "wrong"}, BOGUS, BOGUS),
    ({"signed": True, "bogus": ["TLSA"]}, SECURE, BOGUS),
    ({"signed": True, "bogus": ["*"]}, BOGUS, BOGUS),
    ({"signed": True, "expired": True}, BOGUS, BOGUS),
])
def test_a_zone_is_worth_what_it_says(world, options, mx_is, tlsa_is):
    d = world.domain(mx(tlsa=["3 1 1"]), **options)
    with Validator(world.dns) as v:
        found = v.resolve(d.name, "MX")
        assert (found.secure, found.bogus) == mx_is, found
        found = v.resolve(f"_{world.port}._tcp.{d.host_name()}", "TLSA")
        assert (found.secure, found.bogus) == tlsa_is, found
        assert len(found.records) == 1
        if not options.get("bogus") and mx_is != BOGUS:
            assert v.resolve("nothing." + d.name, "A").rcode == "NXDOMAIN"


def test_a_zone_that_can_not_be_loaded(world):
    d = world.domain(mx(), served=False)
    assert world.dns.resolve(d.name, "MX").rcode == "SERVFAIL"


@pytest.mark.parametrize("act, rcode, secure, count", [
    (servfail, "SERVFAIL", False, 0), (garbage, "SERVFAIL", False, 0), (always_truncated, "SERVFAIL", False, 0),
    (truncated, "NOERROR", True, 1), (unsigned, "NOERROR", False, 1), (raw_rdata("MX", b"\0"), "SERVFAIL", False, 0)])
def test_odd_answers(world, act, rcode, secure, count):
    d = world.domain(mx(), signed=True)
    world.dns.odd(d.name, "MX", act)
    found = world.dns.resolve(d.name, "MX")
    assert (found.rcode, found.secure, len(found.records)) == (rcode, secure, count), found
    assert found.bogus == (act is unsigned)


def test_zones_change(world):
    d = world.domain(mx(), signed=True)
    world.dns.bogus(d.name)
    world.dns.reload()
    assert world.dns.resolve(d.name, "MX").bogus
    d.publish("@ MX 7 other", signed=True)
    assert world.dns.resolve(d.name, "MX").records == [f"7 other.{d.name}."]


@pytest.mark.parametrize("records, cert, good", [
    (["3 1 1"], "expired, self-signed, wrong name", True), (["2 0 1"], "good", True), (["2 0 1"], "wrong name", False),
    (["3 1 1 " + "ab" * 32], "good", False)])
def test_postfix_reads_the_same_records(world, records, cert, good):
    d = world.domain(mx(cert=cert, tlsa=records), signed=True)
    met, words = world.finger(d.name)
    assert met == good, words
    assert d.hosts[0].last.verbs[:2] == ["EHLO", "STARTTLS"]


def test_the_web_server(world):
    a, b = world.domain(mx(), sts="enforce"), world.domain(mx(), sts="testing")
    world.web.play(b.name, stsserver.redirect("https://elsewhere.example/"))
    for domain, head, within in ((a, "HTTP/1.1 200 OK", f"mx: {a.host_name()}"), (b, "HTTP/1.1 302 Found", "Location: ")):
        host = f"mta-sts.{domain.name}"
        done = subprocess.run(
            ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile", world.pki.ca, "-verify_hostname", host,
             "-servername", host, "-connect", f"127.0.0.1:{world.web.port}"], capture_output=True, text=True, timeout=20,
            check=False, input=f"GET {stsserver.PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert head in done.stdout and within in done.stdout, done.stdout + done.stderr
        assert world.web.count(domain.name) == 1
