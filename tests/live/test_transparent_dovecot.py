"""Dovecot's submission service behind us: who logs in there is in our log, with what is not (MC-9)."""
import base64
import shutil
import tempfile
from pathlib import Path

import pytest

from dovecot import USERS, Dovecot
from netns import CLIENT, CLIENT_3
from peer import message, trusting
from pki import MX
from upstream import Upstream

METHOD = {"terminate": CLIENT, "passthrough": CLIENT_3}


WAYS = pytest.mark.parametrize("method, tls", [("terminate", True), ("passthrough", True), ("passthrough", False)],
                               ids=["terminate", "passthrough", "passthrough in clear"])


class Office:
    def __init__(self, site, folder):
        self.site = site
        with site.net.server:
            self.relay = Upstream(host=site.net.fresh(), port=25, patience=60)
            self.dovecot = Dovecot(folder, site.net.fresh(), (MX, site.pki.leaf(MX)), self.relay).start()
        self.gw = site.gateway(listen_tls=None, action="watch", rules=[{"name": "open", "client": CLIENT, "action": "open"}])

    def stop(self):
        self.dovecot.stop()
        self.relay.stop()

    def connect(self, method, tls):
        """Past EHLO, under TLS where that is wanted."""
        c = self.site.connect(self.dovecot, source=METHOD[method])
        if not tls:
            return c, c.hello()
        ca = self.site.authority.ca if method == "terminate" else self.site.pki.ca
        return c, c.secure_hello(trusting(ca), MX)


@pytest.fixture(scope="module")
def office(site):
    folder = Path(tempfile.mkdtemp(prefix="sallyport-dovecot-"))  # its processes have users of their own
    folder.chmod(0o755)
    keep = len(site.made)
    made = Office(site, folder)
    yield made
    site.sweep(keep)
    made.stop()
    assert made.relay.violations == []
    shutil.rmtree(folder)


def b64(text):
    return base64.b64encode(text.encode()).decode()


def login(c, mechanism, name, word):
    if mechanism == "PLAIN":
        return c.cmd(f"AUTH PLAIN {b64(chr(0) + name + chr(0) + word)}")
    if mechanism == "PLAIN by prompt":
        c.cmd("AUTH PLAIN", 334)
        return c.cmd(b64(chr(0) + name + chr(0) + word))
    if mechanism == "LOGIN":
        c.cmd("AUTH LOGIN", 334)
        c.cmd(b64(name), 334)
    else:
        c.cmd(f"AUTH LOGIN {b64(name)}", 334)
    return c.cmd(b64(word))


def no_secrets(log):
    for name, word in USERS.items():
        for secret in (word, b64(word), b64(f"\0{name}\0{word}")):
            assert secret not in log


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize("mechanism", ["PLAIN", "PLAIN by prompt", "LOGIN", "LOGIN with name"])
@WAYS
def test_MC_9_login_at_dovecot(office, method, tls, mechanism, name):
    """In a tunnel nobody reads along; in clear whoever it was is seen under passthrough, too."""
    c, hello = office.connect(method, tls)
    assert {b"PLAIN", b"LOGIN"} <= set(hello.keywords[b"AUTH"].split())
    assert login(c, mechanism, name, USERS[name]).code == 235
    c.envelope()
    body = message(f"{method} {tls} {mechanism} {name}")
    assert c.data(body).code == 250
    c.quit()
    session = office.gw.session(c)
    if method == "passthrough" and tls:
        assert "auth" not in session and session["client_tls"] == "tunnel"
    else:
        assert (session["auth"], session["user"], session["auth_ok"]) == (mechanism.split()[0], name, 1)
    assert office.relay.wait(lambda: any(m.body.endswith(body) for m in office.relay.messages))
    no_secrets(office.gw.transcript())


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@WAYS
def test_MC_9_wrong_password_at_dovecot(office, method, tls, mechanism):
    """Dovecot's own words; no mail without a login; a second try on the same connection."""
    c, _ = office.connect(method, tls)
    assert login(c, mechanism, "anna", "tell-them-all").raw.startswith(b"535 5.7.8 ")
    assert c.cmd("MAIL FROM:<a@client.example>").code // 100 == 5
    assert login(c, mechanism, "anna", USERS["anna"]).code == 235
    c.cmd("MAIL FROM:<a@client.example>", 250)
    c.quit()
    session = office.gw.session(c)
    if tls and method == "passthrough":
        assert "auth" not in session
    else:
        assert (session["user"], session["auth_ok"]) == ("anna", 1)
    log = office.gw.transcript()
    assert "tell-them-all" not in log and b64("tell-them-all") not in log
    no_secrets(log)


def test_MC_9_FAULTS_21_no_login_in_clear_where_the_server_is_under_tls(office):
    """terminate: what the server would have asked for under TLS is not asked for in clear, and goes nowhere."""
    c, hello = office.connect("terminate", False)
    assert b"AUTH" not in hello.keywords
    assert c.cmd(f"AUTH PLAIN {b64(chr(0) + 'anna' + chr(0) + USERS['anna'])}").code in (530, 538)
    c.quit()
    assert "auth" not in office.gw.session(c)
    no_secrets(office.gw.transcript())


def test_MC_9_login_refused_at_dovecot_is_logged_as_such(office):
    c, _ = office.connect("terminate", True)
    assert login(c, "PLAIN", "anna", "tell-them-all").code == 535
    c.quit()
    session = office.gw.session(c)
    assert (session["auth"], session["user"], session["auth_ok"]) == ("PLAIN", "anna", 0)
