"""strip, to the letter of MC-2: the keyword goes, in whatever place and case; the command is refused; nothing else is
touched. And MC-3: nobody can do it without being told."""
import re

import pytest

from gateway import sallyport, yaml
from intercept import config_of, pruned
from peer import message
from pki import MX
from upstream import drip


@pytest.fixture(scope="module")
def gw(site):
    return site.gateway(action="plain", listen_tls=None, source="client")


def raw(lines):
    """An EHLO reply: the last line ends it."""
    return b"".join(b"250%s%s\r\n" % (b"-" if n + 1 < len(lines) else b" ", line) for n, line in enumerate(lines))


REPLIES = {  # what the server says -> what is left of it
    "first": ([b"mx", b"STARTTLS", b"SIZE 100", b"DSN"], [b"mx", b"SIZE 100", b"DSN"]),
    "in the middle": ([b"mx", b"SIZE 100", b"STARTTLS", b"DSN"], [b"mx", b"SIZE 100", b"DSN"]),
    "last": ([b"mx", b"SIZE 100", b"DSN", b"STARTTLS"], [b"mx", b"SIZE 100", b"DSN"]),
    "alone": ([b"mx", b"STARTTLS"], [b"mx"]),
    "lower case": ([b"mx", b"starttls", b"DSN"], [b"mx", b"DSN"]),
    "mixed case, last": ([b"mx", b"DSN", b"StartTLS"], [b"mx", b"DSN"]),
    "twice": ([b"mx", b"STARTTLS", b"DSN", b"STARTTLS"], [b"mx", b"DSN"]),
    "twice at the end": ([b"mx", b"DSN", b"STARTTLS", b"starttls"], [b"mx", b"DSN"]),
    "with a parameter": ([b"mx", b"STARTTLS REQUIRED", b"DSN"], [b"mx", b"DSN"]),
    "another word": ([b"mx", b"STARTTLSX", b"XSTARTTLS", b"DSN"],) * 2,
    "the greeting line": ([b"STARTTLS", b"STARTTLS", b"DSN"], [b"STARTTLS", b"DSN"]),
    "the greeting line alone": ([b"STARTTLS"],) * 2,
    "not there": ([b"mx.example.net at your service", b"SIZE", b"AUTH PLAIN SCRAM-SHA-1-PLUS", b"X-What is \xc3\xa9"],) * 2,
    "channel binding stays": ([b"mx", b"AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256", b"STARTTLS"],
                              [b"mx", b"AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256"]),
    "unknown words stay": ([b"mx", b"XEXCH50", b"STARTTLS", b"X-ANYTHING = odd  blanks "],
                           [b"mx", b"XEXCH50", b"X-ANYTHING = odd  blanks "]),
}


@pytest.mark.parametrize("slow", [False, True], ids=["at once", "octet by octet"])
@pytest.mark.parametrize("name", REPLIES)
def test_MC_2_EHLO_reply(lab, gw, name, slow):
    said, left = REPLIES[name]
    reply = raw(said)[:-2].decode("latin-1").replace("\r\n", "\n")
    up = lab.upstream(ehlo=drip(reply) if slow else reply)
    with lab.connect(up) as c:
        c.reply()
        c.line("EHLO client.example")
        assert c.read_exactly(len(raw(left))) == raw(left)
        c.cmd("NOOP", 250)  # and nothing behind it
        c.quit()
        session = gw.session(c)
    absent = "stripped" if said != left else "not-offered"
    assert (session["client_tls"], session["client_tls_absent"]) == ("none", absent)
    assert session["method"] == "strip"


def test_MC_2_greeting_and_other_replies_stay(lab, gw):
    greeting = "220-STARTTLS\n220-250-STARTTLS\n220 STARTTLS"
    up = lab.upstream(greeting=greeting, helo="250-mx\n250 STARTTLS", noop="250-ok\n250-STARTTLS\n250 ok")
    with lab.connect(up) as c:
        assert c.reply().raw == greeting.replace("\n", "\r\n").encode() + b"\r\n"
        assert c.cmd("HELO client.example").raw == b"250-mx\r\n250 STARTTLS\r\n"
        assert c.cmd("NOOP").raw == b"250-ok\r\n250-STARTTLS\r\n250 ok\r\n"
        c.quit()


@pytest.mark.parametrize("blind", [b"STARTTLS", b"starttls", b"StartTLS ", b"\tSTARTTLS", b" starttls"])
def test_MC_2_blind_starttls(lab, gw, blind):
    """502, nothing of it at the server, and the session goes on."""
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    with lab.connect(up) as c:
        assert b"STARTTLS" not in c.hello().keywords
        assert c.cmd(blind).raw.startswith(b"502 5.5.1 ")
        c.envelope()
        c.cmd(blind, 502)
        assert c.data(message()).code == 250
        c.quit()
    [mail] = up.messages
    assert not mail.secure
    assert "STARTTLS" not in up.verbs


def test_MC_2_blind_starttls_in_a_group(lab, gw):
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    with lab.connect(up) as c:
        c.hello()
        c.send(b"MAIL FROM:<a@client.example>\r\nSTARTTLS\r\nRCPT TO:<b@dest.example>\r\n")
        assert [c.reply().code for _ in range(3)] == [250, 502, 250]
        assert c.data(message()).code == 250
        c.quit()
    assert "STARTTLS" not in up.verbs


@pytest.mark.parametrize("way", ["quit", "fin", "reset"])
def test_MC_2_MC_3_a_client_that_leaves_for_it(lab, gw, way):
    """An outcome of its own: it is this method that it left for."""
    up = lab.upstream(tls=lab.pki.leaf(MX).context())
    with lab.connect(up) as c:
        c.hello()
        {"quit": c.quit, "fin": c.close, "reset": c.reset}[way]()
        session = gw.session(c)
    assert session["outcome"] == "stripped"
    assert session["target"] == up.addr


def test_MC_2_the_message_is_the_same(lab, gw):
    """By DATA and by BDAT, octet for octet: nothing is added here."""
    up = lab.upstream()
    body = b"Subject: x\r\n\r\n250-STARTTLS\r\n.\r\n..\r\n" + b"\xff" * 500 + b"\r\n"
    with lab.connect(up) as c:
        c.hello()
        for _ in range(2):
            c.envelope()
            assert c.data(body).code == 250
            c.envelope()
            assert [r.code for r in c.bdat(body[:20], body[20:])] == [250, 250]
        c.quit()
    assert [m.body for m in up.messages] == [body] * 4


# MC-3: what `check` says.

def check(lab, tmp_path, **settings):
    path = tmp_path / "gw.yaml"
    path.write_text(yaml(pruned(config_of(lab.pki, lab.authority, **settings))))
    done = sallyport("check", "-c", path)
    return done.returncode, done.stdout + done.stderr


STRIP = {"action": "plain", "listen_tls": None}


def test_MC_3_check_warns(lab, tmp_path):
    code, said = check(lab, tmp_path, **STRIP)
    assert code == 0
    assert re.search(r"warning: actions\.plain strips STARTTLS", said)


def test_MC_3_the_warning_is_seen_at_start(gw):
    assert re.search(r"warning: actions\.plain strips STARTTLS", gw.transcript())


@pytest.mark.parametrize("settings", [
    {**STRIP, "listen": ["*:587"]}, {"action": "plain"},
    {**STRIP, "partners": {"bank.example": {"upstream": "required"}}},
    {**STRIP, "partners": {"bank.example": {"client": "required"}}},
], ids=["587", "listen_tls", "partner's upstream", "partner's client"])
def test_MC_3_refused(lab, tmp_path, settings):
    code, said = check(lab, tmp_path, **settings)
    assert code == 78
    assert "strips STARTTLS" in said
