"""`sallyport explain`: what it says is what a live session does (SPEC PP-11, NEW-28)."""
import itertools

import pytest
from gateway import sallyport, wait_until
from outbound import explain, mx, send
from ports import free_port

SENDER = "a@client.example"

RULES = {
    "none": None,
    "may": {"outbound": "may"},
    "encrypt": {"outbound": "encrypt", "on_failure": "permanent"},
    "verify": {"outbound": "verify", "on_failure": "permanent"},
    "dane": {"outbound": "dane"},
    "exempt": {"outbound": "may", "why": "ticket 4711"},
    "shadow": {"outbound": "verify", "names": ["elsewhere.example"], "report": True},
    "bits": {"min_bits": 256},
    "mirror": {"outbound": "mirror"},
}
WRONG = "3 1 1 " + "ab" * 32
DANE = {"unsigned": None, "usable": ("3 1 1",), "wrong": (WRONG,), "unusable": ("1 1 1 " + "ab" * 32,)}
STS = {"none": {}, "testing": {"sts": "testing"}, "enforce": {"sts": "enforce"},
       "elsewhere": {"sts": "enforce", "sts_mx": ["mx.elsewhere.example"]}}


def compare(gw, rcpt, *args, **how):
    """Both, and that they say the same. Returns what explain said."""
    said = explain(gw, rcpt, SENDER, "--connect", *args)
    got = send(gw, rcpt, sender=SENDER, **how)
    verdict = said["verdict"]
    assert verdict["delivers"] == (got.code == 250), (said, got)
    rule = said["rule"]["key"] if said["rule"] else ""
    if got.code == 250:
        line, last = got.log[-1], said["tries"][-1]
        host = next(h for h in said["hosts"] if h["name"] == last["host"])
        assert said["status"] == 0 and last["takes_mail"], said
        assert (last["host"], last["address"]) == (line["up_host"], line["upstream"]), (said, line)
        assert host["used"] and host["need"]["level"] == line["need"], (said, line)
        assert (said["source"], rule) == (line["policy"], line["rule"]), (said, line)
        assert "; ".join(said["because"]) == line["because"], (said, line)
        assert (last["tls"]["version"] or "none") == line["up_tls"], (said, line)
        if last["tls"]["on"]:
            assert (last["tls"]["verified"], last["tls"]["verify_text"]) == (line["up_verified"], line["up_verify"])
        return said
    sid = got.session["sid"]
    assert got.text == f"{verdict['words']} {sid}", (said, got)
    assert said["status"] == (69 if got.code >= 500 else 75), (said, got)
    for line in gw.log(event="rcpt-refused", sid=sid):
        assert line["code"] == verdict["code"] and line["why"] == verdict["text"], (said, line)
        if line.get("because"):
            assert line["because"] == said["because"][0] and line["rule"] == rule, (said, line)
            assert not said["need"] or line["need"] == said["need"]["level"], (said, line)
            assert not said["source"] or line["policy"] == said["source"], (said, line)
    return said


def matrix(world, cert, danes):
    """A domain for each way to publish, and an address in it for each rule."""
    domains, partners = {}, {}
    for dane, sts in itertools.product(danes, STS):
        records = DANE[dane]
        d = world.domain(mx(cert=cert, tlsa=records or ()), signed=records is not None, reload=False, **STS[sts])
        domains[dane, sts] = d
        partners.update({f"{name}@{d.name}": rule for name, rule in RULES.items() if rule})
    world.dns.reload()
    return domains, world.gateway({"remember": 0}, partners=partners)


@pytest.mark.parametrize("cert, dane", [
    (cert, dane) for cert in ("good", "expired", "none") for dane in DANE
    if (cert, dane) != ("none", "usable")])  # there is no certificate that it could be the record of
def test_PP_11_NEW_28_explain_is_what_the_session_does(world, cert, dane):
    domains, gw = matrix(world, cert, [dane])
    verdicts = set()
    for (_, sts), d in domains.items():
        for name in RULES:
            said = compare(gw, f"{name}@{d.name}")
            verdicts.add((said["verdict"]["code"], said["need"] and said["need"]["level"]))
    assert len(verdicts) > 1, verdicts  # else nothing was compared


def test_PP_11_the_clients_side_counts(world):
    """What is asked of the upstream as the client's side has it, and what is asked of the client."""
    d = world.domain(mx(), reload=False)
    other = world.domain(mx(), reload=False)
    world.dns.reload()
    gw = world.gateway({"remember": 0}, partners={d.name: {"outbound": "mirror"}, other.name: {"client": "required"}})
    assert compare(gw, d.rcpt())["need"]["level"] == "may"
    assert compare(gw, d.rcpt(), "--client-tls", secure=True)["need"]["level"] == "encrypt"
    said = compare(gw, other.rcpt())
    assert said["verdict"]["words"].startswith("530 5.7.0 ") and said["client"]["tls_demanded"], said
    assert said["need"], "the rest is told all the same"
    compare(gw, other.rcpt(), "--client-tls", secure=True)


def test_NEW_5_explain_with_requiretls(world):
    with_it = {"caps": ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "REQUIRETLS")}
    rows = [world.domain(mx(options=with_it), sts="enforce", reload=False), world.domain(mx(), sts="enforce", reload=False),
            world.domain(mx(options=with_it), reload=False), world.domain(mx(cert="expired"), sts="enforce", reload=False)]
    world.dns.reload()
    gw = world.gateway({"remember": 0})
    for d in rows:
        said = compare(gw, d.rcpt(), "--requiretls", secure=True, params=" REQUIRETLS")
        assert said["requiretls"] and "REQUIRETLS" in str(said["because"]), said


def test_FAULTS_31_FAULTS_32_explain_where_there_is_no_way(world):
    rows = [world.domain(records=["@ MX 0 ."], reload=False), world.domain(mx(), signed=True, bogus=["*"], reload=False),
            world.domain(mx(a=[]), reload=False), world.domain(records=["@ TXT nothing"], reload=False)]
    world.dns.reload()
    gw = world.gateway({"remember": 0})
    for d in rows:
        compare(gw, d.rcpt())
    compare(gw, "b@nowhere.nothing.example")
    compare(gw, "b@[192.0.2.1]")


def test_FAULTS_17_explain_goes_on_to_the_next_host(world):
    """As a leg: under the same need, and the last word of policy is what the client hears."""
    d = world.domain(mx(cert="expired"), mx("mx2"), sts="enforce", reload=False)
    gone = world.domain(mx(there=False), mx("mx2", cert="expired"), mx("mx3", cert="none"), sts="enforce", reload=False)
    dead = world.domain(mx(there=False), reload=False)
    world.dns.reload()
    gw = world.gateway({"remember": 0})
    said = compare(gw, d.rcpt())
    assert [t["takes_mail"] for t in said["tries"]] == [False, True], said["tries"]
    assert [h["name"] for h in said["hosts"]] == [d.host_name(0), d.host_name(1)]
    compare(gw, gone.rcpt())
    assert compare(gw, dead.rcpt())["verdict"]["words"].startswith("451 4.4.1 ")


def test_NEW_33_explain_knows_what_is_remembered(world):
    """The memory of TLS is a part of the evidence."""
    d = world.domain(mx())
    gw = world.gateway({"remember": 1, "remember_defers": True})
    assert explain(gw, d.rcpt())["need"]["level"] == "may"
    assert send(gw, d.rcpt()).code == 250
    assert wait_until(lambda: explain(gw, d.rcpt())["source"] == "memory")
    said = explain(gw, d.rcpt())
    assert said["need"]["level"] == "encrypt" and said["hosts"][0]["seen_tls"] == 1, said


def test_GC_10_explain_knows_the_rules_of_the_database(world):
    d = world.domain(mx())
    gw = world.gateway()
    assert explain(gw, d.rcpt())["rule"] is None
    done = sallyport("partners", "-c", gw.file, "add", d.name, "--outbound", "encrypt")
    assert done.returncode == 0, done.stderr
    said = explain(gw, d.rcpt())
    assert said["rule"]["origin"] == "partners.db" and said["need"]["level"] == "encrypt", said


def test_PP_11_the_log_tells_each_ones_own_reasons(world):
    """Two domains with the same host and needs share a connection, and nothing of the other's is told."""
    d = world.domain(mx(), reload=False)
    e = world.domain(mx(name=d.host_name(), there=False), reload=False)
    world.dns.reload()
    gw = world.gateway({"remember": 0}, partners={e.name: {"outbound": "may"}})
    assert send(gw, d.rcpt()).log[0]["domain"] == d.name
    line = send(gw, e.rcpt()).log[0]
    assert (line["up_reused"], line["domain"], line["rule"]) == (1, e.name, e.name), line
    assert line["because"].startswith(f"rule {e.name} "), line


def test_NEW_28_a_host_that_is_not_used_says_why(world):
    d = world.domain(mx(), mx("mx2"), mx("mx3", a=[]), sts="enforce", sts_mx=["mx1.{0}", "mx3.{0}"], reload=False)
    world.web.policy(d.name, "enforce", [d.host_name(0), d.host_name(2)])
    world.dns.reload()
    gw = world.gateway(start=False)
    said = explain(gw, d.rcpt())
    assert [h["used"] for h in said["hosts"]] == [True, False, False], said["hosts"]
    assert said["hosts"][1]["not_used"] == "it is not in the MTA-STS policy"
    assert said["hosts"][2]["not_used"] == "it has no address"
    text = sallyport("explain", "-c", gw.file, "--from", SENDER, "--to", d.rcpt()).stdout
    assert "not used: it is not in the MTA-STS policy" in text and "verdict   delivers to" in text, text


def test_NEW_28_nothing_is_sent_without_connect(world):
    d = world.domain(mx())
    gw = world.gateway(start=False)
    said = explain(gw, d.rcpt())
    assert said["tries"] == [] and d.hosts[0].connections == [], said
    said = explain(gw, d.rcpt(), SENDER, "--connect")
    assert said["tries"][0]["takes_mail"] and d.messages == []
    assert d.hosts[0].connections[0].verbs == ["EHLO", "STARTTLS", "EHLO", "QUIT"]


def run(gw, *args):
    return sallyport("explain", "-c", gw.file, *args)


def test_PP_11_wrong_use_and_wrong_configuration(world, tmp_path):
    gw = world.gateway(start=False)
    good = ["--from", SENDER, "--to", "b@d.example"]
    for args in ([], ["--from", SENDER], [*good, "more"], [*good, "--no-such-option"], [*good, "--service", "nobody"],
                 ["--from", "a b", "--to", "b@d.example"], ["--from", SENDER, "--to", "b@@d"], ["--from", SENDER, "--to", "<>"],
                 [*good, "--client", "here"], ["--from", SENDER, "--to", "b@d.example\r\nx"]):
        done = run(gw, *args)
        assert done.returncode == 64 and done.stderr and not done.stdout, (args, done)
    assert sallyport("explain", *good).returncode == 64
    bad = tmp_path / "bad.yaml"
    bad.write_text("hostname: gw.example.net\nno_such_setting: 1\n")
    done = sallyport("explain", "-c", bad, *good)
    assert done.returncode == 78 and "bad.yaml:2" in done.stderr, done


def test_PP_11_the_null_sender(world):
    d = world.domain(mx())
    gw = world.gateway(start=False)
    for null in ("", "<>"):
        assert explain(gw, d.rcpt(), null)["status"] == 0


def test_WG_9_explain_of_a_relay(gateway, upstream):
    up = upstream()
    gw = gateway(up, start=False, tls="may")
    gw.write({**gw.config, "partners": {"partner.example": {"upstream": "required", "client": "required"}}})
    said = explain(gw, "b@other.example")
    assert (said["status"], said["mode"], said["upstream"], said["need"]["level"]) == (0, "relay", "backend", "may"), said
    said = explain(gw, "b@partner.example")
    assert said["need"]["level"] == "encrypt" and said["verdict"]["code"] == 530 and said["status"] == 69, said
    assert explain(gw, "b@partner.example", SENDER, "--client-tls")["status"] == 0
    assert run(gw, "--from", SENDER, "--to", "b@x.example", "--connect").returncode == 64


def test_PP_11_explain_of_a_transparent_service(gateway, upstream):
    gw = gateway(upstream(), start=False)
    port = free_port()
    gw.write(f"""\
hostname: gw.example.net
actions:
  pass: {{ tls: passthrough }}
  inspect: {{ tls: terminate, client_tls: none, upstream_tls: encrypt }}
services:
  way:
    mode: transparent
    intercept: redirect
    listen: 127.0.0.1:{port}
    action: pass
    rules:
      - {{ name: near, destination: 192.0.2.0/24, action: inspect }}
""")
    base = ["--client", "198.51.100.7", "--destination"]
    said = explain(gw, "b@x.example", SENDER, *base, "192.0.2.9")
    assert (said["action"]["name"], said["action"]["rule"], said["need"]["level"]) == ("inspect", "near", "encrypt"), said
    said = explain(gw, "b@x.example", SENDER, *base, "203.0.113.9")
    assert said["action"]["method"] == "passthrough" and said["need"] is None and said["status"] == 0, said
    assert run(gw, "--from", SENDER, "--to", "b@x.example").returncode == 64
