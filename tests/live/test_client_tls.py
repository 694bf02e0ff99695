"""The client's TLS, with openssl s_client where it can show it, else with Python's ssl."""
import hashlib
import os
import re
import signal
import ssl
import subprocess

import pytest

from gateway import wait_until
from peer import any_context, message
from pki import GW
from ports import free_port


def s_client(gw, *args, starttls=True, say=b"QUIT\r\n", key=None):
    host, port = gw.address(key or ("listen" if starttls else "listen_tls"))
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-ign_eof", *args]
    if starttls:
        command += ["-starttls", "smtp", "-name", "client.example"]
    return subprocess.run(command, input=say, capture_output=True, timeout=20)


@pytest.mark.parametrize("starttls", [True, False], ids=["STARTTLS", "implicit"])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_versions(plain, version, starttls):
    gw, _ = plain
    out = s_client(gw, version, starttls=starttls).stdout
    assert version[4:].replace("_", ".").encode() in re.search(rb"New, TLSv([\d.]+)", out).group(1)
    assert b"221 2.0.0" in out


@pytest.mark.parametrize("starttls", [True, False], ids=["STARTTLS", "implicit"])
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_WG_12_old_versions_get_protocol_version(plain, version, starttls):
    gw, _ = plain
    since = len(gw.lines)
    done = s_client(gw, version, "-cipher", "ALL:@SECLEVEL=0", starttls=starttls)
    assert b"alert protocol version" in done.stderr, done.stderr
    assert b"Cipher is (NONE)" in done.stdout
    assert gw.wait_log(event="session-end", outcome="tls-failed", since=since)


def test_WG_12_sslv3_hello(plain):
    gw, _ = plain
    hello = (b"\x03\x00" + bytes(32) + b"\x00" + b"\x00\x04\x00\x0a\x00\x2f" + b"\x01\x00")
    hello = b"\x01" + len(hello).to_bytes(3, "big") + hello
    with gw.connect() as c:
        c.hello()
        c.cmd("STARTTLS", 220)
        c.send(b"\x16\x03\x00" + len(hello).to_bytes(2, "big") + hello)
        data = c.read_to_end()
        assert data[:1] == b"\x15" and data[-1] == 70, data  # protocol_version
        assert gw.session(c)["outcome"] == "tls-failed"


@pytest.mark.parametrize("profile, version, good", [
    ("modern", "-tls1_2", False), ("modern", "-tls1_3", True), ("intermediate", "-tls1_2", True),
    ("legacy", "-tls1", True), ("legacy", "-tls1_1", True), ("legacy", "-tls1_3", True)])
def test_profiles(pki, upstream, gateway, profile, version, good):
    gw = gateway(upstream(), mx={"tls_profile": profile})
    out = s_client(gw, version, "-cipher", "ALL:@SECLEVEL=0").stdout
    assert (b"Cipher is (NONE)" not in out) == good


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "NULL-SHA256",
                                    "ADH-AES256-GCM-SHA384", "AES256-GCM-SHA384"])
def test_NEW_14_weak_ciphers_are_not_there(plain, cipher):
    gw, _ = plain
    out = s_client(gw, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0").stdout
    assert b"Cipher is (NONE)" in out


def test_NEW_14_no_renegotiation_no_compression(plain):
    gw, _ = plain
    out = s_client(gw, "-tls1_2", say=b"R\n")
    assert b"Compression: NONE" in out.stdout
    assert b"250" not in out.stdout[out.stdout.rfind(b"RENEGOTIATING"):]
    done = subprocess.run(
        ["openssl", "s_client", "-connect", "%s:%d" % gw.address("listen"), "-starttls", "smtp",
         "-tls1_2"], input=b"R\n", capture_output=True, timeout=20)
    assert b"no renegotiation" in done.stderr or b"renegotiation" in done.stderr.lower()


def test_a_derived_profile(pki, upstream, gateway):
    gw = gateway(upstream(), mx={"tls_profile": "mine"}, tls_profiles={
        "mine": {"inherit": "intermediate", "min": "1.2", "max": "1.2",
                 "ciphers": ["ECDHE-ECDSA-CHACHA20-POLY1305"], "groups": ["P-256", "NoSuchGroup"],
                 "tickets": "off"}})
    out = s_client(gw).stdout
    assert b"Cipher is ECDHE-ECDSA-CHACHA20-POLY1305" in out
    assert b"prime256v1" in out or b"P-256" in out
    assert b"TLS session ticket:" not in out


def test_NEW_10_unknown_groups_are_skipped_with_a_note(upstream, gateway):
    gw = gateway(upstream(), mx={"tls_profile": "mine"}, tls_profiles={
        "mine": {"groups": ["NoSuchGroup", "X25519"]}})
    assert b"X25519" in s_client(gw, "-tls1_3").stdout
    assert "NoSuchGroup" in gw.transcript()


def test_one_ticket_per_handshake_and_no_early_data(plain):
    gw, _ = plain
    out = s_client(gw, "-tls1_3", say=b"NOOP\r\nQUIT\r\n").stdout
    assert out.count(b"Post-Handshake New Session Ticket arrived") == 1
    assert b"Max Early Data: 0" in out


# Which certificate

@pytest.fixture
def houses(pki, upstream, gateway):
    """gw.example.net twice (ECDSA and RSA), a wildcard and another name."""
    made = {"gw": pki.leaf(GW), "rsa": pki.leaf(GW, key="rsa2048"),
            "other": pki.leaf("mail.other.example"), "wild": pki.leaf("*.wild.example")}
    certs = {name: {"chain": c.chain, "key": c.key} for name, c in made.items()}
    return gateway(upstream(), certificates=certs), made


def shown(gw, name, **options):
    context = any_context()
    if "ciphers" in options:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(options["ciphers"])
    with gw.connect_tls(context, name=name) as c:
        c.reply()
        return hashlib.sha256(c.peer_cert).hexdigest()


@pytest.mark.parametrize("name, which", [
    (GW, "gw"), ("mail.other.example", "other"), ("MAIL.other.Example", "other"),
    ("x.wild.example", "wild"), ("a.b.wild.example", "gw"), ("wild.example", "gw"),
    ("unknown.example", "gw"), (None, "gw")])
def test_NEW_17_sni_selects(houses, name, which):
    gw, made = houses
    assert shown(gw, name) == made[which].sha256


def test_NEW_17_rsa_and_ecdsa_side_by_side(houses):
    gw, made = houses
    assert shown(gw, GW, ciphers="ECDHE-RSA-AES128-GCM-SHA256") == made["rsa"].sha256
    assert shown(gw, GW, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256") == made["gw"].sha256


def test_NEW_17_s_client_by_name(houses):
    gw, made = houses
    out = s_client(gw, "-servername", "mail.other.example").stdout
    assert b"CN = mail.other.example" in out


def test_SUB_12_the_chain_is_served(pki, plain):
    """A client that knows the root alone can verify."""
    gw, _ = plain
    out = s_client(gw, "-CAfile", pki.ca, "-verify_return_error", "-verify_hostname", GW,
                   "-servername", GW).stdout
    assert b"Verify return code: 0 (ok)" in out
    with gw.connect() as c:
        c.secure_hello(ssl.create_default_context(cafile=pki.ca), name=GW)


# Resumption

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_SUB_15_s_client_resumes(plain, tmp_path, version):
    gw, _ = plain
    file = str(tmp_path / "session")
    first = s_client(gw, version, "-sess_out", file, say=b"NOOP\r\nQUIT\r\n").stdout
    assert b"New, TLS" in first and os.path.exists(file)
    assert b"Reused, TLS" in s_client(gw, version, "-sess_in", file).stdout


def a_session(gw, context, service="mx"):
    with gw.connect(service) as c:
        c.secure_hello(context)
        c.cmd("NOOP", 250)
        return c.tls.session


def resumes(gw, context, session, service="mx"):
    with gw.connect(service) as c:
        c.secure_hello(context, session=session)
        return c.resumed


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_SUB_15_across_edges_and_their_restart(upstream, gateway, version):
    gw = gateway(upstream(), edges=2)
    context = any_context(maximum_version=version)
    session = a_session(gw, context)
    assert all(resumes(gw, context, session) for _ in range(12))
    old = gw.edges()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: len(gw.edges()) == 2 and not set(gw.edges()) & set(old))
    assert all(resumes(gw, context, session) for _ in range(6))
    gw.reload()
    assert resumes(gw, context, session)


def test_law_7_no_ticket_of_another_service(upstream, gateway):
    gw = gateway(upstream(), start=False)
    gw.config["services"]["two"] = {"listen": f"127.0.0.1:{free_port()}", "upstream": "backend"}
    gw.write(gw.config)
    gw.start()
    context = any_context()
    session = a_session(gw, context)
    assert resumes(gw, context, session)
    assert not resumes(gw, context, session, "two")


def test_SUB_15_rotation(upstream, gateway):
    gw = gateway(upstream(), ticket_rotation="1s")
    context = any_context()
    session = a_session(gw, context)
    assert resumes(gw, context, session)
    assert wait_until(lambda: not resumes(gw, context, session), 15, 0.2)
    assert resumes(gw, context, a_session(gw, context))


# Levels towards the client

def test_client_tls_encrypt(upstream, gateway):
    up = upstream()
    gw = gateway(up, mx={"client_tls": "encrypt"})
    with gw.connect() as c:
        assert b"STARTTLS" in c.hello().keywords
        for line in ("MAIL FROM:<a@client.example>", "RCPT TO:<b@dest.example>", "DATA", "RSET",
                     "VRFY x", "HELP", "AUTH PLAIN AAAA"):
            reply = c.cmd(line, 530)
            assert reply.raw.startswith(b"530 5.7.0 ") and b"[TLS-REQ]" in reply.raw
        c.cmd("NOOP", 250)
        c.cmd("EHLO client.example", 250)
        c.starttls()
        c.cmd("EHLO client.example", 250)
        c.envelope()
        assert c.data(message()).code == 250
        c.quit()
    assert len(up.messages) == 1
    with gw.connect() as c:
        c.hello()
        c.quit()


def test_client_tls_encrypt_in_a_group(upstream, gateway):
    up = upstream()
    gw = gateway(up, mx={"client_tls": "encrypt"})
    with gw.connect() as c:
        c.hello()
        c.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.example>\r\nBDAT 6 LAST\r\nQUIT\r\n"
               b"NOOP\r\n")
        assert [c.reply().code for _ in range(4)] == [530, 530, 530, 250]
    assert "MAIL" not in up.verbs


def test_MC_2_client_tls_none(upstream, gateway):
    gw = gateway(upstream(), mx={"client_tls": "none", "listen_tls": None})
    with gw.connect() as c:
        assert b"STARTTLS" not in c.hello().keywords
        assert c.cmd("STARTTLS").code in (502, 454)
        c.envelope()
        assert c.data(message()).code == 250
