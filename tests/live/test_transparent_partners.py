"""Partner rules, WG-9: three demands on the client's side by four on the server's, each with and without TLS on both
sides; as a rule for one domain and as the rule for all, at a relay and in the path of others (WG-8)."""
import itertools
from typing import NamedTuple

import pytest

from gateway import Gateway, base_config
from peer import any_context, message
from pki import MX
from ports import free_port

CLIENT = ("required", "optional", "none")
UPSTREAM = ("required", "preferred", "allowed", "none")
RULES = list(itertools.product(CLIENT, UPSTREAM))


class Outcome(NamedTuple):
    code: int      # of the one that refuses, or of the message
    secure: bool   # the server's leg


def expected(rule, for_all, client_tls, server_tls):
    """What has to come of it."""
    client, upstream = rule
    if client == "none" and for_all:
        client_tls = False  # it is not offered
    if client == "required" and not client_tls:
        return Outcome(530, None)
    if upstream == "required" or (upstream == "allowed" and client_tls):
        return Outcome(250, True) if server_tls else Outcome(451, None)
    if upstream == "preferred":
        return Outcome(250, server_tls)
    # In clear; but a recipient comes too late to take TLS away from a connection that has it.
    return Outcome(250, None if server_tls and not for_all else False)


def domain(rule):
    return "%s-%s.example" % rule


def partners_of(rule):
    """None: each rule has a domain of its own."""
    def one(r):
        return {"client": r[0], "upstream": r[1]}
    return {"*": one(rule)} if rule else {domain(r): one(r) for r in RULES}


class Relay:
    """A service for each of the two servers."""

    def __init__(self, lab, rule, folder):
        self.ups = {tls: lab.upstream(tls=lab.pki.leaf(MX).context() if tls else None, patience=60, host="127.0.0.1",
                                      port=free_port(), outside=True) for tls in (True, False)}
        config = base_config(lab.pki, self.ups[True], tls="may", ca=lab.pki.ca)
        config["upstreams"]["clear"] = {**config["upstreams"]["backend"], "hosts": [self.ups[False].addr]}
        config["services"]["clear"] = {**config["services"]["mx"], "listen": [f"127.0.0.1:{free_port()}"],
                                       "listen_tls": [f"127.0.0.1:{free_port()}"], "upstream": "clear"}
        config["partners"] = partners_of(rule)
        self.gw = Gateway(config, folder).start()
        lab.made.append(self.gw)

    def connect(self, server_tls):
        return self.gw.connect("mx" if server_tls else "clear")


class Transparent:
    def __init__(self, lab, rule, _):
        self.lab = lab
        self.ups = {tls: lab.upstream(tls=lab.pki.leaf(MX).context() if tls else None, patience=60)
                    for tls in (True, False)}
        # With a certificate of ours: where there is none to mint from STARTTLS can't be offered.
        self.gw = lab.gateway(action="own", actions={
            "watch": None, "plain": None, "open": None,
            "own": {"tls": "terminate", "certificates": ["gw"], "ca": lab.pki.ca}}, partners=partners_of(rule))

    def connect(self, server_tls):
        return self.lab.connect(self.ups[server_tls])


@pytest.fixture(scope="module", params=[(mode, rule) for mode in (Relay, Transparent) for rule in (None, *RULES)],
                ids=lambda p: f"{p[0].__name__.lower()}-{'-'.join(p[1]) if p[1] else 'domains'}")
def world(request, site, tmp_path_factory):
    keep = len(site.made)
    mode, rule = request.param
    yield mode(site, rule, tmp_path_factory.mktemp("partners")), rule
    site.sweep(keep)


def attempt(world, rule, client_tls, server_tls):
    """One message; what came of it, and who refused."""
    with world.connect(server_tls) as c:
        offered = b"STARTTLS" in c.hello().keywords
        if client_tls and offered:
            c.starttls(any_context())
            c.cmd("EHLO client.example", 250)
        for verb, line in (("MAIL", "MAIL FROM:<a@client.example>"), ("RCPT", f"RCPT TO:<b@{domain(rule)}>")):
            reply = c.cmd(line)
            if reply.code != 250:
                c.cmd("RSET", 250)  # the session goes on
                c.quit()
                return reply, verb, offered
        reply = c.data(message())
        c.quit()
        return reply, "DATA", offered


@pytest.mark.parametrize("server_tls", [True, False], ids=["server with TLS", "server without"])
@pytest.mark.parametrize("client_tls", [True, False], ids=["client with TLS", "client without"])
def test_WG_9_WG_8_PP_9(world, client_tls, server_tls):
    made, only = world
    up = made.ups[server_tls]
    for rule in [only] if only else RULES:
        mails, lines = len(up.messages), len(up.connections)
        want = expected(rule, only is not None, client_tls, server_tls)
        reply, verb, offered = attempt(made, rule, client_tls, server_tls)
        case = f"{rule}: {reply.raw} to {verb}, wanted {want}"
        assert reply.code == want.code, case
        assert offered == (only is None or rule[0] != "none"), case
        assert up.settled()
        if want.code == 250:
            assert len(up.messages) == mails + 1, case
            assert want.secure in (None, up.messages[-1].secure), case
            continue
        assert reply.raw.startswith(b"530 5.7.0 " if want.code == 530 else b"451 4.7."), case
        # The rule for all is known from the first; that of a domain, with the recipient.
        assert verb == "RCPT" or (only and want.code == 451), case
        verbs = [v for conn in up.connections[lines:] for v in conn.verbs]
        assert "DATA" not in verbs and "RCPT" not in verbs, case


def test_WG_9_the_longest_name_wins(lab):
    up = lab.upstream()
    lab.gateway(action="own", actions={"watch": None, "plain": None, "open": None,
                                       "own": {"tls": "terminate", "certificates": ["gw"]}},
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
        "watch": None, "plain": None, "open": None,
        "old": {"tls": "terminate", "esmtp": False, "certificates": ["gw"], "ca": lab.pki.ca}})


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
