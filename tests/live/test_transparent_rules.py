"""Which rule is for whom: partners by name and with exceptions (WG-9), what goes with ESMTP (WG-10); rules by client,
destination and SNI (MC-7), and `sallyport actions` (WG-3)."""
import json

import pytest

from gateway import sallyport, wait_until, yaml
from intercept import config_of, pruned
from netns import CLIENT, CLIENT_2, CLIENT_2_6, CLIENT_6
from peer import any_context, message, trusting
from pki import MX

OWN = {"watch": None, "plain": None, "open": None}


def test_WG_9_the_longest_name_wins(lab):
    up = lab.upstream()
    lab.gateway(action="own", actions={**OWN, "own": {"tls": "terminate", "certificates": ["gw"]}},
                partners={"*": {"client": "optional"}, "bank.example": {"client": "required"},
                          "open.bank.example": {"client": "optional"}, "vip@open.bank.example": {"client": "required"}})
    want = {"a@elsewhere.example": 250, "a@notbank.example": 250, "a@bank.example": 530, "a@BANK.Example": 530,
            "a@mx.bank.example": 530, "a@open.bank.example": 250, "a@deep.open.bank.example": 250,
            "vip@open.bank.example": 530, '"a@bank.example"@elsewhere.example': 250}
    with lab.connect(up) as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        got = {rcpt: c.cmd(f"RCPT TO:<{rcpt}>").code for rcpt in want}
        assert got == want
        # One transaction, each recipient judged by itself: the others get the mail.
        assert c.data(message()).code == 250
        c.quit()
    assert len(up.messages[0].rcpts) == list(want.values()).count(250)


def test_WG_9_after_STARTTLS_it_is_met(lab):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    lab.gateway(action="open", partners={"bank.example": {"client": "required", "upstream": "required"}})
    with lab.connect(up) as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        assert c.cmd("RCPT TO:<b@bank.example>").raw.startswith(b"530 5.7.0 Must issue a STARTTLS command first")
        c.cmd("RSET", 250)
        c.starttls(any_context(), MX)
        c.cmd("EHLO client.example", 250)
        c.envelope("a@client.example", "b@bank.example")
        assert c.data(message()).code == 250
        c.quit()
    assert up.messages[0].secure


# WG-10

@pytest.fixture
def without_esmtp(lab):
    return lab.gateway(action="old", actions={
        **OWN, "old": {"tls": "terminate", "esmtp": False, "certificates": ["gw"], "ca": lab.pki.ca}})


@pytest.mark.parametrize("tls", [True, False], ids=["server with TLS", "server without"])
def test_WG_10_esmtp_off(lab, without_esmtp, tls):
    up = lab.upstream(tls=lab.pki.leaf(MX).context() if tls else None)
    with lab.connect(up) as c:
        c.reply()
        c.cmd("EHLO client.example", 502)
        assert c.cmd("HELO client.example", 250).lines == [b"mx.example.net"]
        c.cmd("STARTTLS", 502)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
    assert up.messages[0].secure == tls  # the server's leg has its own


@pytest.mark.parametrize("tls", [True, False], ids=["server with TLS", "server without"])
def test_WG_9_an_exception_from_the_rule_for_all(lab, tls):
    """All need TLS on the way out but one, at a server that has none; and the other way about."""
    up = lab.upstream(tls=lab.pki.leaf(MX).context() if tls else None)
    lab.gateway(action="own", actions={**OWN, "own": {"tls": "terminate", "certificates": ["gw"], "ca": lab.pki.ca}},
                partners={"*": {"upstream": "required"}, "lax.example": {"upstream": "preferred"}})
    with lab.connect(up) as c:
        c.hello()
        c.envelope("a@client.example", "b@lax.example")
        assert c.cmd("RCPT TO:<b@strict.example>").code == (250 if tls else 451)
        assert c.data(message()).code == 250
        c.quit()
    [mail] = up.messages
    assert mail.rcpts == ["b@lax.example", "b@strict.example"][:1 + tls]
    assert mail.secure == tls


def test_WG_9_one_who_needs_TLS_among_others(lab):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    lab.gateway(action="own", actions={**OWN, "own": {"tls": "terminate", "certificates": ["gw"], "ca": lab.pki.ca}},
                partners={"*": {"upstream": "none"}, "bank.example": {"upstream": "required"}})
    with lab.connect(up) as c:
        c.hello()
        c.envelope("a@client.example", "b@bank.example")
        assert c.data(message()).code == 250
        c.quit()
    assert up.messages[0].secure


# MC-7: rules.

def method_for(lab, gw, up, **options):
    """What was done with a connection: (method, rule)."""
    with lab.connect(up, **options) as c:
        if up.implicit:
            c.start_tls(any_context(), name=options.get("sni", MX))
        c.hello()
        c.quit()
        session = gw.session(c)
    return session["method"], session["rule"]


def greeted(lab, up):
    with lab.connect(up) as c:
        return c.reply().code == 220


def test_MC_7_by_client_network(lab):
    up, up6 = lab.upstream(), lab.upstream(v6=True)
    gw = lab.gateway(listen_tls=None, action="watch", rules=[
        {"name": "one", "client": [f"{CLIENT_2}/32", f"{CLIENT_2_6}/128"], "action": "open"},
        {"name": "two", "client": ["10.1.0.0/30", "fd01::/126"], "action": "plain"}])
    assert method_for(lab, gw, up, source=CLIENT_2) == ("terminate", "one")
    assert method_for(lab, gw, up, source=CLIENT) == ("strip", "two")
    assert method_for(lab, gw, up, source="10.1.0.4") == ("passthrough", "")
    assert method_for(lab, gw, up6, source=CLIENT_2_6) == ("terminate", "one")
    assert method_for(lab, gw, up6, source=CLIENT_6) == ("strip", "two")


def test_MC_7_by_destination_network(lab):
    up, other, up6 = lab.upstream(), lab.upstream(), lab.upstream(v6=True)
    gw = lab.gateway(listen_tls=None, action="watch", rules=[
        {"name": "here", "destination": [up.host, "fd09::/64"], "action": "plain"},
        {"name": "both", "client": CLIENT, "destination": "10.9.0.0/16", "action": "open"}])
    assert method_for(lab, gw, up) == ("strip", "here")
    assert method_for(lab, gw, up6) == ("strip", "here")
    assert method_for(lab, gw, other, source=CLIENT) == ("terminate", "both")
    assert method_for(lab, gw, other, source=CLIENT_2) == ("passthrough", "")


def test_MC_7_by_the_name_of_the_destination(lab):
    """Names are looked up by us, the client has only an address."""
    up, up6, other = lab.upstream(), lab.upstream(v6=True), lab.upstream()
    gw = lab.gateway(action="watch", hosts={"mx.bank.example": [up.host, up6.host]},
                     rules=[{"name": "bank", "destination": "mx.bank.example", "action": "open"}])
    assert wait_until(lambda: greeted(lab, other))  # until the name is known nothing can be decided
    assert method_for(lab, gw, up) == ("terminate", "bank")
    assert method_for(lab, gw, up6) == ("terminate", "bank")
    assert method_for(lab, gw, other) == ("passthrough", "")


def test_MC_7_an_unknown_name_decides_nothing(lab):
    """A rule that can't be judged is not passed over in favour of another: 421."""
    up = lab.upstream()
    gw = lab.gateway(listen_tls=None, action="plain", hosts={},
                     rules=[{"name": "bank", "destination": "mx.bank.invalid", "action": "open"}])
    with lab.connect(up) as c:
        assert c.reply().code == 421
        assert c.at_end()
        assert "bank" in gw.session(c)["why"]
    assert up.connections == []


@pytest.mark.parametrize("name, want", [
    ("mx.voip.example", ("passthrough", "voip")), ("deep.mx.voip.example", ("terminate", "")),
    ("voip.example", ("terminate", "")), ("MX.VoIP.example", ("passthrough", "voip")), ("exact.example", ("passthrough", "voip")),
    (None, ("terminate", ""))])
def test_MC_7_WG_4_by_SNI(lab, name, want):
    up = lab.upstream(port=465, implicit=True, tls=lab.pki.leaf(MX).context())
    gw = lab.gateway(action="open", rules=[
        {"name": "voip", "sni": ["*.voip.example", "exact.example"], "action": "watch"}])
    with lab.connect(up, tls=any_context(), name=name) as c:
        c.hello()
        c.quit()
        session = gw.session(c)
    assert (session["method"], session["rule"]) == want
    assert up.last.sni == name or name is None


# What the command says.

def test_WG_3_actions(lab):
    gw = lab.gateway(action="watch", rules=[{"name": "bank", "client": CLIENT, "action": "open"}])
    done = sallyport("actions", "-c", gw.file)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert rows["open"][1:7] == ["terminate", "net", "transparent", "enabled", "yes", "rule"]
    assert rows["watch"][-1] == "otherwise"
    assert rows["plain"] == ["plain", "strip", "-"]
    told = {a["action"]: a for a in json.loads(sallyport("actions", "-c", gw.file, "--json").stdout)}
    assert told["open"]["services"][0]["rules"] == ["bank"]


def test_WG_3_an_action_that_cannot_inspect(lab, tmp_path):
    path = tmp_path / "gw.yaml"
    path.write_text(yaml(pruned(config_of(lab.pki, lab.authority, action="open", tls_support="disabled"))))
    done = sallyport("check", "-c", path)
    assert done.returncode == 78
    assert "can't do what actions.open is for" in done.stderr + done.stdout


def test_WG_1_authority_made_and_trusted(lab):
    """From nothing to a client that trusts: `authority init`, and its certificate at the client."""
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    lab.gateway(action="open")
    with lab.connect(up) as c:
        c.secure_hello(trusting(lab.authority.ca), MX)
        c.quit()
