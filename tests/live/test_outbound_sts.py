"""MTA-STS (RFC 8461): SPEC NEW-1, FAULTS 34. A real web server with its own CA (stsserver.py)."""
import re

import pytest

import stsserver
from outbound import mx, send
from pki import make
from stsserver import body
from test_outbound_rules import NO_TLS, without_tls

BAD = ["expired", "not yet valid", "wrong name", "self-signed", "unknown CA", "missing intermediate"]


def assert_refused(got, d, words=""):
    assert got.step == "rcpt" and re.match(r"4\d\d 4\.[47]\.\d+ ", got.text), got.text
    assert re.search(words, got.text), got.text
    assert "MAIL" not in d.verbs and d.messages == []


def assert_delivered(got, d, need):
    assert got.step == "dot" and got.code == 250, got.text
    assert len(d.messages) == 1
    assert got.log[0]["need"] == need, got.log


def test_NEW_1_enforce(world):
    d = world.domain(mx(), sts="enforce")
    gw = world.gateway()
    got = send(gw, d.rcpt())
    assert_delivered(got, d, "verify")
    assert got.log[0]["up_verified"] == "ok" and d.messages[0].conn.sni == d.host_name()
    send(gw, d.rcpt("c"))
    assert world.web.count(d.name) == 1  # cached


@pytest.mark.parametrize("mode", ["testing", "none"])
@pytest.mark.parametrize("cert", [*BAD, "none"])
def test_NEW_1_testing_and_none_deliver(world, cert, mode):
    d = world.domain(mx(cert=cert), sts=mode)
    got = send(world.gateway(), d.rcpt())
    assert_delivered(got, d, "may")
    assert d.messages[0].secure == (cert != "none")


@pytest.mark.parametrize("cert", BAD)
def test_NEW_1_enforce_and_a_bad_certificate(world, cert):
    d = world.domain(mx(cert=cert), sts="enforce")
    assert_refused(send(world.gateway(), d.rcpt()), d, "not verified")


@pytest.mark.parametrize("what", NO_TLS)
def test_NEW_1_FAULTS_15_enforce_and_no_tls(world, what):
    d = world.domain(without_tls(what), sts="enforce")
    assert_refused(send(world.gateway(), d.rcpt()), d, "TLS")


def test_NEW_1_the_mx_is_not_in_the_policy(world):
    """The host is not even called."""
    d = world.domain(mx(), sts="enforce", sts_mx=["mx.other.example"])
    got = send(world.gateway(), d.rcpt())
    assert got.step == "rcpt" and got.text.startswith("451 4.7.5 "), got.text
    assert d.hosts[0].connections == []


def test_NEW_1_testing_and_an_mx_that_is_not_in_the_policy(world):
    d = world.domain(mx(), sts="testing", sts_mx=["mx.other.example"])
    assert_delivered(send(world.gateway(), d.rcpt()), d, "may")


def test_NEW_1_the_host_that_is_in_the_policy(world):
    d = world.domain(mx(), mx("mx2"), sts="enforce", sts_mx=["mx2.only.example"])
    d2 = world.domain(mx(), mx("mx2"), sts="enforce")
    world.web.policy(d2.name, "enforce", [d2.host_name(1)])
    gw = world.gateway()
    assert send(gw, d.rcpt()).text.startswith("451 4.7.5 ")
    assert_delivered(send(gw, d2.rcpt()), d2, "verify")
    assert d2.hosts[0].connections == [] and len(d2.hosts[1].messages) == 1


@pytest.mark.parametrize("pattern, good", [
    ("*.{d}", True), ("*.{D}", True), ("{h}", True), ("{H}", True), ("*.a.{d}", False), ("*.example", False),
    ("*.{h}", False), ("{d}", False)])
def test_NEW_1_a_wildcard_is_one_label(world, pattern, good):
    d = world.domain(mx(), sts="enforce")
    words = {"d": d.name, "D": d.name.upper(), "h": d.host_name(), "H": d.host_name().upper()}
    world.web.policy(d.name, "enforce", [pattern.format(**words)])
    got = send(world.gateway(), d.rcpt())
    assert_delivered(got, d, "verify") if good else assert_refused(got, d)


def test_NEW_1_a_wildcard_is_not_two_labels(world):
    d = world.domain(mx("a.mx1"), sts="enforce")
    world.web.policy(d.name, "enforce", [f"*.{d.name}"])
    assert_refused(send(world.gateway(), d.rcpt()), d)


def test_NEW_1_a_name_in_the_subject_alone_is_none(world):
    d = world.domain(mx(), sts="enforce")
    d.hosts[0].tls = world.pki.save("cn-" + d.name, make(d.host_name(), world.pki.inter), world.pki.inter).context()
    assert_refused(send(world.gateway(), d.rcpt()), d, "not verified")


@pytest.mark.parametrize("text, good", [
    ("version: STSv1\nmode: enforce\nmode: none\nmax_age: 86400\nmx: nowhere.example\n", False),
    ("version: STSv1\nmode: none\nmode: enforce\nmax_age: 86400\nmx: nowhere.example\n", True),
    ("version: STSv1\r\nmode: enforce\r\nfuture: yes\r\nmax_age: 86400\r\nmx: nowhere.example\r\n", False),
    ("mode: enforce\nmx: nowhere.example\nmax_age: 86400\nversion: STSv1\n", False),
])
def test_NEW_1_the_first_of_a_doubled_field_counts(world, text, good):
    """RFC 8461 section 3.2. Unknown fields and LF alone are fine. Delivered: there was nothing to enforce."""
    d = world.domain(mx(cert="expired"), sts="enforce")
    world.web.play(d.name, stsserver.reply(text))
    got = send(world.gateway(), d.rcpt())
    assert (got.code == 250) == good, got.text


GOOD = body("enforce", ["nowhere.example"])  # whoever takes this for a policy refuses
FETCHES = {
    "404": stsserver.status("404 Not Found"),
    "500": stsserver.status("500 Oh no"),
    "204": stsserver.status("204 No Content"),
    "404 with a policy": stsserver.reply(GOOD, "404 Not Found"),
    "too long": stsserver.oversize(GOOD),
    "endless": stsserver.endless(GOOD),
    "cut": stsserver.cut(GOOD),
    "garbage": stsserver.garbage,
    "another type": stsserver.reply(GOOD, kind="text/html"),
    "nobody there": None,
    "empty": stsserver.reply(""),
    "no version": stsserver.reply("mode: enforce\nmx: nowhere.example\nmax_age: 86400\n"),
    "version 2": stsserver.reply(body("enforce", ["nowhere.example"], version="STSv2")),
    "no mode": stsserver.reply("version: STSv1\nmx: nowhere.example\nmax_age: 86400\n"),
    "an unknown mode": stsserver.reply(body("enforced", ["nowhere.example"])),
    "no max_age": stsserver.reply("version: STSv1\nmode: enforce\nmx: nowhere.example\n"),
    "max_age is no number": stsserver.reply(body("enforce", ["nowhere.example"], max_age="soon")),
    "no mx": stsserver.reply(body("enforce")),
    "mx is no name": stsserver.reply(body("enforce", ["no where\x00.example"])),
    "NUL": stsserver.reply(b"\0" * 3000),
}


@pytest.mark.parametrize("what", FETCHES)
def test_FAULTS_34_no_policy_could_be_had_and_none_is_cached(world, what):
    """As if there were none: opportunistic."""
    d = world.domain(mx(cert="expired"), sts="enforce")
    world.web.play(d.name, FETCHES[what])
    assert_delivered(send(world.gateway(), d.rcpt()), d, "may")


@pytest.mark.parametrize("act", [stsserver.hang, stsserver.drip(GOOD)])
def test_FAULTS_34_slow_web_servers_cost_bounded_time(world, act):
    d = world.domain(mx(cert="expired"), sts="enforce")
    world.web.play(d.name, act)
    got = send(world.gateway(route={"timeout": "2s"}), d.rcpt())
    assert_delivered(got, d, "may")


@pytest.mark.parametrize("line", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect",
                                  "308 Permanent Redirect"])
def test_FAULTS_34_redirects_are_never_followed(world, line):
    """Not even to the same server."""
    d = world.domain(mx(cert="expired"), sts="enforce")
    world.web.play(d.name, stsserver.redirect(f"https://mta-sts.{d.name}:{world.web.port}/policy.txt", line))
    world.web.elsewhere[d.name] = stsserver.reply(GOOD)
    assert_delivered(send(world.gateway(), d.rcpt()), d, "may")
    assert [path for name, path in world.web.requests if name == d.name] == [stsserver.PATH]


@pytest.mark.parametrize("cert", ["expired", "not yet valid", "wrong name", "self-signed", "unknown CA",
                                  "missing intermediate", "name in CN alone"])
def test_FAULTS_34_the_web_servers_certificate(world, cert):
    d = world.domain(mx(cert="expired"), sts="enforce")
    name = f"mta-sts.{d.name}"
    pki = world.pki
    bad = (pki.save("web-cn-" + d.name, make(name, pki.inter), pki.inter) if cert == "name in CN alone"
           else world.certificate(cert, name))
    world.web.certificate(d.name, bad)
    assert_delivered(send(world.gateway(), d.rcpt()), d, "may")
    assert world.web.count(d.name) == 0 and d.name in world.web.handshakes


@pytest.mark.parametrize("records", [
    ['_mta-sts TXT "v=STSv1; id=1"', '_mta-sts TXT "v=STSv1; id=2"'],  # RFC 8461 section 3.1: more than one is none
    ['_mta-sts TXT "v=STSv2; id=1"'], ['_mta-sts TXT "v=STSv1; id=not/good"'], ['_mta-sts TXT "id=1; v=STSv1"'], []])
def test_NEW_1_records_that_announce_nothing(world, records):
    d = world.domain(mx(cert="expired"), records=["mta-sts A 127.0.0.1", *records])
    world.web.policy(d.name, "enforce", ["nowhere.example"])
    assert_delivered(send(world.gateway(), d.rcpt()), d, "may")
    assert d.name not in world.web.handshakes


@pytest.mark.parametrize("records", [
    ['_mta-sts TXT "v=STSv1; id=1"', '_mta-sts TXT "something else"'], ['_mta-sts TXT "v=STSv1;id=1;"'],
    ['_mta-sts TXT "v=STSv1; " "id=1"'], ['_mta-sts TXT "v=STSv1; x=y; id=1"'],
    ['_mta-sts CNAME other._mta-sts', 'other._mta-sts TXT "v=STSv1; id=1"']])
def test_NEW_1_records_that_announce_a_policy(world, records):
    d = world.domain(mx(cert="expired"), records=["mta-sts A 127.0.0.1", *records])
    world.web.policy(d.name, "enforce", [d.host_name()])
    assert_refused(send(world.gateway(), d.rcpt()), d, "not verified")


LATER = {
    "404": lambda world, d: world.web.play(d.name, stsserver.status("404 Not Found")),
    "nobody there": lambda world, d: world.web.play(d.name, None),
    "a bad body": lambda world, d: world.web.play(d.name, stsserver.reply("none\n")),
    "a bad certificate": lambda world, d: world.web.certificate(
        d.name, world.certificate("unknown CA", f"mta-sts.{d.name}")),
    "a redirect": lambda world, d: world.web.play(d.name, stsserver.redirect("https://example.com/")),
}


@pytest.mark.parametrize("what", LATER)
def test_FAULTS_34_a_cached_policy_is_enforced_over_restarts(world, what):
    """NEW-1: the zone announces a new one that can't be had; the old one holds until its max_age."""
    d = world.domain(mx(), sts="enforce")
    gw = world.gateway()
    assert_delivered(send(gw, d.rcpt()), d, "verify")
    gw.stop()
    LATER[what](world, d)
    d.publish(*[line.replace("id=20260801", "id=20260802") for line in d.lines])
    d.hosts[0].tls = world.certificate("expired", d.host_name()).context()
    gw.start()
    got = send(gw, d.rcpt())
    assert got.code // 100 == 4 and "not verified" in got.text, got.text
    assert len(d.messages) == 1 and len(d.hosts[0].connections) == 2


def test_FAULTS_34_a_record_that_vanished_ends_no_cached_policy(world):
    """RFC 8461 section 3.3: an attacker can always make DNS say nothing."""
    d = world.domain(mx(), sts="enforce")
    gw = world.gateway()
    send(gw, d.rcpt())
    gw.stop()
    d.publish(*[line for line in d.lines if "_mta-sts" not in line])
    d.hosts[0].tls = world.certificate("expired", d.host_name()).context()
    gw.start()
    assert send(gw, d.rcpt()).code // 100 == 4
    assert len(d.messages) == 1


def test_NEW_1_a_new_policy_takes_the_place_of_the_old(world):
    d = world.domain(mx(), sts="enforce")
    gw = world.gateway()
    send(gw, d.rcpt())
    gw.stop()
    world.web.policy(d.name, "none")
    d.publish(*[line.replace("id=20260801", "id=20260802") for line in d.lines])
    d.hosts[0].tls = world.certificate("expired", d.host_name()).context()
    gw.start()
    assert send(gw, d.rcpt()).code == 250
    assert world.web.count(d.name) == 2


def test_NEW_1_the_policy_is_kept_over_a_restart(world):
    d = world.domain(mx(), sts="enforce")
    gw = world.gateway()
    send(gw, d.rcpt())
    gw.stop()
    gw.start()
    assert send(gw, d.rcpt()).log[0]["need"] == "verify"
    assert world.web.count(d.name) == 1


@pytest.mark.parametrize("honoured, good", [(True, False), (False, True)])
def test_NEW_1_can_be_switched_off(world, honoured, good):
    d = world.domain(mx(cert="expired"), sts="enforce")
    assert (send(world.gateway({"mta_sts": honoured}), d.rcpt()).code == 250) == good


def test_FAULTS_34_many_ask_and_one_fetch_is_made(world):
    d = world.domain(mx(), sts="enforce")
    gw = world.gateway()
    clients = [gw.connect("out") for _ in range(20)]
    for c in clients:
        c.hello()
        c.send(f"MAIL FROM:<a@client.example>\r\nRCPT TO:<{d.rcpt()}>\r\n".encode())
    for c in clients:
        assert [c.reply().code, c.reply().code] == [250, 250]
        c.close()
    assert world.web.count(d.name) == 1
