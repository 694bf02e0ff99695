"""`upstream_tls: verify` of others' servers: chain, and the name wherever one is known (PP-7, PP-8); and servers that
never answer."""
import re
import threading

import pytest
import yaml

from gateway import sallyport, wait_until
from intercept import config_of, pruned
from netns import CLIENT, CLIENT_2, CLIENT_3
from peer import message, trusting
from pki import MX

CLEAR, TLS = False, True


def sure(lab, up, name, implicit=False, **action):
    """A gateway that knows the server's address by this name, and what it must prove."""
    action = {"tls": "terminate", "authority": "corp", "ca": lab.pki.ca, "upstream_tls": "verify", **action}
    gw = lab.gateway(listen_tls=["*:2465"] if implicit else None, action="watch", hosts={name: [up.host]},
                     rules=[{"name": "known", "destination": name, "action": "sure"}], actions={"sure": action})
    return gw


def known(lab, up):
    """A client that has been greeted: until the name has been looked up it gets 421."""
    greeted = []

    def one():
        c = lab.connect(up)
        if c.reply().code == 220:
            greeted.append(c)
            return True
        c.close()
        return False
    assert wait_until(one)
    return greeted[0]


@pytest.mark.parametrize("shows", ["authority", "certificates"])
def test_PP_7_PP_8_a_client_in_clear_is_sure_of_the_name(lab, shows):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    gw = sure(lab, up, MX, **({} if shows == "authority" else {"authority": None, "certificates": "gw"}))
    with known(lab, up) as c:
        c.cmd("EHLO client.example", 250)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
        [txn] = gw.transactions(gw.session(c))
    assert (txn["up_verified"], txn["up_verify"], txn["up_sni"]) == ("ok", f"verified for {MX}", MX)
    assert [m.secure for m in up.messages] == [True]


@pytest.mark.parametrize("client_tls", [CLEAR, TLS], ids=["clear", "tls"])
def test_PP_8_a_good_certificate_for_another_name(lab, client_tls):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    sure(lab, up, "mx.bank.example")
    with known(lab, up) as c:
        reply = c.cmd("EHLO client.example")
        if client_tls and reply.code == 250:
            reply = c.cmd("STARTTLS")
        elif reply.code == 250:
            reply = c.cmd("MAIL FROM:<a@client.example>")
        assert re.match(rb"4\d\d 4\.7\.5 ", reply.raw), reply.raw
        assert b"not for mx.bank.example" in reply.raw
    assert up.settled() and up.messages == []
    assert "MAIL" not in up.verbs


@pytest.mark.parametrize("name, good", [(MX, True), ("mx.bank.example", False), (None, True)])
def test_PP_8_the_name_that_the_client_asks_for(lab, name, good):
    """On 465 it comes first. Without one it is for the client to look at what it is shown."""
    up = lab.upstream(port=465, implicit=True, tls=lab.pki.leaf(MX).context())
    lab.gateway(listen=None, tls_support="required", action="sure", actions={"sure": {
        "tls": "terminate", "authority": "corp", "ca": lab.pki.ca, "upstream_tls": "verify"}})
    context = trusting(lab.authority.ca, check_hostname=False)
    c = lab.connect(up)
    if good:
        c.start_tls(context, name=name)
        c.hello()
        c.quit()
        return
    with pytest.raises((OSError, AssertionError)):
        c.start_tls(context, name=name)
        c.hello()
    c.close()
    assert up.settled() and up.messages == []


# Whom to look for can't be known: a network, no rule, all rules; where clients can't look themselves.
@pytest.mark.parametrize("action, rules, good", [
    ({}, [], False),
    ({"client_tls": "encrypt"}, [], True),
    ({}, [{"name": "a", "destination": "10.9.0.0/16", "action": "sure"}], False),
    ({}, [{"name": "a", "client": "10.1.0.0/16", "action": "sure"}], False),
    ({}, [{"name": "a", "destination": [MX, "10.9.0.1"], "action": "sure"}], False),
    ({}, [{"name": "a", "destination": [MX, "mx2.example"], "action": "sure"}], True),
    ({"authority": None, "certificates": "gw", "client_tls": "encrypt"}, [], False),
    ({"upstream_tls": "encrypt", "upstream_tls_profile": "careful"}, [], False),
    ({"upstream_tls": "encrypt"}, [], True),
])
def test_PP_8_check_refuses_what_nobody_can_look_at(lab, tmp_path, action, rules, good):
    sure_action = {"tls": "terminate", "authority": "corp", "ca": lab.pki.ca, "upstream_tls": "verify", **action}
    config = pruned(config_of(lab.pki, lab.authority, action="watch" if rules else "sure", rules=rules, listen_tls=None,
                              tls_profiles={"careful": {"verify": "yes"}}, actions={"sure": sure_action}))
    file = tmp_path / "gw.yaml"
    file.write_text(yaml.safe_dump(config))
    done = sallyport("check", "-c", file)
    assert done.returncode == (0 if good else 78), done.stderr
    assert ("does not know what name to look for" in done.stderr) == (not good)


def test_FAULTS_4_FAULTS_40_a_server_that_never_answers(lab):
    """SYNs into nothing: the limit of the connection is ours, not that of the kernel's patience."""
    nobody = lab.net.fresh()
    lab.net.server.ip(f"route add blackhole {nobody}/32 table local")
    gw = lab.gateway(listen_tls=None, action="open", rules=[
        {"name": "w", "client": CLIENT_2, "action": "watch"}, {"name": "p", "client": CLIENT_3, "action": "plain"}])
    ended = {}

    def one(source):
        with lab.connect(nobody, source=source, timeout=60) as c:
            ended[source] = (c.reply().raw, c.read_to_end(), gw.session(c))
    threads = [threading.Thread(target=one, args=[source]) for source in (CLIENT, CLIENT_2, CLIENT_3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(90)
    assert sorted(ended) == sorted([CLIENT, CLIENT_2, CLIENT_3])
    for raw, rest, session in ended.values():
        assert raw.startswith(b"421 4.4.1 ") and rest == b""
        assert session["outcome"] == "unreachable"
        # It was not told so by the network.
        assert "time" in session["why"], session["why"]
