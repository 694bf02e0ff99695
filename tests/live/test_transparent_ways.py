"""How connections come to Sallyport, and where they go on to: TPROXY and REDIRECT, IPv4 and IPv6, whose address the
server sees (MC-8), and what comes back to us (FAULTS 40)."""
import ssl
import time

import pytest

from netns import (CLIENT, CLIENT_2, CLIENT_2_6, CLIENT_6, NOWHERE, NOWHERE_6, ROUTER, ROUTER_6, ROUTER_OUT, ROUTER_OUT_6)
from peer import any_context, message
from pki import MX

WAYS = [(intercept, source) for intercept in ("tproxy", "redirect") for source in ("own", "client")]
METHODS = {"passthrough": "watch", "strip": "plain", "terminate": "open"}
FAMILIES = pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])


class Way:
    """A gateway, and its servers: one on 25 and one on 465 for each family."""

    def __init__(self, site, intercept, source, method):
        self.site, self.source, self.method = site, source, method
        self.keep = len(site.made)
        context = site.pki.leaf(MX).context()
        self.ups, self.tls = {}, {}
        for v6 in (False, True):
            self.ups[v6] = site.upstream(v6, tls=context, patience=60)
            self.tls[v6] = site.upstream(host=self.ups[v6].host, port=465, tls=context, implicit=True, patience=60)
        self.gw = site.gateway(intercept=intercept, source=source,
                               listen_tls=None if method == "strip" else ["*:2465"], action=METHODS[method])

    def peer(self, v6, client=None):
        """Whom the server has to see."""
        if self.source == "client":
            return client or (CLIENT_6 if v6 else CLIENT)
        return ROUTER_OUT_6 if v6 else ROUTER_OUT


@pytest.fixture(scope="module", params=[(*way, method) for way in WAYS for method in METHODS], ids="-".join)
def way(request, site):
    made = Way(site, *request.param)
    yield made
    site.sweep(made.keep)


def peer_of(conn):
    return conn.peer.rsplit(":", 1)[0]


def der(cert):
    """The leaf in a file of a chain."""
    with open(cert.chain, encoding="ascii") as f:
        return ssl.PEM_cert_to_DER_cert(f.read().split("-----END")[0] + "-----END CERTIFICATE-----\n")


@FAMILIES
def test_MC_8_destination_and_address_are_kept(way, v6):
    up = way.ups[v6]
    with way.site.connect(up) as c:
        if way.method == "strip":
            assert b"STARTTLS" not in c.hello().keywords
        else:
            c.secure_hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = way.gw.session(c)
    assert peer_of(up.messages[-1].conn) == way.peer(v6)
    assert up.messages[-1].secure == (way.method != "strip")
    assert session["target"] == up.addr
    assert (session["method"], session["action"]) == (way.method, METHODS[way.method])


@FAMILIES
def test_MC_8_WG_4_port_465(way, v6):
    """Where an action strips the network leaves 465 alone: it goes past us."""
    up = way.tls[v6]
    with way.site.connect(up, tls=any_context(), name=MX) as c:
        cert = c.peer_cert
        c.hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        if way.method != "strip":
            session = way.gw.session(c)
            assert (session["target"], session["method"]) == (up.addr, way.method)
            assert peer_of(up.messages[-1].conn) == way.peer(v6)
    assert (cert == der(way.site.pki.leaf(MX))) == (way.method != "terminate")
    assert up.last.sni == MX


@FAMILIES
def test_MC_8_each_client_has_its_own_address(way, v6):
    up = way.ups[v6]
    other = CLIENT_2_6 if v6 else CLIENT_2
    with way.site.connect(up, source=other) as c:
        c.hello()
        c.quit()
    assert up.settled()
    assert peer_of(up.last) == way.peer(v6, other)


@FAMILIES
def test_FAULTS_40_no_route(way, v6):
    """The client hears of it at once, in SMTP's words."""
    begun = time.monotonic()
    with way.site.connect(NOWHERE_6 if v6 else NOWHERE) as c:
        assert c.reply().raw.startswith(b"421 4.4.1 ")
        assert c.at_end()
        assert way.gw.session(c)["outcome"] == "unreachable"
    assert time.monotonic() - begun < 3


@FAMILIES
def test_FAULTS_40_connection_refused(way, v6):
    with way.site.connect(way.site.net.fresh(v6)) as c:
        assert c.reply().raw.startswith(b"421 4.4.1 ")
        assert c.at_end()
        assert way.gw.session(c)["outcome"] == "unreachable"


@FAMILIES
def test_FAULTS_40_loop(way, v6):
    """The gateway's own port, called as if it were a server."""
    router = ROUTER_6 if v6 else ROUTER
    begun = time.monotonic()
    with way.site.connect(router, port=2525) as c:
        assert c.reply().raw.startswith(b"421 4.4.6 ")
        assert c.at_end()
        session = way.gw.session(c)
    assert (session["outcome"], session["fault"]) == ("loop", "policy")
    if way.method != "strip":
        with way.site.connect(router, port=2465) as c:
            assert c.read_to_end() == b""  # before TLS there are no words
            assert way.gw.session(c)["outcome"] == "loop"
    assert time.monotonic() - begun < 3
