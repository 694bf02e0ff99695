"""A policy that can't be looked up is 451, never "no demand" (SPEC GC-8, DESIGN law 6)."""
import os
import pathlib
import signal
import sqlite3
import time

from gateway import sallyport
from outbound import explain, mx, send
from ports import free_port
from socketmap import SocketMap
from test_route_process import routes


def eventually(there, seconds=15):
    for _ in range(seconds * 10):
        if there():
            return True
        time.sleep(0.1)
    return False


def garble(gw):
    """The database, as something else."""
    path = gw.config["route"]["state_dir"] + "/partners.db"
    with open(path, "wb") as f:
        f.write(b"this is no database\n" * 500)
    return path


def write(gw, sql):
    """Closed at once: SQLite's other files would be root's alone."""
    db = sqlite3.connect(gw.config["route"]["state_dir"] + "/partners.db", timeout=5)
    db.executescript(f"BEGIN; {sql}; COMMIT")
    db.close()


def test_GC_8_rules_that_cant_be_read(world):
    d = world.domain(mx())
    gw = world.gateway(start=False)
    garble(gw)
    gw.start()
    got = send(gw, d.rcpt())
    assert got.code == 451 and "4.3.0" in got.text and "[POLICY]" in got.text, got.text
    assert d.messages == [] and d.verbs == []
    assert gw.wait_log(event="partners-failed"), gw.transcript()


def test_GC_8_a_relay_has_the_same_rules(world, upstream):
    """A rule of the database holds for every service."""
    up = upstream()
    gw = world.gateway(start=False)
    gw.config["upstreams"] = {"backend": {"hosts": [up.addr], "tls": "none"}}
    service = dict(gw.config["services"].pop("out"))
    gw.config["services"] = {"mx": {"listen": service["listen"], "upstream": "backend"}}
    gw.write(gw.config)
    garble(gw)
    gw.start()
    got = send(gw, "b@anything.example", service="mx")
    assert got.code == 451 and "[POLICY]" in got.text, got.text
    assert up.messages == []


def test_GC_8_what_was_known_stands(world):
    """The process that reads the database dies, and its successor can't read it: the rules that came last hold on."""
    d, refused = world.domain(mx(cert="none")), world.domain(mx(cert="none"))
    gw = world.gateway()
    done = sallyport("partners", "-c", gw.file, "add", refused.name, "--outbound", "encrypt")
    assert done.returncode == 0, done.stderr
    assert eventually(lambda: send(gw, refused.rcpt()).code == 451)
    path = garble(gw)
    for more in ("-wal", "-shm"):
        pathlib.Path(path + more).unlink(missing_ok=True)
    os.kill(routes(gw)[0], signal.SIGKILL)
    assert gw.wait_log(event="partners-failed"), gw.transcript()
    assert eventually(lambda: send(gw, d.rcpt()).code == 250)  # names are looked up again
    before = len(refused.messages)
    assert send(gw, refused.rcpt()).code == 451 and len(refused.messages) == before


def test_GC_8_socketmap_knows_them_no_better(world):
    """For Postfix beside us: what a rule asks for nobody knows, so nothing weaker is said."""
    d = world.domain(mx())
    address = f"127.0.0.1:{free_port()}"
    gw = world.gateway(route={"socketmap": address}, start=False)
    garble(gw)
    gw.start()
    assert gw.wait_log(event="partners-failed"), gw.transcript()
    with SocketMap(address) as m:
        assert m.ask(d.name).startswith("TEMP ")


def test_GC_8_one_rule_that_is_none(world):
    """One that nobody can read may be the one that asks for the most."""
    d, other = world.domain(mx(cert="none")), world.domain(mx(cert="none"))
    gw = world.gateway()
    assert sallyport("partners", "-c", gw.file, "add", d.name, "--outbound", "encrypt").returncode == 0
    assert eventually(lambda: send(gw, d.rcpt()).code == 451)
    write(gw, "UPDATE rule SET outbound = 99")
    # What comes after it counts as little, until all of it can be read.
    assert sallyport("partners", "-c", gw.file, "add", other.name, "--outbound", "encrypt").returncode == 0
    assert gw.wait_log(event="partners-failed"), gw.transcript()
    assert send(gw, d.rcpt()).code == 451
    write(gw, "DELETE FROM rule WHERE outbound = 99")
    assert eventually(lambda: send(gw, other.rcpt()).code == 451)
    assert eventually(lambda: send(gw, d.rcpt()).code == 250)


def test_GC_10_a_database_that_was_put_back(world):
    """From a copy, with an older count: its rules are the ones that hold."""
    d = world.domain(mx(cert="none"))
    gw = world.gateway()
    assert sallyport("partners", "-c", gw.file, "add", d.name, "--outbound", "encrypt").returncode == 0
    assert eventually(lambda: send(gw, d.rcpt()).code == 451)
    write(gw, "UPDATE generation SET number = 5; DELETE FROM rule")
    assert eventually(lambda: send(gw, d.rcpt()).code == 250)


def test_GC_8_explain_says_what_a_session_is_told(world):
    d = world.domain(mx())
    gw = world.gateway(start=False)
    garble(gw)
    told = explain(gw, d.rcpt())
    assert told["status"] == 75 and told["verdict"]["code"] == 451 and "rules" in told["verdict"]["text"], told
