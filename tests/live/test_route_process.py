"""The process `route`: it starts, dies and is replaced, is given up with its generation; what it keeps; the socketmap."""
import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest

from gateway import alive, children, command_line, sanitized, wait_until
from outbound import mx, send
from ports import free_port
from socketmap import SocketMap, netstring


def routes(gw):
    return [p for p in children(gw.pid) if command_line(p)[1:3] == [b"--role", b"route"]]


def held_by(pid):
    """What its descriptors are."""
    found = set()
    for name in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(name))
        except OSError:
            pass
    return found


@pytest.fixture
def outbound(world):
    """A gateway with a service of mode outbound: outbound(route={...}, ...)."""
    before = len(world.gateways)
    yield world.gateway
    world.sweep(before, len(world.upstreams))


@pytest.fixture
def mapped(outbound):
    """The same with a socketmap, and its address."""
    def make(**settings):
        address = f"127.0.0.1:{free_port()}"
        route = {"socketmap": address, **settings.pop("route", {})}
        return outbound(route=route, **settings), address
    return make


# the process

def test_route_runs_where_it_is_needed(upstream, gateway, outbound):
    assert routes(gateway(upstream())) == []
    gw = outbound()
    [pid] = routes(gw)
    status = Path(f"/proc/{pid}/status").read_text()
    assert sanitized() or "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status


def test_route_has_no_keys(outbound):
    """Law 8: the copy of the configuration that it is given is one without keys, and it holds none in memory."""
    gw = outbound()
    [pid] = routes(gw)
    assert wait_until(lambda: any("partners.db" in name for name in held_by(pid)))
    assert not [name for name in held_by(pid) if "sallyport-conf" in name or name.endswith(".pem")]
    sealed = [fd.read_bytes() for fd in Path(f"/proc/{gw.pid}/fd").iterdir() if "sallyport-conf" in os.readlink(fd)]
    assert sorted(b"PRIVATE KEY" in octets for octets in sealed) == [False, True]
    key = Path(gw.config["certificates"]["gw"]["key"]).read_text().splitlines()[2].encode()
    assert key not in dump(pid)


def dump(pid):
    """All memory of a process that can be written to."""
    octets = b""
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode = line.split()[:2]
            begin, end = (int(part, 16) for part in place.split("-"))
            if mode.startswith("rw") and end - begin < 1 << 28:
                try:
                    memory.seek(begin)
                    octets += memory.read(end - begin)
                except OSError:
                    pass
    return octets


def test_FAULTS_28_route_killed(world, outbound):
    """Edges and their sessions live on; what needs a lookup meanwhile is deferred, or done by the next."""
    d = world.domain(mx())
    gw = outbound(edges=2)
    edges = gw.edges()
    assert send(gw, d.rcpt()).code == 250
    with gw.connect("out") as c:
        c.hello()
        for _ in range(3):
            [pid] = routes(gw)
            os.kill(pid, signal.SIGKILL)
            assert wait_until(lambda: routes(gw) not in ([], [pid]))
            c.cmd("NOOP", 250)
        c.quit()
    assert set(gw.edges()) == set(edges)
    assert len(gw.log(event="route-died")) == 3
    assert wait_until(lambda: send(gw, d.rcpt()).code == 250)


def test_FAULTS_28_no_route_is_no_policy(world, outbound):
    """While it stands still nothing is decided: 451, never a message in clear."""
    d = world.domain(mx(cert="none"), sts="enforce")
    gw = outbound(route={"timeout": "1s"})
    [pid] = routes(gw)
    os.kill(pid, signal.SIGSTOP)
    sent = send(gw, d.rcpt())
    assert sent.code == 451, sent
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: routes(gw) not in ([], [pid]))
    assert d.messages == []


def test_FAULTS_28_an_edge_killed_gets_a_line_again(world, outbound):
    d = world.domain(mx())
    gw = outbound()
    [edge], [route] = gw.edges(), routes(gw)
    os.kill(edge, signal.SIGKILL)
    assert wait_until(lambda: gw.edges() not in ([], [edge]))
    assert wait_until(lambda: send(gw, d.rcpt()).code == 250)
    assert routes(gw) == [route]


def test_FAULTS_30_route_stays_as_long_as_its_edges(world, outbound):
    d = world.domain(mx())
    gw = outbound()
    old = routes(gw)
    with gw.connect("out") as c:
        c.hello()
        assert gw.reload(), gw.transcript()
        assert len(routes(gw)) == 2
        c.cmd("MAIL FROM:<a@client.example>", 250)
        c.cmd(f"RCPT TO:<{d.rcpt()}>", 250)
        c.quit()
    assert wait_until(lambda: not alive(old[0]))
    [end] = gw.wait_log(event="route-ended")
    assert end["status"] == 0
    assert gw.log(event="route-died") == []


def test_FAULTS_30_a_route_that_can_not_start(world, outbound):
    """The old generation stays."""
    gw = outbound()
    config = dict(gw.config)
    config["route"] = {**config["route"], "trust_anchor": "/nonexistent/anchor"}
    since = len(gw.lines)
    gw.write(config)
    gw.signal(signal.SIGHUP)
    assert wait_until(lambda: gw.log(event="generation-failed", since=since) or gw.log(event="reload-refused", since=since))
    assert send(gw, world.domain(mx()).rcpt()).code == 250


# what it keeps

def test_state_dir_belongs_to_the_user(outbound):
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/sallyport-state-XXXXXX"], text=True).strip())
    folder.chmod(0o755)
    try:
        gw = outbound(route={"state_dir": str(folder / "state")})
        [pid] = routes(gw)
        uid = int(Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0])
        found = (folder / "state").stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o750, uid)
        assert wait_until(lambda: {f.name for f in (folder / "state").iterdir()} >= {"route.db", "partners.db"})
        assert gw.log(event="store-failed") == []
        gw.stop()
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_FAULTS_27_mail_goes_on_without_a_store(world, outbound, state_dir):
    Path(state_dir, "route.db").write_text("this is no database, whoever may think so " * 100)
    gw = outbound(route={"state_dir": str(state_dir)})
    assert gw.log(event="store-failed")
    assert send(gw, world.domain(mx()).rcpt()).code == 250


@pytest.mark.parametrize("what", ["a file", "not ours"])
def test_GC_8_a_state_dir_that_is_of_no_use(outbound, state_dir, what):
    """Rules that could not be read would stop all mail: it is said at the start."""
    path = Path(state_dir, "state")
    if what == "a file":
        path.write_text("")
    else:
        path.mkdir(mode=0o755)
        (path / "of another").write_text("")
    with pytest.raises(AssertionError, match="not ready") as failed:
        outbound(route={"state_dir": str(path)})
    assert str(path) in str(failed.value)


# the socketmap

def test_socketmap_says_what_a_domain_must_have(world, mapped):
    plain, sts = world.domain(mx()), world.domain(mx(), sts="enforce")
    dane = world.domain(mx(tlsa=["3 1 1"]), signed=True)
    gw, address = mapped(partners={"partner.example": {"outbound": "encrypt"}})
    with SocketMap(address) as m:
        assert m.ask(plain.name) == "NOTFOUND "
        assert m.ask(sts.name) == f"OK secure match={sts.host_name()} servername=hostname"
        assert m.ask(sts.name, "QUERYwithTLSRPT").startswith(
            f"OK secure match={sts.host_name()} servername=hostname policy_type=sts policy_domain={sts.name} ")
        assert m.ask(sts.name.upper() + ".") == m.ask(sts.name)
        assert m.ask("nothing.invalid") == "NOTFOUND "
        for key in ("[192.0.2.1]:25", ".example.net", "", "a b", "é.example"):
            assert m.ask(key) in ("NOTFOUND ",) or key == "é.example"
        assert m.ask("x", "virtual").startswith("PERM ")
        found = m.ask(dane.name)
        assert found in ("OK dane-only",), found
    assert gw.log(event="route-died") == []


def test_socketmap_fails_closed(world, mapped):
    d = world.domain(mx(), served=False)
    _, address = mapped()
    with SocketMap(address) as m:
        assert m.ask(d.name).startswith("TEMP ")


def test_socketmap_cut_anywhere_and_pipelined(world, mapped):
    d = world.domain(mx())
    _, address = mapped()
    one = netstring(f"QUERY {d.name}")
    with SocketMap(address) as m:
        for octet in one:
            m.send(bytes([octet]))
            time.sleep(0.001)
        assert m.reply() == "NOTFOUND "
        m.send(one * 500)
        assert [m.reply() for _ in range(500)] == ["NOTFOUND "] * 500


@pytest.mark.parametrize("octets", [
    b"GET / HTTP/1.1\r\n", b"05:hello,", b"5:hello;", b"99999999999999999999:", b"2000:" + b"x" * 2000, b"\0\0\0\0", b"-1:,"])
def test_socketmap_nonsense_is_closed(mapped, octets):
    gw, address = mapped()
    [pid] = routes(gw)
    with SocketMap(address) as m:
        m.send(octets)
        assert m.at_end()
    with SocketMap(address) as m:
        assert m.ask(".x") == "NOTFOUND "
    assert routes(gw) == [pid]


def test_socketmap_many_clients(mapped):
    """Beyond the ceiling the one that was silent for the longest goes; one that reads nothing holds up nobody."""
    gw, address = mapped()
    many = []
    for _ in range(600):
        many.append(SocketMap(address))
    assert many[-1].ask(".x") == "NOTFOUND "
    assert many[0].at_end()
    many[-2].send(netstring("QUERY .x") * 20000)
    assert many[-1].ask(".x") == "NOTFOUND "
    for m in many:
        m.sock.close()
    assert gw.log(event="route-died") == []


def test_socketmap_outlives_reload_and_death(world, mapped):
    """The master holds its socket: not one connection is refused."""
    d = world.domain(mx())
    gw, address = mapped()
    assert SocketMap(address).ask(d.name) == "NOTFOUND "
    held = SocketMap(address)
    assert gw.reload()
    assert SocketMap(address).ask(d.name) == "NOTFOUND "
    assert held.at_end()
    assert wait_until(lambda: len(routes(gw)) == 1)
    [pid] = routes(gw)
    os.kill(pid, signal.SIGKILL)
    assert SocketMap(address).ask(d.name) == "NOTFOUND "
    assert wait_until(lambda: routes(gw) not in ([], [pid]))
    [pid] = routes(gw)
    os.kill(pid, signal.SIGSTOP)
    waiting = SocketMap(address)  # in the queue, which the next route takes over
    assert gw.reload()
    assert waiting.ask(d.name) == "NOTFOUND "
    os.kill(pid, signal.SIGCONT)


def test_socketmap_address_changes(mapped):
    gw, address = mapped()
    config = dict(gw.config)
    config["route"] = {**config["route"], "socketmap": f"127.0.0.1:{free_port()}"}
    assert gw.reload(config)
    assert SocketMap(config["route"]["socketmap"]).ask(".x") == "NOTFOUND "

    def refused():
        try:
            SocketMap(address).sock.close()
            return False
        except ConnectionRefusedError:
            return True
    assert wait_until(refused)


def test_socketmap_on_a_path(outbound):
    folder = subprocess.check_output(["mktemp", "-d", "/tmp/sallyport-map-XXXXXX"], text=True).strip()
    path = folder + "/map"
    try:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        gw = outbound(route={"socketmap": path})
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
        assert SocketMap(path).ask(".x") == "NOTFOUND "
        assert gw.reload()
        assert SocketMap(path).ask(".x") == "NOTFOUND "
        gw.stop()
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)
