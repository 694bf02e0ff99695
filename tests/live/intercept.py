"""Sallyport in the path: a router between a client and its servers (netns.py)."""
import contextlib
import itertools

from gateway import BINARY, Gateway, merged, sallyport
from netns import Network, Rules, see_instead
from peer import Client
from pki import GW
from upstream import Upstream

_folders = itertools.count()


class Authority:
    """As `sallyport authority init` makes it."""

    def __init__(self, folder):
        done = sallyport("authority", "init", folder)
        assert done.returncode == 0, done.stderr
        self.ca, self.untrusted_ca = str(folder / "authority.pem"), str(folder / "untrusted.pem")
        self.settings = {"certificate": self.ca, "key": str(folder / "authority.key"),
                         "untrusted_certificate": self.untrusted_ca,
                         "untrusted_key": str(folder / "untrusted.key")}


def config_of(pki, authority, **settings):
    """`actions`, `partners`, `certificates` ... are the file's; the rest is the service's."""
    cert = pki.leaf(GW)
    top = {k: settings.pop(k) for k in ("actions", "partners", "authorities", "certificates", "tls_profiles", "edges",
                                        "upstreams", "mark", "route") if k in settings}
    return merged({
        "hostname": GW, "edges": 1, "drain_timeout": "5s", "log": {"format": "json"},
        "certificates": {"gw": {"chain": cert.chain, "key": cert.key}},
        "authorities": {"corp": authority.settings},
        "actions": {
            "watch": {"tls": "passthrough"},
            "plain": {"tls": "strip"},
            "open": {"tls": "terminate", "authority": "corp", "ca": pki.ca, "crl": pki.crl}},
        "services": {"net": {
            "mode": "transparent", "listen": ["*:2525"], "listen_tls": ["*:2465"], "action": "watch",
            "max_connections_per_address": 1000, **settings}}}, top)


# For actions whose tunnels carry what is no TLS.
LOOSE = {"actions": {"watch": {"tls_profile": "loose", "upstream_tls_profile": "loose"}},
         "tls_profiles": {"loose": {"compliance": "no"}}}


def pruned(config):
    """Without what is None."""
    return {k: pruned(v) if isinstance(v, dict) else v for k, v in config.items() if v is not None}


class Lab:
    """The network, and all that a test started in it."""

    def __init__(self, pki, tmp):
        self.pki, self.tmp = pki, tmp
        self.net = Network()
        self.authority = Authority(tmp / "authority")
        self.made = []
        self.ports = itertools.count()

    def gateway(self, *options, local=False, hosts=None, **settings):
        """Starts it, brought to by the rules that it prints itself: gateway(action="plain"). `hosts`: names that
        it alone knows, and their addresses."""
        folder = self.tmp / f"net{next(_folders)}"
        folder.mkdir()
        gw = Gateway(pruned(config_of(self.pki, self.authority, **settings)), folder)
        if hosts is not None:
            path = folder / "hosts"
            path.write_text("".join(f"{addr} {name}\n" for name, addrs in hosts.items() for addr in addrs))
            gw.limits = lambda: see_instead(path, "/etc/hosts")
        with self.net.router:
            gw.start()
        self.made.append(gw)
        options = (*options, "--local") if local else (*options, "--interface", "r0")
        self.made.append(Rules(self.net.router, BINARY, gw.file, *options))
        return gw

    def upstream(self, v6=False, host=None, port=25, outside=False, **options):
        """On an address of its own; or outside of the network."""
        with contextlib.nullcontext() if outside else self.net.server:
            up = Upstream(host=host or self.net.fresh(v6), port=port, **options)
        self.made.append(up)
        return up

    def connect(self, to, **options):
        """A client of the network; see call()."""
        return self.call(self.net.client, to, **options)

    def call(self, space, to, port=None, source=None, **options):
        """From a namespace; `to`: what has host and port, or an address. Each call is from a port of its own: the
        kernel takes the same one again for another destination, and logs are searched by it."""
        addr = (to.host, port or to.port) if hasattr(to, "host") else (to, port or 25)
        source = source or ("::" if ":" in addr[0] else "0.0.0.0")
        with space:
            return Client(addr, source=(source, 10000 + next(self.ports) % 20000), **options)

    def sweep(self, keep=0):
        """Ends what was started since, the newest first; what one of them left undone is the test's failure."""
        wrong = []
        while len(self.made) > keep:
            one = self.made.pop()
            try:
                (one.remove if isinstance(one, Rules) else one.stop)()
                wrong += getattr(one, "violations", [])
            except Exception as e:  # the others still have to end
                wrong.append(repr(e))
        assert wrong == []
