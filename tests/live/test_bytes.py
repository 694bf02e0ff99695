"""Law 3: what the next hop gets is what the client sent, byte for byte, whichever of
DATA and BDAT either side speaks."""
import random

import pytest

from upstream import CAPS, Upstream
from gateway import Gateway, base_config
from peer import stuff

HEAD = b"Subject: bytes\r\n\r\n"
BODIES = {
    "empty": b"",
    "a CRLF alone": b"\r\n",
    "no header": b"\r\nbody\r\n",
    "one dot": HEAD + b".\r\n",
    "two dots": HEAD + b"..\r\n",
    "dots alone": HEAD + b".\r\n..\r\n...\r\n.\r\n",
    "dot first of all": b".first\r\n",
    "dot, space": HEAD + b". \r\n.\t\r\n",
    "end of data spelled inside a line": HEAD + b"a.\r\nb\r\n .\r\n",
    "empty lines at the end": HEAD + b"x\r\n\r\n\r\n\r\n",
    "8-bit": HEAD + bytes(range(128, 256)) * 3 + b"\r\n",
    "controls": HEAD + bytes(n for n in range(1, 32) if n not in (10, 13)) + b"\x7f\r\n",
    "a line of 998": HEAD + b"x" * 998 + b"\r\n",
    "a line of 100000": HEAD + b"y" * 100000 + b"\r\n",
    "a long line of dots": HEAD + b"." * 70000 + b"\r\n",
    "a dot at each buffer's edge": HEAD + (b"z" * 1021 + b"\r\n." ) * 200 + b"\r\n",
    "commands": HEAD + b"QUIT\r\nRSET\r\nMAIL FROM:<x@y>\r\nSTARTTLS\r\n",
    "a megabyte": HEAD + b"".join(b"%07d.\r\n" % n for n in range(104858)),
}


@pytest.fixture(scope="module")
def path(pki, tmp_path_factory):
    """One gateway before an upstream with CHUNKING, and a service before one that loses it."""
    with_bdat = Upstream(patience=60)
    without = Upstream(patience=60)
    config = base_config(pki, with_bdat)
    other = base_config(pki, without)
    config["upstreams"]["plain"] = other["upstreams"]["backend"]
    config["services"]["plain"] = {**other["services"]["mx"], "upstream": "plain"}
    gw = Gateway(config, tmp_path_factory.mktemp("bytes")).start()
    yield gw, {"BDAT": (with_bdat, "mx"), "DATA": (without, "plain")}
    gw.stop()
    for up in (with_bdat, without):
        up.stop()
        assert up.violations == []


def offer_chunking(gw, up, service):
    """The upstream has CHUNKING, and the gateway has seen it."""
    up.caps = CAPS
    with gw.connect(service) as c:
        c.hello()
        c.cmd("MAIL FROM:<a@client.example>", 250)


def carry(path, way_out, send, params=""):
    gw, ways = path
    up, service = ways[way_out]
    before = len(up.messages)
    with gw.connect(service) as c:
        if way_out == "DATA":
            offer_chunking(gw, up, service)
        assert b"CHUNKING" in c.hello().keywords
        if way_out == "DATA":
            up.caps = tuple(w for w in CAPS if w != "CHUNKING")
        c.envelope(params=params)
        reply = send(c)
        assert reply.code == 250, reply.raw
        c.quit()
    assert len(up.messages) == before + 1
    got = up.messages[-1]
    if way_out == "DATA":
        assert got.how == "DATA"
    return got.content


@pytest.mark.parametrize("way_out", ["DATA", "BDAT"])
@pytest.mark.parametrize("name", BODIES)
def test_FAULTS_23_data_in(path, name, way_out):
    body = BODIES[name]
    assert carry(path, way_out, lambda c: c.data(body)) == body


@pytest.mark.parametrize("way_out", ["DATA", "BDAT"])
@pytest.mark.parametrize("name", BODIES)
def test_NEW_22_bdat_in(path, name, way_out):
    body = BODIES[name]
    third = len(body) // 3
    cuts = [body[:third], b"", body[third:2 * third], body[2 * third:]]
    assert carry(path, way_out, lambda c: c.bdat(*cuts)[-1]) == body


@pytest.mark.parametrize("way_out", ["DATA", "BDAT"])
def test_NEW_22_bdat_is_counted_not_scanned(path, way_out):
    body = HEAD + b"one\r\n.\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<c@x.example>\r\nDATA\r\n"
    assert carry(path, way_out, lambda c: c.bdat(body)[-1]) == body


@pytest.mark.parametrize("way_out", ["DATA", "BDAT"])
def test_NEW_22_many_small_chunks(path, way_out):
    body = HEAD + bytes(random.Random(1).choices(b".ab", k=150)) + b"\r\n.\r\n.x\r\n"
    assert carry(path, way_out, lambda c: c.bdat(*(bytes([b]) for b in body))[-1]) == body


def test_NEW_22_bdat_without_a_line_end(path):
    """DATA can't carry a last line without CRLF; BDAT can."""
    body = HEAD + b"no end of line"
    assert carry(path, "DATA", lambda c: c.bdat(body)[-1]) == body + b"\r\n"
    assert carry(path, "BDAT", lambda c: c.bdat(body)[-1]) in (body, body + b"\r\n")


def test_NEW_22_a_last_chunk_of_nothing(path):
    body = HEAD + b"all of it\r\n"
    assert carry(path, "DATA", lambda c: c.bdat(body, b"")[-1]) == body
    assert carry(path, "BDAT", lambda c: c.bdat(body, b"")[-1]) == body


@pytest.mark.parametrize("way_out", ["DATA", "BDAT"])
@pytest.mark.parametrize("piece", [1, 2, 3, 5, 1460])
def test_a_body_in_small_pieces(path, way_out, piece):
    body = HEAD + b".\r\n..\r\n\r\n.x\r\ny.\r\n" + b"0123456789\r\n" * (1 if piece < 9 else 900)

    def send(c):
        c.cmd("DATA", 354)
        raw = stuff(body) + b".\r\n"
        for n in range(0, len(raw), piece):
            c.send(raw[n:n + piece])
        return c.reply()
    assert carry(path, way_out, send) == body


@pytest.mark.parametrize("seed", range(6))
def test_random_bodies(path, seed):
    rng = random.Random(seed)
    lines = [bytes(rng.choices([46, 46, 65, 200, 9], k=rng.choice((0, 1, 2, 3, 60, 4000))))
             for _ in range(rng.randrange(1, 400))]
    body = b"\r\n" + b"\r\n".join(lines) + b"\r\n"
    cuts, at = [], 0
    while at < len(body):
        step = rng.choice((0, 1, 100, 5000, 70000))
        cuts.append(body[at:at + step])
        at += step
    for way_out in ("DATA", "BDAT"):
        assert carry(path, way_out, lambda c: c.data(body)) == body
        assert carry(path, way_out, lambda c: c.bdat(*cuts)[-1]) == body


def test_NEW_22_binarymime_where_both_can(upstream, gateway):
    up = upstream(caps=CAPS + ("BINARYMIME",))
    gw = gateway(up)
    body = HEAD + bytes(range(256)) * 40 + b"\n\r\0."
    with gw.connect() as c:
        assert b"BINARYMIME" in c.hello().keywords
        c.envelope(params=" BODY=BINARYMIME")
        c.cmd("DATA", 503)
        assert [r.code for r in c.bdat(body[:1000], body[1000:])] == [250, 250]
        c.quit()
    [got] = up.messages
    assert got.content == body
    assert got.how == "BDAT"
    assert "BODY=BINARYMIME" in got.params
