"""FAULTS 28-30: processes that die, reloads, the way to the end. Law 1 at every moment."""
import hashlib
import os
import re
import signal
import socket
import time

import pytest

from gateway import alive, children, sallyport, sanitized, wait_until
from ledger import Load
from peer import Client, any_context, message
from pki import GW
from ports import free_port
from upstream import late

MANY = {"max_connections_per_address": 1000}


def jitter(conn, _):
    """Time enough between the dot and the answer to be killed in."""
    time.sleep((id(conn) >> 5) % 7 * 0.004)
    return "250 2.0.0 kept"


def delivers(gw, service="mx"):
    try:
        with gw.connect(service) as c:
            c.hello()
            c.envelope()
            assert c.data(message()).code == 250
            c.quit()
        return True
    except (OSError, AssertionError):
        return False


def test_FAULTS_28_kill_edges_under_load(upstream, gateway):
    up = upstream(dot=jitter)
    gw = gateway(up, edges=2, mx=MANY)
    load = Load(gw.address())
    for _ in range(5):
        time.sleep(0.3)
        edges = gw.edges()
        os.kill(edges[0], signal.SIGKILL)
        assert wait_until(lambda: len(set(gw.edges()) - {edges[0]}) == 2), "not replaced"
    time.sleep(0.3)
    load.stop()
    there = load.audit(up)
    assert len(load.acked) > 50 and len(load.broken) > 0
    assert len(gw.log(event="edge-died")) == 5
    assert sum(there.values()) >= len(load.acked)
    assert delivers(gw)


def test_FAULTS_28_only_its_own_sessions_end(upstream, gateway):
    gw = gateway(upstream(), edges=2, mx=MANY)
    held = [gw.connect() for _ in range(24)]
    for c in held:
        c.hello()
    os.kill(gw.edges()[0], signal.SIGKILL)
    begin = time.monotonic()
    assert wait_until(lambda: len(gw.edges()) == 2 and delivers(gw))
    took = time.monotonic() - begin
    lives = 0
    for c in held:
        try:
            c.cmd("NOOP", 250)
            lives += 1
        except (OSError, AssertionError):
            pass
        c.close()
    assert 0 < lives < 24
    assert took < 5


def test_FAULTS_28_connections_in_the_queue_wait_for_the_next_edge(upstream, gateway):
    gw = gateway(upstream(), mx=MANY)
    [edge] = gw.edges()
    os.kill(edge, signal.SIGSTOP)
    waiting = [gw.connect() for _ in range(10)]
    os.kill(edge, signal.SIGKILL)
    for c in waiting:
        c.hello()
        c.quit()


def test_FAULTS_28_an_edge_that_dies_again_and_again(upstream, gateway):
    gw = gateway(upstream())
    for _ in range(8):
        edges = []
        assert wait_until(lambda: edges.extend(gw.edges()) or edges, 20)
        os.kill(edges[0], signal.SIGKILL)
        assert wait_until(lambda: not alive(edges[0]))
    assert wait_until(lambda: delivers(gw), 20, 0.1)


def test_FAULTS_30_reload_under_load(pki, upstream, gateway):
    """Not one connection refused or reset, not one message refused."""
    up = upstream(dot=jitter)
    gw = gateway(up, edges=2, mx=MANY)
    load = Load(gw.address())
    for n in range(6):
        time.sleep(0.15)
        config = dict(gw.config)
        config["edges"] = 1 + n % 2
        assert gw.reload(config), gw.transcript()
    time.sleep(0.2)
    load.stop()
    assert load.refused_connections == []
    assert load.broken == {} and load.refused == {}
    load.audit(up)
    assert len(load.acked) > 50
    assert gw.log(event="edge-died") == []


def test_FAULTS_30_running_sessions_keep_their_settings(upstream, gateway):
    one, two = upstream(), upstream()
    gw = gateway(one)
    with gw.connect() as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)
        config = dict(gw.config)
        config["upstreams"] = {"backend": {"hosts": [two.addr], "tls": "none"}}
        assert gw.reload(config)
        # An edge of the old generation may still take a connection or two that wait.
        assert wait_until(lambda: delivers(gw) and two.messages)
        c.cmd("RCPT TO:<b@dest.example>", 250)
        assert c.data(message("old")).code == 250
        c.envelope()
        assert c.data(message("old, again")).code == 250
        c.quit()
    old = [m.content for m in one.messages if b"old" in m.content]
    assert old == [message("old"), message("old, again")]
    assert not any(b"old" in m.content for m in two.messages)


def test_FAULTS_30_old_edges_leave_when_their_sessions_end(upstream, gateway):
    gw = gateway(upstream())
    old = gw.edges()
    with gw.connect() as c:
        c.hello()
        assert gw.reload()
        assert set(old) < set(gw.edges())
        c.quit()
    assert wait_until(lambda: not set(old) & set(gw.edges()))


BROKEN = {
    "not YAML": ("services: [", r":\d+:\d+: "),
    "an unknown key": (lambda text: text.replace("edges:", "edgse:"), r":\d+:\d+: .*edgse.*edges"),
    "no such upstream": (lambda text: text.replace('upstream: "backend"', 'upstream: "bakend"'),
                         r":\d+:\d+: .*bakend"),
    "no file": (None, r"gw\.yaml"),
    "certificate gone": (lambda text: re.sub(r'chain: "[^"]*"', 'chain: "/nonexistent.pem"', text),
                         r":\d+:\d+: .*nonexistent\.pem"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_FAULTS_30_broken_configuration_at_reload(upstream, gateway, what):
    """FAULTS 19 as well: the old pair stays."""
    gw = gateway(upstream())
    how, words = BROKEN[what]
    since = len(gw.lines)
    with gw.connect() as c:
        c.hello()
        good = gw.file.read_text()
        if how is None:
            gw.file.unlink()
        else:
            gw.file.write_text(how(good) if callable(how) else how)
        gw.signal(signal.SIGHUP)
        assert gw.wait_log(event="reload-refused", since=since), gw.transcript()
        told = "\n".join(str(line) for line in gw.lines[since:])
        assert re.search(r"gw\.yaml" + words, told) or re.search(words, told), told
        c.cmd("NOOP", 250)
        assert delivers(gw)
        gw.file.write_text(good)
        assert gw.reload()
        assert delivers(gw)


def test_FAULTS_19_new_certificate_by_reload(pki, upstream, gateway):
    """SPEC SUB-13: new sessions get the new one; a pair that does not match is refused."""
    gw = gateway(upstream())
    chain, key = (gw.folder / n for n in ("live.pem", "live.key"))

    def put(cert, key_of):
        chain.write_bytes(open(cert.chain, "rb").read())
        key.write_bytes(open(key_of.key, "rb").read())

    def shown():
        with gw.connect_tls(any_context()) as c:
            return hashlib.sha256(c.peer_cert).hexdigest()
    one, two = pki.leaf(GW), pki.leaf(GW, days=60)
    put(one, one)
    config = dict(gw.config)
    config["certificates"] = {"gw": {"chain": str(chain), "key": str(key)}}
    assert gw.reload(config)
    assert shown() == one.sha256
    put(two, one)
    assert gw.reload(good=False)
    assert shown() == one.sha256
    put(two, two)
    assert gw.reload()
    # An edge of the old generation may still take a connection or two that wait.
    assert wait_until(lambda: shown() == two.sha256)


def is_closed(address):
    try:
        with Client(address, timeout=2) as c:
            c.reply()
        return False
    except OSError:
        return True


def test_FAULTS_30_addresses_come_and_go(upstream, gateway):
    gw = gateway(upstream())
    old = gw.address()
    config = dict(gw.config)
    config["services"] = {"mx": {**config["services"]["mx"], "listen": [f"127.0.0.1:{free_port()}"]}}
    assert gw.reload(config)
    assert delivers(gw)
    assert wait_until(lambda: is_closed(old))  # an edge of the old generation may still take what waits


def test_FAULTS_30_an_address_that_is_taken(upstream, gateway):
    gw = gateway(upstream())
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        config = dict(gw.config)
        config["services"] = {**config["services"], "two": {
            "listen": ["127.0.0.1:%d" % taken.getsockname()[1]], "upstream": "backend"}}
        assert gw.reload(config, good=False), gw.transcript()
        assert delivers(gw)


def test_FAULTS_29_drain_under_load(upstream, gateway):
    up = upstream(dot=jitter)
    gw = gateway(up, edges=2, mx=MANY)
    load = Load(gw.address())
    time.sleep(0.7)
    gw.signal(signal.SIGTERM)
    assert gw.wait_exit() == 0
    load.stop()
    load.audit(up)
    assert len(load.acked) > 20
    assert not [b for b in load.broken.values() if "421" not in b[1] and "220" not in b[1]
                and "Reset" not in b[1] and "not a reply" not in b[1] and "Broken" not in b[1]]


def test_FAULTS_29_drain(upstream, gateway):
    """The message under way is finished, the idle client told, the door shut."""
    up = upstream(dot=late(0.4, "250 2.0.0 kept"))
    gw = gateway(up)
    busy, idle = gw.connect(), gw.connect()
    busy.hello()
    idle.hello()
    busy.envelope()
    busy.cmd("DATA", 354)
    busy.send(b"Subject: x\r\n\r\nfirst half\r\n")
    gw.signal(signal.SIGTERM)
    reply = idle.reply()
    assert reply.raw.startswith(b"421 4.3.2 ") and b"[DRAIN]" in reply.raw
    assert idle.at_end()
    idle.close()
    with pytest.raises((OSError, AssertionError)):
        gw.connect(timeout=2).hello()
    busy.send(b"second half\r\n.\r\n")
    assert busy.reply().raw == b"250 2.0.0 kept\r\n"
    assert busy.reply().code == 421
    assert busy.at_end()
    busy.close()
    assert gw.wait_exit() == 0
    assert up.messages[0].content == b"Subject: x\r\n\r\nfirst half\r\nsecond half\r\n"
    assert gw.session(idle)["outcome"] == "drained"
    assert gw.session(busy)["outcome"] == "drained"


def test_FAULTS_29_drain_has_a_limit(upstream, gateway):
    up = upstream()
    gw = gateway(up, drain_timeout="1s")
    c = gw.connect()
    c.hello()
    c.envelope()
    c.cmd("DATA", 354)
    gw.signal(signal.SIGTERM)
    assert gw.wait_exit(15) == 0
    assert b"250" not in c.read_to_end()
    assert up.settled()
    assert up.seen == []


def test_FAULTS_29_master_killed(upstream, gateway):
    """Nobody is left behind, and nothing is acknowledged that was not kept."""
    up = upstream(dot=jitter)
    gw = gateway(up, edges=2, drain_timeout="2s", mx=MANY)
    kids = children(gw.pid)
    assert kids
    load = Load(gw.address())
    time.sleep(0.5)
    gw.process.kill()
    gw.wait_exit()
    assert wait_until(lambda: not any(alive(p) for p in kids), 15), kids
    load.stop()
    load.audit(up)
    assert len(load.acked) > 10


def test_FAULTS_29_restart_on_the_same_addresses(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
    gw.stop()
    gw.start()
    assert delivers(gw)


def test_two_instances_do_not_share_a_port_in_silence(upstream, gateway):
    gw = gateway(upstream())
    out = sallyport("run", "-c", gw.file)
    assert out.returncode != 0
    assert str(gw.address()[1]) in out.stderr


def test_NEW_26_edges_are_not_root(upstream, gateway):
    gw = gateway(upstream())
    for pid in gw.edges():
        status = open(f"/proc/{pid}/status").read()
        assert set(re.search(r"Uid:(.*)", status).group(1).split()) != {"0"}
        assert int(re.search(r"CapEff:\s*(\w+)", status).group(1), 16) == 0
        if sanitized():
            continue  # the sanitizers need what the sandbox forbids
        assert re.search(r"NoNewPrivs:\s*1", status)
        assert re.search(r"Seccomp:\s*2", status)
