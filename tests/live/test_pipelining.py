"""A pipelined group: in order, in one write, for one round trip."""
import time

import pytest

from peer import message, stuff
from upstream import CAPS, late

GROUP = (b"MAIL FROM:<a@client.example>\r\n"
         b"RCPT TO:<b@dest.example>\r\nRCPT TO:<c@dest.example>\r\nRCPT TO:<d@dest.example>\r\n"
         b"DATA\r\n")


def test_a_group_costs_one_round_trip(upstream, gateway):
    """The upstream answers nothing until the whole group is there: a gateway that waits for the
    answer to MAIL would wait for ever."""
    up = upstream(hold_until="DATA")
    gw = gateway(up)
    with gw.connect(timeout=8) as c:
        c.hello()
        c.send(GROUP)
        assert [c.reply().code for _ in range(5)] == [250, 250, 250, 250, 354]
        c.send(message() + b".\r\n")
        assert c.reply().code == 250
        c.quit()
    assert [m.rcpts for m in up.messages] == [["b@dest.example", "c@dest.example", "d@dest.example"]]


def test_a_group_arrives_in_few_segments(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.cmd("RSET", 250)
        rcpts = b"".join(b"RCPT TO:<b%d@dest.example>\r\n" % n for n in range(60))
        c.send(b"MAIL FROM:<a@client.example>\r\n" + rcpts + b"DATA\r\n")
        assert [c.reply().code for _ in range(62)] == [250] * 61 + [354]
        c.send(message() + b".\r\n")
        assert c.reply().code == 250
        c.quit()
    reads = [r for conn in up.connections for r in conn.wire.reads
             if b"MAIL" in r or b"RCPT" in r]
    assert len(reads) <= 4, reads
    assert len(up.messages[0].rcpts) == 60


def test_replies_to_a_group_leave_in_one_write(upstream, gateway):
    up = upstream(hold_until="DATA")
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.reads.clear()
        c.send(GROUP)
        codes = [c.reply().code for _ in range(5)]
        assert codes == [250] * 4 + [354]
        assert len(c.reads) <= 2, c.reads


def test_a_bdat_group_with_its_octets(upstream, gateway):
    up = upstream()
    gw = gateway(up)
    body = message("..\r\n.\r\nQUIT")
    with gw.connect() as c:
        c.hello()
        one = (b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.example>\r\n"
               b"BDAT 10\r\n" + body[:10] + b"BDAT %d LAST\r\n" % (len(body) - 10) + body[10:])
        c.send(one * 3 + b"NOOP\r\nQUIT\r\n")
        assert [c.reply().code for _ in range(14)] == [250] * 13 + [221]
    assert [m.content for m in up.messages] == [body] * 3


def test_several_transactions_in_one_write(upstream, gateway):
    """RSET and BDAT may stand in a group (RFC 2920 section 3.1, RFC 3030 section 4.2)."""
    up = upstream(rcpt=["250 2.1.5 ok", "550 5.1.1 no"])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.example>\r\nRSET\r\n"
               b"MAIL FROM:<c@client.example>\r\nRCPT TO:<no@dest.example>\r\n"
               b"RCPT TO:<d@dest.example>\r\nBDAT 3 LAST\r\na\r\nNOOP\r\n")
        assert [c.reply().code for _ in range(8)] == [250, 250, 250, 250, 550, 250, 250, 250]
    assert [(m.sender, m.rcpts, m.content) for m in up.messages] == [
        ("c@client.example", ["d@dest.example"], b"a\r\n")]


def test_a_refused_recipient_in_a_group(upstream, gateway):
    """Each answer stands at its own command."""
    up = upstream(rcpt=["250 2.1.5 one", "550-5.1.1 no\n550 5.1.1 such user", "452 4.5.3 later"])
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.send(GROUP)
        replies = [c.reply() for _ in range(5)]
        assert [r.code for r in replies] == [250, 250, 550, 452, 354]
        assert replies[2].raw == b"550-5.1.1 no\r\n550 5.1.1 such user\r\n"
        c.send(message() + b".\r\n")
        assert c.reply().code == 250
    assert up.messages[0].rcpts == ["b@dest.example"]


@pytest.mark.parametrize("data", ["554 5.5.1 no valid recipients", "354 well, go on"])
def test_no_recipient_left_in_a_group(upstream, gateway, data):
    """RFC 2920 section 3.1: an upstream may answer 354 even then, and must be given an empty message;
    the client must not see a 2xx for it."""
    up = upstream(rcpt=["550 5.1.1 no"] * 3, data=data, dot="554 5.5.1 no valid recipients")
    gw = gateway(up)
    with gw.connect() as c:
        c.hello()
        c.send(GROUP)
        codes = [c.reply().code for _ in range(5)]
        assert codes[:4] == [250, 550, 550, 550]
        if codes[4] == 354:
            c.send(b".\r\n")
            assert c.reply().code // 100 in (4, 5)
        else:
            assert codes[4] // 100 in (4, 5)
            c.cmd("RSET", 250)  # a refused DATA leaves the transaction open
        c.envelope()
        up.steps.pop("dot"), up.steps.pop("data")
        assert c.data(message()).code == 250
    assert [m.content for m in up.messages] == [message()]


def test_upstream_without_pipelining_gets_one_command_at_a_time(upstream, gateway):
    """The upstream of the tests objects to anything else by itself."""
    up = upstream(caps=[c for c in CAPS if c != "PIPELINING"], mail=late(0.05, "250 ok"),
                  rcpt=late(0.05, "250 ok"))
    gw = gateway(up)
    with gw.connect() as c:
        assert b"PIPELINING" not in c.hello().keywords
        c.send(GROUP)
        assert [c.reply().code for _ in range(5)] == [250] * 4 + [354]
        c.send(message() + b".\r\n")
        assert c.reply().code == 250
    assert len(up.messages) == 1


def test_a_group_cut_at_every_octet(plain):
    gw, up = plain
    before = len(up.messages)
    raw = GROUP + stuff(message()) + b".\r\nNOOP\r\n"
    with gw.connect() as c:
        c.hello()
        for n in range(1, len(raw), 7):
            c.send(raw[:n])
            time.sleep(0.001)
            c.send(raw[n:])
            assert [c.reply().code for _ in range(7)] == [250] * 4 + [354, 250, 250]
        c.quit()
    assert [m.content for m in up.messages[before:]] == [message()] * len(range(1, len(raw), 7))


@pytest.mark.parametrize("bad", [b"a\rb\r\n", b"x" * 12000], ids=["bare CR", "too big"])
def test_each_command_of_a_group_has_its_answer_though_the_chunk_is_ours_to_refuse(
        upstream, gateway, bad):
    """The leg is dropped while the answers to MAIL, RCPT and the first chunk are still under way:
    the client must get one for each all the same, or it reads each later one for another command."""
    up = upstream(mail=[late(0.1, "250 2.1.0 slow")])
    gw = gateway(up, mx={"max_message_size": "10k"})
    with gw.connect(timeout=5) as c:
        c.hello()
        c.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<b@dest.example>\r\n"
               b"BDAT 3\r\na\r\nBDAT %d LAST\r\n" % len(bad) + bad + b"NOOP\r\n")
        codes = [c.reply().code for _ in range(5)]
        assert codes[3] in (550, 552) and codes[4] == 250, codes
        c.envelope()
        assert c.data(message()).code == 250
    assert [m.content for m in up.seen] == [message()]
