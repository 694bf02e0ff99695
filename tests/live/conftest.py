"""Fixtures of the live tests. Whatever a test started ends with it, by process id."""
import shutil
import tempfile
from pathlib import Path

import pytest

from gateway import Gateway, base_config, merged
from intercept import Lab
from outbound import World
from pki import PKI
from upstream import Upstream


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return PKI(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def state_dir():
    """For `route`, which is nobody, and so can't reach what is below tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="sallyport-state-"))
    folder.chmod(0o755)
    shutil.chown(folder, "nobody")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def upstream():
    """Makes upstreams. At the end none of them may have seen what no peer should send."""
    made = []

    def make(**options):
        made.append(Upstream(**options))
        return made[-1]
    yield make
    for one in made:
        one.stop()
    assert [v for one in made for v in one.violations] == []


@pytest.fixture
def gateway(pki, tmp_path):
    """Starts Sallyport in front of an upstream: gateway(up, tls="verify", mx={...}, log={...}).
    Settings by their place: `tls`, `ca` ... of the upstream; mx={} of the service; the rest of the top."""
    made = []
    top = ("hostname", "user", "edges", "drain_timeout", "ticket_rotation", "log",
           "certificates", "tls_profiles", "upstreams", "services")

    def make(up, mx=None, start=True, host="127.0.0.1", files=None, **settings):
        of_top = {k: settings.pop(k) for k in top if k in settings}
        config = base_config(pki, up, host, **settings)
        config = merged(config, of_top)
        config["services"]["mx"] = merged(config["services"]["mx"], mx or {})
        folder = tmp_path / f"gw{len(made)}"
        folder.mkdir()
        made.append(Gateway(config, folder, files))
        return made[-1].start() if start else made[-1]
    yield make
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def plain(pki, tmp_path_factory):
    """One gateway before one upstream that does nothing wrong, for all tests of a module that
    leave both as they were: (gateway, upstream)."""
    up = Upstream(patience=60)
    gw = Gateway(base_config(pki, up), tmp_path_factory.mktemp("plain")).start()
    yield gw, up
    gw.stop()
    up.stop()
    assert up.violations == []


@pytest.fixture(scope="session")
def network(pki, tmp_path_factory):
    """Client, router and server in namespaces of their own (intercept.py)."""
    made = Lab(pki, tmp_path_factory.mktemp("net"))
    yield made
    made.sweep()
    made.net.close()


@pytest.fixture(scope="module")
def site(network):
    """The network, and what all tests of a module share in it."""
    keep = len(network.made)
    yield network
    network.sweep(keep)


@pytest.fixture
def lab(network):
    """The network, and what one test alone has in it."""
    keep = len(network.made)
    yield network
    network.sweep(keep)


@pytest.fixture(scope="module")
def outside(pki):
    """Name servers, web server and MX hosts (outbound.py), and what all tests of a module share there."""
    # The program looks things up as a user of its own, and pytest's own folders are root's alone.
    folder = Path(tempfile.mkdtemp(prefix="sallyport-outbound-"))
    folder.chmod(0o755)
    made = World(pki, folder)
    yield made
    made.sweep()
    made.close()
    shutil.rmtree(folder)


@pytest.fixture
def world(outside):
    """The same, and what one test alone has in it."""
    gateways, upstreams = len(outside.gateways), len(outside.upstreams)
    yield outside
    outside.sweep(gateways, upstreams)
