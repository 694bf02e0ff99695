"""`sallyport tlsrpt`: TLS reports (RFC 8460) of what live sessions came to, sent by mail and HTTPS, and read again (NEW-4)."""
import base64
import email
import gzip
import json
import sqlite3
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway import sallyport, wait_until
from outbound import mx, send
from upstream import Upstream

FROM = "tlsrpt@client.example"


class Collector:
    """https://NAME:port/...: what is posted there."""

    def __init__(self, pki, name, status=200):
        self.posts = []
        posts = self.posts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append((self.path, self.headers["Content-Type"], body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = pki.leaf(name).context().wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            self.server.serve_forever(0.05)
        except (OSError, ssl.SSLError):
            pass

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def collector(world):
    made = []

    def make(name, **options):
        made.append(Collector(world.pki, name, **options))
        return made[-1]
    yield make
    for one in made:
        one.stop()


@pytest.fixture
def mta():
    made = Upstream()
    yield made
    made.stop()
    assert made.violations == []


def tlsrpt(gw, verb, *words):
    return sallyport("tlsrpt", verb, "-c", gw.file, *words)


def database(gw):
    return sqlite3.connect(gw.config["route"]["state_dir"] + "/route.db", timeout=10)


def counts(gw):
    with database(gw) as db:
        return db.execute("SELECT coalesce(sum(count), 0) FROM tlsrpt").fetchone()[0]


def a_day_later(gw):
    """What was counted today was counted yesterday."""
    with database(gw) as db:
        db.execute("UPDATE tlsrpt SET day = day - 1")
        db.execute("UPDATE tlsrpt_policy SET day = day - 1")


def documents(done):
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def counted(gw, *domains):
    """A message to each: a session each, as the connections of one are kept for the next."""
    before = counts(gw)
    for d in domains:
        send(gw, d.rcpt())
    assert wait_until(lambda: counts(gw) >= before + len(domains))


def the_policy(document):
    assert len(document["policies"]) == 1, document
    return document["policies"][0]


def mail_of(message):
    """The report in a message, its file's name, and the message."""
    parsed = email.message_from_bytes(message.content if b"Received:" in message.body[:9] else message.body)
    assert parsed.get_content_type() == "multipart/report" and parsed.get_param("report-type") == "tlsrpt"
    words, report = parsed.get_payload()
    assert words.get_content_type() == "text/plain" and report.get_content_type() == "application/tlsrpt+gzip"
    return json.loads(gzip.decompress(base64.b64decode(report.get_payload()))), report.get_filename(), parsed


def asks(*uris):
    return [f'_smtp._tls TXT "v=TLSRPTv1; rua={",".join(uris)}"']


def test_NEW_4_what_sessions_came_to(world):
    """Each kind of policy, with what it said, from live sessions to the document."""
    sts = world.domain(mx(), sts="enforce", records=asks("mailto:r@sts.example"))
    bad = world.domain(mx(cert="expired"), sts="enforce")
    dane = world.domain(mx(tlsa=["3 1 1"]), signed=True)
    plain = world.domain(mx(cert="none"))
    gw = world.gateway(route={"tlsrpt_from": FROM, "tlsrpt_organization": "Client", "tlsrpt_contact": "ops@client.example"})
    counted(gw, sts, bad, dane, plain)
    all_of = {d["report-id"].split("@")[0].split(".", 1)[1]: d for d in documents(tlsrpt(gw, "show", "--json"))}
    assert set(all_of) == {d.name for d in (sts, bad, dane, plain)}

    one = all_of[sts.name]
    assert one["organization-name"] == "Client" and one["contact-info"] == "ops@client.example"
    assert one["date-range"]["start-datetime"][10:] == "T00:00:00Z" and one["date-range"]["end-datetime"][10:] == "T23:59:59Z"
    assert the_policy(one) == {
        "policy": {"policy-type": "sts", "policy-domain": sts.name, "mx-host": [sts.host_name()],
                   "policy-string": ["version: STSv1", "mode: enforce", f"mx: {sts.host_name()}", "max_age: 86400"]},
        "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0}}

    failed = the_policy(all_of[bad.name])
    assert failed["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 1}
    details = failed["failure-details"][0]
    assert (details["result-type"], details["failed-session-count"]) == ("certificate-expired", 1), details
    assert details["receiving-mx-hostname"] == bad.host_name() and details["receiving-ip"] == bad.addresses[0]
    assert details["sending-mta-ip"].startswith("127.") and details["failure-reason-code"]

    tlsa = the_policy(all_of[dane.name])
    record = world.record("3 1 1", dane.certs[0])
    assert tlsa["policy"] == {"policy-type": "tlsa", "policy-domain": dane.host_name(), "policy-string": [record]}
    assert tlsa["summary"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}

    none = the_policy(all_of[plain.name])
    assert none["policy"] == {"policy-type": "no-policy-found", "policy-domain": plain.name}
    assert none["failure-details"][0]["result-type"] == "starttls-not-supported"

    table = tlsrpt(gw, "show", "--domain", bad.name.upper()).stdout
    assert "certificate-expired" in table and sts.name not in table
    assert [d["report-id"] for d in documents(tlsrpt(gw, "show", "--json", "--domain", sts.name))] == [one["report-id"]]


def test_NEW_4_a_policy_that_can_not_be_had(world):
    d = world.domain(mx(), sts="enforce")
    world.web.play(d.name, None)
    gw = world.gateway()
    send(gw, d.rcpt())
    assert wait_until(lambda: counts(gw) == 2)
    by_type = {p["policy"]["policy-type"]: p for p in documents(tlsrpt(gw, "show", "--json"))[0]["policies"]}
    assert by_type["no-policy-found"]["summary"]["total-successful-session-count"] == 1
    assert by_type["sts"]["failure-details"][0]["result-type"] == "sts-policy-fetch-error"


@pytest.mark.parametrize("cert, records, words", [
    ("wrong name", "2 0 1", "certificate-host-mismatch"), ("expired", "2 0 1", "certificate-expired"),
    ("good", "3 1 1 " + "ab" * 32, "tlsa-invalid")])
def test_NEW_4_what_DANE_found_wrong(world, cert, records, words):
    """RFC 8460 sections 4.3.1 and 4.3.2.1: the records are only called invalid where none of them is met."""
    d = world.domain(mx(cert=cert, tlsa=[records]), signed=True)
    gw = world.gateway()
    send(gw, d.rcpt())
    assert wait_until(lambda: counts(gw) == 1)
    [policy] = documents(tlsrpt(gw, "show", "--json"))[0]["policies"]
    assert policy["policy"]["policy-type"] == "tlsa"
    assert policy["failure-details"][0]["result-type"] == words


def test_NEW_4_a_policy_that_nobody_vouches_for(world):
    """RFC 8460 section 4.3.2.2: who owns the web server has to know that it is its certificate."""
    d = world.domain(mx(), sts="enforce")
    world.web.certificate(d.name, world.certificate("expired", "mta-sts." + d.name))
    gw = world.gateway()
    send(gw, d.rcpt())
    assert wait_until(lambda: counts(gw) == 2)
    by_type = {p["policy"]["policy-type"]: p for p in documents(tlsrpt(gw, "show", "--json"))[0]["policies"]}
    assert by_type["sts"]["failure-details"][0]["result-type"] == "sts-webpki-invalid"


def test_NEW_4_sent_by_mail_and_https_once(world, mta, collector):
    name = "both.example"
    web = collector("reports." + name)
    d = world.domain(mx(), name=name, records=[
        *asks("mailto:tls%2Breports@both.example?subject=x", f"https://reports.{name}:{web.port}/v1"), "reports A 127.0.0.1"])
    quiet = world.domain(mx())
    gw = world.gateway(route={"tlsrpt_from": FROM, "tlsrpt_submit": mta.addr})
    counted(gw, d, quiet)
    done = tlsrpt(gw, "send")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr  # yesterday there was nothing
    a_day_later(gw)
    done = tlsrpt(gw, "send", "--dry-run")
    assert done.returncode == 0 and done.stdout.count("would be sent") == 2 and mta.messages == [] and web.posts == []

    done = tlsrpt(gw, "send")
    assert done.returncode == 0 and done.stdout.count(": sent\n") == 2, done.stdout + done.stderr
    assert f"{quiet.name}: no report wanted\n" in done.stdout
    assert len(mta.messages) == len(web.posts) == 1
    message = mta.messages[0]
    assert message.sender == FROM and message.rcpts == ["tls+reports@both.example"]
    document, filename, parsed = mail_of(message)
    assert the_policy(document)["summary"]["total-successful-session-count"] == 1
    assert filename.startswith(f"client.example!{name}!") and filename.endswith(".json.gz")
    begin, end = filename[:-len(".json.gz")].split("!")[2:]
    assert int(begin) % 86400 == 0 and int(end) - int(begin) == 86399
    assert parsed["TLS-Report-Domain"] == name and parsed["TLS-Report-Submitter"] == "client.example"
    assert " ".join(parsed["Subject"].split()) == \
        f"Report Domain: {name} Submitter: client.example Report-ID: <{document['report-id']}>"
    path, kind, body = web.posts[0]
    assert (path, kind) == ("/v1", "application/tlsrpt+gzip")
    assert json.loads(gzip.decompress(body)) == document

    done = tlsrpt(gw, "send")
    assert done.returncode == 0 and done.stdout.count("was sent before") == 2 and len(mta.messages) == 1
    done = tlsrpt(gw, "send", "--again", "--domain", name)
    assert done.returncode == 0 and len(mta.messages) == 2 and len(web.posts) == 2, done.stderr
    again, _, twice = mail_of(mta.messages[1])
    assert again == document and twice["Message-ID"] != parsed["Message-ID"]


def test_NEW_4_what_fails_is_told_and_tried_again(world, mta, collector):
    mta.steps["dot"] = ["451 4.3.0 later"]
    refusing = collector("reports.refuses.example", status=500)
    a = world.domain(mx(), records=asks("mailto:r@a.example"))
    b = world.domain(mx(), name="refuses.example", records=[
        *asks(f"https://reports.refuses.example:{refusing.port}/"), "reports A 127.0.0.1"])
    odd = world.domain(mx(), records=asks("mailto:r%0d%0aRCPT@a.example"))
    gw = world.gateway(route={"tlsrpt_from": FROM, "tlsrpt_submit": mta.addr})
    counted(gw, a, b, odd)
    a_day_later(gw)
    done = tlsrpt(gw, "send")
    assert done.returncode == 75
    assert f"{a.name}: mailto:r@a.example: failed" in done.stderr and "451" in done.stderr
    assert f"{b.name}: https://" in done.stderr and "HTTP status 500" in done.stderr
    assert f"{odd.name}: mailto:" in done.stderr and len(mta.messages) == 0
    done = tlsrpt(gw, "send", "--domain", a.name)
    assert done.returncode == 0 and len(mta.messages) == 1, done.stderr


def test_NEW_4_no_report_about_reports(world):
    """tlsrpt-reporter#50: two sites that report to each other about their reports."""
    told, plain = world.domain(mx()), world.domain(mx())
    gw = world.gateway(route={"tlsrpt_from": FROM})
    assert send(gw, told.rcpt(), sender="TLSRPT@client.example").code == 250
    assert len(told.messages) == 1
    counted(gw, plain)  # results come in order: that of the report would have come before
    assert counts(gw) == 1 and told.name not in tlsrpt(gw, "show").stdout


def test_NEW_4_reports_of_others(world, tmp_path):
    d = world.domain(mx())
    gw = world.gateway()
    counted(gw, d)
    line = tlsrpt(gw, "show", "--json").stdout
    (tmp_path / "plain.json").write_text(line)
    (tmp_path / "packed.json.gz").write_bytes(gzip.compress(line.encode()))
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(20_000_000)))
    done = sallyport("tlsrpt", "read", tmp_path / "plain.json", tmp_path / "packed.json.gz")
    assert done.returncode == 0 and done.stdout.count(f"policy no-policy-found of {d.name}: good 1, failed 0\n") == 2
    done = sallyport("tlsrpt", "read", tmp_path / "bomb.gz")
    assert done.returncode == 65 and "more in it than a report may have" in done.stderr
    assert sallyport("tlsrpt", "read", tmp_path / "none").returncode == 66
    assert sallyport("tlsrpt", "read").returncode == 64


def test_NEW_4_wrong_use(world):
    gw = world.gateway(start=False)
    for words in (["show", "--again"], ["send", "--json"], ["send", "--day", "yesterday"], ["send", "--day", "2999-01-01"],
                  ["show", "--domain", "a b"], ["shout"], ["send", "x"]):
        assert tlsrpt(gw, *words).returncode == 64, words
    done = tlsrpt(gw, "show", "--day", "2026-02-28")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1, done.stderr
    assert tlsrpt(gw, "send").returncode == 0
    assert sallyport("tlsrpt", "show", "-c", "/nonexistent").returncode == 66
