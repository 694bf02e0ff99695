"""Where it listens, whom it finds: WG-2, IPv6, names, several hosts."""
import json

import pytest

from gateway import wait_until
from peer import Client, any_context, message
from ports import free_port


def answers(addr, tls=None):
    try:
        with Client(addr, tls=tls, timeout=3) as c:
            return c.reply().code == 220
    except OSError:
        return False


@pytest.mark.parametrize("support, clear, implicit", [
    ("disabled", True, False), ("enabled", True, True), ("required", False, True),
    (None, True, True)])
def test_WG_2_tls_support(upstream, gateway, support, clear, implicit):
    gw = gateway(upstream(), mx={"tls_support": support} if support else {})
    assert answers(gw.address("listen")) == clear
    assert answers(gw.address("listen_tls"), any_context()) == implicit
    if clear:  # it says nothing about STARTTLS
        with gw.connect() as c:
            c.secure_hello()


def test_ipv6(upstream, gateway):
    up = upstream(host="::1")
    gw = gateway(up, host="[::1]")
    with gw.connect() as c:
        c.hello()
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        session = gw.session(c)
    assert b"[IPv6:::1]" in up.messages[0].received
    assert gw.transactions(session)[0]["upstream"] == up.addr
    with gw.connect_tls(any_context()) as c:
        c.hello()


def test_any_address(upstream, gateway):
    port = free_port()
    gw = gateway(upstream(), mx={"listen": [f"*:{port}"]})
    assert answers(("127.0.0.1", port))
    assert answers(("::1", port))
    with Client(("127.0.0.1", port)) as c:
        c.hello()
        c.quit()
        assert gw.wait_log(event="session-end", client=c.name)


def test_several_addresses_and_services(upstream, gateway):
    one, two = upstream(), upstream(greeting="220 second")
    ports = [free_port() for _ in range(3)]
    gw = gateway(one, start=False)
    gw.config["services"]["mx"]["listen"] = [f"127.0.0.1:{ports[0]}", f"[::1]:{ports[1]}"]
    gw.config["services"]["other"] = {"listen": f"127.0.0.1:{ports[2]}", "upstream": two.addr,
                                      "hostname": "other.example.net"}
    gw.write(gw.config)
    gw.start()
    assert answers(("127.0.0.1", ports[0])) and answers(("::1", ports[1]))
    with Client(("127.0.0.1", ports[2])) as c:
        assert c.reply().text.startswith("other.example.net ")
        c.cmd("EHLO client.example", 250)
        c.envelope()
        assert c.data(message()).code == 250
    assert len(two.messages) == 1


def test_short_form_of_the_issue(pki, upstream, gateway):
    """Ten lines; `upstream:` with an address, one value where a list could stand."""
    up = upstream()
    port = free_port()
    gw = gateway(up, start=False)
    gw.write(f"""\
hostname: gw.example.net
log: {{ format: json }}
certificates:
  gw: {{ chain: {pki.leaf("gw.example.net").chain}, key: {pki.leaf("gw.example.net").key} }}
services:
  mx: {{ listen: "127.0.0.1:{port}", upstream: {up.addr} }}
""")
    gw.start()
    with Client(("127.0.0.1", port)) as c:
        c.secure_hello()
        c.envelope()
        assert c.data(message()).code == 250


def test_host_by_name(upstream, gateway):
    up = upstream()
    gw = gateway(f"localhost:{up.port}")

    def delivered():
        with gw.connect() as c:
            c.reply()
            if c.cmd("EHLO client.example").code != 250:
                return False
            c.envelope()
            return c.data(message()).code == 250
    assert wait_until(delivered)
    assert up.messages[0].content == message()


def test_host_by_name_that_does_not_exist(upstream, gateway):
    """It is passed over, and alone it is 4xx."""
    up = upstream()
    gw = gateway(["no-such-host.invalid:25", up.addr])
    with gw.connect() as c:
        c.hello()
        c.envelope()
        assert c.data(message()).code == 250
    gw = gateway("no-such-host.invalid:25")
    with gw.connect() as c:
        c.reply()
        assert c.cmd("EHLO client.example").raw.startswith(b"421 4.3.2 ")


def test_NEW_24_hosts_in_order(upstream, gateway):
    one, two = upstream(), upstream()
    gw = gateway([one, two])
    for _ in range(3):
        with gw.connect() as c:
            c.hello()
            c.envelope()
            assert c.data(message()).code == 250
    assert (len(one.messages), len(two.messages)) == (3, 0)


def test_a_host_that_failed_is_tried_again_after_its_time(upstream, gateway):
    port = free_port()
    two = upstream()
    gw = gateway([f"127.0.0.1:{port}", two], retry_after="1s")

    def send():
        with gw.connect() as c:
            c.hello()
            c.envelope()
            assert c.data(message()).code == 250
            c.quit()
    send()
    one = upstream(port=port)
    assert len(two.messages) == 1

    def back():
        send()
        return bool(one.messages)
    assert wait_until(back, 10, 0.1)


def test_edges_share_the_work(upstream, gateway):
    """SO_REUSEPORT: with two edges both get sessions."""
    gw = gateway(upstream(), edges=2, mx={"max_connections_per_address": 500})
    import os
    before = {p: len(os.listdir(f"/proc/{p}/fd")) for p in gw.edges()}
    clients = [gw.connect() for _ in range(40)]
    for c in clients:
        c.reply()
    more = {p: len(os.listdir(f"/proc/{p}/fd")) - n for p, n in before.items()}
    assert len(more) == 2 and all(n >= 5 for n in more.values()), json.dumps(more)
    for c in clients:
        c.close()


def test_default_is_one_edge_for_each_processor(upstream, gateway):
    import os
    gw = gateway(upstream(), edges=None)
    assert len(gw.edges()) == len(os.sched_getaffinity(0))
