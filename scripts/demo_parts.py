"""What the demos have in common: programs that they start, throw-away certificates, a table."""
import json
import os
import subprocess
import time

GATEWAY_NAME, UPSTREAM_NAME = "gw.example.net", "mx.example.net"
PATIENCE = 15  # seconds that anything may take here

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


class Wrong(Exception):
    """The demo cannot go on; the text says why and what would help."""


class Child:
    """A program that we started, its output in a file, ended by its id."""

    def __init__(self, folder, name, arguments):
        self.name = name
        self.path = os.path.join(folder, name + ".log")
        self.read_to = 0
        with open(self.path, "wb") as out:
            # A session of its own: Ctrl-C comes to us, and we end it in order.
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, start_new_session=True)

    def alive(self):
        return self.process.poll() is None

    def output(self):
        with open(self.path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def new_lines(self):
        """Whole lines that came since the last call."""
        with open(self.path, "rb") as f:
            f.seek(self.read_to)
            fresh = f.read()
        end = fresh.rfind(b"\n") + 1
        self.read_to += end
        return fresh[:end].decode("utf-8", "replace").splitlines()

    def end(self):
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def wait_for(what, test, *children):
    """The first true answer of `test`, looked for until PATIENCE is over or a child has ended."""
    until = time.monotonic() + PATIENCE
    while True:
        found = test()
        if found:
            return found
        for child in children:
            if not child.alive():
                raise Wrong(f"{child.name} ended with {child.process.returncode}:\n{child.output()}")
        if time.monotonic() > until:
            said = "".join(f"\n--- {c.name} said:\n{c.output()}" for c in children)
            raise Wrong(f"{what}: not within {PATIENCE} seconds{said}")
        time.sleep(0.05)


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Wrong(f"openssl {' '.join(arguments)}: {done.stderr.strip()}")


def make_certificates(folder):
    """ca.pem, and for gw and mx a chain .pem and a .key"""
    def request(name, stem, kind, *signer):
        with open(os.path.join(folder, "openssl.cnf"), "w", encoding="ascii") as f:
            f.write(OPENSSL_CONFIG.format(name=name))
        openssl(folder, "req", "-x509", "-config", "openssl.cnf", "-extensions", kind, "-newkey", "ec",
                "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "7",
                "-keyout", stem + ".key", "-out", stem + ".pem", *signer)

    request("Sallyport demo CA", "ca", "ca")
    for name, stem in ((GATEWAY_NAME, "gw"), (UPSTREAM_NAME, "mx")):
        request(name, stem, "leaf", "-CA", "ca.pem", "-CAkey", "ca.key")
        with open(os.path.join(folder, stem + ".pem"), "ab") as chain, \
                open(os.path.join(folder, "ca.pem"), "rb") as issuer:
            chain.write(issuer.read())


def fields(line):
    try:
        found = json.loads(line)
        return found if isinstance(found, dict) else {}
    except ValueError:
        return {}


def print_table(columns, rows):
    """`columns`: (title, key) each; `rows`: what stands in them by key."""
    lines = [[title for title, _ in columns]] + [[str(row.get(key) or "-") for _, key in columns] for row in rows]
    lines = [[cell if len(cell) <= 44 else cell[:41] + "..." for cell in line] for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    lines.insert(1, ["-" * w for w in widths])
    print()
    for line in lines:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths)).rstrip())


def is_ready(gateway):
    return any(fields(line).get("event") == "ready" for line in gateway.output().splitlines())


def follow(children):
    """Prints what they log from now on, until one of them ends."""
    for child in children:
        child.new_lines()
    while all(child.alive() for child in children):
        for child in children:
            for line in child.new_lines():
                print(f"{child.name}: {line}", flush=True)
        time.sleep(0.2)
    for child in children:
        if not child.alive():
            raise Wrong(f"{child.name} ended with {child.process.returncode}:\n{child.output()}")
