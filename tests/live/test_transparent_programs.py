"""Programs that people have, on both sides: Postfix and aiosmtpd as servers; Postfix, swaks, `openssl s_client` and
smtplib as clients. None of them is told of Sallyport: they call the server."""
import re
import shutil
import smtplib
import ssl
import tempfile
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from gateway import wait_until
from netns import CLIENT, CLIENT_2, CLIENT_3
from peer import message
from pki import MX
from postfix import Postfix

SERVER = "10.2.0.2"
# Which method a client gets, and whom it has to trust to be content.
METHOD = {"terminate": CLIENT, "strip": CLIENT_2, "passthrough": CLIENT_3}
WITH_TLS = pytest.mark.parametrize("method", ["terminate", "passthrough"])


class Keep:
    def __init__(self):
        self.mails = []
        self.logins = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((session.peer[0], session.ssl is not None, session.auth_data, envelope.content))
        return "250 2.0.0 kept"

    def login(self, server, session, envelope, mechanism, data):
        good = (data.login, data.password) == (b"anna", b"tell-no-one")
        return AuthResult(success=good, handled=False, auth_data=data.login)


class Town:
    """The servers, and the gateway on the way to them."""

    def __init__(self, site, folder):
        self.site = site
        cert = site.pki.leaf(MX)
        (folder / "b").mkdir()
        both = folder / "both.pem"
        both.write_text(open(cert.key, encoding="ascii").read() + open(cert.chain, encoding="ascii").read())
        self.postfix = Postfix(folder / "b", {25: ""}, {
            "myhostname": MX, "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": both,
            "smtpd_tls_received_header": "yes", "smtpd_tls_loglevel": "1", "mynetworks": "10.0.0.0/8", "smtpd_client_restrictions": "",
            "virtual_mailbox_domains": "dest.example", "virtual_mailbox_base": folder / "b" / "mail",
            "virtual_mailbox_maps": "static:box/", "virtual_uid_maps": "static:65534",
            "virtual_gid_maps": "static:65534"}, host=SERVER)
        self.keep = Keep()
        self.submission = site.net.fresh()
        self.aio = Controller(self.keep, hostname=self.submission, port=587, server_hostname=MX, decode_data=False,
                              tls_context=cert.context(), require_starttls=True, authenticator=self.keep.login,
                              auth_require_tls=True, auth_required=True)
        with site.net.server:
            self.postfix.start()
            self.aio.start()
        self.gw = site.gateway(source="client", action="watch", listen_tls=None, rules=[
            {"name": "strip", "client": CLIENT_2, "action": "plain"}, {"name": "open", "client": CLIENT, "action": "open"}])

    def stop(self):
        self.aio.stop()
        self.postfix.stop()

    def trusted(self, method):
        return self.site.authority.ca if method == "terminate" else self.site.pki.ca

    def arrived(self, subject):
        """The mail with this subject, once Postfix has it."""
        found = []

        def look():
            found[:] = [m.decode() for m in self.postfix.mail() if f"Subject: {subject}\n".encode() in m]
            return found
        assert wait_until(look, 20), self.postfix.log()[-3000:]
        return found[0]


@pytest.fixture(scope="module")
def folder():
    """Postfix's daemons run as postfix, and pytest's own folders are root's alone."""
    made = Path(tempfile.mkdtemp(prefix="sallyport-town-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def town(site, folder):
    keep = len(site.made)
    made = Town(site, folder)
    yield made
    site.sweep(keep)
    made.stop()


def run(town, *command, **options):
    return town.site.net.client.run(*command, check=False, capture_output=True, timeout=40, **options)


# swaks

@pytest.mark.parametrize("method", METHOD)
def test_MC_8_swaks_to_postfix(town, method):
    subject = f"swaks-{method}"
    tls = [] if method == "strip" else ["--tls", "--tls-verify", "--tls-ca-path", town.trusted(method), "--tls-sni", MX]
    done = run(town, "swaks", "--server", SERVER, "--port", "25", "--helo", "client.example", "--timeout", "20",
               "--from", "a@client.example", "--to", "box@dest.example", "--header", f"Subject: {subject}",
               "--local-interface", METHOD[method], *tls)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "queued as" in done.stdout
    mail = town.arrived(subject)
    received = re.findall(r"^Received: (?:.*\n)(?:[ \t].*\n)*", mail, re.M)
    # The next hop's: the client's name, its address, and its TLS. Sallyport adds none of its own.
    assert f"from client.example (unknown [{METHOD[method]}])" in received[0]
    assert ("using TLS" in received[0]) == (method != "strip")
    assert len(received) == 1


def test_MC_3_swaks_leaves_where_it_is_stripped(town):
    done = run(town, "swaks", "--server", SERVER, "--from", "a@client.example", "--to", "box@dest.example", "--tls",
               "--local-interface", CLIENT_2)
    assert done.returncode == 29, done.stdout  # "host did not advertise STARTTLS"
    assert town.gw.wait_log(event="session-end", outcome="stripped")


# openssl s_client

@WITH_TLS
def test_WG_6_MC_6_openssl_verifies_the_real_name(town, method):
    done = run(town, "openssl", "s_client", "-connect", f"{SERVER}:25", "-bind", f"{METHOD[method]}:0", "-starttls", "smtp",
               "-CAfile", town.trusted(method), "-no-CApath", "-verify_hostname", MX, "-servername", MX,
               "-verify_return_error", "-crlf", "-quiet", input="QUIT\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"CN = {MX}" in done.stderr


@WITH_TLS
def test_WG_7_MC_6_openssl_with_another_trust(town, method):
    """The one that is content with the server is not content with us, and the other way about."""
    other = town.trusted("passthrough" if method == "terminate" else "terminate")
    done = run(town, "openssl", "s_client", "-connect", f"{SERVER}:25", "-bind", f"{METHOD[method]}:0", "-starttls", "smtp",
               "-CAfile", other, "-no-CApath", "-verify_return_error", "-quiet", input="QUIT\n")
    assert done.returncode == 1
    assert "verify error" in done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_MC_6_openssl_resumes_through_a_tunnel(town, tmp_path, version):
    """With a session that the server gave it."""
    common = ("openssl", "s_client", "-connect", f"{SERVER}:25", "-bind", f"{CLIENT_3}:0", "-starttls", "smtp", version,
              "-CAfile", town.site.pki.ca, "-crlf", "-ign_eof")
    path = str(tmp_path / "session")
    first = run(town, *common, "-sess_out", path, input="EHLO client.example\nQUIT\n")
    again = run(town, *common, "-sess_in", path, input="EHLO client.example\nQUIT\n")
    assert "New, TLSv1" in first.stdout, first.stderr
    assert "Reused, TLSv1" in again.stdout, again.stdout + again.stderr


# smtplib

@WITH_TLS
def test_WG_6_MC_6_smtplib(town, method):
    context = ssl.create_default_context(cafile=town.trusted(method))
    subject = f"smtplib-{method}"
    with town.site.net.client:
        client = Named(SERVER, 25, timeout=20, source_address=(METHOD[method], 0))
    with client:
        client.starttls(context=context)
        client.sendmail("a@client.example", ["box@dest.example"], message("..\r\n.", subject=subject))
        version, subject_of = client.sock.version(), dict(x[0] for x in client.sock.getpeercert()["subject"])
    assert version == "TLSv1.3" and subject_of["commonName"] == MX
    assert town.arrived(subject).endswith("\n..\n.\n")


class Named(smtplib.SMTP):
    """Connects to an address, and verifies a name."""

    def starttls(self, **options):
        self._host = MX
        return super().starttls(**options)


# aiosmtpd with AUTH, as it is on 587: with an action that strips the network would leave that port alone.

@pytest.fixture
def open_587(town):
    """587 is brought here too, for this one test."""
    router = town.site.net.router
    rules = town.site.made[-1].text.replace("tcp dport 25 ", "tcp dport { 25, 587 } ")
    router.run("nft", "-f", "-", input=rules)
    yield
    router.run("nft", "-f", "-", input=town.site.made[-1].text)


@WITH_TLS
def test_MC_9_login_at_aiosmtpd(town, open_587, method):
    context = ssl.create_default_context(cafile=town.trusted(method))
    with town.site.net.client:
        client = Named(town.submission, 587, timeout=20, source_address=(METHOD[method], 0))
    with client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=context)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("anna", "wrong-one")
        assert client.login("anna", "tell-no-one")[0] == 235
        client.sendmail("a@client.example", ["b@dest.example"], message())
    peer, secure, who, _ = town.keep.mails[-1]
    assert (peer, secure, who) == (METHOD[method], True, b"anna")
    log = town.gw.transcript()
    assert "tell-no-one" not in log and "wrong-one" not in log


# Postfix, as the client that queues.

@pytest.fixture(scope="module")
def sender(town, folder):
    """Its mail for open.example takes the way of `terminate`, and so on; TLS is demanded and verified."""
    (folder / "a").mkdir()
    services = "".join(
        f"{method} unix - - n - - smtp -o smtp_bind_address={METHOD[method]} -o smtp_tls_CAfile={town.trusted(method)}"
        f" -o smtp_tls_security_level={'may' if method == 'strip' else 'secure'} -o syslog_name=postfix/{method}\n"
        for method in METHOD)
    services += (f"demanding unix - - n - - smtp -o smtp_bind_address={CLIENT_2} -o smtp_tls_security_level=encrypt"
                 " -o syslog_name=postfix/demanding\n")
    postfix = Postfix(folder / "a", {2500: ""}, {
        "smtp_tls_secure_cert_match": MX, "smtp_tls_loglevel": "1", "default_transport": "terminate",
        "inet_interfaces": "all",
        "transport_maps": "inline:{%s}" % ", ".join(
            f"{{{method}@dest.example={method}:[{SERVER}]}}" for method in (*METHOD, "demanding")),
        "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache"}, services=services)
    with town.site.net.client:
        postfix.start()
    yield postfix
    postfix.stop()


def submit(town, method, subject):
    with town.site.net.client:
        with smtplib.SMTP("127.0.0.1", 2500, timeout=20) as s:
            s.sendmail("a@client.example", f"{method}@dest.example", f"Subject: {subject}\n\n.\n..\n")


@pytest.mark.parametrize("method", METHOD)
def test_WG_6_MC_6_MC_8_postfix_to_postfix(town, sender, method):
    """It verifies the name of the server, and gets there."""
    submit(town, method, f"postfix-{method}")
    sender.wait_log(f"postfix/{method}", "status=sent", "queued as")
    if method != "strip":
        sender.wait_log(f"postfix/{method}", "Verified TLS connection established", "TLSv1.3")
    mail = town.arrived(f"postfix-{method}")
    assert mail.endswith("\n.\n..\n")
    received = re.search(r"^Received: (?:.*\n)(?:[ \t].*\n)*", mail, re.M).group()
    assert f"[{METHOD[method]}]" in received
    assert ("using TLS" in received) == (method != "strip")


def test_MC_3_postfix_that_demands_TLS_is_stranded_by_strip(town, sender):
    """What an operator has to know: its mail waits."""
    submit(town, "demanding", "stranded")
    sender.wait_log("postfix/demanding", "status=deferred", "TLS is required, but was not offered")
    assert not any(b"stranded" in m for m in town.postfix.mail())


def test_MC_8_what_postfix_logs_of_its_clients(town):
    for address in METHOD.values():
        town.postfix.wait_log("connect from unknown", f"[{address}]")
