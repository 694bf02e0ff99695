"""`sallyport probe`: all mail hosts of a domain, and the weakest link (SPEC GC-12)."""
import json
import re
import ssl

import pytest
from gateway import sallyport
from outbound import mx

WRONG = "3 1 1 " + "ab" * 32


def probe(gw, *names, more=()):
    done = sallyport("probe", "-c", gw.file, "--json", *more, *names)
    try:
        return json.loads(done.stdout), done.returncode
    except ValueError:
        raise AssertionError(f"probe: {done.returncode}\n{done.stdout}{done.stderr}") from None


@pytest.fixture
def gw(world):
    return world.gateway(start=False)


ROWS = {
    "WebPKI": (dict(hosts=[mx()]), 0, "good", r"mx1\.\S+ has TLSv1\.3 with \d+ bits, verified by WebPKI"),
    "DANE": (dict(hosts=[mx(cert="self-signed", tlsa=["3 1 1"])], signed=True), 0, "good", r"verified by DANE"),
    "the best is good, the second has no TLS": (dict(hosts=[mx(), mx("mx2", cert="none")]), 1, "no-tls", r"^mx2\.\S+ offers no STARTTLS$"),
    "no TLS is weaker than a bad certificate": (dict(hosts=[mx(cert="expired"), mx("mx2", cert="none")]), 1, "no-tls", r"^mx2\."),
    "STARTTLS is refused": (dict(hosts=[mx(options={"starttls": "454 4.7.0 later"})]), 1, "no-tls", r"refuses STARTTLS"),
    "expired": (dict(hosts=[mx(cert="expired")]), 1, "unverified", r"is not verified: .*expired"),
    "wrong name": (dict(hosts=[mx(cert="wrong name")]), 1, "unverified", r"is not verified: certificate is for "),
    "TLSA records that are not met": (dict(hosts=[mx(tlsa=[WRONG])], signed=True), 1, "unverified", r"not verified by DANE: no TLSA record"),
    "nobody there": (dict(hosts=[mx(), mx("mx2", there=False)]), 1, "unreachable", r"^mx2\.\S+ can't be spoken to: "),
    "no address": (dict(hosts=[mx(), mx("mx2", a=[])]), 1, "unreachable", r"^mx2\.\S+ has no address"),
    "null MX": (dict(hosts=[], records=["@ MX 0 ."]), 1, None, r"takes no mail \(null MX\)"),
    "bogus": (dict(hosts=[mx()], signed=True, bogus=["*"]), 75, None, r"^DNS failed: "),
}


@pytest.mark.parametrize("row", ROWS)
def test_GC_12_the_weakest_link(world, gw, row):
    made, status, link, words = ROWS[row]
    made = dict(made)
    d = world.domain(*made.pop("hosts"), **made)
    (said,), code = probe(gw, d.name)
    assert (code, said["status"], said["link"]) == (status, status, link), said
    assert re.search(words, said["weakest"]), said["weakest"]
    done = sallyport("probe", "-c", gw.file, d.name)
    assert done.returncode == status and f"weakest: {said['weakest']}" in done.stdout, done
    assert d.messages == []


def test_GC_12_NEW_28_what_is_told_of_a_host(world, gw):
    d = world.domain(mx(tlsa=["3 1 1"]), mx("mx2", cert="mx2.x.example {0}"), signed=True, sts="enforce", reload=False,
                     records=['_smtp._tls TXT "v=TLSRPTv1; rua=mailto:reports@a.example,https://r.example/x"'])
    world.web.policy(d.name, "enforce", [d.host_name(0)])
    world.dns.reload()
    (said,), _ = probe(gw, d.name)
    one, two = said["hosts"]
    tls = one["addresses"][0]["tls"]
    assert (tls["version"], tls["dane"], tls["verified_host"], tls["verified_domain"]) == ("TLSv1.3", True, True, False), tls
    assert tls["bits"] >= 128 and tls["cipher"].startswith("TLS_") and tls["group"], tls
    leaf, inter = one["addresses"][0]["chain"]
    assert leaf["names"] == [d.host_name(0)] and leaf["issuer"] == inter["subject"] and leaf["until"] and leaf["key"] == "EC 256", leaf
    assert leaf["sha256"] == d.certs[0].sha256
    assert said["mta_sts"]["mode"] == "enforce" and said["mta_sts"]["id"], said["mta_sts"]
    assert (one["mta_sts"], two["mta_sts"]) == (True, False)
    assert said["tlsrpt"]["rua"] == ["mailto:reports@a.example", "https://r.example/x"], said["tlsrpt"]
    assert one["secure"] and said["mx_secure"] and one["tlsa"]["state"] == "usable"


def test_GC_12_a_certificate_for_the_domain(world, gw):
    name = "fordomain.example"
    d = world.domain(mx(cert=f"mx1.{name} {name}"), name=name)
    tls = probe(gw, d.name)[0][0]["hosts"][0]["addresses"][0]["tls"]
    assert tls["verified_host"] and tls["verified_domain"], tls


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version, told", [("TLSv1", "TLS 1.0"), ("TLSv1.1", "TLS 1.1"), ("TLSv1.2", None), ("TLSv1.3", None)])
def test_GC_12_the_oldest_version_that_is_taken(world, gw, version, told):
    d = world.domain(mx())
    context = d.certs[0].context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2,
                               "TLSv1.3": ssl.TLSVersion.TLSv1_3}[version]
    d.hosts[0].tls = context
    (said,), status = probe(gw, d.name)
    assert said["hosts"][0]["addresses"][0]["tls"]["lowest"] == version, said["hosts"]
    assert status == 0 and (said["weakest"].endswith(f" takes {told}") if told else said["link"] == "good"), said["weakest"]


def test_GC_12_several_domains_and_the_port(world, gw):
    good, bad = world.domain(mx(), reload=False), world.domain(mx(cert="none"), reload=False)
    world.dns.reload()
    said, status = probe(gw, good.name, bad.name)
    assert [d["domain"] for d in said] == [good.name, bad.name] and status == 1
    said, status = probe(gw, good.name, more=["--port", "1"])
    assert status == 1 and not said[0]["hosts"][0]["addresses"][0]["reachable"], said
    assert probe(gw, good.name, "nowhere.nothing.example")[1] == 1
    assert probe(gw, good.name.upper() + ".")[1] == 0


def test_FAULTS_10_FAULTS_12_a_host_that_plays_the_fool(world, gw):
    odd = [world.domain(mx(options={"greeting": reply}), reload=False)
           for reply in ("554 5.7.1 not you", "421 4.3.2 busy", "hello")]
    world.dns.reload()
    for said in probe(gw, *(d.name for d in odd))[0]:
        assert said["link"] == "unreachable" and said["hosts"][0]["addresses"][0]["why"], said


def test_GC_12_wrong_use_of_probe(gw, tmp_path):
    for args in ([], ["--port", "0", "a.example"], ["--port", "x", "a.example"], ["--no", "a.example"], ["a..b"], ["[192.0.2.1]"]):
        assert sallyport("probe", "-c", gw.file, *args).returncode == 64, args
    assert sallyport("probe", "-c", tmp_path / "nothing", "a.example").returncode == 66
