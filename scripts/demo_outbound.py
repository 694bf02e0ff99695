"""What `make demo MODE=outbound` shows: mail for five domains, each with another say on what TLS it must have.

A signed root of our own with five zones below it, their MX hosts on addresses of this machine, and a web server with
an MTA-STS policy, all made by what the live tests are made of (tests/live/outbound.py); nothing outside is asked. One
message goes to each domain through `mode: outbound`. The table says what was demanded, of which host, because of what, what TLS was
had there and what the client was told; it ends with 1 where any of that was not as it should be. The broken domain is as
it should be where its mail was put off, and nothing came to its host.
"""
import os
import sys
import time
from pathlib import Path

from demo_parts import Wrong, print_table

COLUMNS = (("domain", "domain"), ("because of", "source"), ("need", "need"), ("host", "host"), ("TLS", "tls"),
           ("verified", "verified"), ("reply", "reply"))

# domain: what it is, need, has its mail arrived, verified
WANTED = {
    "dane.example": ("its zone is signed and has a TLSA record", "dane", True, "ok"),
    "sts.example": ("it publishes an MTA-STS policy, mode enforce", "verify", True, "ok"),
    "partner.example": ("our own rule demands verify", "verify", True, "ok"),
    "plain.example": ("it says nothing, and its certificate is its own", "may", True, "bad"),
    "broken.example": ("its TLSA record is of another certificate", "dane", False, None),
}


def make_domains(live, world):
    mx = live.mx
    return {
        "dane.example": world.domain(mx(tlsa=["3 1 1"]), name="dane.example", signed=True),
        "sts.example": world.domain(mx(), name="sts.example", sts="enforce"),
        "partner.example": world.domain(mx(cert="mx1.partner.example partner.example"), name="partner.example"),
        "plain.example": world.domain(mx(cert="self-signed"), name="plain.example"),
        "broken.example": world.domain(mx(tlsa=["3 1 1 " + "00" * 32]), name="broken.example", signed=True),
    }


def row_of(live, gateway, domain):
    said = live.explain(gateway, domain.rcpt("postmaster"))
    got = live.send(gateway, domain.rcpt("postmaster"))
    line = (got.refusals or got.log)[-1]
    return {
        "domain": domain.name, "source": line["policy"], "need": line["need"],
        "host": domain.host_name() if domain.hosts[0].connections else None, "tls": line.get("up_tls"),
        "verified": line.get("up_verified"), "reply": got.text.replace("\n", " "), "because": said["because"],
        "code": got.code, "arrived": len(domain.messages),
    }


def faults_of(row):
    _, need, arrives, verified = WANTED[row["domain"]]
    checks = {
        f"the need is {row['need']}, not {need}": row["need"] == need,
        f"the reply is {row['reply']}": row["code"] // 100 == (2 if arrives else 4),
        f"{row['arrived']} messages arrived": row["arrived"] == int(arrives),
        f"verified is {row['verified']}": verified is None or row["verified"] == verified,
        f"TLS is {row['tls']}": not arrives or str(row["tls"]).startswith("TLSv1."),
        "no reason is told": bool(row["because"]),
    }
    return [f"{row['domain']}: {fault}" for fault, good in checks.items() if not good]


def show(live, world):
    domains = make_domains(live, world)
    gateway = world.gateway(partners={"partner.example": {"outbound": "verify"}})
    rows = [row_of(live, gateway, domain) for domain in domains.values()]
    print_table(COLUMNS, rows)
    print("\nWhy (`sallyport explain` says the same):")
    for row in rows:
        print(f"\n  {row['domain']}: {WANTED[row['domain']][0]}")
        for reason in row["because"]:
            print(f"    - {reason}")
        print(f"    {row['reply']}")
    print()
    faults = [fault for row in rows for fault in faults_of(row)]
    for fault in faults:
        print(f"not as it should be: {fault}")
    if not faults:
        print("Each domain got the TLS that it must have. The broken one got nothing: its mail waits with the sender.")
    return gateway, faults


def stay(program, gateway):
    host, port = gateway.address("listen", "out")
    print(f"""
All of it stays up until Ctrl-C. What to try next, in another terminal (swaks is a package of its own):

  {program} explain -c {gateway.file} --from you@client.example --to postmaster@sts.example
  swaks --server {host}:{port} --from you@client.example --to postmaster@dane.example

The configuration is {gateway.file}. What is logged from now on:
""", flush=True)
    seen = len(gateway.lines)
    while gateway.process.poll() is None:
        for line in gateway.lines[seen:]:
            print(" ".join(f"{k}={v}" for k, v in line.items()), flush=True)
            seen += 1
        time.sleep(0.2)
    raise Wrong("Sallyport ended:\n" + gateway.transcript())


def load(program):
    """The laboratory of the live tests."""
    os.environ["SALLYPORT"] = program
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/live"))
    try:
        import dnslab
        import outbound
        import pki
    except ImportError as e:
        raise Wrong(f"{e}; `scripts/install-deps demo` installs what is needed") from e
    if dnslab.missing_programs():
        raise Wrong(f"{', '.join(dnslab.missing_programs())} missing; `scripts/install-deps demo` installs what is needed")
    return outbound, pki


def demo(program, folder, _children, once):
    live, pki = load(program)
    os.chmod(folder, 0o755)  # not all of its processes run as root
    keys = Path(folder, "pki")
    keys.mkdir()
    world = live.World(pki.PKI(keys), Path(folder))
    try:
        gateway, faults = show(live, world)
        sys.stdout.flush()
        if not once:
            stay(program, gateway)
        world.sweep()
        return 1 if faults else 0
    except AssertionError as e:
        raise Wrong(str(e)) from e
    finally:
        for gateway in world.gateways:
            gateway.stop()
        world.close()
