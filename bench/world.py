"""What the proxies stand in: certificates, the sink behind them, the generator before them."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from machine import HOST, LOAD_CPU, Wrong, free_port, pin, raise_limits
from peers import ELSEWHERE, GATEWAY, SINK

OPENSSL_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:{name}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def on_load_cpu():
    raise_limits()
    pin(LOAD_CPU)


class Sink:
    def __init__(self, program, folder):
        self.plain, self.tls, self.http = free_port(), free_port(), free_port()
        self.process = subprocess.Popen(
            [program, "--plain", f"0.0.0.0:{self.plain}", "--tls", f"{HOST}:{self.tls}",
             "--cert", folder / "sink.pem", "--key", folder / "sink.key",
             "--auth-http", f"{HOST}:{self.http}", "--auth-to", f"{HOST}:{self.plain}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, preexec_fn=on_load_cpu)
        self.line()

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise Wrong(f"the sink ended with {self.process.wait()}")
        return json.loads(text)

    def report(self):
        """What came since the last report."""
        self.process.send_signal(signal.SIGUSR1)
        return self.line()

    def send_away(self):
        """Closes what is open and idle."""
        self.process.send_signal(signal.SIGUSR2)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Load:
    """A run of the generator; `ids` never come twice, so that the sink sees what does."""

    next_id = 0

    def __init__(self, world, front, arguments, cpu=None):
        def begin():
            on_load_cpu()
            if cpu is not None:
                pin(cpu)
        self.process = subprocess.Popen(
            [world.load, "--to", front.to, "--tls", front.tls, "--first-id", str(Load.next_id),
             *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=begin)

    def line(self):
        text = self.process.stdout.readline()
        if not text:
            raise Wrong(f"the generator ended with {self.process.wait()}")
        return json.loads(text)

    def mail(self):
        """Each session that is held sends a message; how many are held then."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.line()

    def kill(self):
        """Its numbers may have been used, whatever it would have said."""
        self.process.kill()
        self.process.wait()
        Load.next_id += 100000

    def finish(self):
        self.process.stdin.close()
        found = self.line()
        self.process.wait()
        Load.next_id = max(Load.next_id, found["next_id"])
        return found


# What is for the sink at another address goes to a transparent proxy; what that sends on bears its mark.
REDIRECT = """table ip bench {{
	chain out {{
		type nat hook output priority -100;
		meta mark 0x5a11 accept
		ip daddr {address} tcp dport {port} dnat to {host}:{to}
	}}
}}
"""


class World:
    def __init__(self, build, apart):
        self.apart = apart  # the network is ours alone
        self.program = build / "sallyport"
        self.load, self.sink_program = build / "bench/load", build / "bench/sink"
        for program in (self.program, self.load, self.sink_program):
            if not program.is_file():
                raise Wrong(f"{program} is not built; `make bench` builds it")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-bench-"))
        self.folder.chmod(0o755)  # the proxies give up their rights and must still get here
        self.numbers = 0
        self.make_certificates()
        self.sink = Sink(self.sink_program, self.folder)

    def fresh_folder(self, name):
        self.numbers += 1
        folder = self.folder / f"{self.numbers}-{name}"
        folder.mkdir()
        return folder

    def nft(self, text):
        done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, timeout=20, check=False)
        if done.returncode:
            raise Wrong(f"nft: {done.stderr.strip()}")

    @contextlib.contextmanager
    def redirected(self, port):
        """Only as long as it is needed: the kernel's table of connections costs all who send."""
        self.nft(REDIRECT.format(address=ELSEWHERE, port=self.sink.plain, host=HOST, to=port))
        try:
            yield
        finally:
            self.nft("delete table ip bench\n")

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        if done.returncode:
            raise Wrong(f"openssl {' '.join(arguments)}: {done.stderr.strip()}")

    def make_certificates(self):
        def make(name, stem, kind, *signer):
            (self.folder / "openssl.cnf").write_text(OPENSSL_CONFIG.format(name=name))
            self.openssl("req", "-x509", "-config", "openssl.cnf", "-extensions", kind, "-newkey", "ec",
                         "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "7",
                         "-keyout", stem + ".key", "-out", stem + ".pem", *signer)
        make("Sallyport bench CA", "ca", "ca")
        for name, stem in ((GATEWAY, "gw"), (SINK, "sink")):
            make(name, stem, "leaf", "-CA", "ca.pem", "-CAkey", "ca.key")

    def close(self):
        self.sink.stop()
        if os.environ.get("KEEP") != "yes":
            shutil.rmtree(self.folder, ignore_errors=True)
