"""Real Postfix on both sides: it submits through Sallyport, and it is the upstream."""
import re
import shutil
import smtplib
import tempfile
from pathlib import Path

import pytest

from gateway import Gateway, base_config, wait_until
from peer import any_context
from pki import GW, MX
from ports import free_port
from postfix import Postfix


@pytest.fixture(scope="module")
def house(pki):
    """Postfix A (relayhost Sallyport, TLS verified) -> Sallyport (verify) -> Postfix B (Maildir)."""
    # Its daemons run as postfix, and pytest's own folders are root's alone.
    folder = Path(tempfile.mkdtemp(prefix="sallyport-postfix-"))
    folder.chmod(0o755)
    cert = pki.leaf(MX)
    back = free_port()
    b = Postfix(make(folder / "b"), {back: ""}, {
        "smtpd_tls_security_level": "may", "smtpd_tls_chain_files": both(folder, cert),
        "smtpd_tls_received_header": "yes", "smtpd_tls_loglevel": "1",
        "virtual_mailbox_domains": "dest.example", "virtual_mailbox_base": folder / "b" / "mail",
        "virtual_mailbox_maps": "static:box/", "virtual_uid_maps": "static:65534",
        "virtual_gid_maps": "static:65534", "message_size_limit": "5000000",
        "virtual_mailbox_limit": "0",
        "smtpd_recipient_restrictions":
            "check_recipient_access inline:{nobody@dest.example=REJECT}, permit_mynetworks"})
    config = base_config(pki, f"127.0.0.1:{back}", tls="verify", ca=pki.ca, names=[MX])
    config["edges"] = 2
    gw = Gateway(config, make(folder / "gw"))
    front = free_port()
    a = Postfix(make(folder / "a"), {front: ""}, {
        "relayhost": "[127.0.0.1]:%d" % gw.address()[1], "smtp_tls_security_level": "secure",
        "smtp_tls_CAfile": pki.ca, "smtp_tls_secure_cert_match": GW, "smtp_tls_loglevel": "1",
        "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache"})
    try:
        a.start()
        b.start()
        gw.start()
        yield a, gw, b, front
    finally:
        a.stop()
        b.stop()
        if gw.process:
            gw.stop()
        shutil.rmtree(folder)


def make(path):
    path.mkdir()
    return path


def both(folder, cert):
    """Postfix wants key and chain in one file."""
    path = folder / "both.pem"
    path.write_text(open(cert.key).read() + open(cert.chain).read())
    return path


def submit(port, rcpt, text, sender="a@client.example"):
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as s:
        return s.sendmail(sender, rcpt, text)


def test_postfix_on_both_sides(house):
    a, gw, b, front = house
    text = ("From: <a@client.example>\nTo: <box@dest.example>\nSubject: through\n\n"
            ".\n..\nFrom here\n" + "x" * 900 + "\n")
    submit(front, "box@dest.example", text)
    a.wait_log("status=sent", "250 2.0.0 Ok: queued as")
    assert wait_until(lambda: b.mail(), 20)
    mail = b.mail()[0].decode()
    assert text.split("\n\n", 1)[1] in mail
    received = re.findall(r"^Received: (?:.*\n)(?:[ \t].*\n)*", mail, re.M)
    ours = [f for f in received if f"by {GW}" in f]
    assert len(ours) == 1 and "with ESMTPS" in ours[0] and "TLSv1.3" in ours[0]
    assert "using TLSv1.3" in received[0]  # Postfix B on our leg
    a.wait_log("Verified TLS connection established", "TLSv1.3")
    b.wait_log("TLS connection established", "TLSv1.3")
    [line] = gw.wait_log(event="transaction", outcome="delivered")
    assert line["up_verified"] == "ok"


def test_postfix_sees_the_refusal_of_the_next_postfix(house):
    """MC-1: what B says at RCPT stands in A's log."""
    a, _, b, front = house
    submit(front, ["nobody@dest.example"], "Subject: x\n\nx\n")
    a.wait_log("nobody@dest.example", "status=bounced", "554 5.7.1")


def test_postfix_many_recipients_and_messages(house):
    a, gw, b, front = house
    before = len(b.mail())
    with smtplib.SMTP("127.0.0.1", front, timeout=20) as s:
        for n in range(15):
            s.sendmail("a@client.example", [f"u{n}{i}@dest.example" for i in range(3)],
                       f"Subject: many {n}\n\n{n}\n")
    assert wait_until(lambda: len(b.mail()) == before + 45, 40, 0.1)
    sessions = gw.log(event="session-end")
    assert sessions and all(s["client_tls"] == "TLSv1.3" for s in sessions)


def test_postfix_size_limit_is_seen_through(house):
    """The SIZE of B is the SIZE of Sallyport, so A bounces without sending."""
    a, gw, _, front = house
    with gw.connect() as c:
        assert c.hello().keywords[b"SIZE"] == b"5000000"
        assert b"CHUNKING" in c.hello.__self__.cmd("EHLO again.example", 250).keywords
        c.quit()


def test_bdat_into_postfix(house):
    _, gw, b, _ = house
    before = len(b.mail())
    body = b"Subject: chunks\r\n\r\n.\r\n..\r\n" + b"z" * 70000 + b"\r\n"
    with gw.connect() as c:
        c.secure_hello(any_context())
        c.envelope("a@client.example", "box@dest.example")
        assert [r.code for r in c.bdat(body[:30], body[30:50000], body[50000:])] == [250] * 3
        c.quit()
    assert wait_until(lambda: len(b.mail()) == before + 1)
    newest = max(b.mail(), key=lambda m: b"chunks" in m)
    assert newest.endswith(b"\n.\n..\n" + b"z" * 70000 + b"\n")


def test_smuggling_into_postfix(house):
    _, gw, b, _ = house
    before = len(b.mail())
    with gw.connect() as c:
        c.hello()
        c.envelope("a@client.example", "box@dest.example")
        c.cmd("DATA", 354)
        c.send(b"Subject: x\r\n\r\nx\n.\r\nMAIL FROM:<evil@x.example>\r\n"
               b"RCPT TO:<box@dest.example>\r\nDATA\r\nSubject: evil\r\n\r\n.\r\n")
        assert c.reply().code == 550
        c.quit()
    assert not any(b"evil" in m for m in b.mail()) and len(b.mail()) == before
