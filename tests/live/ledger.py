"""Load with a ledger at both ends: what each client was told, and what the next hop has."""
import collections
import hashlib
import itertools
import random
import threading
import time

from peer import Client, any_context

_ids = itertools.count()


class Load:
    """Clients that send without a pause until stop(). Every attempt has an id of its own."""

    def __init__(self, addr, clients=6, seed=1, tls=True):
        self.addr, self.tls = addr, tls
        self.acked, self.refused, self.broken = {}, {}, {}
        self.refused_connections = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.client, args=(random.Random(seed + n),),
                                         daemon=True) for n in range(clients)]
        for t in self.threads:
            t.start()

    def body(self, rng, ident):
        filler = bytes(rng.choices(b".abcdef", k=40)) + b"\r\n"
        return (b"X-Id: %d\r\n\r\n" % ident) + filler * rng.choice((1, 1, 10, 300, 3000))

    def note(self, book, ident, sha):
        with self.lock:
            book[ident] = sha

    def client(self, rng):
        while not self.stopping.is_set():
            try:
                c = Client(self.addr, timeout=20)
            except OSError as e:
                self.refused_connections.append(repr(e))
                time.sleep(0.01)
                continue
            try:
                self.session(c, rng)
            except (OSError, EOFError, AssertionError):
                pass
            finally:
                c.close()

    def session(self, c, rng):
        if self.tls and rng.random() < 0.3:
            c.secure_hello(any_context())
        else:
            c.hello()
        for _ in range(rng.randrange(1, 6)):
            ident = next(_ids)
            body = self.body(rng, ident)
            sha = hashlib.sha256(body).hexdigest()
            try:
                c.envelope()
                reply = c.data(body) if rng.random() < 0.6 else c.bdat(body[:9], body[9:])[-1]
            except (OSError, EOFError, AssertionError) as e:
                self.note(self.broken, ident, (sha, repr(e)))
                raise
            self.note(self.acked if reply.code == 250 else self.refused, ident, sha)
            if reply.code == 421 or self.stopping.is_set():
                break
        c.quit()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(30)
        assert not any(t.is_alive() for t in self.threads)

    def audit(self, up):
        """Law 1 and law 3, seen from outside."""
        up.wait(lambda: all(conn.ended for conn in up.connections), 15)
        there = collections.Counter()
        for m in up.messages:
            ident = int(m.content.split(b"\r\n", 1)[0].removeprefix(b"X-Id: "))
            there[ident] += 1
            sent = self.acked.get(ident) or self.refused.get(ident) or self.broken[ident][0]
            assert m.sha256 == sent, f"message {ident} is not what was sent"
        lost = [i for i in self.acked if there[i] == 0]
        twice = [i for i, n in there.items() if n > 1]
        assert lost == [], "acknowledged, and not at the next hop"
        assert twice == [], "one attempt, more than one message"
        refused = [i for i in self.refused if there[i]]
        assert refused == [], "refused, and yet at the next hop"
        return there
