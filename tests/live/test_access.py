"""Who may connect at all: `clients` of a service, before a word is said and before any handshake (SUB-5, SUB-9, SUB-11)."""
import ssl

import pytest

from gateway import Gateway, base_config
from netns import Namespace
from peer import Client, any_context, message
from pki import GW
from ports import free_port

STRANGER = "192.0.2.7"


def assert_refused(gw, c, service="mx"):
    reply = c.reply()
    assert reply.raw.startswith(b"554 5.7.1 ") and b" [ACCESS] " in reply.raw, reply.raw
    assert c.at_end()
    [line] = gw.wait_log(event="session-refused", client=c.name)
    assert (line["service"], line["outcome"]) == (service, "access"), line
    assert reply.raw.split()[-1].decode() == line["sid"]


def test_SUB_11_only_those_who_are_listed(upstream, gateway):
    up = upstream()
    gw = gateway(up, mx={"clients": ["127.0.0.2", "127.1.0.0/16"]})
    for source in ("127.0.0.2", "127.1.255.255"):
        with gw.connect(source=source) as c:
            c.hello()
            c.envelope()
            assert c.data(message()).code == 250
    for source in ("127.0.0.1", "127.0.0.3", "127.2.0.0"):
        with gw.connect(source=source) as c:
            assert_refused(gw, c)
    assert len(up.messages) == 2


def test_SUB_11_both_families_on_one_socket(upstream, gateway):
    """On a socket of both families a client by IPv4 has an IPv4-mapped address."""
    port = free_port()
    gw = gateway(upstream(), mx={"listen": [f"*:{port}"], "clients": ["127.0.0.2/32"]})
    with Client(("127.0.0.1", port), source="127.0.0.2") as c:
        c.hello()
    for c in (Client(("127.0.0.1", port)), Client(("::1", port))):
        with c:
            assert_refused(gw, c)
    assert gw.reload({**gw.config, "services": {"mx": {**gw.config["services"]["mx"], "clients": ["::/0"]}}})
    for _ in range(20):  # one of the edges from before may have taken it still
        with Client(("::1", port)) as c:
            if c.reply().code == 220:
                break
    else:
        pytest.fail("IPv6 clients are still refused")
    with Client(("127.0.0.1", port), source="127.0.0.2") as c:
        assert_refused(gw, c)


def test_SUB_9_SUB_11_no_handshake_for_a_stranger(upstream, gateway):
    """Where TLS begins with the first byte there are no words before it, and no handshake is begun."""
    gw = gateway(upstream(), mx={"clients": "127.0.0.2"})
    with gw.connect_tls(any_context(), source="127.0.0.2") as c:
        c.hello()
    with Client(gw.address("listen_tls")) as c:
        assert c.at_end()
        [line] = gw.wait_log(event="session-refused", client=c.name)
        assert line["outcome"] == "access"
    with pytest.raises((ssl.SSLError, OSError)):
        gw.connect_tls(any_context()).close()


def test_SUB_11_strangers_are_no_load(upstream, gateway):
    """They count for none of the limits."""
    gw = gateway(upstream(), mx={"clients": "127.0.0.2", "max_connections": 1})
    held = [gw.connect() for _ in range(5)]
    with gw.connect(source="127.0.0.2") as c:
        c.hello()
        with gw.connect(source="127.0.0.2") as d:
            assert b"[CONN-MAX]" in d.reply().raw
    for c in held:
        assert_refused(gw, c)
        c.close()


@pytest.fixture
def island(pki, tmp_path, state_dir):
    """An outbound service in a network of its own, where this machine has an address that is not loopback: island(settings)."""
    space, made = Namespace(), []
    space.ip(f"addr add {STRANGER}/32 dev lo", "addr add 2001:db8::7/128 dev lo nodad")
    cert = pki.leaf(GW)

    def make(**service):
        config = base_config(pki, "127.0.0.1:9")
        folder = tmp_path / "gw"
        folder.mkdir()
        config.update(certificates={"gw": {"chain": cert.chain, "key": cert.key}},
                      route={"resolvers": ["127.0.0.1:9"], "state_dir": str(state_dir), "timeout": "1s"},
                      services={"out": {"mode": "outbound", "listen": ["*:2525"], **service}})
        with space:
            made.append(Gateway(config, folder).start())
        return made[-1]

    def call(to):
        with space:
            return Client((to, 2525))
    make.call = call
    yield make
    for gw in made:
        gw.stop()
    space.close()


@pytest.mark.parametrize("clients, may, must_not", [
    (None, ["127.0.0.1", "::1"], [STRANGER, "2001:db8::7"]),
    ([STRANGER, "127.0.0.0/8"], [STRANGER, "127.0.0.1"], ["::1", "2001:db8::7"]),
    (["2001:db8::/32"], ["2001:db8::7"], ["127.0.0.1", STRANGER, "::1"]),
])
def test_SUB_5_no_open_relay(island, clients, may, must_not):
    """Unless it is told otherwise an outbound service sends for this machine alone."""
    gw = island(**({"clients": clients} if clients else {}))
    for address in may:  # who calls an address of this machine comes from there
        with island.call(address) as c:
            c.hello()
    for address in must_not:
        with island.call(address) as c:
            assert_refused(gw, c, "out")


def test_SUB_5_a_stranger_who_does_not_wait(island):
    """All of a message in one go: it is neither read nor answered."""
    gw = island()
    with island.call(STRANGER) as c:
        try:
            c.send(b"EHLO x.example\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@victim.example>\r\nDATA\r\n" + message() + b".\r\n")
        except OSError:
            pass
        [line] = gw.wait_log(event="session-refused", client=c.name)
        assert line["outcome"] == "access"
    assert gw.log(event="session-end") == [] and gw.log(event="transaction") == []


FORMS = ["<b%victim.example@d.example>", "<@d.example:b@victim.example>", "<b@victim.example@d.example>",
         '<"b@victim.example"@d.example>', "<victim.example!b@d.example>"]


@pytest.mark.parametrize("form", FORMS)
def test_SUB_5_forms_that_hide_another_domain(island, form):
    """Of those who may send: the domain behind the last at sign is what counts, and routes are refused."""
    island()
    with island.call("127.0.0.1") as c:
        c.hello()
        c.cmd("MAIL FROM:<>", 250)
        reply = c.cmd("RCPT TO:" + form)
    if form.startswith("<@") or form.count("@") > 1 and '"' not in form:
        assert reply.code in (501, 553), reply.raw
    else:
        assert reply.raw.startswith(b"451 4.4.3 ") and b"victim" not in reply.raw, reply.raw
