"""How connections come to Sallyport, and where they go on to: TPROXY and REDIRECT, IPv4 and IPv6, whose address the
server sees (MC-8), and what comes back to us (FAULTS 40)."""
import time

import pytest

from gateway import BINARY, sallyport
from netns import (CLIENT, CLIENT_2, CLIENT_2_6, CLIENT_6, NOWHERE, NOWHERE_6, ROUTER, ROUTER_6, ROUTER_OUT, ROUTER_OUT_6,
                   Rules)
from peer import Client, any_context, message
from pki import MX

WAYS = [(intercept, source) for intercept in ("tproxy", "redirect") for source in ("own", "client")]
METHODS = {"passthrough": "watch", "strip": "plain", "terminate": "open"}


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def way(request, site):
    """A gateway that treats the servers below differently: (site, gateway, intercept, source, servers)."""
    keep = len(site.made)
    intercept, source = request.param
    servers = {}
    for method in METHODS:
        for v6 in (False, True):
            context = site.pki.leaf(MX).context()
            up = site.upstream(v6, tls=context, patience=60)
            tls = site.upstream(host=up.host, port=465, tls=context, implicit=True, patience=60)
            servers[method, v6] = up, tls
    rules = [{"name": method, "destination": [servers[method, v6][0].host for v6 in (False, True)], "action": action}
             for method, action in METHODS.items()]
    gw = site.gateway(intercept=intercept, source=source, rules=rules)
    yield site, gw, intercept, source, servers
    site.sweep(keep)


def expected_peer(source, v6, client=None):
    if source == "client":
        return client or (CLIENT_6 if v6 else CLIENT)
    return ROUTER_OUT_6 if v6 else ROUTER_OUT


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("method", METHODS)
def test_MC_8_destination_and_address_are_kept(way, method, v6):
    site, gw, _, source, servers = way
    up, _ = servers[method, v6]
    with site.connect(up) as c:
        if method == "strip":
            assert b"STARTTLS" not in c.hello().keywords
        else:
            c.secure_hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert up.messages[-1].conn.peer.rsplit(":", 1)[0] == expected_peer(source, v6)
    assert up.messages[-1].secure == (method != "strip")
    assert session["target"] == up.addr
    assert (session["method"], session["rule"], session["action"]) == (method, method, METHODS[method])


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("method", METHODS)
def test_MC_8_WG_4_port_465(way, method, v6):
    """Strip has nothing to strip there: it is a tunnel."""
    site, gw, _, source, servers = way
    _, up = servers[method, v6]
    with site.connect(up, tls=any_context(), name=MX) as c:
        cert = c.peer_cert
        c.hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert (cert == up_cert(site)) == (method != "terminate")
    assert up.messages[-1].conn.peer.rsplit(":", 1)[0] == expected_peer(source, v6)
    assert session["target"] == up.addr
    assert session["method"] == method


def up_cert(site):
    import ssl
    with open(site.pki.leaf(MX).chain, encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read().split("-----END")[0] + "-----END CERTIFICATE-----\n")


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
def test_MC_8_each_client_has_its_own_address(way, v6):
    site, _, _, source, servers = way
    up, _ = servers["strip", v6]
    other = CLIENT_2_6 if v6 else CLIENT_2
    with site.connect(up, source=other) as c:
        c.hello()
        c.quit()
    assert up.last.peer.rsplit(":", 1)[0] == expected_peer(source, v6, other)


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("method", METHODS)
def test_FAULTS_40_what_cannot_be_reached(way, method, v6):
    """No route: the one that called hears of it at once, in SMTP's words."""
    site, gw, _, _, _ = way
    with site.connect(NOWHERE_6 if v6 else NOWHERE) as c:
        begun = time.monotonic()
        assert c.reply().raw.startswith(b"421 4.4.1 ")
        assert c.at_end()
        assert time.monotonic() - begun < 3
        session = gw.session(c)
    assert session["outcome"] == "unreachable"


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("method", METHODS)
def test_FAULTS_40_connection_refused(way, method, v6):
    """587 of a server that has 25 alone."""
    site, gw, _, _, servers = way
    up, _ = servers[method, v6]
    port = 587
    if method == "strip":
        return  # with an action that strips, 587 is not brought here: see below
    with site.connect(up, port=port) as c:
        try:
            assert c.reply().raw.startswith(b"421 4.4.1 ")
        except (ConnectionError, AssertionError):
            raise
        gw.session(c)


@pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])
def test_FAULTS_40_loop(way, v6):
    """The gateway's own port, called as if it were a server."""
    site, gw, _, _, _ = way
    router = ROUTER_6 if v6 else ROUTER
    begun = time.monotonic()
    with site.connect(router, port=2525) as c:
        assert c.reply().raw.startswith(b"421 4.4.6 ")
        assert c.at_end()
        session = gw.session(c)
    assert session["outcome"] == "loop"
    with site.connect(router, port=2465) as c:
        assert c.read_to_end() == b""  # before TLS there are no words
        assert gw.session(c)["outcome"] == "loop"
    assert time.monotonic() - begun < 3
