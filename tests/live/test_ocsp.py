"""Upstreams whose certificates name an OCSP responder: NEW-16, WG-13, FAULTS 18. It is `route` that asks, and whatever the
responder does, others are served meanwhile."""
import itertools
import os
import re
import shutil
import signal
import ssl
import tempfile
import threading
from pathlib import Path

import pytest

from gateway import Gateway, base_config, children, command_line, merged, wait_until
from peer import message, trusting
from pki import MX
from ports import free_port
from responder import Responder

_numbers = itertools.count()

# What the responder says: what the log has of it, and whether `hard` can live with it. Nothing but "revoked" is bad where
# `soft` was asked for.
SAYS = {
    "good": ("OCSP: good", True),
    "revoked": ("OCSP: revoked", False),
    "unknown": ("OCSP: unknown", False),
    "stale": ("OCSP: answer not valid", False),
    "forged": ("OCSP: answer not valid", False),
    "other": ("OCSP: answer not valid", False),
    "refused": ("OCSP: answer not valid", False),
    "garbage": ("OCSP: answer not valid", False),
    "cut": ("OCSP: not answered", False),
    "error": ("OCSP: not answered", False),
    "hang": ("OCSP: not answered", False),
    "down": ("OCSP: not answered", False),
    "scheme in capitals": ("OCSP: good", True),
    "https alone": ("OCSP: not answered", False),
    "nobody named": ("no OCSP responder named", True),
}


@pytest.fixture(scope="module")
def responder(pki):
    with Responder(pki) as one:
        yield one


def certificate(pki, responder, says):
    """One of its own for each test: what has been asked once is remembered. Each URL is another, so that no test meets
    what the one before has left."""
    number = next(_numbers)
    urls = {"nobody named": None, "https alone": f"{responder.url('good', 'https')}/{number}",
            "scheme in capitals": f"{responder.url('good', 'HTTP')}/{number}",
            "down": f"http://127.0.0.1:{free_port()}/{number}"}
    return pki.leaf(MX, ocsp=urls.get(says, f"{responder.url(says)}/{number}"))


def profile(ocsp):
    return {"tls_profiles": {"asks": {"inherit": "intermediate", "ocsp": ocsp}}}


@pytest.fixture
def folder():
    """`route` has a user of its own, and pytest's folders are root's alone."""
    made = Path(tempfile.mkdtemp(prefix="sallyport-ocsp-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def relay(pki, tmp_path, folder):
    made = []

    def make(up, ocsp, tls="verify", **more):
        config = base_config(pki, up, tls=tls, ca=pki.ca, names=[MX], tls_profile="asks")
        config = merged(config, {**profile(ocsp), "route": {"private_addresses": True, "state_dir": str(folder)}, **more})
        place = tmp_path / f"gw{len(made)}"
        place.mkdir()
        made.append(Gateway(config, place))
        return made[-1].start()
    yield make
    for one in made:
        one.stop()


def send(gw):
    """A message; the first answer that is not as it should be, else the last; and the session's line."""
    with gw.connect() as c:
        c.reply()
        for line in ("EHLO client.example", "MAIL FROM:<a@client.example>", "RCPT TO:<b@dest.example>", "DATA"):
            reply = c.cmd(line)
            if reply.code >= 400:
                return reply, None
        c.send(message() + b".\r\n")
        reply = c.reply()
        c.quit()
        [txn] = gw.transactions(gw.session(c))
        return reply, txn


def is_fine(says, ocsp):
    return ocsp == "off" or (SAYS[says][1] if ocsp == "hard" else says != "revoked")


@pytest.mark.parametrize("ocsp", ["off", "soft", "hard"])
@pytest.mark.parametrize("says", SAYS)
def test_NEW_16_WG_13_FAULTS_18_relay(pki, upstream, relay, responder, says, ocsp):
    cert = certificate(pki, responder, says)
    up = upstream(tls=cert.context())
    reply, txn = send(relay(up, ocsp))
    if is_fine(says, ocsp):
        assert reply.code == 250, reply.raw
        assert txn["up_verified"] == "ok"
        assert txn.get("up_revocation") == (None if ocsp == "off" else SAYS[says][0])
        assert [m.secure for m in up.messages] == [True]
    else:
        assert re.match(rb"4\d\d 4\.7\.\d+ ", reply.raw), reply.raw
        assert re.search(r"revoked|OCSP", reply.text), reply.text
        assert up.settled() and "MAIL" not in up.verbs
    wanted = ocsp != "off" and says not in ("down", "https alone", "nobody named")
    assert responder.count(cert) == wanted


@pytest.mark.parametrize("ocsp", ["soft", "hard"])
def test_NEW_16_FAULTS_18_where_no_certificate_is_looked_at(pki, upstream, relay, responder, ocsp):
    """`encrypt` delivers to whoever it is, and the log has the cause."""
    up = upstream(tls=certificate(pki, responder, "revoked").context())
    reply, txn = send(relay(up, ocsp, tls="encrypt"))
    assert reply.code == 250
    assert txn["up_revocation"] == "OCSP: revoked" and txn["up_verified"] != "ok"


@pytest.mark.parametrize("ocsp", ["soft", "hard"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_NEW_16_SUB_15_resumed_sessions_do_not_ask_again(pki, upstream, relay, responder, ocsp, version):
    """What was answered is remembered with the session, and stands in the log for it."""
    cert = certificate(pki, responder, "good")
    up = upstream(tls=cert.context(**({"maximum_version": ssl.TLSVersion.TLSv1_2} if version == "1.2" else {})))
    gw = relay(up, ocsp)
    for n in range(4):
        reply, txn = send(gw)
        assert reply.code == 250
        assert (txn["up_revocation"], txn["up_resumed"]) == ("OCSP: good", 1 if n > 0 else 0)
    assert responder.count(cert) == 1
    assert [c.resumed for c in up.connections if c.facts] == [False, True, True, True]


@pytest.mark.parametrize("ocsp", ["soft", "hard"])
def test_NEW_16_SUB_15_without_an_answer_nothing_is_resumed(pki, upstream, relay, responder, ocsp):
    """`soft` may keep what had no answer; `hard` must look again, and finds that it has none."""
    up = upstream(tls=certificate(pki, responder, "error").context())
    gw = relay(up, ocsp)
    kinds = [send(gw)[0].code // 100 for _ in range(2)]
    assert kinds == ([2, 2] if ocsp == "soft" else [4, 4])
    if ocsp == "hard":
        assert [c.resumed for c in up.connections if c.facts] == [False, False]


def test_FAULTS_18_a_dead_responder_is_no_hang_for_others(pki, upstream, relay, responder):
    """The one waits for its responder; ten others on the same edge, and new ones, are served meanwhile; then it goes on."""
    silent = certificate(pki, responder, "hang")
    dead, fine = upstream(tls=silent.context()), upstream(tls=certificate(pki, responder, "good").context())
    config = {"upstreams": {"other": {"hosts": [fine.addr], "tls": "verify", "ca": pki.ca, "names": [MX],
                                      "tls_profile": "asks", "pool": 0}},
              "services": {"more": {"listen": [f"127.0.0.1:{free_port()}"], "upstream": "other",
                                    "max_connections_per_address": 1000}}}
    gw = relay(dead, "soft", **config)
    waited = []
    waits = threading.Thread(target=lambda: waited.append(send(gw)))
    waits.start()
    assert wait_until(lambda: responder.count(silent) == 1)
    for _ in range(10):
        with gw.connect("more") as c:
            c.hello()
            assert c.cmd("MAIL FROM:<a@client.example>").code == 250
            c.cmd("RCPT TO:<b@dest.example>", 250)
            assert c.data(message()).code == 250
            c.quit()
    assert len(fine.messages) == 10
    assert waited == []  # all of them before it
    waits.join(30)
    [(reply, txn)] = waited
    assert (reply.code, txn["up_revocation"]) == (250, "OCSP: not answered")


@pytest.mark.parametrize("leave, outcome", [("reset", "client-reset"), ("close", "no-upstream")])
def test_FAULTS_18_a_client_that_leaves_meanwhile(pki, upstream, relay, responder, leave, outcome):
    """One that has but closed its half may still be told (FAULTS 3)."""
    cert = certificate(pki, responder, "hang")
    up = upstream(tls=cert.context())
    gw = relay(up, "hard")
    edges = gw.edges()
    c = gw.connect()
    c.reply()
    c.line("EHLO client.example")
    assert wait_until(lambda: responder.count(cert) == 1)
    getattr(c, leave)()
    assert gw.session(c, 10)["outcome"] == outcome
    assert up.settled(10) and set(up.verbs) <= {"EHLO", "STARTTLS", "QUIT"}
    assert gw.edges() == edges


def test_FAULTS_18_FAULTS_28_route_is_killed_meanwhile(pki, upstream, relay, responder):
    """What it was asked is as not answered."""
    cert = certificate(pki, responder, "hang")
    up = upstream(tls=cert.context())
    gw = relay(up, "hard")
    with gw.connect() as c:
        c.reply()
        c.line("EHLO client.example")
        assert wait_until(lambda: responder.count(cert) == 1)
        [pid] = routes(gw)
        os.kill(pid, signal.SIGKILL)
        assert c.reply().code // 100 == 4
    assert "MAIL" not in up.verbs


def routes(gw):
    return [p for p in children(gw.pid) if command_line(p)[1:3] == [b"--role", b"route"]]


@pytest.mark.parametrize("ocsp, runs", [("off", 0), ("soft", 1), ("hard", 1)])
def test_WG_13_route_runs_where_a_profile_in_use_asks(pki, upstream, tmp_path, ocsp, runs):
    """Without a `route` section, too; inherited as well as said."""
    up = upstream(tls=pki.leaf(MX).context())
    config = merged(base_config(pki, up, tls="verify", ca=pki.ca, names=[MX], tls_profile="heir"), profile(ocsp))
    config["tls_profiles"]["heir"] = {"inherit": "asks", "tickets": False}
    gw = Gateway(config, tmp_path).start()
    try:
        assert len(routes(gw)) == runs
        assert gw.reload(merged(config, {"tls_profiles": {"asks": {"ocsp": "off" if runs else "soft"}}}))
        assert wait_until(lambda: len(routes(gw)) == 1 - runs)
    finally:
        gw.stop()


# transparent

def intercept(lab, folder, ocsp):
    open_ = {"tls": "terminate", "authority": "corp", "on_untrusted": "refuse", "ca": lab.pki.ca,
             "upstream_tls_profile": "asks"}
    return lab.gateway(action="asked", actions={"asked": open_}, **profile(ocsp),
                       route={"private_addresses": True, "state_dir": str(folder)})


@pytest.fixture
def inside(lab, pki):
    with lab.net.router:
        made = Responder(pki)
    yield made
    made.stop()


@pytest.mark.parametrize("ocsp", ["off", "soft", "hard"])
@pytest.mark.parametrize("says", ["good", "revoked", "unknown", "garbage", "nobody named", "https alone"])
def test_NEW_16_WG_7_FAULTS_18_terminate_with_authority(lab, inside, folder, says, ocsp):
    """A leaf of the authority is never made from a certificate that is said to be bad."""
    cert = certificate(lab.pki, inside, says)
    up = lab.upstream(tls=cert.context())
    gw = intercept(lab, folder, ocsp)
    with lab.connect(up) as c:
        c.hello()
        if is_fine(says, ocsp):
            c.starttls(trusting(lab.authority.ca), name=MX)
            c.cmd("EHLO client.example", 250)
            assert c.cmd("MAIL FROM:<a@client.example>").code == 250
            c.cmd("RCPT TO:<b@dest.example>", 250)
            assert c.data(message()).code == 250
        else:
            assert c.cmd("STARTTLS").raw.startswith(b"454 4.7.5 ")
        c.quit()
        session = gw.session(c)
    if is_fine(says, ocsp):
        [txn] = gw.transactions(session)
        assert txn.get("up_revocation") == (None if ocsp == "off" else SAYS[says][0])
    assert inside.count(cert) == (ocsp != "off" and says not in ("nobody named", "https alone"))


def test_NEW_16_SUB_4_terminate_on_465(lab, inside, folder):
    up = lab.upstream(port=465, implicit=True, tls=certificate(lab.pki, inside, "revoked").context())
    intercept(lab, folder, "soft")
    c = lab.connect(up)
    with pytest.raises((OSError, AssertionError)):
        c.start_tls(trusting(lab.authority.ca), name=MX)
        c.hello()
    c.close()
    assert up.settled() and up.messages == []
