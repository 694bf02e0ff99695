"""Issue 2, section 5 and FAULTS 42: one event, one line, and every end has a name."""
import re
import subprocess

import pytest

from gateway import BINARY, wait_until
from peer import any_context, message
from pki import MX
from upstream import fin, rst


def ends(c):
    """Ways to leave, and what each is called."""
    return {
        "quit": lambda: c.quit(),
        "client-closed": lambda: c.close(),
        "client-reset": lambda: (c.cmd("NOOP", 250), c.reset()),
        "bad-line": lambda: (c.send(b"NOOP\nX\r\n"), c.read_to_end()),
        "tls-dirty": lambda: (c.send(b"STARTTLS\r\nNOOP\r\n"), c.read_to_end()),
        "tls-failed": lambda: (c.cmd("STARTTLS", 220), c.send(b"hello\r\n" * 3), c.read_to_end()),
        "bad-chunk": lambda: (c.cmd("MAIL FROM:<a@b.example>", 250), c.cmd("RCPT TO:<b@c.example>", 250),
                              c.send(b"BDAT 99999999999999999999999 LAST\r\n"), c.read_to_end()),
    }


OUTCOMES = ["quit", "client-closed", "client-reset", "bad-line", "tls-dirty", "tls-failed", "bad-chunk"]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_end_has_one_line_and_a_name(plain, outcome):
    gw, _ = plain
    with gw.connect() as c:
        c.hello()
        ends(c)[outcome]()
        session = gw.session(c)
    assert session["outcome"] == outcome
    assert len(gw.log(event="session-end", sid=session["sid"])) == 1
    assert session["service"] == "mx"
    assert session["fault"] == ("none" if outcome in ("quit", "client-closed") else "peer")
    assert isinstance(session["ms"], int)


def test_as_many_lines_as_sessions(upstream, gateway):
    gw = gateway(upstream(), edges=2, mx={"max_connections_per_address": 500})
    clients = [gw.connect() for _ in range(60)]
    for n, c in enumerate(clients):
        if n % 3:
            c.hello()
        if n % 5 == 0:
            c.reset()
        elif n % 2:
            c.close()
        else:
            c.read_to_end() if n % 3 and c.quit() is None else c.close()
    assert wait_until(lambda: len(gw.log(event="session-end")) == 60), len(gw.log(event="session-end"))
    sids = [line["sid"] for line in gw.log(event="session-end")]
    assert len(set(sids)) == 60


def test_transaction_lines(pki, upstream, gateway):
    up = upstream(tls=pki.leaf(MX).context(), dot=["250 2.0.0 one", "550 5.7.1 two"])
    gw = gateway(up, tls="verify", ca=pki.ca, names=[MX])
    with gw.connect_tls(any_context()) as c:
        c.hello()
        c.envelope("a@client.example", "b@dest.example", "c@dest.example")
        c.data(message())
        c.envelope()
        c.data(message())
        c.envelope()
        c.cmd("RSET", 250)
        c.quit()
        session = gw.session(c)
    one, two, three = gw.transactions(session)
    assert [line["n"] for line in (one, two, three)] == [1, 2, 3]
    assert [line["outcome"] for line in (one, two, three)] == ["delivered", "refused", "reset"]
    assert (one["from"], one["to"], one["rcpts"]) == ("a@client.example",
                                                     "b@dest.example,c@dest.example", 2)
    assert one["size"] == len(message())
    assert (one["reply"], two["reply"]) == ("250 2.0.0 one", "550 5.7.1 two")
    assert one["client_tls"] == one["up_tls"] == "TLSv1.3"
    assert session["messages"] == 1 and session["txns"] == 3


def test_envelope_hashed(upstream, gateway):
    """NEW-27: the same address is the same word, and none stands in the log."""
    gw = gateway(upstream(), log={"format": "json", "envelope": "hashed"})
    with gw.connect() as c:
        c.hello()
        for _ in range(2):
            c.envelope("secret@client.example", "hidden@dest.example")
            c.data(message())
        c.quit()
        session = gw.session(c)
    one, two = gw.transactions(session)
    assert one["from"] == two["from"] != one["to"] == two["to"]
    assert "secret" not in gw.transcript() and "hidden" not in gw.transcript()


NASTY = b"a\x1b[31m\"\\b=c event=session-end\x7f"


def test_FAULTS_42_log_injection(upstream, gateway):
    up = upstream(dot=b"550 5.7.1 x\x1b[2J \"quoted\" event=session-end sid=forged\x07\r\n")
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd(b"EHLO " + NASTY)
        c.cmd(b"MAIL FROM:<\"x\\\" event=transaction\"@client.example>")
        c.cmd("RSET")
        c.cmd(b"HELO [1.2.3.4]")
        c.envelope()
        c.data(message("sid=forged"))
        c.quit()
        session = gw.session(c)
    assert [n for n in gw.noise if ": warning: " not in n] == []
    assert len(gw.log(event="session-end")) == 1
    assert not gw.log(sid="forged")
    assert all(0x20 <= ord(ch) for line in gw.lines for v in line.values() if isinstance(v, str)
               for ch in v)
    assert "quoted" in gw.transactions(session)[-1]["reply"]


def test_FAULTS_42_text_form(upstream, gateway):
    """One line, no control octet, fields that a key=value reader takes apart as they were meant."""
    gw = gateway(upstream(dot=b"550 5.7.1 x\x1b[2J \"quoted\" event=session-end sid=forged\r\n"),
                 log={"format": "text"}, start=False)
    process = subprocess.Popen([BINARY, "run", "-c", str(gw.file)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        seen = b""
        while b"event=ready" not in seen:
            seen += process.stdout.readline()
            assert process.poll() is None, seen
        with gw.connect() as c:
            c.hello()
            c.envelope()
            c.data(message())
            c.quit()
    finally:
        process.terminate()
        rest = process.communicate(timeout=20)[0]
    assert process.returncode == 0
    for line in rest.splitlines():
        assert re.fullmatch(rb"[ -~\x80-\xff]+", line), line
        assert line.startswith(b"event="), line
    assert len(re.findall(rb"^event=session-end ", rest, re.M)) == 1
    fields = re.search(rb"^event=transaction .*", rest, re.M).group()
    assert re.findall(rb' sid=(\S+)', re.sub(rb'"(?:[^"\\]|\\.)*"', b"", fields)) != [b"forged"]


def test_log_to_a_file_by_several_processes(upstream, gateway, tmp_path):
    """`2>>file`: lines of two edges must not be written over one another."""
    gw = gateway(upstream(), edges=2, start=False, mx={"max_connections_per_address": 500})
    file = tmp_path / "log"
    file.write_text("first line\n")
    with open(file, "ab") as out:
        process = subprocess.Popen([BINARY, "run", "-c", str(gw.file)], stdout=out, stderr=out,
                                   stdin=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: "ready" in file.read_text())
        for _ in range(40):
            with gw.connect() as c:
                c.hello()
                c.quit()
    finally:
        process.terminate()
        assert process.wait(20) == 0
    text = file.read_text()
    assert text.startswith("first line\n")
    assert len(re.findall(r'"event":\s*"session-end"', text)) == 40


def test_FAULTS_27_a_log_that_is_not_read_blocks_no_mail(upstream, gateway):
    gw = gateway(upstream(), start=False)
    process = subprocess.Popen([BINARY, "run", "-c", str(gw.file)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        while b"ready" not in process.stderr.readline():
            assert process.poll() is None
        for _ in range(400):  # more than a pipe holds
            with gw.connect() as c:
                c.send(b"EHLO " + b"x" * 200 + b"\r\nQUIT\r\n")
                assert b"221 2.0.0" in c.read_to_end()
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("act, outcome", [(fin, "upstream-lost"), (rst, "upstream-lost")])
def test_sid_of_a_refusal_is_the_sid_of_the_line(upstream, gateway, act, outcome):
    gw = gateway(upstream(data=act))
    with gw.connect() as c:
        c.hello()
        c.envelope()
        reply = c.cmd("DATA")
        assert reply.code in (451, 421)
        c.close()
        session = gw.session(c)
    assert reply.text.endswith(session["sid"])
    assert gw.transactions(session)[0]["outcome"] == outcome


def test_stats_count_what_happened(upstream, gateway):
    import signal
    import ssl
    gw = gateway(upstream())
    with gw.connect() as c:
        c.secure_hello()
        c.envelope()
        c.data(message())
        c.quit()
    with gw.connect() as c:
        c.hello()
        c.cmd("STARTTLS", 220)
        c.send(b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x01" + bytes(32) + b"\x00\x00\x04\xc0\x09\x00\x2f"
               b"\x01\x00")
        c.read_to_end()
        gw.session(c)
    gw.signal(signal.SIGUSR1)
    [line] = gw.wait_log(event="stats")
    assert (line["connections"], line["messages"], line["client_tls"]) == (2, 1, 1)
    assert line["client_tls_old"] == line["client_tls_failed"] == 1
