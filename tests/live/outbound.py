"""The world outside, for the tests of `mode: outbound`: domains with their DNS, MX hosts, TLSA records and MTA-STS policies,
all on this machine.

    a = world.domain(mx(tlsa=["3 1 1"]), mx("mx2", cert="expired"), signed=True, sts="enforce")
    gw = world.gateway(partners={a.name: {"outbound": "verify"}})
    got = send(gw, f"b@{a.name}")          # what the client was told, and where
    a.hosts[0].messages                    # what arrived: upstream.Upstream

Every MX host listens on the same port (`port:` of the service) of a loopback address of its own, 127.x.y.z. Names of domains are made up, one for
each: what one test did to a cache is nothing to the next.
"""
import itertools
import json
import os
import socket
import ssl
from dataclasses import dataclass, field
from typing import NamedTuple

import stsserver
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from dnslab import DnsLab, StubResolver
from gateway import Gateway, merged, sallyport
from peer import any_context, message
from pki import GW, make
from ports import free_port
from stsserver import StsServer
from upstream import Upstream

_numbers = itertools.count(1)


@dataclass
class mx:  # reads as a word in the tests' tables
    """One MX host of a domain. `cert`: good, none (no TLS), or a way of being wrong (World.certificate).
    `tlsa`: "3 1 1" of its own certificate, or whole records: "3 1 1 <hex>". `address`: where it is, if not where
    it listens; False: no A record. `options`: of Upstream."""
    label: str = "mx1"
    cert: str = "good"
    tlsa: tuple = ()
    preference: int = None
    aaaa: tuple = ()
    a: tuple = None
    name: str = None     # instead of label.domain
    there: bool = True   # somebody listens
    options: dict = field(default_factory=dict)


class Domain:
    def __init__(self, world, name):
        self.world, self.name = world, name
        self.specs, self.hosts, self.certs, self.addresses, self.lines = [], [], [], [], []

    def host_name(self, i=0):
        return self.specs[i].name or f"{self.specs[i].label}.{self.name}"

    @property
    def messages(self):
        return [m for h in self.hosts if h for m in h.messages]

    @property
    def verbs(self):
        return [v for h in self.hosts if h for v in h.verbs]

    def rcpt(self, local="b"):
        return f"{local}@{self.name}"

    def hang_up(self):
        """Ends the connections that are kept for the next message."""
        for host in self.hosts:
            for conn in list(host.connections):
                if not conn.ended:
                    conn.wire.sock.shutdown(socket.SHUT_RDWR)
            assert host.settled()

    def publish(self, *lines, **options):
        """Other records under the same name."""
        self.lines = list(lines)
        self.world.dns.zone(self.name, *lines, **options)
        self.world.dns.reload()


def tlsa(cert, usage, selector, matching, issuer=False):
    """The record's text for a certificate (pki.Cert), or the next one in its chain."""
    with open(cert.chain, "rb") as f:
        pems = f.read().split(b"-----BEGIN")[1:]
    it = x509.load_pem_x509_certificate(b"-----BEGIN" + pems[1 if issuer else 0])
    octets = (it.public_bytes(serialization.Encoding.DER) if selector == 0 else
              it.public_key().public_bytes(serialization.Encoding.DER,
                                           serialization.PublicFormat.SubjectPublicKeyInfo))
    if matching:
        digest = hashes.Hash({1: hashes.SHA256, 2: hashes.SHA512}[matching]())
        digest.update(octets)
        octets = digest.finalize()
    return f"{usage} {selector} {matching} {octets.hex()}"


class World:
    def __init__(self, pki, folder):
        self.pki, self.folder = pki, folder
        self.dns = DnsLab(folder / "dns").start()
        self.web = StsServer(pki)
        self.port = free_port()
        self.guard = socket.socket()  # whoever looks for a free port looks at 127.0.0.1
        self.guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.guard.bind(("127.0.0.1", self.port))
        self.guard.listen(1)
        self.upstreams, self.gateways, self.closers = [], [], []
        self._stub = None
        self._ids = itertools.count(1)

    # addresses and certificates

    def next_address(self):
        n = next(_numbers)
        return "127.%d.%d.%d" % (1 + os.getpid() % 50, n // 250, n % 250 + 1)

    def certificate(self, how, name):
        pki = self.pki
        if how == "good":
            return pki.leaf(name)
        if how == "expired":
            return pki.leaf(name, start=-100, days=50)
        if how == "not yet valid":
            return pki.leaf(name, start=10)
        if how == "wrong name":
            return pki.leaf("other.example.org")
        if how == "self-signed":
            return pki.save("self-" + name, make(name, names=(name,)))
        if how == "expired, self-signed, wrong name":
            return pki.save("odd-" + name, make("x.example.org", names=("x.example.org",), start=-100, days=50))
        if how == "unknown CA":
            return pki.save("foreign-" + name, make(name, pki.foreign, names=(name,)))
        if how == "missing intermediate":
            return pki.save("short-" + name, make(name, pki.inter, names=(name,)))
        return pki.leaf(name, names=tuple(how.split()))  # these names instead

    # domains

    def domain(self, *hosts, signed=False, sts=None, records=(), name=None, reload=True, sts_mx=None, max_age=86400,
               **zone):
        """`sts`: mode of its MTA-STS policy; `sts_mx`: its patterns, if not the hosts' names; `zone`: of dnslab.Zone."""
        d = Domain(self, name or f"d{next(self._ids)}.example")
        lines = []
        for i, spec in enumerate(hosts):
            d.specs.append(spec)
            name = d.host_name(i)
            address = self.next_address()
            cert = None if spec.cert == "none" else self.certificate(spec.cert, name)
            d.addresses.append(address)
            d.certs.append(cert)
            d.hosts.append(self.upstream(address, cert, spec.options) if spec.there else None)
            lines.append(f"@ MX {10 * (i + 1) if spec.preference is None else spec.preference} {name}.")
            if not name.endswith("." + d.name):
                continue
            lines += [f"{name}. A {a}" for a in ([address] if spec.a is None else spec.a)]
            lines += [f"{name}. AAAA {a}" for a in spec.aaaa]
            for record in spec.tlsa:
                lines += self.tlsa_records(name + ".", self.record(record, cert))
        if sts:
            lines += self.sts_records()
            self.web.policy(d.name, sts, [d.host_name(i) for i in range(len(hosts))] if sts_mx is None else sts_mx,
                            max_age=max_age)
        d.lines = lines + list(records)
        self.dns.zone(d.name, *d.lines, signed=signed, **zone)
        if reload:
            self.dns.reload()
        return d

    def tlsa_records(self, name, *records):
        """Where Sallyport looks, which is at port 25 whatever `port` is, and where posttls-finger does."""
        return [f"_{port}._tcp.{name} TLSA {record}" for port in (25, self.port) for record in records]

    @staticmethod
    def sts_records(id="20260801"):
        return [f'_mta-sts TXT "v=STSv1; id={id}"', "mta-sts A 127.0.0.1"]

    @staticmethod
    def record(words, cert):
        parts = words.split()
        if len(parts) > 3:
            return words
        usage, selector, matching = map(int, parts)
        return tlsa(cert, usage, selector, matching, issuer=usage == 2)

    def upstream(self, address, cert, options=None):
        up = Upstream(host=address, port=self.port, tls=cert.context() if cert else None, **(options or {}))
        self.upstreams.append(up)
        return up

    # Sallyport

    def config(self, service=None, route=None, partners=None, **top):
        cert = self.pki.leaf(GW)
        state = self.folder / f"state{next(_numbers)}"
        state.mkdir(mode=0o777)
        state.chmod(0o777)
        config = {
            "hostname": GW, "edges": 1, "drain_timeout": "5s", "log": {"format": "json"},
            "certificates": {"gw": {"chain": cert.chain, "key": cert.key}},
            "route": {"resolvers": [self.dns.address], "trust_anchor": self.dns.anchor, "sts_ca": self.pki.ca,
                      "sts_port": self.web.port, "state_dir": str(state), "private_addresses": True, "timeout": "5s"},
            "services": {"out": {
                "mode": "outbound", "listen": [f"127.0.0.1:{free_port()}"], "port": self.port, "ca": self.pki.ca,
                "max_connections_per_address": 1000}}}
        if partners:
            config["partners"] = partners
        config = merged(config, {**top, "route": route or {}})
        config["services"]["out"] = merged(config["services"]["out"], service or {})
        return config

    def gateway(self, service=None, start=True, **settings):
        folder = self.folder / f"gw{next(_numbers)}"
        folder.mkdir()
        gw = Gateway(self.config(service, **settings), folder)
        self.gateways.append(gw)
        return gw.start() if start else gw

    @property
    def stub(self):
        """For posttls-finger and the like."""
        if self._stub is None:
            self._stub = StubResolver(self.dns)
        return self._stub

    def finger(self, domain, level="dane-only", *options):
        """What Postfix makes of a domain's first host: whether TLS met the level, and its words. Without TLSA records
        that count it wants a certificate that the CA and the name vouch for, and says so."""
        done = self.stub.run("posttls-finger", "-t", "10", "-T", "10", "-c", "-l", level, "-F", self.pki.ca,
                             "-o", "inet_protocols=ipv4", *options, f"{domain}:{self.port}")
        words = done.stdout + done.stderr
        return "Verified TLS connection established" in words, words

    # ends

    def sweep(self, gateways=0, upstreams=0):
        """Ends what was started since there were so many."""
        for gw in self.gateways[gateways:]:
            gw.stop()
        del self.gateways[gateways:]
        gone = self.upstreams[upstreams:]
        for up in gone:
            up.stop()
        del self.upstreams[upstreams:]
        self.dns.front.odd.clear()
        assert [v for up in gone for v in up.violations] + self.web.violations == []

    def close(self):
        if self._stub:
            self._stub.stop()
        self.web.stop()
        self.guard.close()
        self.dns.stop()


class Sent(NamedTuple):
    reply: object    # the first that was no 2xx/3xx, else that to the dot
    step: str        # to what: ehlo, mail, rcpt, data, dot
    session: dict    # its closing line
    log: list        # its transactions' lines
    refusals: list   # lines on recipients that the gateway refused

    @property
    def code(self):
        return self.reply.code

    @property
    def text(self):
        return f"{self.reply.code} {self.reply.text}"


def send(gw, *rcpts, sender="a@client.example", params="", secure=False, content=None, service="out", context=None):
    """One message; recipients that are refused end it."""
    with gw.connect(service, timeout=30) as c:
        c.reply()
        step, reply = "ehlo", c.cmd("EHLO client.example")
        if secure:
            c.starttls(context or any_context())
            reply = c.cmd("EHLO client.example")
        todo = [("mail", f"MAIL FROM:<{sender}>{params}")] + [("rcpt", f"RCPT TO:<{r}>") for r in rcpts]
        todo.append(("data", "DATA"))
        for step, line in todo:
            reply = c.cmd(line)
            if reply.code // 100 not in (2, 3):
                break
        else:
            step = "dot"
            c.send((content or message()) + b".\r\n")
            reply = c.reply()
        c.close()
        session = gw.session(c)
        return Sent(reply, step, session, gw.transactions(session), gw.log(event="rcpt-refused", sid=session["sid"]))


def explain(gw, to, sender="a@client.example", *more):
    """What `explain --json` says: its object, and the exit status in "status"."""
    done = sallyport("explain", "-c", gw.file, "--json", "--from", sender, "--to", to, *more)
    try:
        return {**json.loads(done.stdout), "status": done.returncode}
    except ValueError:
        raise AssertionError(f"explain: {done.returncode}\n{done.stdout}{done.stderr}") from None


def need_of(said):
    """The level, of what explain() gave."""
    return said["need"]["level"] if isinstance(said["need"], dict) else said["need"]


def tls12(cert, cipher):
    return cert.context(maximum_version=ssl.TLSVersion.TLSv1_2, ciphers=cipher)


__all__ = ["World", "Domain", "Sent", "mx", "send", "explain", "need_of", "tlsa", "tls12", "stsserver"]
