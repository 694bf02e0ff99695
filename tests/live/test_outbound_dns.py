"""Where the mail goes: FAULTS 31 and 32, SPEC NEW-23, NEW-24, NEW-31, and answers that no name server should give."""
import socket

import pytest

from dnslab import (always_truncated, garbage, label_octets, raw_rdata, records, rcode, servfail, silence, truncated,
                    unsigned)
from outbound import mx, send

BLACKHOLE = "::1"  # with `full`: there, and never answering


@pytest.fixture
def full(world):
    """An IPv6 address on the MX port whose queue is full: no answer to a connection attempt, not even a refusal."""
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((BLACKHOLE, world.port))
    listener.listen(0)
    waiting = []
    for _ in range(3):
        s = socket.socket(socket.AF_INET6)
        s.setblocking(False)
        s.connect_ex((BLACKHOLE, world.port))
        waiting.append(s)
    yield
    for s in [*waiting, listener]:
        s.close()


def assert_deferred(got, d):
    assert got.step == "rcpt" and got.text.startswith("451 4.4.3 "), got.text
    assert d.messages == [] and all(h.connections == [] for h in d.hosts if h)


@pytest.mark.parametrize("signed", [False, True])
def test_FAULTS_31_no_such_domain(world, signed):
    world.domain(signed=signed, name=f"parent{int(signed)}.example")
    got = send(world.gateway(), f"b@nothing.parent{int(signed)}.example")
    assert got.step == "rcpt" and got.text.startswith("550 5.1.2 "), got.text


def test_FAULTS_31_a_domain_without_mx_and_address(world):
    d = world.domain(records=["@ TXT here"])
    assert send(world.gateway(), d.rcpt()).text.startswith("550 5.1.2 ")


@pytest.mark.parametrize("zone", [{}, {"signed": True}])
def test_NEW_23_null_mx(world, zone):
    """RFC 7505: no fallback to the address."""
    d = world.domain(**zone)
    address = world.next_address()
    up = world.upstream(address, None)
    d.publish("@ MX 0 .", f"@ A {address}", **zone)
    got = send(world.gateway(), d.rcpt())
    assert got.step == "rcpt" and got.text.startswith("556 5.1.10 "), got.text
    assert up.connections == []


def test_NEW_23_a_dot_beside_another_is_no_null_mx(world):
    """RFC 7505 section 3: it must be the only one."""
    d = world.domain(mx(), records=["@ MX 0 ."])
    got = send(world.gateway(), d.rcpt())
    assert got.code == 250, got.text


def test_an_address_without_mx(world):
    d = world.domain()
    address = world.next_address()
    up = world.upstream(address, world.certificate("good", d.name))
    d.publish(f"@ A {address}")
    assert send(world.gateway(), d.rcpt()).code == 250
    assert len(up.messages) == 1


def test_a_domain_that_is_an_alias(world):
    d = world.domain(mx())
    alias = world.domain(records=[f"sub CNAME {d.name}."])
    assert send(world.gateway(), f"b@sub.{alias.name}").code == 250
    assert d.messages[0].rcpts == [f"b@sub.{alias.name}"]


LOOKUPS = {"SERVFAIL": servfail, "REFUSED": rcode("REFUSED"), "silence": silence, "garbage": garbage,
           "always truncated": always_truncated}


@pytest.mark.parametrize("rdtype", ["MX", "A"])
@pytest.mark.parametrize("what", LOOKUPS)
def test_FAULTS_32_a_lookup_that_fails(world, what, rdtype):
    d = world.domain(mx())
    name = d.name if rdtype == "MX" else d.host_name()
    world.dns.odd(name, rdtype, LOOKUPS[what])
    assert_deferred(send(world.gateway(route={"timeout": "2s"}), d.rcpt()), d)


def test_FAULTS_32_a_zone_that_is_not_served(world):
    d = world.domain(mx(), served=False)
    assert_deferred(send(world.gateway(), d.rcpt()), d)


def test_FAULTS_32_stripped_signatures(world):
    d = world.domain(mx(), signed=True)
    world.dns.odd(d.name, "MX", unsigned)
    assert_deferred(send(world.gateway(), d.rcpt()), d)


@pytest.mark.parametrize("signed", [False, True])
def test_FAULTS_32_truncated_by_udp_is_asked_by_tcp(world, signed):
    d = world.domain(mx(), signed=signed)
    world.dns.odd(d.name, "*", truncated)
    world.dns.odd(d.host_name(), "*", truncated)
    assert send(world.gateway(), d.rcpt()).code == 250


def test_FAULTS_32_a_host_that_can_not_be_looked_up_is_passed_over(world):
    d = world.domain(mx(), mx("mx2"))
    world.dns.odd(d.host_name(0), "*", servfail)
    assert send(world.gateway(), d.rcpt()).code == 250
    assert len(d.hosts[1].messages) == 1


def test_a_host_without_an_address_is_passed_over(world):
    d = world.domain(mx(a=()), mx("mx2"))
    assert send(world.gateway(), d.rcpt()).code == 250
    assert len(d.hosts[1].messages) == 1


def test_no_host_has_an_address(world):
    d = world.domain(mx(a=()), mx("mx2", a=()))
    got = send(world.gateway(), d.rcpt())
    assert got.step == "rcpt" and got.text.startswith("550 5.4.4 "), got.text


def preference(n):
    return n.to_bytes(2, "big")


HOSTILE = {
    "NUL": label_octets(b"a\0b", b"example"),
    "CR LF": label_octets(b"a\r\nRCPT TO:<x@y>", b"example"),
    "a dot within": label_octets(b"mx1.evil", b"example"),
    "blank": label_octets(b"a b", b"example"),
    "8-bit": label_octets(b"\xff\xfe", b"example"),
    "escape": label_octets(b"\x1b[2J", b"example"),
    "quote": label_octets(b'"$(reboot)"', b"example"),
    "endless": b"".join(b"\x3f" + b"x" * 63 for _ in range(4))[:-10] + b"\0",
    "an address": label_octets(b"127", b"0", b"0", b"1"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_FAULTS_32_names_that_no_host_has(world, what):
    """They are never called, printed or logged as they are; a good host beside them is used."""
    d = world.domain(mx())
    gw = world.gateway(route={"timeout": "3s"})
    world.dns.odd(d.name, "MX", raw_rdata("MX", preference(1) + HOSTILE[what]))
    got = send(gw, d.rcpt())
    assert got.step == "rcpt" and got.code // 100 in (4, 5), got.text
    assert got.text.isprintable()
    other = world.domain(mx())
    good = other.host_name().encode().split(b".")
    world.dns.odd(other.name, "MX", raw_rdata("MX", preference(1) + HOSTILE[what], preference(2) + label_octets(*good)))
    got = send(gw, other.rcpt())
    assert got.code in (250, 451), got.text
    assert all(str(value).isprintable() for line in gw.lines for value in line.values()), gw.transcript()


@pytest.mark.parametrize("rdata", [b"", b"\0", b"\0\1", b"\0\1\x3f", b"\0\1\xc0\xff"])
def test_FAULTS_32_short_records(world, rdata):
    d = world.domain(mx())
    world.dns.odd(d.name, "MX", raw_rdata("MX", rdata))
    assert_deferred(send(world.gateway(route={"timeout": "2s"}), d.rcpt()), d)


def test_FAULTS_32_many_hosts(world):
    """The best ones are used; the rest is left out."""
    d = world.domain(mx(), records=[f"@ MX {100 + n} nobody{n}" for n in range(50)])
    got = send(world.gateway(), d.rcpt())
    assert got.code == 250, got.text
    assert world.dns.asked(f"nobody40.{d.name}", "A") == 0


def test_FAULTS_32_a_thousand_hosts(world):
    """Nobody has so many. The first ones of the answer are looked at, and nothing grows."""
    d = world.domain(mx(), records=[f"@ MX {100 + n} nobody{n}" for n in range(1000)])
    got = send(world.gateway(), d.rcpt())
    assert got.code in (250, 451), got.text
    assert sum(world.dns.asked(f"nobody{n}.{d.name}", "A") for n in range(1000)) <= 16


def test_FAULTS_32_aliases_in_a_circle(world):
    d = world.domain(records=["@ MX 10 x", "x CNAME y", "y CNAME x"])
    got = send(world.gateway(route={"timeout": "3s"}), d.rcpt())
    assert got.step == "rcpt" and got.code // 100 in (4, 5), got.text


def test_FAULTS_32_an_answer_for_another_name(world):
    """What nobody asked for is not believed."""
    d, victim = world.domain(mx()), world.domain(mx())
    world.dns.odd(d.name, "MX", records(f"{d.name}. 60 IN MX 10 {d.host_name()}.",
                                        f"{victim.host_name()}. 60 IN A {d.addresses[0]}"))
    gw = world.gateway()
    assert send(gw, d.rcpt()).code == 250
    assert send(gw, victim.rcpt()).code == 250
    assert len(victim.messages) == 1 and len(d.messages) == 1


# Which host

def test_NEW_24_preferences_are_kept(world):
    d = world.domain(mx("far", preference=20), mx("near", preference=5), mx("middle", preference=10))
    assert send(world.gateway(), d.rcpt()).code == 250
    assert len(d.hosts[1].messages) == 1


@pytest.mark.parametrize("first", [{"there": False}, {"options": {"greeting": "554 no mail here"}},
                                   {"options": {"greeting": "421 not now"}}, {"options": {"tls": None}}])
def test_NEW_24_the_next_host(world, first):
    if "tls" in first.get("options", {}):
        first = {"cert": "none"}
    d = world.domain(mx(**first), mx("mx2"), sts="enforce")
    got = send(world.gateway(), d.rcpt())
    assert got.code == 250 and len(d.hosts[1].messages) == 1, got.text
    assert d.hosts[0] is None or "MAIL" not in d.hosts[0].verbs


@pytest.mark.parametrize("how", ["expired", "wrong name", "none"])
def test_NEW_24_the_next_host_under_the_same_need(world, how):
    """A worse host is no better: what the first was refused for the second is refused for, too."""
    d = world.domain(mx(cert=how), mx("mx2", cert=how), sts="enforce")
    got = send(world.gateway(), d.rcpt())
    assert got.step == "rcpt" and got.code // 100 == 4, got.text
    assert all(h.connections and "MAIL" not in h.verbs for h in d.hosts)


@pytest.mark.parametrize("dead", ["2001:db8::1", "::1"])
def test_NEW_24_a_dead_ipv6_address_first(world, full, dead):
    """RFC 8305: the IPv4 address is tried before the other attempt has run out."""
    d = world.domain(mx(aaaa=(dead,)))
    got = send(world.gateway(), d.rcpt())
    assert got.code == 250, got.text
    assert got.session["ms"] < 3000


def test_NEW_24_several_addresses_of_one_host(world):
    d = world.domain(mx())
    dead = [world.next_address() for _ in range(3)]
    d.publish(*d.lines, *[f"mx1 A {a}" for a in dead])
    gw = world.gateway()
    assert send(gw, d.rcpt()).code == 250


def test_private_addresses_are_not_called_unless_allowed(world):
    """Who writes a zone must not reach what only this machine can reach."""
    d = world.domain(mx())
    got = send(world.gateway(route={"private_addresses": False}), d.rcpt())
    assert got.step == "rcpt" and got.code // 100 in (4, 5), got.text
    assert d.hosts[0].connections == []


def test_NEW_31_signatures_are_checked_here(world):
    """AD of a resolver counts for nothing: the anchor does."""
    d = world.domain(mx(tlsa=["3 1 1"]), signed=True)
    assert send(world.gateway(), d.rcpt()).log[0]["need"] == "dane"
