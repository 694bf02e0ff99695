"""The DNS of the outbound tests: all of the world below a signed root of our own, on one port of 127.0.0.1.

    resolver of the program ──> Front (this process) ──> knotd, authoritative for "." and every zone of the test
    (libunbound, forwarding,      scripts odd answers,
     validating from our anchor)  counts the questions

The zones are signed by ldns-signzone with keys made at run time, and served by a real knotd of our own (configuration,
sockets and database in a temporary folder, port from free_port()). No recursive server stands between: one that is
authoritative for everything below the root answers whatever a forwarding resolver asks, DS and DNSKEY too, and
libunbound takes that (it asks for AA or RA of nobody it forwards to). Front sits before knotd because an odd answer (silence, octets
without sense, a truncated one, SERVFAIL) must come for one name and not for the rest; whatever no script names is
passed on octet by octet.

    dns = DnsLab(folder).start()
    dns.zone("a.example", "@ MX 10 mx1", "mx1 A 127.1.0.1", signed=True)
    dns.reload()                      # now it is served
    dns.odd("b.example", "MX", silence)
    dns.address, dns.anchor           # for `route: { resolvers: [ address ], trust_anchor: anchor }`
    dns.resolve("a.example", "MX")    # what a validating libunbound makes of it
    dns.stop()

Zones lie below example.: libunbound answers for test., invalid. and the like by itself.
"""
import base64
import ctypes
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from gateway import wait_until
from ports import free_port

HOST = "127.0.0.1"
TTL = 60
LONG_AGO = ("-i", "20200101000000", "-e", "20200201000000")

KNOT = """\
server:
  rundir: "{folder}"
  listen: {host}@{port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
control:
  listen: "{folder}/knot.sock"
database:
  storage: "{folder}"
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: "{folder}"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
{zones}"""


# Acts of Front: (question's octets, knotd's answer, over TCP?) -> what is answered, None for nothing at all.

def silence(_query, _answer, _tcp):
    return None


def rcode(code):
    def say(query, _answer, _tcp):
        answer = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
        answer.set_rcode(dns.rcode.from_text(code))
        return answer.to_wire()
    return say


servfail = rcode("SERVFAIL")


def garbage(query, _answer, _tcp):
    """The right ID and question, then nonsense where an answer's records would be."""
    return query[:2] + b"\x84\x00\x00\x01\x00\xff\x00\x00\x00\x00" + query[12:] + b"\xc0\xff\xee" * 40


def truncated(query, answer, tcp):
    """By UDP only the head, with TC; by TCP all of it."""
    if tcp:
        return answer
    end = len(dns.message.make_query(*_question(query)).to_wire())
    return answer[:2] + bytes([answer[2] | 2]) + answer[3:4] + b"\0\1" + b"\0" * 6 + answer[12:end]


def always_truncated(query, answer, _tcp):
    return truncated(query, answer, False)


def unsigned(query, answer, _tcp):
    """Without its signatures: a stripping middlebox, or an attacker."""
    message = dns.message.from_wire(answer)
    for section in (message.answer, message.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype != dns.rdatatype.RRSIG]
    return message.to_wire()


def records(*lines):
    """These records instead, whatever they are: "mx1.a.example. 60 IN A 127.0.0.1"."""
    def say(query, _answer, _tcp):
        answer = dns.message.make_response(dns.message.from_wire(query), recursion_available=True)
        answer.flags |= dns.flags.AA
        for line in lines:
            answer.answer.append(dns.rrset.from_text(*line.split(None, 4)))
        return answer.to_wire(max_size=65535)
    return say


def raw_rdata(rdtype, *rdatas):
    """An answer whose records have these octets for data, sensible or not."""
    def say(query, _answer, _tcp):
        end = _question_end(query)
        out = query[:2] + struct.pack("!HHHHH", 0x8480, 1, len(rdatas), 0, 0) + query[12:end]
        for rdata in rdatas:
            out += b"\xc0\x0c" + struct.pack("!HHIH", dns.rdatatype.from_text(rdtype), 1, TTL, len(rdata)) + rdata
        return out
    return say


def label_octets(*labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _question_end(wire):
    at = 12
    while wire[at]:
        at += wire[at] + 1
    return at + 5


def _question(wire):
    """(name without the last dot, in lower case; type)"""
    end = _question_end(wire)
    at, labels = 12, []
    while wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]].decode("latin-1").lower())
        at += wire[at] + 1
    return ".".join(labels), dns.rdatatype.to_text(struct.unpack("!H", wire[end - 4:end - 2])[0])


class Served:
    """A UDP and a TCP socket on one address; `answer(octets, tcp)` is called in their threads."""

    def __init__(self, host, port, answer):
        self.answer = answer
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((host, port))
        self.tcp.listen(64)
        for run in (self.run_udp, self.run_tcp):
            threading.Thread(target=run, daemon=True).start()

    def run_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(65535)
            except OSError:
                return
            if not query:  # of stop()
                return
            threading.Thread(target=self.one_udp, args=(query, peer), daemon=True).start()

    def one_udp(self, query, peer):
        try:
            answer = self.answer(query, False)
            if answer:
                self.udp.sendto(answer[:65507], peer)
        except OSError:
            pass

    def run_tcp(self):
        while True:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.one_tcp, args=(sock,), daemon=True).start()

    def one_tcp(self, sock):
        sock.settimeout(20)
        try:
            with sock, sock.makefile("rb") as stream:
                while len(head := stream.read(2)) == 2:
                    answer = self.answer(stream.read(struct.unpack("!H", head)[0]), True)
                    if answer:
                        sock.sendall(struct.pack("!H", len(answer)) + answer)
        except OSError:
            pass

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.udp.getsockname())
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        self.udp.close()


class Front:
    """Before the name server: passes on, notes, and plays the odd answers."""

    def __init__(self, port, behind):
        self.behind = behind
        self.odd = {}      # (name, type) -> act; type "*": all of them
        self.asked = []    # (name, type), in order
        self.served = Served(HOST, port, self.answer)

    def answer(self, query, tcp):
        try:
            key = _question(query)
        except (IndexError, struct.error):
            return None
        self.asked.append(key)
        act = self.odd.get(key) or self.odd.get((key[0], "*"))
        if act is silence:
            return None
        answer = ask(self.behind, query, tcp)
        return act(query, answer, tcp) if act else answer


def ask(port, query, tcp):
    """Octets to a name server on HOST, and its octets back."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((HOST, port))
        if not tcp:
            s.send(query)
            return s.recv(65535)
        s.sendall(struct.pack("!H", len(query)) + query)
        with s.makefile("rb") as stream:
            return stream.read(struct.unpack("!H", stream.read(2))[0])


class Zone:
    def __init__(self, name, lines, signed=True, ds="right", bogus=(), expired=False, nsec3=False, served=True):
        """`ds`: what the root has for it: right, wrong, none (an insecure delegation of a signed zone).
        `bogus`: types whose signatures are broken ("*": all). `served`: False is SERVFAIL by knotd."""
        self.name, self.lines = name, list(lines)
        self.signed, self.ds, self.bogus = signed, ds, set(bogus)
        self.expired, self.nsec3, self.served = expired, nsec3, served
        self.key = None
        self.serial = 0
        self.dirty = True

    @property
    def origin(self):
        return self.name.rstrip(".") + "."

    def text(self):
        """The lines may begin with a name relative to the zone; the rest is as in a zone file."""
        return (f"$ORIGIN {self.origin}\n$TTL {TTL}\n"
                f"@ 60 IN SOA ns.example. root.example. {self.serial} 3600 600 86400 1\n@ IN NS ns.example.\n"
                + "".join(line + "\n" for line in self.lines))


class Answer(NamedTuple):
    rcode: str
    secure: bool
    bogus: bool
    why: str
    records: list  # the data, as text


class DnsLab:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.knot_port, self.port = free_port(), free_port()
        self.address = f"{HOST}:{self.port}"
        self.anchor = str(self.folder / "anchor")
        self.zones = {"": Zone("", ())}
        self.process = self.front = None

    # what is served

    def zone(self, name, *lines, **options):
        """Adds a zone, or puts a new one in its place. Served after reload()."""
        name = name.rstrip(".").lower()
        old = self.zones.get(name)
        self.zones[name] = zone = Zone(name, lines, **options)
        if old:
            zone.key, zone.serial = old.key, old.serial
        self.zones[""].dirty = True
        return zone

    def bogus(self, name, *types):
        """Breaks the signatures of these types, or all. Served after reload()."""
        self.zones[name].bogus = set(types or "*")
        self.zones[name].dirty = True

    def expired(self, name):
        self.zones[name].expired = self.zones[name].dirty = True

    def servfail(self, name):
        """knotd has the zone and can't load it."""
        self.zones[name].served, self.zones[name].dirty = False, True

    def odd(self, name, rdtype, act):
        """From now on the act answers for this name and type ("*": any)."""
        self.front.odd[name.rstrip(".").lower(), rdtype] = act

    def asked(self, name, rdtype):
        """How often."""
        return self.front.asked.count((name, rdtype))

    def reload(self):
        """Signs what is new, and returns once knotd serves it."""
        changed = [z for z in self.zones.values() if z.dirty]
        for zone in [z for z in changed if z.name] + [z for z in changed if not z.name]:
            if not zone.name:
                zone.lines = ["ns.example. A 127.0.0.1"] + [
                    line for z in self.zones.values() if z.name for line in self.delegation(z)]
            self.write(zone)
        self.configure()
        if changed and self.process:
            self.knotc("reload")
            self.wait_served(changed)
        return self

    # keys and signatures

    def make_key(self, zone):
        if zone.key is None:
            done = self.run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone.origin)
            zone.key = done.stdout.strip()
        return zone.key

    def delegation(self, zone):
        yield f"{zone.origin} NS ns.example."
        if not zone.signed or zone.ds == "none":
            return
        words = (self.folder / (self.make_key(zone) + ".ds")).read_text().split()
        if zone.ds == "wrong":
            words[-1] = "00" + words[-1][2:]
        yield " ".join([zone.origin] + words[words.index("DS"):])

    def file(self, zone):
        return self.folder / f"zone.{zone.name or 'root'}"

    def write(self, zone):
        zone.serial += 1
        zone.dirty = False
        path = self.file(zone)
        if not zone.served:
            path.unlink(missing_ok=True)
            return
        path.write_text(zone.text())
        if not zone.signed:
            return
        out = f"{path}.signed"
        self.run("ldns-signzone", *(LONG_AGO if zone.expired else ()), *(("-n",) if zone.nsec3 else ()), "-f", out,
                 "-o", zone.origin, str(path), self.make_key(zone))
        text = Path(out).read_text()
        if zone.bogus:
            text = "\n".join(self.broken(zone, line) for line in text.splitlines()) + "\n"
        path.write_text(text)

    @staticmethod
    def broken(zone, line):
        found = re.match(r"(\S+\t\d+\tIN\tRRSIG\t(\S+) .* )(\S+)$", line)
        if not found or (found[2] not in zone.bogus and "*" not in zone.bogus):
            return line
        octets = bytearray(base64.b64decode(found[3]))
        octets[10] ^= 1
        return found[1] + base64.b64encode(octets).decode()

    # processes

    def run(self, *arguments):
        done = subprocess.run(arguments, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def knotc(self, *arguments):
        return self.run("knotc", "-s", str(self.folder / "knot.sock"), *arguments)

    def configure(self):
        zones = "".join(f'  - domain: "{z.origin}"\n    file: "{self.file(z)}"\n' for z in self.zones.values())
        (self.folder / "knot.conf").write_text(
            KNOT.format(folder=self.folder, host=HOST, port=self.knot_port, zones=zones))

    def start(self):
        words = (self.folder / (self.make_key(self.zones[""]) + ".ds")).read_text().split()
        Path(self.anchor).write_text(". IN " + " ".join(words[words.index("DS"):]) + "\n")
        self.zones[""].dirty = True
        self.reload()
        with open(self.folder / "knot.log", "wb") as log:
            self.process = subprocess.Popen(["knotd", "-c", str(self.folder / "knot.conf")], cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            preexec_fn=end_with_parent)
        self.front = Front(self.port, self.knot_port)
        self.wait_served(self.zones.values())
        return self

    def wait_served(self, zones):
        for zone in list(zones):
            if zone.served:
                assert wait_until(lambda z=zone: self.serial(z) == z.serial, 10, 0.003), \
                    (zone.name, (self.folder / "knot.log").read_text())

    def serial(self, zone):
        try:
            answer = dns.message.from_wire(
                ask(self.knot_port, dns.message.make_query(zone.origin, "SOA").to_wire(), False))
            return answer.answer[0][0].serial
        except (OSError, IndexError, dns.exception.DNSException):
            return None

    def stop(self):
        if self.front:
            self.front.served.stop()
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    # what a validating resolver says

    def resolve(self, name, rdtype):
        with Validator(self) as v:
            return v.resolve(name, rdtype)


class _Result(ctypes.Structure):
    _fields_ = [("qname", ctypes.c_char_p), ("qtype", ctypes.c_int), ("qclass", ctypes.c_int),
                ("data", ctypes.c_void_p), ("len", ctypes.c_void_p), ("canonname", ctypes.c_char_p),
                ("rcode", ctypes.c_int), ("answer_packet", ctypes.c_void_p), ("answer_len", ctypes.c_int),
                ("havedata", ctypes.c_int), ("nxdomain", ctypes.c_int), ("secure", ctypes.c_int),
                ("bogus", ctypes.c_int), ("why_bogus", ctypes.c_char_p), ("was_ratelimited", ctypes.c_int),
                ("ttl", ctypes.c_int)]


class Validator:
    """libunbound itself, without the program under test: what the lab's answers are worth."""

    def __init__(self, lab):
        self.lib = ctypes.CDLL("libunbound.so.8")
        self.lib.ub_ctx_create.restype = ctypes.c_void_p
        self.ctx = ctypes.c_void_p(self.lib.ub_ctx_create())
        self.must(self.lib.ub_ctx_set_option(self.ctx, b"do-not-query-localhost:", b"no"))
        self.must(self.lib.ub_ctx_set_fwd(self.ctx, f"{HOST}@{lab.port}".encode()))
        self.must(self.lib.ub_ctx_add_ta_file(self.ctx, lab.anchor.encode()))
        self.lock = threading.Lock()

    @staticmethod
    def must(error):
        assert error == 0, f"libunbound: error {error}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lib.ub_ctx_delete(self.ctx)

    def look_up(self, name, rdtype):
        """(the answer's octets, secure, bogus, why)"""
        found = ctypes.POINTER(_Result)()
        with self.lock:
            self.must(self.lib.ub_resolve(self.ctx, (name or ".").encode(), dns.rdatatype.from_text(rdtype), 1,
                                          ctypes.byref(found)))
        r = found.contents
        octets = ctypes.string_at(r.answer_packet, r.answer_len) if r.answer_packet else b""
        out = octets, bool(r.secure), bool(r.bogus), (r.why_bogus or b"").decode(), r.rcode
        self.lib.ub_resolve_free(found)
        return out

    def resolve(self, name, rdtype):
        octets, secure, bogus, why, code = self.look_up(name, rdtype)
        found = []
        if octets:
            message = dns.message.from_wire(octets)
            found = [rdata.to_text() for rrset in message.answer for rdata in rrset
                     if dns.rdatatype.to_text(rrset.rdtype) == rdtype]
        return Answer(dns.rcode.to_text(code), secure, bogus, why, found)


class StubResolver:
    """A validating resolver on port 53 of a loopback address, for programs that know /etc/resolv.conf alone: libunbound
    validates, AD says so. `env()` runs a program under a resolv.conf that names it."""

    def __init__(self, lab):
        self.validator = Validator(lab)
        self.host = "127.53.%d.%d" % (lab.port >> 8, lab.port & 255)
        self.conf = lab.folder / "resolv.conf"
        self.conf.write_text(f"nameserver {self.host}\noptions edns0 trust-ad\n")
        self.served = Served(self.host, 53, self.answer)

    def answer(self, query, _tcp):
        asked = dns.message.from_wire(query)
        name, rdtype = _question(query)
        octets, secure, bogus, _, code = self.validator.look_up(name, rdtype)
        answer = dns.message.make_response(asked, recursion_available=True)
        answer.set_rcode(dns.rcode.SERVFAIL if bogus else code)
        if octets and not bogus:
            answer.answer = dns.message.from_wire(octets).answer
        if secure:
            answer.flags |= dns.flags.AD
        return answer.to_wire()

    def run(self, *arguments, timeout=30):
        """In a mount namespace of its own, where /etc/resolv.conf is ours."""
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(self.conf),
             *map(str, arguments)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)

    def stop(self):
        self.served.stop()
        self.validator.__exit__()


_libc = ctypes.CDLL(None)


def end_with_parent():
    """For a child: SIGTERM where its parent ends without having ended it."""
    _libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def missing_programs():
    return [name for name in ("knotd", "knotc", "ldns-keygen", "ldns-signzone") if not shutil.which(name)]
