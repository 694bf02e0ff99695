"""What `sallyport nft-rules` prints, applied: the machine's own connections, loops of the network, and taking it back."""
import time

import pytest

from gateway import sallyport
from netns import ROUTER_OUT, ROUTER_OUT_6
from peer import message, trusting
from pki import MX

FAMILIES = pytest.mark.parametrize("v6", [False, True], ids=["IPv4", "IPv6"])


@pytest.mark.parametrize("intercept", ["tproxy", "redirect"])
@FAMILIES
def test_MC_8_the_machine_itself(lab, intercept, v6):
    """What starts on the router is brought there too; what Sallyport opens is not brought to it again."""
    up = lab.upstream(v6, tls=lab.pki.leaf(MX).context())
    gw = lab.gateway(intercept=intercept, local=True, action="open")
    with lab.call(lab.net.router, up) as c:
        c.secure_hello(trusting(lab.authority.ca), MX)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        assert gw.session(c)["target"] == up.addr
    assert up.last.peer.rsplit(":", 1)[0] == (ROUTER_OUT_6 if v6 else ROUTER_OUT)
    assert len(up.connections) == 1


@pytest.mark.parametrize("intercept", ["tproxy", "redirect"])
@pytest.mark.parametrize("action", ["watch", "open"])
def test_FAULTS_40_loop_where_the_mark_is_ignored(lab, intercept, action):
    """Rules that someone wrote himself bring our own connections to us again. It ends with the second."""
    up = lab.upstream()
    gw = lab.gateway(intercept=intercept, local=True, action=action)
    table = lab.net.router.run("nft", "list", "table", "inet", "sallyport", capture_output=True).stdout
    worse = "".join(line + "\n" for line in table.splitlines() if "meta mark 0x00005a11 accept" not in line)
    assert worse != table
    lab.net.router.run("nft", "-f", "-", input="delete table inet sallyport\n" + worse)
    begun = time.monotonic()
    with lab.call(lab.net.router, up) as c:
        assert c.reply().code == 421
    assert time.monotonic() - begun < 3
    assert gw.wait_log(event="session-end", outcome="loop")
    assert len(gw.log(event="session-end")) <= 2
    assert up.connections == []


# What nft-rules prints.

def test_MC_8_rules_are_taken_back(lab):
    """All of what it prints for setting up is gone after what it prints for taking back."""
    def state():
        show = [["nft", "list", "ruleset"], ["ip", "-4", "rule"], ["ip", "-6", "rule"],
                ["ip", "-4", "route", "show", "table", "all"], ["ip", "-6", "route", "show", "table", "all"]]
        return [lab.net.router.run(*command, capture_output=True).stdout for command in show]
    before = state()
    for settings in ({}, {"source": "client"}, {"intercept": "redirect"}):
        keep = len(lab.made)
        lab.gateway(**settings)
        assert state() != before
        lab.made[-1].shell(lab.made[-1].there)  # a second time: nothing is there twice
        lab.sweep(keep)
        assert state() == before


def test_MC_8_rules_as_a_script(lab):
    up = lab.upstream()
    gw = lab.gateway(source="client", action="watch")
    lab.made.pop().remove()
    with lab.call(lab.net.client, up) as c:
        c.hello()
        c.quit()
    assert gw.log(event="session-end") == []
    for option, brought in (("--shell", True), ("--remove", False)):
        script = sallyport("nft-rules", "-c", gw.file, option)
        assert script.returncode == 0
        lab.net.router.run("sh", "-e", input=script.stdout)
        with lab.call(lab.net.client, up) as c:
            c.hello()
            c.quit()
        assert bool(gw.wait_log(event="session-end", client=c.name, seconds=2 if brought else 0.2)) == brought


def test_MC_8_587_is_left_alone_where_an_action_strips(lab):
    """Passwords are sent there: nothing is stripped of their protection."""
    up = lab.upstream(port=587, tls=lab.pki.leaf(MX).context())
    gw = lab.gateway(action="plain", listen_tls=None)
    with lab.connect(up) as c:
        assert b"STARTTLS" in c.hello().keywords
        c.quit()
    assert gw.log(event="session-end") == []
