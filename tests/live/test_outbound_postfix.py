"""Real Postfix around `mode: outbound`: as the MTA in front that hands its mail over, as MX hosts behind, and as the fallback that queues
what a transaction could not get through at once (SPEC MC-14, PP-14, GC-11).

    Postfix A ── service out ──┬── MX hosts
                    │ fallback └── Postfix B, an MX host
                    └── Postfix F ── service again, which has no fallback ── MX hosts
"""
import shutil
import smtplib
import subprocess
import tempfile
from pathlib import Path

import pytest

from gateway import wait_until
from outbound import mx
from ports import free_port
from postfix import Postfix
from test_postfix import both, make


PICKUP = "pickup unix n - n - 1 pickup\n"  # `postqueue -f` wants to see it


class Site:
    def __init__(self, world, folder):
        self.world, self.folder = world, folder
        fallback, self.front, again = free_port(), free_port(), free_port()
        config = world.config({"fallback": f"127.0.0.1:{fallback}"})
        config["services"]["again"] = {**config["services"]["out"], "listen": [f"127.0.0.1:{again}"]}
        del config["services"]["again"]["fallback"]
        self.gateway = world.gateway(start=False)
        self.gateway.write(config)
        out = self.gateway.address("listen", "out")[1]
        patient = {"smtp_tls_security_level": "may", "minimal_backoff_time": "1h", "maximal_backoff_time": "1h",
                   "queue_run_delay": "1h", "smtp_connection_cache_on_demand": "no"}
        self.a = Postfix(make(folder / "a"), {self.front: ""}, {**patient, "relayhost": f"[127.0.0.1]:{out}"},
                         services=PICKUP)
        self.f = Postfix(make(folder / "f"), {fallback: ""}, {**patient, "relayhost": f"[127.0.0.1]:{again}"},
                         services=PICKUP)
        self.b_domain = world.domain(mx(there=False, tlsa=["3 1 1"]), signed=True)
        # Addresses that it knows for its own must be those of an interface; 127.x.y.z is there without being one.
        self.b = Postfix(make(folder / "b"), {world.port: ""}, {
            "inet_interfaces": "127.0.0.1", "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": both(folder, self.b_domain.certs[0]),
            "smtpd_tls_received_header": "yes", "virtual_mailbox_domains": self.b_domain.name,
            "virtual_mailbox_base": folder / "b" / "mail", "virtual_mailbox_maps": "static:box/",
            "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534"}, host=self.b_domain.addresses[0])
        self.started = []

    def start(self):
        self.gateway.start()
        for one in (self.a, self.f, self.b):
            self.started.append(one.start())
        return self

    def stop(self):
        for one in self.started:
            one.stop()
        shutil.rmtree(self.folder)

    def submit(self, *rcpts, subject, sender="a@client.example"):
        with smtplib.SMTP("127.0.0.1", self.front, timeout=20) as s:
            s.sendmail(sender, rcpts, f"From: <{sender}>\nSubject: {subject}\n\nround\n")

    def at_b(self, subject):
        return [m for m in self.b.mail() if f"Subject: {subject}\n".encode() in m]

    @staticmethod
    def flush(postfix):
        subprocess.run(["postqueue", "-c", str(postfix.folder / "conf"), "-f"], check=True, timeout=20,
                       stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def site(outside):
    folder = Path(tempfile.mkdtemp(prefix="sallyport-postfix-"))  # its daemons run as postfix
    folder.chmod(0o755)
    made = Site(outside, folder)
    try:
        yield made.start()
    finally:
        made.stop()


def test_postfix_hands_over_to_an_mx_with_dane(site):
    """One recipient, one decision: the fallback sees nothing of it."""
    site.submit(f"box@{site.b_domain.name}", subject="plain")
    site.a.wait_log("status=sent", "250 2.0.0 Ok: queued as")
    assert wait_until(lambda: site.at_b("plain"), 20)
    assert b"using TLSv1.3" in site.at_b("plain")[0]
    [line] = site.gateway.wait_log(event="transaction", outcome="delivered")
    assert (line["need"], line["up_verified"]) == ("dane", "ok")
    assert "qmgr" not in site.f.log()


def arrived(domain, rcpt):
    return [m for m in domain.messages if rcpt in m.rcpts]


def test_MC_14_legs_that_end_differently(world, site):
    """One host takes the message, the other is not ready at the dot: the client has its 250 once the fallback has the rest, which
    delivers it by the service without a fallback, until it is through."""
    slow = world.domain(mx(options={"dot": ["451 4.3.0 not now", "451 4.3.0 not now"]}))
    site.submit(f"box@{site.b_domain.name}", slow.rcpt(), subject="mixed")
    site.a.wait_log(f"to=<{slow.rcpt()}>", "status=sent")
    site.a.wait_log(f"to=<box@{site.b_domain.name}>", "status=sent")
    site.f.wait_log(f"to=<{slow.rcpt()}>", "status=deferred", "451 4.3.0 not now")
    assert arrived(slow, slow.rcpt()) == []
    site.flush(site.f)
    site.f.wait_log(f"to=<{slow.rcpt()}>", "status=sent")
    assert wait_until(lambda: site.at_b("mixed"), 20)
    assert len(arrived(slow, slow.rcpt())) == 1 and len(site.at_b("mixed")) == 1
    assert f"to=<box@{site.b_domain.name}>" not in site.f.log()


def test_MC_14_GC_11_the_fallback_bounces(world, site):
    """A leg that is refused for good, where another took the message: the sender hears of it from the fallback."""
    home = world.domain(mx())
    never = world.domain(mx(options={"dot": "554 5.7.1 we want none of this"}))
    site.submit(f"box@{site.b_domain.name}", never.rcpt(), subject="half", sender=home.rcpt("sender"))
    site.f.wait_log(f"to=<{never.rcpt()}>", "status=bounced", "554 5.7.1 we want none of this")
    assert wait_until(lambda: arrived(home, home.rcpt("sender")), 20), site.f.log()
    [bounce] = home.messages
    assert bounce.sender == "" and b"554 5.7.1 we want none of this" in bounce.body
    assert never.rcpt().encode() in bounce.body and f"box@{site.b_domain.name}".encode() not in bounce.body
    assert wait_until(lambda: site.at_b("half"), 20) and len(site.at_b("half")) == 1


def test_MC_14_all_legs_refuse_alike(world, site):
    """Nothing was taken anywhere: the client has the refusal, and the fallback nothing."""
    one = world.domain(mx(options={"dot": "554 5.7.1 no"}))
    two = world.domain(mx(options={"dot": "554 5.7.1 no"}))
    site.submit(one.rcpt(), two.rcpt(), subject="none")
    site.a.wait_log(f"to=<{one.rcpt()}>", "status=bounced", "554 5.7.1 no")
    site.a.wait_log(f"to=<{two.rcpt()}>", "status=bounced", "554 5.7.1 no")
    assert one.rcpt() not in site.f.log() and two.rcpt() not in site.f.log()


def test_MC_14_without_the_fallback_the_front_splits(world, site):
    """It is down: 452 for the other domain, and Postfix A brings that in a transaction of its own. None is lost, none doubled."""
    one, two = world.domain(mx()), world.domain(mx())
    site.started.remove(site.f)
    site.f.stop()
    try:
        site.submit(one.rcpt(), two.rcpt(), subject="split")
        assert wait_until(lambda: one.messages or two.messages, 20)
        later = one if two.messages else two
        site.a.wait_log(f"to=<{later.rcpt()}>", "452 4.5.3")
        site.flush(site.a)
        site.a.wait_log(f"to=<{later.rcpt()}>", "status=sent")
        assert [len(d.messages) for d in (one, two)] == [1, 1]
    finally:
        site.started.append(site.f.start())


def test_PP_14_a_dead_next_hop_waits_with_the_mta_in_front(world, site):
    """No queue of ours: Postfix A keeps it."""
    d = world.domain(mx(there=False))
    site.submit(d.rcpt(), subject="waits")
    site.a.wait_log(f"to=<{d.rcpt()}>", "status=deferred")
    up = world.upstream(d.addresses[0], d.certs[0])
    site.flush(site.a)
    site.a.wait_log(f"to=<{d.rcpt()}>", "status=sent")
    assert len(up.messages) == 1
