"""Real clients and a real Python server: swaks, smtplib, nodemailer, aiosmtpd."""
import json
import os
import shutil
import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from gateway import ROOT
from peer import message
from pki import GW, MX
from ports import free_port

HERE = Path(__file__).resolve().parent


def verified(pki):
    return ssl.create_default_context(cafile=pki.ca)


# swaks

@pytest.mark.parametrize("door", ["STARTTLS", "implicit TLS", "clear"])
def test_swaks(pki, plain, tmp_path, door):
    gw, up = plain
    before = len(up.messages)
    host, port = gw.address("listen_tls" if door == "implicit TLS" else "listen")
    command = ["swaks", "--server", host, "--port", str(port), "--helo", "client.example",
               "--from", "a@client.example", "--to", "b@dest.example,c@dest.example",
               "--body", "Hello from swaks.\\n.\\n..end", "--timeout", "20"]
    if door != "clear":
        command += ["--tls-on-connect" if door == "implicit TLS" else "--tls",
                    "--tls-verify", "--tls-ca-path", pki.ca, "--tls-sni", GW]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "250 2.0.0 queued as 4711" in done.stdout
    if door != "clear":
        assert "TLS started with cipher TLSv1.3" in done.stdout
    [got] = up.messages[before:]
    assert got.rcpts == ["b@dest.example", "c@dest.example"]
    assert b"Hello from swaks.\r\n.\r\n..end\r\n" in got.content


def test_swaks_pipelined(plain):
    gw, up = plain
    before = len(up.messages)
    done = subprocess.run(["swaks", "--server", "%s:%d" % gw.address(), "--pipeline", "--tls",
                           "--from", "a@client.example", "--to", "b@dest.example"],
                          capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(up.messages) == before + 1


# Python's smtplib

@pytest.mark.parametrize("door", ["STARTTLS", "implicit TLS"])
def test_smtplib(pki, plain, door):
    gw, up = plain
    before = len(up.messages)
    context = verified(pki)
    context.check_hostname = False  # it is connected to by address
    if door == "implicit TLS":
        client = smtplib.SMTP_SSL(*gw.address("listen_tls"), context=context, timeout=20)
    else:
        client = smtplib.SMTP(*gw.address(), timeout=20)
    with client:
        if door == "STARTTLS":
            client.starttls(context=context)
        assert client.sendmail("a@client.example", ["b@dest.example"], message(".\r\n..")) == {}
        client.rset()
        assert client.noop()[0] == 250
    assert up.messages[before].content == message(".\r\n..")


def test_smtplib_sees_each_refused_recipient(upstream, gateway):
    up = upstream(rcpt=["250 ok", "550-5.1.1 no\n550 5.1.1 one", "450 4.2.1 later"])
    gw = gateway(up)
    with smtplib.SMTP(*gw.address(), timeout=20) as client:
        refused = client.sendmail("a@client.example", ["b@d.example", "c@d.example", "e@d.example"],
                                  message())
    assert refused == {"c@d.example": (550, b"5.1.1 no\n5.1.1 one"),
                       "e@d.example": (450, b"4.2.1 later")}
    assert up.messages[0].rcpts == ["b@d.example"]


def test_smtplib_sends_a_utf8_address(plain):
    from email.message import EmailMessage
    gw, up = plain
    before = len(up.messages)
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "käse@client.example", "b@dest.example", "ü"
    mail.set_content("ß")
    with smtplib.SMTP(*gw.address(), timeout=20) as client:
        client.send_message(mail)
    assert "SMTPUTF8" in up.messages[before].params


# nodemailer

@pytest.fixture(scope="session")
def nodemailer():
    """Installed once, outside the sources. Where: SALLYPORT_NODE, or build/node."""
    folder = Path(os.environ.get("SALLYPORT_NODE", ROOT / "build" / "node"))
    if not (folder / "node_modules" / "nodemailer").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "package.json", folder)
        done = subprocess.run(["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit",
                               "--no-fund", "--prefix", str(folder)], cwd=folder,
                              capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def node(folder, pki, transport, mail):
    env = {**os.environ, "NODE_PATH": str(folder / "node_modules"), "NODE_EXTRA_CA_CERTS": pki.ca}
    done = subprocess.run(["node", str(HERE / "send.js"),
                           json.dumps({"transport": transport, "mail": mail})],
                          env=env, capture_output=True, text=True, timeout=40)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


MAIL = {"from": "a@client.example", "to": ["b@dest.example", "c@dest.example"],
        "subject": "Grüße", "text": "Hello from nodemailer.\n.\n..\n",
        "attachments": [{"filename": "a.bin", "content": "x" * 100000}]}


@pytest.mark.parametrize("door", ["STARTTLS", "implicit TLS"])
def test_nodemailer(pki, plain, nodemailer, door):
    gw, up = plain
    before = len(up.messages)
    host, port = gw.address("listen_tls" if door == "implicit TLS" else "listen")
    said = node(nodemailer, pki, {"host": host, "port": port, "secure": door == "implicit TLS",
                                  "requireTLS": True, "tls": {"servername": GW}}, MAIL)
    assert said == {"response": "250 2.0.0 queued as 4711",
                    "accepted": ["b@dest.example", "c@dest.example"]}
    assert up.messages[before].rcpts == ["b@dest.example", "c@dest.example"]
    assert b"Hello from nodemailer.\r\n.\r\n..\r\n" in up.messages[before].content


def test_nodemailer_is_told_no(pki, upstream, gateway, nodemailer):
    gw = gateway(upstream(dot="554-5.7.1 spam\n554 5.7.1 go away"))
    host, port = gw.address()
    said = node(nodemailer, pki, {"host": host, "port": port, "tls": {"servername": GW}}, MAIL)
    assert said["response"] == "554-5.7.1 spam\n554 5.7.1 go away"


# aiosmtpd as the upstream

class Keep:
    def __init__(self):
        self.envelopes = []

    async def handle_DATA(self, server, session, envelope):
        self.envelopes.append((session.ssl is not None, envelope))
        return "250 2.0.0 kept"


@pytest.mark.parametrize("tls", [False, True])
def test_aiosmtpd_as_upstream(pki, gateway, tls):
    keep, port = Keep(), free_port()
    context = pki.leaf(MX).context() if tls else None
    server = Controller(keep, hostname="127.0.0.1", port=port, server_hostname=MX,
                        tls_context=context, decode_data=False, enable_SMTPUTF8=True)
    server.start()
    try:
        gw = gateway(f"127.0.0.1:{port}", tls="verify" if tls else "none", ca=pki.ca, names=[MX])
        with gw.connect() as c:
            c.secure_hello()
            c.envelope("a@client.example", "b@dest.example", "c@dest.example")
            assert c.data(message(".\r\n..x")).raw == b"250 2.0.0 kept\r\n"
            c.envelope()
            body = message("chunk")
            keywords = c.cmd("EHLO client.example", 250).keywords
            assert b"CHUNKING" not in keywords
            c.envelope()
            assert c.data(body).code == 250
            c.quit()
    finally:
        server.stop()
    secure, got = keep.envelopes[0]
    assert secure == tls
    assert got.rcpt_tos == ["b@dest.example", "c@dest.example"]
    assert got.content.endswith(message(".\r\n..x"))
    assert len(keep.envelopes) == 2
