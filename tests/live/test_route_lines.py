"""What `route` and an edge say to each other, with nobody between."""
import http.server
import os
import signal
import sqlite3
import struct
import threading
import time

import pytest

from gateway import alive, wait_until
from ports import free_port
from route_alone import ASK, EVIDENCE, OCSP_ANSWER, OCSP_ASK, Route, text


@pytest.fixture
def route(tmp_path):
    """route(**settings of `route`); each must end well."""
    made = []

    def make(**settings):
        folder = tmp_path / f"route{len(made)}"
        folder.mkdir()
        made.append(Route(folder, **{"resolvers": [f"127.0.0.1:{free_port()}"], **settings}))
        return made[-1]
    yield make
    assert [one.stop() for one in made] == [0] * len(made), [one.said() for one in made]


class Responder:
    """An OCSP responder as far as HTTP goes; `acts` by path."""

    def __init__(self):
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, self.headers["Content-Type"], body))
                outer.answer(self, body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, h, body):
        status, octets, media = 200, b"response to " + body, "application/ocsp-response"
        if h.path == "/redirect":
            status = 302
        elif h.path == "/error":
            status = 500
        elif h.path == "/html":
            media = "text/html"
        elif h.path == "/long":
            octets = b"x" * (16 * 1024 + 1)
        elif h.path == "/full":
            octets = b"x" * (16 * 1024)
        elif h.path == "/slow":
            time.sleep(8)
        h.send_response(status)
        if status == 302:
            h.send_header("Location", self.url + "/ok")
        h.send_header("Content-Type", media)
        h.send_header("Content-Length", str(len(octets)))
        h.end_headers()
        try:
            h.wfile.write(octets)
        except OSError:
            pass

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def responder():
    made = Responder()
    yield made
    made.stop()


def test_each_question_is_answered_once(route):
    """FAULTS 32: a resolver that says nothing is told as a failure, within the time that was set."""
    line = route().line()
    ids = [line.ask(f"d{n}.example.net") for n in range(5)]
    answers = [line.answer(EVIDENCE) for _ in ids]
    assert sorted(a[1] for a in answers) == ids
    assert all(b"DNS" in a[2] or b"answer" in a[2] for a in answers), answers


def test_an_address_is_not_looked_up(route):
    one = route()
    line = one.line()
    asked = line.ask("[192.0.2.1]")
    answer = line.answer(EVIDENCE)
    assert answer[1] == asked and b"an address" in answer[2]
    assert alive(one.process.pid)


NONSENSE = {
    "an unknown kind": b"\x09\0\0\0\1",
    "cut": b"\x01\0\0",
    "an octet more": struct.pack(">BI", ASK, 1) + text("a.example") + b"\0",
    "no name": struct.pack(">BI", ASK, 1) + text("a b"),
    "what route says": struct.pack(">BI", OCSP_ANSWER, 1) + b"x",
    "a table": struct.pack(">BIQ", 6, 0, 1),
    "OCSP by HTTPS": struct.pack(">BI", OCSP_ASK, 1) + text("https://127.0.0.1/") + b"x",
    "OCSP from a file": struct.pack(">BI", OCSP_ASK, 1) + text("file:///etc/passwd") + b"x",
    "octets": os.urandom(200),
    "too long": b"\1" * (160 * 1024 + 1),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_STYLE_nonsense_closes_the_line(route, what):
    """That one alone."""
    one = route()
    good, bad = one.line(1), one.line(2)
    bad.send(NONSENSE[what])
    assert bad.at_end()
    asked = good.ask("a.example")
    assert good.answer(EVIDENCE)[1] == asked


def test_STYLE_an_edge_that_goes_while_it_asks(route):
    one = route()
    for n in range(20):
        line = one.line(n)
        for k in range(50):
            line.ask(f"d{k}.example")
        line.sock.close()
    good = one.line()
    good.ask("d1.example")
    assert good.answer(EVIDENCE)


def test_STYLE_an_edge_that_does_not_read(route):
    """Its answers are dropped; nobody else waits for it."""
    one = route(timeout="1s")
    deaf, good = one.line(1), one.line(2)
    deaf.sock.settimeout(2)
    try:
        for n in range(20000):
            deaf.ask("a.example")
    except OSError:
        pass
    good.ask("b.example")
    assert good.answer(EVIDENCE)


# OCSP

def test_NEW_14_ocsp_goes_by_http_and_is_kept(route, responder):
    line = route().line()
    for n in range(3):
        asked = line.ask_ocsp(responder.url + "/ok", b"request one")
        assert line.answer(OCSP_ANSWER)[1:3] == (asked, b"response to request one")
    asked = line.ask_ocsp(responder.url + "/ok", b"request two")
    assert line.answer(OCSP_ANSWER)[1:3] == (asked, b"response to request two")
    assert responder.seen == [("/ok", "application/ocsp-request", b"request one"),
                  ("/ok", "application/ocsp-request", b"request two")]


def test_NEW_14_one_fetch_for_all_that_wait(route, responder):
    one = route()
    lines = [one.line(n) for n in range(3)]
    for line in lines * 5:
        line.ask_ocsp(responder.url + "/ok", b"the same")
    for line in lines * 5:
        assert line.answer(OCSP_ANSWER)[2] == b"response to the same"
    assert len(responder.seen) == 1


@pytest.mark.parametrize("path", ["/redirect", "/error", "/html", "/long", "/slow"])
def test_FAULTS_18_no_response_is_an_empty_one(route, responder, path):
    line = route().line()
    begin = time.monotonic()
    asked = line.ask_ocsp(responder.url + path, b"request")
    assert line.answer(OCSP_ANSWER)[1:3] == (asked, b"")
    assert time.monotonic() - begin < 7
    assert [seen[0] for seen in responder.seen] == [path]


def test_NEW_14_the_longest_response(route, responder):
    line = route().line()
    line.ask_ocsp(responder.url + "/full", b"request")
    assert len(line.answer(OCSP_ANSWER)[2]) == 16 * 1024


def test_NEW_14_no_private_responder(route, responder):
    """The URL is the certificate's word: whoever made it must not have us talk to our own network."""
    line = route(private_addresses=False).line()
    line.ask_ocsp(responder.url + "/ok", b"request")
    assert line.answer(OCSP_ANSWER)[2] == b""
    assert responder.seen == []


def test_STYLE_ocsp_requests_have_a_ceiling(route, responder):
    line = route().line()
    for n in range(100):
        line.ask_ocsp(responder.url + "/slow", b"request %d" % n)
    answers = [line.answer(OCSP_ANSWER) for _ in range(36)]
    assert all(a[2] == b"" for a in answers)
    assert sorted(a[1] for a in answers) == list(range(65, 101))


# results

def rows(one, sql):
    with sqlite3.connect(f"file:{one.folder}/route.db?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def test_NEW_33_results_are_remembered(route):
    """Only a message that was delivered without TLS breaks a row: whoever takes TLS away has nothing forgotten."""
    one = route()
    line = one.line()
    for _ in range(3):
        line.result("a.example", "mx.a.example", True, True)
        line.result("b.example", "mx.b.example", True, True)
    line.result("a.example", "mx.a.example", False, False, kind=1)
    line.result("b.example", "mx.b.example", False, True, kind=1)
    assert wait_until(lambda: len(rows(one, "SELECT * FROM tlsrpt")) == 4)
    assert rows(one, "SELECT host, deliveries FROM tls") == [("mx.a.example", 3)]
    assert rows(one, "SELECT domain, type, count FROM tlsrpt ORDER BY domain, type") == [
        ("a.example", 0, 3), ("a.example", 1, 1), ("b.example", 0, 3), ("b.example", 1, 1)]


def test_NEW_4_nothing_is_counted_where_that_is_off(route):
    one = route(tlsrpt="no")
    line = one.line()
    line.result("a.example", "mx.a.example", True, True)
    assert wait_until(lambda: rows(one, "SELECT * FROM tls"))
    assert rows(one, "SELECT * FROM tlsrpt") == []


# partners

INSERT = ("INSERT INTO rule (key, written, client, upstream, outbound, inbound, min_bits, names, permanent, report, direction,"
      " expires) VALUES (CAST(?1 AS BLOB), ?1, 0, 0, 3, 0, 0, '', 0, 0, 0, 0)")


def change(one, sql, *values):
    with sqlite3.connect(one.folder / "partners.db", timeout=5) as db:
        db.execute(sql, values)
        db.execute("UPDATE generation SET number = number + 1")


def test_GC_10_a_change_reaches_all_edges_within_a_second(route):
    one = route()
    lines = [one.line(n) for n in range(3)]
    first = [line.table() for line in lines]
    assert len(set(first)) == 1 and first[0][1] == b""
    begin = time.monotonic()
    change(one, INSERT, "partner.example")
    second = [line.table() for line in lines]
    assert len(set(second)) == 1
    assert second[0][0] > first[0][0] and b"partner.example" in second[0][1]
    assert time.monotonic() - begin < 5
    late = one.line(9)
    assert late.table() == second[0]
    change(one, "DELETE FROM rule")
    assert lines[0].table()[1] == b""


def test_GC_10_a_lock_by_another_holds_up_nothing(route):
    """The rules that were there stay until the new ones can be read."""
    one = route()
    line = one.line()
    line.table()
    db = sqlite3.connect(one.folder / "partners.db", timeout=5, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    db.execute(INSERT, ("partner.example",))
    line.ask("a.example")
    assert line.answer(EVIDENCE)
    db.execute("COMMIT")
    db.close()
    assert b"partner.example" in line.table()[1]


def test_GC_10_an_edge_that_had_no_room_for_a_change(route):
    """It does not go on with the old rules for ever."""
    one = route()
    other = one.line(1)
    other.table()
    line = one.line(2)  # the newest is told first: when the other one knows of the change, this one has missed it
    line.table()
    for _ in range(5000):  # answered at once: there is no such name
        line.ask("[192.0.2.1]")
    assert wait_until(lambda: "answer-lost" in one.said())
    change(one, INSERT, "partner.example")
    assert b"partner.example" in other.table()[1]
    assert b"partner.example" in line.table()[1]


# the end

def test_FAULTS_29_route_ends_with_the_last_line(route):
    one = route()
    line = one.line()
    one.channel.send(b"\x03\x00")
    line.ask("a.example")
    assert line.answer(EVIDENCE)
    assert alive(one.process.pid)
    line.sock.close()
    assert one.process.wait(10) == 0


def test_FAULTS_29_the_master_is_gone(route):
    one = route()
    line = one.line()
    one.channel.close()
    line.ask("a.example")
    assert line.answer(EVIDENCE)
    line.sock.close()
    assert one.process.wait(10) == 0


def test_signals_are_the_masters(route):
    one = route()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        one.process.send_signal(number)
    line = one.line()
    line.ask("a.example")
    assert line.answer(EVIDENCE)
