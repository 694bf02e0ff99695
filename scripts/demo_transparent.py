"""The three methods of `mode: transparent` side by side, on a network that is made for it and goes with it: a client, a
router with Sallyport and a server, each in a network namespace. What the client and what the server saw is
printed as a table."""
import os
import smtplib
import ssl
import subprocess
import sys

from demo_parts import (GATEWAY_NAME, PATIENCE, UPSTREAM_NAME, Child, Wrong, fields, follow, is_ready, make_certificates,
                        print_table, wait_for)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "live"))
from netns import CLIENT, CLIENT_2, CLIENT_3, Network, Rules  # noqa: E402

SERVER = "10.9.0.1"
RECIPIENT = "postmaster@mx.example.net"
# Who calls decides which method it is; and whom that client trusts.
CLIENTS = {"passthrough": (CLIENT, "ca.pem"), "strip": (CLIENT_2, None), "terminate": (CLIENT_3, "authority/authority.pem")}
WAYS = [("passthrough", 25), ("strip", 25), ("terminate", 25), ("passthrough", 465), ("terminate", 465)]
COLUMNS = (("method", "method"), ("port", "port"), ("client", "client"), ("its TLS", "tls"), ("certificate seen", "cert"),
           ("issued by", "issuer"), ("server saw", "peer"), ("its TLS", "up_tls"), ("reply", "reply"))

CONFIG = """\
hostname: {gateway}
authorities:
  corp:
    certificate: {folder}/authority/authority.pem
    key: {folder}/authority/authority.key
    untrusted_certificate: {folder}/authority/untrusted.pem
    untrusted_key: {folder}/authority/untrusted.key
actions:
  watch: {{ tls: passthrough }}
  plain: {{ tls: strip }}
  open:  {{ tls: terminate, authority: corp, ca: {folder}/ca.pem }}
services:
  starttls:
    mode: transparent
    source: client
    listen: "*:2525"
    rules:
      - {{ name: opened, client: {opened}, action: open }}
      - {{ name: stripped, client: {stripped}, action: plain }}
    action: watch
  tls:
    mode: transparent
    source: client
    listen_tls: "*:2465"
    rules:
      - {{ name: opened, client: {opened}, action: open }}
    action: watch
log: {{ format: json }}
"""


class Named:
    """Connects to an address from an address, and verifies a name."""

    def _get_socket(self, host, port, timeout):
        return super()._get_socket(SERVER, port, timeout)


class StarttlsClient(Named, smtplib.SMTP):
    pass


class TlsClient(Named, smtplib.SMTP_SSL):
    pass


def start(program, folder, net):
    """The server and the gateway; and the rules that bring connections to it."""
    with net.server:
        sink = Child(folder, "sink", [
            program, "sink", "--listen", f"{SERVER}:25", "--listen-tls", f"{SERVER}:465", "--cert", f"{folder}/mx.pem",
            "--key", f"{folder}/mx.key", "--maildir", f"{folder}/mail", "--hostname", UPSTREAM_NAME])
    yield sink
    wait_for("the server", lambda: sink.output().count("listening") == 2, sink)
    config = os.path.join(folder, "sallyport.yaml")
    with open(config, "w", encoding="ascii") as f:
        f.write(CONFIG.format(gateway=GATEWAY_NAME, folder=folder, opened=CLIENTS["terminate"][0],
                              stripped=CLIENTS["strip"][0]))
    with net.router:
        gateway = Child(folder, "sallyport", [program, "run", "-c", config])
    yield gateway
    wait_for("Sallyport", lambda: is_ready(gateway), gateway, sink)
    for service in ("starttls", "tls"):
        Rules(net.router, program, config, "--service", service, "--table", f"sallyport_{service}", "--interface", "r0")


def connect(net, folder, method, port):
    """A client under TLS, where it can have that."""
    address, trusted = CLIENTS[method]
    trust = ssl.create_default_context(cafile=os.path.join(folder, trusted)) if trusted else None
    options = {"local_hostname": "client.example.org", "timeout": PATIENCE, "source_address": (address, 0)}
    with net.client:
        client = (TlsClient(UPSTREAM_NAME, port, context=trust, **options) if port == 465 else
                  StarttlsClient(UPSTREAM_NAME, port, **options))
    client.ehlo()
    if client.has_extn("starttls"):
        client.starttls(context=trust or ssl.create_default_context())
        client.ehlo()
    return client


def name_of(names):
    return dict(pair[0] for pair in names)["commonName"]


def send(net, folder, method, port, sender):
    """Sends one message; what the client saw of it."""
    client = connect(net, folder, method, port)
    with client:
        for code, text in (client.mail(sender), client.rcpt(RECIPIENT)):
            if code // 100 != 2:
                raise Wrong(f"{method}: {code} {text.decode(errors='replace')}")
        code, text = client.data(f"From: {sender}\r\nSubject: {method}\r\n\r\nHello.\r\n".encode())
        row = {"method": method, "port": port, "client": CLIENTS[method][0], "tls": "none offered", "cert": "-",
               "issuer": "-", "reply": f"{code} {text.decode(errors='replace')}"}
        if isinstance(client.sock, ssl.SSLSocket):
            cert = client.sock.getpeercert()
            row |= {"tls": client.sock.version(), "cert": name_of(cert["subject"]), "issuer": name_of(cert["issuer"])}
    return row


def what_the_server_saw(sink, sender):
    def look():
        for line in sink.output().splitlines():
            words = dict(word.partition("=")[::2] for word in line.split())
            if "message" in words and words.get("from") == sender:
                return words
        return None
    seen = wait_for("the server's word on the message", look, sink)
    return {"peer": seen["peer"].rpartition(":")[0], "up_tls": seen["tls"]}


def logged(gateway, method, port):
    """Sallyport's own line on the session, or None."""
    for line in map(fields, gateway.output().splitlines()):
        if line.get("event") == "session-end" and (line["method"], line["target"]) == (method, f"{SERVER}:{port}"):
            return line
    return None


def faults_of(row):
    """What is not as it should be with this way."""
    method = row["method"]
    issuer = {"passthrough": "Sallyport demo CA", "strip": "-"}.get(method)
    checks = {
        "the reply": row["reply"].startswith("250"),
        "the client's TLS": row["tls"] == ("none offered" if method == "strip" else "TLSv1.3"),
        "the certificate": row["cert"] == ("-" if method == "strip" else UPSTREAM_NAME),
        "its issuer": row["issuer"] == issuer or (issuer is None and row["issuer"] not in ("-", "Sallyport demo CA")),
        "the address that the server saw": row["peer"] == row["client"],
        "the server's TLS": row["up_tls"] == ("no" if method == "strip" else "TLSv1.3"),
    }
    return [f"{method} on {row['port']}: {what}" for what, good in checks.items() if not good]


def stay(net, folder, children):
    enter = f"nsenter --net={net.client.path}"
    print(f"""
All of it stays up until Ctrl-C. What to try next, as root in another terminal; who calls decides on the method
({CLIENT}: passthrough, {CLIENT_2}: strip, {CLIENT_3}: terminate); swaks is a package of its own:

  {enter} swaks --server {SERVER} --tls --local-interface {CLIENT_3} --from you@example.org --to {RECIPIENT}
  {enter} openssl s_client -connect {SERVER}:25 -starttls smtp -bind {CLIENT_3}:0 -CAfile {folder}/authority/authority.pem
  nsenter --net={net.router.path} nft list ruleset

The configuration is {folder}/sallyport.yaml. What is logged from now on:
""", flush=True)
    follow(children)


def make_authority(program, folder):
    done = subprocess.run([program, "authority", "init", os.path.join(folder, "authority")], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Wrong(f"authority init: {done.stderr.strip()}")


def show(program, folder, children, once, net):
    for child in start(program, folder, net):
        children.append(child)
    sink, gateway = children
    rows, faults = [], []
    for method, port in WAYS:
        sender = f"{method}-{port}@client.example.org"
        row = send(net, folder, method, port, sender) | what_the_server_saw(sink, sender)
        wait_for("Sallyport's log", lambda: logged(gateway, method, port), gateway)
        rows.append(row)
    for row in rows:
        faults += faults_of(row)
    print_table(COLUMNS, rows)
    print(f"""
client 10.1.0.0/24 --- router with Sallyport --- server {SERVER}: each client called the server, and the server saw the client.
passthrough: the server's own certificate; what was said is theirs alone.
strip: STARTTLS was taken out of the server's offer; all of it went in clear.
terminate: a certificate of the server's name, made by our own authority, which this client trusts; TLS on both sides.
""")
    for fault in faults:
        print(f"not as it should be: {fault}")
    sys.stdout.flush()
    if not once:
        stay(net, folder, children)
    return 1 if faults else 0


def demo(program, folder, children, once):
    if os.geteuid() != 0:
        raise Wrong("to make a network it must run as root: sudo make demo MODE=transparent")
    make_certificates(folder)
    make_authority(program, folder)
    try:
        net = Network()
    except (OSError, subprocess.CalledProcessError) as e:
        raise Wrong(f"a network of its own can't be made here: {e}") from e
    try:
        return show(program, folder, children, once, net)
    finally:
        for child in reversed(children):
            child.end()
        net.close()
