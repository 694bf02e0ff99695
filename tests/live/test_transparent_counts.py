"""What is counted for each destination (MC-2), what is not touched (WG-19), and what a waiting client costs (MC-10)."""
import os
import signal

import pytest

from gateway import wait_until
from pki import MX
from upstream import CAPS


def left_for(gw, since):
    """Of the last stats: how many left on the way to whom."""
    assert len(gw.log(since, event="stats")) == 1
    return {line["target"]: line["count"] for line in gw.log(since, event="stripped-left")}


def test_MC_2_counted_for_each_destination(lab):
    """At SIGUSR1 and when the service ends; what an edge counted stays counted when it is killed."""
    gw = lab.gateway(action="plain", listen_tls=None)
    one, two, other = (lab.upstream(v6=v6, tls=lab.pki.leaf(MX).context()) for v6 in (False, True, False))

    def visit(up, stays=False):
        with lab.connect(up) as c:
            c.hello()
            if stays:
                c.cmd("NOOP", 250)
            c.quit()
            gw.session(c)

    def told(want):
        since = len(gw.lines)
        gw.signal(signal.SIGUSR1)
        # All lines of one signal are written together; the next thing that is logged comes behind them.
        assert gw.wait_log(event="stats", since=since)
        visit(other, stays=True)
        assert left_for(gw, since) == want
        return gw.log(since, event="stats")[0]["stripped_left"]

    assert told({}) == 0
    for _ in range(3):
        visit(one)
    visit(two)
    visit(other, stays=True)
    assert told({one.addr: 3, two.addr: 1}) == 4
    [edge] = gw.edges()
    os.kill(edge, signal.SIGKILL)
    assert gw.wait_log(event="edge-died")
    visit(one)
    assert told({one.addr: 4, two.addr: 1}) == 5
    since = len(gw.lines)
    gw.signal(signal.SIGTERM)
    assert gw.wait_exit() == 0
    gw.reader.join(5)
    assert left_for(gw, since) == {one.addr: 4, two.addr: 1}


def test_WG_19_passthrough_and_strip_take_away_nothing(lab):
    """But STARTTLS, where that is what it is about; so nothing is counted."""
    words = (*CAPS, "XEXCH50", "BURL imap")
    keep = len(lab.made)
    for action in ("watch", "plain"):
        other = lab.gateway(action=action, listen_tls=None)
        up = lab.upstream(caps=words)
        with lab.connect(up) as c:
            assert {b"XEXCH50", b"BURL"} <= set(c.hello().keywords)
            c.quit()
            assert "up_unknown_keywords" not in other.session(c)
        lab.sweep(keep)


# MC-10: what a client costs that only waits.

WAITING = 100
STOCK = 32  # sockets that the master has made and nobody has taken yet come and go


def descriptors(gw):
    [edge] = gw.edges()
    return len(os.listdir(f"/proc/{edge}/fd"))


@pytest.mark.parametrize("action", ["watch", "plain", "open"])
def test_MC_10_a_waiting_client_costs_a_pair_of_sockets_and_no_TLS(lab, action):
    gw = lab.gateway(action=action, listen_tls=None)
    up = lab.upstream(tls=lab.pki.leaf(MX).context(), patience=60)
    first = lab.connect(up)
    assert first.reply().code == 220
    before, since = descriptors(gw), len(up.connections)
    waiting = [lab.connect(up) for _ in range(WAITING)]
    for c in waiting:
        assert c.reply().code == 220
    assert len(up.connections) == since + WAITING
    assert abs(descriptors(gw) - before - 2 * WAITING) <= STOCK
    gw.signal(signal.SIGUSR1)
    [stats] = gw.wait_log(event="stats")
    assert (stats["client_tls"], stats["upstream_tls"], stats["upstream_connects"]) == (0, 0, WAITING + 1)
    assert up.verbs == [] and [c.facts for c in up.connections] == [None] * (WAITING + 1)
    for c in (first, *waiting):
        c.close()
    for c in waiting:
        gw.session(c)
    assert wait_until(lambda: descriptors(gw) <= before + STOCK)


@pytest.mark.parametrize("action", ["watch", "open"])
def test_MC_10_on_465_before_its_first_word_it_costs_one_socket(lab, action):
    """Whom to call, and how, is known once it has said something."""
    gw = lab.gateway(action=action, listen=None, tls_support="required")
    up = lab.upstream(port=465, implicit=True, tls=lab.pki.leaf(MX).context())
    before = descriptors(gw)
    waiting = [lab.connect(up) for _ in range(WAITING)]
    assert wait_until(lambda: descriptors(gw) >= before + WAITING)
    assert descriptors(gw) <= before + WAITING + STOCK
    assert up.connections == []
    for c in waiting:
        c.close()
        assert gw.session(c)["outcome"] == "client-closed"
