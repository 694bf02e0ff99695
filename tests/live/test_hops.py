"""`sallyport hops`: which hops of a message were encrypted (SPEC GC-12)."""
import json
import subprocess

import pytest
from gateway import BINARY, sallyport
from outbound import mx, send

OUTER = """\
Received: from out.b.example (out.b.example [198.51.100.7])
\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
\tby mx.c.example (Postfix) with ESMTPS id 4abc;
\tFri, 21 Nov 2025 20:13:20 +0100 (CET)
"""
FILTER = """\
Received: from mx.a.example (mx.a.example [192.0.2.7])
\tby in.b.example (8.17.1/8.17.1) with ESMTPS id 5
\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO);
\tFri, 21 Nov 2025 19:13:10 GMT
"""
CLEAR = """\
Received: from filter.c.example ([203.0.113.5]) by mail.c.example with ESMTP id 6; Fri, 21 Nov 2025 20:14:20 +0100
"""
UNKNOWN = "Received: from a.example (10.0.0.1) by b.example (10.0.0.2) with Microsoft SMTP Server id 15; 21 Nov 2025 19:00:00 GMT\n"
FIELDS = "From: a@a.example\nSubject: x\n\nText\n"


def run(message, *args):
    done = subprocess.run([BINARY, "hops", *args], input=message.encode(), capture_output=True, timeout=20)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def look(message):
    status, out, _ = run(message, "--json")
    return {**json.loads(out), "status": status}


@pytest.mark.parametrize("message, status, was", [
    (OUTER + FILTER + FIELDS, 0, ["encrypted", "encrypted"]),
    (CLEAR + OUTER + FIELDS, 1, ["encrypted", "clear"]),
    (OUTER + UNKNOWN + FIELDS, 2, ["unknown", "encrypted"]),
    (CLEAR + UNKNOWN + FIELDS, 1, ["unknown", "clear"]),
    (FIELDS, 2, []),
    ("", 2, []),
], ids=["all encrypted", "a filter that relays in clear", "one is unknown", "clear and unknown", "no hop", "nothing"])
def test_GC_12_hops(message, status, was):
    said = look(message)
    assert said["status"] == status and [h["was"] for h in said["hops"]] == was, said
    assert look(message.replace("\n", "\r\n")) == said
    assert run(message)[0] == status


def test_GC_12_hops_are_told_from_the_oldest_on(tmp_path):
    path = tmp_path / "message.eml"
    path.write_text(OUTER + FILTER + FIELDS)
    done = sallyport("hops", path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[1].split()[:4] == ["1", "encrypted", "mx.a.example", "in.b.example"], done
    assert lines[2].split()[:2] == ["2", "encrypted"] and " 10s " in lines[2], done
    assert lines[-1] == "2 encrypted, 0 in clear, 0 unknown, 0 local", done


def test_GC_12_a_forged_hop_is_told():
    forged = FILTER.replace("in.b.example", "mx.bank.test").replace("19:13:10", "23:13:10")
    said = look(OUTER + forged + FIELDS)
    assert said["hops"][1]["warnings"] == ["gap", "back"] and said["hops"][0]["warnings"] == [], said
    said = look(OUTER + "Subject: x\n" + FILTER + "\n")
    assert said["hops"][0]["warnings"] == ["below"], said
    assert look(FIELDS.replace("Text", FILTER))["received_in_body"]
    text = run(OUTER + forged + FIELDS)[1]
    assert "warning: hop 2 comes from another host than the one that had the message before" in text, text


def test_GC_12_FAULTS_42_octets_of_the_message_stay_in_their_place():
    _, out, _ = run("Received: from \x1b]0;x\x07 ([192.0.2.7]) by b.example with SMTP; x\n\n")
    assert "\x1b" not in out and "?]0" in out, out


def test_GC_12_FAULTS_38_hops_are_bounded():
    said = look(OUTER * 101 + FIELDS)
    assert len(said["hops"]) == 100 and not said["complete"] and said["status"] == 2, said["status"]
    assert not look("X: " + "y" * (1 << 21) + "\n" + OUTER)["complete"]
    assert look("Received: " + "(" * 1_100_000)["status"] == 2


def test_GC_12_what_the_gateway_itself_writes(world):
    d = world.domain(mx())
    gw = world.gateway()
    assert send(gw, d.rcpt()).code == 250
    assert [h["was"] for h in look(d.messages[0].body.decode("latin-1"))["hops"]] == ["local"]  # over loopback


def test_GC_12_wrong_use_of_hops(tmp_path):
    assert run("", "--no-such-option")[0] == 64
    assert run("", "a", "b")[0] == 64
    assert run("", str(tmp_path / "nothing"))[0] == 66
