"""Several recipients, REQUIRETLS, kept connections: SPEC MC-14, NEW-5, law 7."""
import re

import pytest

from outbound import mx, send
from peer import any_context, message
from upstream import CAPS

REQUIRETLS_CAPS = (*CAPS, "REQUIRETLS")


def carry(gw, *rcpts):
    """As a good sender does: whom a 452 put off gets a transaction of its own. How many there were."""
    left, rounds = list(rcpts), 0
    with gw.connect("out", timeout=30) as c:
        c.hello()
        while left:
            rounds += 1
            later = []
            c.cmd("MAIL FROM:<a@client.example>", 250)
            for rcpt in left:
                reply = c.cmd(f"RCPT TO:<{rcpt}>")
                if reply.code != 250:
                    assert reply.code == 452 and "4.5.3" in reply.text and "[SPLIT]" in reply.text, reply.raw
                    later.append(rcpt)
            assert len(later) < len(left)
            assert c.data(message()).code == 250
            left = later
        c.quit()
    return rounds


def test_MC_14_other_decisions_are_other_transactions(world):
    """Three recipients of two classes: the second transaction takes the rest, none is lost, none is doubled."""
    a, b = world.domain(mx(tlsa=["3 1 1"]), signed=True), world.domain(mx())
    gw = world.gateway()
    assert carry(gw, a.rcpt("x"), b.rcpt("y"), a.rcpt("z")) == 2
    assert [m.rcpts for m in a.messages] == [[a.rcpt("x"), a.rcpt("z")]]
    assert [m.rcpts for m in b.messages] == [[b.rcpt("y")]]


def test_MC_14_one_domain_is_one_transaction(world):
    d = world.domain(mx())
    assert carry(world.gateway(), *[d.rcpt(f"u{n}") for n in range(20)]) == 1
    assert [len(m.rcpts) for m in d.messages] == [20]


def test_MC_14_pipelined(world):
    a, b = world.domain(mx()), world.domain(mx())
    gw = world.gateway()
    with gw.connect("out") as c:
        c.hello()
        c.send("".join(f"{line}\r\n" for line in (
            "MAIL FROM:<a@client.example>", f"RCPT TO:<{a.rcpt()}>", f"RCPT TO:<{b.rcpt()}>", f"RCPT TO:<{a.rcpt('c')}>",
            "DATA")).encode())
        assert [c.reply().code for _ in range(5)] == [250, 250, 452, 250, 354]
        c.send(message() + b".\r\n")
        assert c.reply().code == 250
        c.quit()
    assert [m.rcpts for m in a.messages] == [[a.rcpt(), a.rcpt("c")]] and b.messages == []


def test_MC_14_rules_part_recipients_of_one_domain(world):
    """GC-4: the strict one is checked as strictly as if it were alone."""
    d = world.domain(mx(cert="self-signed"))
    gw = world.gateway(partners={f"boss@{d.name}": {"outbound": "verify"}})
    with gw.connect("out") as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        c.cmd(f"RCPT TO:<{d.rcpt()}>", 250)
        reply = c.cmd(f"RCPT TO:<boss@{d.name}>")
        assert reply.code // 100 == 4, reply.raw
        assert c.data(message()).code == 250
        c.quit()
    assert [m.rcpts for m in d.messages] == [[d.rcpt()]]
    assert send(gw, f"boss@{d.name}").code // 100 == 4
    assert len(d.messages) == 1


def test_law_7_a_kept_connection_serves_its_own_need_alone(world):
    """A connection made for `may` is not good enough for `verify`, whoever is at its other end."""
    d = world.domain(mx(cert="self-signed"))
    gw = world.gateway(partners={f"boss@{d.name}": {"outbound": "verify"}})
    assert send(gw, d.rcpt()).code == 250
    assert send(gw, f"boss@{d.name}").code // 100 == 4
    assert send(gw, d.rcpt()).code == 250
    assert [m.rcpts for m in d.messages] == [[d.rcpt()]] * 2


def test_the_upstreams_own_words_come_through(world):
    d = world.domain(mx(options={"rcpt": "550-5.7.1 we know you\n550 5.7.1 and want none"}))
    got = send(world.gateway(), d.rcpt())
    assert got.step == "rcpt" and got.text.startswith("550 5.7.1 we know you\n5.7.1 and want none"), got.text


# REQUIRETLS

def test_NEW_5_offered_after_tls_alone(world):
    gw = world.gateway()
    with gw.connect("out") as c:
        assert b"REQUIRETLS" not in c.hello().keywords
        c.starttls(any_context())
        assert b"REQUIRETLS" in c.cmd("EHLO client.example", 250).keywords
        c.quit()


def test_NEW_5_not_without_tls(world):
    d = world.domain(mx(tlsa=["3 1 1"], options={"caps": REQUIRETLS_CAPS}), signed=True)
    got = send(world.gateway(), d.rcpt(), params=" REQUIRETLS")
    assert got.step == "mail" and got.code // 100 == 5, got.text
    assert d.messages == []


HOPS = {
    # what: host, domain, good
    "DANE": (mx(tlsa=["3 1 1"], options={"caps": REQUIRETLS_CAPS}), {"signed": True}, True),
    "MTA-STS": (mx(options={"caps": REQUIRETLS_CAPS}), {"sts": "enforce"}, True),
    "neither": (mx(options={"caps": REQUIRETLS_CAPS}), {}, False),
    "MTA-STS in testing vouches for the name, too": (mx(options={"caps": REQUIRETLS_CAPS}), {"sts": "testing"}, True),
    "MTA-STS in testing, expired": (mx(cert="expired", options={"caps": REQUIRETLS_CAPS}), {"sts": "testing"}, False),
    "the host does not know it": (mx(tlsa=["3 1 1"]), {"signed": True}, False),
    "the host has no TLS": (mx(cert="none", options={"caps": REQUIRETLS_CAPS}), {}, False),
}


@pytest.mark.parametrize("what", HOPS)
def test_NEW_5_kept_or_refused_never_stripped(world, what):
    spec, options, good = HOPS[what]
    d = world.domain(spec, **options)
    got = send(world.gateway(), d.rcpt(), params=" REQUIRETLS", secure=True)
    if good:
        assert got.code == 250, got.text
        assert "REQUIRETLS" in d.messages[0].params
    else:
        assert got.step in ("rcpt", "mail") and re.match(r"550 5\.7\.(30|5) ", got.text), got.text
        assert d.messages == [] and "DATA" not in d.verbs


def header(line):
    return line.encode() + b"\r\n" + message()


@pytest.mark.parametrize("line, good", [("TLS-Required: No", True), ("tls-required:no", True), ("X-TLS-Required: No", False),
                                        ("TLS-Required: Yes", False)])
def test_NEW_5_the_header_relaxes_mta_sts(world, line, good):
    """RFC 8689 section 4.2.2, where the service honours it."""
    d = world.domain(mx(cert="expired"), sts="enforce")
    gw = world.gateway({"tls_required_header": True})
    got = send(gw, d.rcpt(), content=header(line))
    assert (got.code == 250) == good, got.text
    assert len(d.messages) == int(good)


def test_NEW_5_the_header_relaxes_no_rule(world):
    d = world.domain(mx(cert="expired"))
    gw = world.gateway({"tls_required_header": True}, partners={d.name: {"outbound": "verify", "names": [d.host_name()]}})
    got = send(gw, d.rcpt(), content=header("TLS-Required: No"))
    assert got.code // 100 == 4 and d.messages == [], got.text
