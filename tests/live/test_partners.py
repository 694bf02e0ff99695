"""`sallyport partners`: the rules of the file and of the database, and the exit codes that scripts go by (GC-10)."""
import json
import os
import signal
import sqlite3
import time

import pytest

from gateway import alive, children, command_line, sallyport, wait_until
from peer import any_context, message


@pytest.fixture
def partners(tmp_path):
    """partners(words...): the finished process."""
    (tmp_path / "state").mkdir()
    (tmp_path / "tls.list").write_text("bank.example\n")
    (tmp_path / "gw.yaml").write_text(
        "hostname: gw.example.net\n"
        f"route: {{ state_dir: {tmp_path}/state }}\n"
        "partners: { file.example: { outbound: verify } }\n"
        "partner_lists: { gc: { file: tls.list, outbound: encrypt, min_bits: 112, on_failure: permanent } }\n"
        "services: { out: { mode: outbound, listen: 127.0.0.1:7, client_tls: none } }\n")
    return lambda *words: sallyport("partners", "-c", tmp_path / "gw.yaml", *words)


def listed(partners):
    return {rule["key"]: rule for rule in json.loads(partners("list", "--json").stdout)}


def test_GC_10_added_replaced_removed(partners, tmp_path):
    assert set(listed(partners)) == {"file.example", "bank.example"}
    assert not (tmp_path / "state" / "partners.db").exists()  # who only looks leaves no trace
    done = partners("add", "db.example", "--outbound", "verify", "--name", "a.example", "--name", "b.example",
                    "--min-bits", "128", "--on-failure", "permanent", "--report", "--direction", "outbound",
                    "--until", "2199-12-20", "--why", "a test", "--inbound", "encrypt")
    assert (done.returncode, done.stdout) == (0, "db.example: added\n"), done.stderr
    rule = listed(partners)["db.example"]
    assert rule == {"key": "db.example", "origin": "partners.db", "source": "database", "outbound": "verify",
                    "inbound": "encrypt", "client": None, "upstream": None, "min_bits": 128,
                    "names": ["a.example", "b.example"], "certificate": None, "on_failure": "permanent",
                    "report": True, "direction": "outbound", "expires": "2199-12-20", "expired": False,
                    "why": "a test", "not_used": None}
    done = partners("add", "DB.example.", "--outbound", "may")
    assert (done.returncode, done.stdout) == (0, "DB.example.: replaced\n"), done.stderr
    table = partners().stdout
    assert "DB.example." in table and "gw.yaml:3" in table and "tls.list:1" in table
    assert partners("remove", "db.example").returncode == 0
    assert set(listed(partners)) == {"file.example", "bank.example"}
    assert partners("remove", "db.example").returncode == 66


def test_PP_4_a_time_from_now(partners):
    done = partners("add", "db.example", "--outbound", "none", "--until", "30d", "--why", "their server is old")
    assert done.returncode == 0, done.stderr
    assert listed(partners)["db.example"]["expires"].startswith("20")


@pytest.mark.parametrize("key, place", [("FILE.example", "gw.yaml:3"), ("bank.example.", "tls.list:1")])
def test_GC_10_what_the_file_has_is_left_alone(partners, key, place):
    for words in (("add", key, "--outbound", "none"), ("remove", key)):
        done = partners(*words)
        assert done.returncode == 65
        assert place in done.stderr


WRONG = {
    "no such level": (65, "add", "a.example", "--outbound", "secure"),
    "no such class": (65, "add", "a.example", "--outbound", "may", "--on-failure", "maybe"),
    "clients are not verified": (65, "add", "a.example", "--inbound", "verify"),
    "no key": (65, "add", "a..example", "--outbound", "may"),
    "no day": (65, "add", "a.example", "--outbound", "may", "--until", "2026-02-30"),
    "no certificate": (65, "add", "a.example", "--outbound", "may", "--certificate", "gw"),
    "strength without TLS": (65, "add", "a.example", "--outbound", "none", "--min-bits", "112"),
    "nothing said": (65, "add", "a.example"),
    "no key at all": (64, "add"),
    "two keys": (64, "remove", "a.example", "b.example"),
    "another verb": (64, "change", "a.example"),
    "an option of another verb": (64, "remove", "a.example", "--outbound", "may"),
    "an option that is none": (64, "list", "--colour"),
}


@pytest.mark.parametrize("name", WRONG)
def test_PP_11_what_is_refused(partners, name):
    code, *words = WRONG[name]
    done = partners(*words)
    assert done.returncode == code, done.stderr
    assert done.stderr != ""
    assert set(listed(partners)) == {"file.example", "bank.example"}


def test_a_configuration_that_is_wrong_or_missing(partners, tmp_path):
    assert sallyport("partners", "-c", tmp_path / "none").returncode == 66
    (tmp_path / "gw.yaml").write_text("hostnam: x\nservices: { out: { mode: outbound, listen: 127.0.0.1:7 } }\n")
    assert partners("add", "a.example", "--outbound", "may").returncode == 78
    assert partners("list").returncode == 78


# Changes while the gateway runs. A relay that sends out needs no DNS for that.

@pytest.fixture
def running(upstream, gateway, state_dir):
    up = upstream()
    gw = gateway(up, tls="may", mx={"direction": "outbound"}, start=False)
    gw.write({**gw.config, "route": {"state_dir": str(state_dir)}})
    gw.start()
    gw.state, gw.upstream = state_dir, up
    return gw


def change(gw, *words):
    done = sallyport("partners", "-c", gw.file, *words)
    assert done.returncode == 0, done.stderr


def begin(c):
    c.cmd("MAIL FROM:<a@client.example>", 250)


def is_refused(c, domain):
    reply = c.cmd(f"RCPT TO:<b@{domain}>")
    assert reply.code == 250 or reply.raw.startswith(b"451 4.7.0 TLS is required"), reply.raw
    return reply.code != 250


def refused_now(gw, domain):
    with gw.connect() as c:
        c.hello()
        begin(c)
        return is_refused(c, domain)


def route_of(gw):
    [pid] = [p for p in children(gw.pid) if command_line(p)[1:3] == [b"--role", b"route"]]
    return pid


def test_GC_10_a_session_meets_a_change_at_its_next_mail(running):
    """The transaction under way keeps the rules that it began with."""
    gw = running
    with gw.connect() as c:
        c.hello()
        begin(c)
        assert not is_refused(c, "d.example")
        change(gw, "add", "d.example", "--outbound", "encrypt")
        assert wait_until(lambda: refused_now(gw, "d.example"))
        assert not is_refused(c, "mx.d.example")
        assert c.data(message()).code == 250
        begin(c)
        assert is_refused(c, "d.example") and is_refused(c, "mx.d.example")
        assert not is_refused(c, "e.example")
        change(gw, "remove", "d.example")
        assert wait_until(lambda: not refused_now(gw, "d.example"))
        assert is_refused(c, "d.example")
        c.cmd("RSET", 250)
        begin(c)
        assert not is_refused(c, "d.example")
        c.quit()
    assert gw.upstream.messages[0].rcpts == ["b@d.example", "b@mx.d.example"]


def test_GC_10_very_many_in_one_go(running):
    gw, many = running, 50000
    change(gw, "add", "d0.example", "--outbound", "encrypt")
    with gw.connect() as c:
        c.hello()
        db = sqlite3.connect(gw.state / "partners.db", timeout=10)
        [row] = db.execute("SELECT * FROM rule").fetchall()
        names = [d[0] for d in db.execute("SELECT * FROM rule LIMIT 0").description]
        at, written = names.index("key"), names.index("written")

        def other(n):
            fields = list(row)
            fields[at] = bytes(row[at]).replace(b"d0", b"d%d" % n)
            fields[written] = f"d{n}.example"
            return fields
        with db:
            db.executemany(f"INSERT INTO rule VALUES ({','.join('?' * len(row))})", map(other, range(1, many)))
            db.execute("UPDATE generation SET number = number + 1")
        db.close()
        assert wait_until(lambda: refused_now(gw, f"d{many - 1}.example"), 30)
        begin(c)
        assert is_refused(c, "d1.example") and is_refused(c, "mx.d777.example") and not is_refused(c, f"d{many}.example")
        change(gw, "remove", "d777.example")
        assert wait_until(lambda: not refused_now(gw, "d777.example"), 30)
        assert refused_now(gw, "d778.example")


def test_GC_10_the_table_stays_while_route_is_away(running):
    """Killed, it is started again; meanwhile nothing is forgotten, and afterwards changes arrive as before."""
    gw = running
    change(gw, "add", "d.example", "--outbound", "encrypt")
    assert wait_until(lambda: refused_now(gw, "d.example"))
    old = route_of(gw)
    with gw.connect() as c:
        c.hello()
        os.kill(old, signal.SIGKILL)
        begin(c)
        assert is_refused(c, "d.example")
        assert wait_until(lambda: not alive(old))
        assert refused_now(gw, "d.example")
        change(gw, "add", "e.example", "--outbound", "encrypt")
        assert wait_until(lambda: refused_now(gw, "e.example"), 20)
        assert refused_now(gw, "d.example")
        c.cmd("RSET", 250)
        begin(c)
        assert is_refused(c, "e.example")
    assert route_of(gw) != old


def test_WG_9_no_TLS_for_clients_until_a_moment(running):
    """`client: none` for everybody ends by itself: STARTTLS is back, without a reload."""
    gw = running
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6))
    gw.stop()
    gw.write({**gw.config, "partners": {"*": {"client": "none", "expires": until}}})
    gw.start()
    with gw.connect() as c:
        offered = b"STARTTLS" in c.hello().keywords
        # Where this machine is so slow that the moment has come there is nothing to be seen before it.
        assert not offered or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) >= until
        assert wait_until(lambda: b"STARTTLS" in c.cmd("EHLO client.example").keywords)
        c.starttls(any_context())
        c.cmd("EHLO client.example", 250)
        c.envelope()
        assert c.data(message()).code == 250
