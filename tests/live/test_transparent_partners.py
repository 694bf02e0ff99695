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


def offers(rule, server_tls):
    """Whether clients are offered STARTTLS where the rule is for all. As the other side: not what it can't be."""
    return rule[0] != "none" and (rule[1] != "allowed" or server_tls)


def expected(rule, for_all, client_tls, server_tls, first):
    """What has to come of it. `first`: the server's leg is made before the client could ask for TLS."""
    client, upstream = rule
    if for_all and not offers(rule, server_tls):
        client_tls = False
    if for_all and upstream == "required" and not server_tls:
        return Outcome(451, None)  # whatever the client has
    if client == "required" and not client_tls:
        return Outcome(530, None)
    if upstream == "required" or (upstream == "allowed" and client_tls):
        return Outcome(250, True) if server_tls else Outcome(451, None)
    if upstream == "preferred":
        return Outcome(250, server_tls)
    # In clear; but what comes later than TLS can't take it away again.
    late = not for_all or (first and upstream == "allowed" and client != "none")
    return Outcome(250, None if server_tls and late else False)


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
        c.reply()
        reply = c.cmd("EHLO client.example")
        if reply.code != 250:
            assert c.at_end()
            return reply, "EHLO", None
        offered = b"STARTTLS" in reply.keywords
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
        want = expected(rule, only is not None, client_tls, server_tls, isinstance(made, Transparent))
        reply, verb, offered = attempt(made, rule, client_tls, server_tls)
        case = f"{rule}: {reply.raw} to {verb}, wanted {want}"
        # Where nobody can be mailed there is no point in going on.
        assert reply.code == (421 if verb == "EHLO" and want.code == 451 else want.code), case
        assert offered in (None, only is None or offers(rule, server_tls)), case
        assert up.settled()
        if want.code == 250:
            assert len(up.messages) == mails + 1, case
            assert want.secure in (None, up.messages[-1].secure), case
            continue
        assert reply.raw[4:].startswith(b"5.7.0 " if want.code == 530 else b"4.7.0 "), case
        # The rule for all is known from the first; that of a domain, with the recipient.
        assert verb == "RCPT" or (only and want.code == 451), case
        verbs = [v for conn in up.connections[lines:] for v in conn.verbs]
        assert "DATA" not in verbs and "RCPT" not in verbs, case
