"""What is counted for each destination (MC-2), and what is not touched (WG-19)."""
import os
import signal

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
