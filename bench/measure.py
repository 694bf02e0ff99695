"""Takes the figures. Each function gives plain numbers; what they mean stands in report.py."""
import os
import statistics
import time

import works
from machine import CPUS, HOST, Wrong, descriptors, pin, thread_usec, wait_until
from peers import PEERS, Missing, Sallyport
from world import Load

SETTLE = 0.1  # seconds in which a proxy ends what it had under way


def say(text):
    print(text, flush=True)


class Bench:
    def __init__(self, world, quick, rounds, seconds):
        self.world = world
        self.quick, self.rounds, self.seconds = quick, rounds, seconds
        self.proxies = {}
        self.absent = {}      # name: why
        self.failing = set()  # (work, proxy) that could not even warm up
        self.wrong = []       # what must not be, in words
        self.samples = {}     # (work, proxy): [µs for each unit]
        self.rates = {}       # (work, proxy): [units a second]

    # --- proxies ---

    def make(self, name, only=None, **options):
        kind = Sallyport if name == "sallyport" else next(p for p in PEERS if p.name == name)
        proxy = kind(self.world, only, **options).start()
        if only is not None and only not in proxy.fronts:
            proxy.stop()
            raise Missing(f"{proxy.title}: {proxy.refused}")
        return proxy

    def start_all(self):
        for kind in (Sallyport, *PEERS):
            try:
                self.proxies[kind.name] = self.make(kind.name)
            except Missing as e:
                self.absent[kind.name] = str(e)
                say(f"left out: {e}")
        if "sallyport" not in self.proxies:
            raise Wrong(self.absent["sallyport"])

    def stop_all(self):
        for proxy in self.proxies.values():
            proxy.stop()
        self.proxies = {}

    def title(self, name):
        return next(p.title for p in (Sallyport, *PEERS) if p.name == name)

    # --- a run ---

    def check(self, what, found):
        """Every message that was acknowledged has come, whole and once."""
        time.sleep(SETTLE)
        came = self.world.sink.report()
        bad = []
        if found["failed"]:
            bad.append(f"{found['failed']} sessions failed ({found['error']})")
        if came["corrupted"] or came["duplicated"] or came["unknown"]:
            bad.append(f"{came['corrupted']} messages changed, {came['duplicated']} doubled, {came['unknown']} without their mark")
        if came["wrong"]:
            bad.append(f"{came['wrong']} commands that no client sent ({came['error']})")
        if not found["failed"] and (found["acked_sum"] != came["sum"] or found["messages"] != came["messages"]):
            bad.append(f"{found['messages']} messages were acknowledged and {came['messages']} came")
        if bad:
            self.wrong.append(f"{what}: {'; '.join(bad)}")
            say("  " + self.wrong[-1])
        return not bad

    def run(self, work, name, seconds):
        if work.front != "pass":
            return self.run_here(work, name, seconds)
        # The same network for all who pass through, whether they need it to be so or not.
        with self.world.redirected(self.proxies["sallyport"].port("pass")):
            return self.run_here(work, name, seconds)

    def run_here(self, work, name, seconds):
        proxy = self.proxies[name]
        before = proxy.account.usec()
        found = Load(self.world, proxy.fronts[work.front], work.arguments + ("--seconds", seconds)).finish()
        good = self.check(f"{work.key} through {proxy.title}", found)
        used = proxy.account.usec() - before
        amount = work.amount(found)
        return (used / amount, amount / found["seconds"]) if good and amount else None

    def peers_of(self, work):
        named = [name for name in ("sallyport", *work.peers) if name in self.proxies and not (self.quick and name in work.slow)]
        return [name for name in named if work.front in self.proxies[name].fronts]

    def rounds_of_works(self):
        for number in range(-1, self.rounds):  # the first round warms up and is not counted
            say(f"round {number + 1} of {self.rounds}" if number >= 0 else "warming up")
            for work in works.WORKS:
                names = self.peers_of(work)
                if "sallyport" not in names:
                    continue
                # Who comes first changes: a noisy moment of the machine shall not always meet the same one.
                turn = max(number, 0) % len(names)
                for name in names[turn:] + names[:turn]:
                    if (work.key, name) in self.failing:
                        continue
                    got = self.run(work, name, self.seconds if number >= 0 else 0.2)
                    if number < 0 and not got:
                        self.failing.add((work.key, name))  # once is enough to be told
                    if number >= 0 and got:
                        self.samples.setdefault((work.key, name), []).append(got[0])
                        self.rates.setdefault((work.key, name), []).append(got[1])

    # --- idle sessions ---

    def hold(self, proxy, front, count):
        load = Load(self.world, proxy.fronts[front], ("--hold", count, "--conns", 32, "--size", works.SMALL))
        return load, load.line()

    def grown(self, proxy, before, said, count):
        """Octets for each session that is held."""
        if said["held"] < count:
            self.wrong.append(f"{proxy.title} held {said['held']} of {count} idle sessions ({said['error']})")
        time.sleep(1)
        return (proxy.account.memory() - before) / said["held"] if said["held"] else None

    def idle(self, name, front, count):
        """Octets for each of `count` idle sessions, after EHLO and after a message."""
        proxy, load = self.make(name, front), None
        try:
            # Not the first sessions ever: what is set up once belongs to none of them.
            Load(self.world, proxy.fronts[front], ("--count", 20, "--size", works.SMALL)).finish()
            time.sleep(SETTLE)
            before = proxy.account.memory()
            load, said = self.hold(proxy, front, count)
            first = self.grown(proxy, before, said, count)
            second = None if said["held"] < count else self.grown(proxy, before, load.mail(), count)
            return first, second
        finally:
            proxy.stop()
            if load:
                load.kill()
            self.world.sink.report()

    def all_idle(self):
        """(proxy, front): (sessions, octets after EHLO, octets after a message)"""
        found = {}
        for name, front, _ in works.IDLE:
            if name != "sallyport" and (name in self.absent or (self.quick and name in ("stunnel", "haproxy"))):
                continue
            count = min(5000, (descriptors() - 500) // 2)
            if self.quick and name != "sallyport":
                count = 1000
            say(f"memory of {count} idle sessions: {self.title(name)}, {front}")
            try:
                first, second = self.idle(name, front, count)
            except Missing as e:
                say(f"left out: {e}")
                continue
            found[name, front] = (count, first, second)
        return found

    def many_idle(self):
        """(sessions held on one edge, the slowest of the others in µs, what limited the number)"""
        room = descriptors() - 300
        goal = min(works.MANY_IDLE, room)
        say(f"{goal} idle sessions on one edge")
        proxy = self.make("sallyport", "half")
        loads, held = [], 0
        try:
            # The generator has no more descriptors than the edge.
            while held < goal:
                load, said = self.hold(proxy, "half", min(goal - held, 10000))
                loads.append(load)
                held += said["held"]
                if said["failed"]:
                    break
            found = Load(self.world, proxy.fronts["half"], ("--rate", 50, "--seconds", 2, "--size", works.SMALL)).finish()
            left = len(os.listdir(f"/proc/{proxy.edge_pids()[0]}/fd"))
        finally:
            proxy.stop()
            for load in loads:
                load.kill()
        self.world.sink.report()
        if found["failed"] or left < held:
            self.wrong.append(f"Sallyport, beside {held} idle sessions: {found['failed']} of the others failed ({found['error']}), "
                              f"{held - left} of the idle ones ended")
        limit = f"a process may have {descriptors()} descriptors here" if goal < works.MANY_IDLE else ""
        return held, found["max"], limit

    # --- latency ---

    def latency(self):
        """{name: [(p50, p99) of each round]} in µs; "direct" is the sink without a proxy."""
        rounds, seconds = (2, 2) if self.quick else (self.rounds, 5)
        found = {}
        class Direct:
            tls, to = "starttls", f"{HOST}:{self.world.sink.plain}"
        pairs = [("direct", None)] + [(name, front) for name, front in works.LATENCY if name in self.proxies]
        if self.quick:
            pairs = [p for p in pairs if p in (("direct", None), ("sallyport", "both"), ("nginx-stream", "both"), ("nginx-mail", "half"))]
        for number in range(rounds):
            say(f"latency at {works.LATENCY_RATE} new connections a second, round {number + 1} of {rounds}")
            for name, front in pairs:
                to = Direct if name == "direct" else self.proxies[name].fronts[front]
                got = Load(self.world, to, ("--rate", works.LATENCY_RATE, "--seconds", seconds, "--size", works.SMALL)).finish()
                if self.check(f"latency, {'no proxy' if name == 'direct' else self.title(name)}", got):
                    found.setdefault((name, front), []).append((got["p50"], got["p99"]))
        return found

    # --- resumption towards the upstream ---

    def resumed(self):
        """(handshakes with the upstream, resumed ones) of a warm edge whose kept connections the upstream closes time and
        again, with sessions one after another and many at once."""
        proxy = self.proxies["sallyport"]
        def burst():
            found = Load(self.world, proxy.fronts["both"], works.NEW + ("--count", 40)).finish()
            self.check("resumption, Sallyport", found)
        burst()
        before = proxy.stats()
        for _ in range(10):
            self.world.sink.send_away()
            time.sleep(SETTLE)
            burst()
        after = proxy.stats()
        return tuple(after[key] - before[key] for key in ("upstream_tls", "upstream_tls_resumed"))

    # --- two edges ---

    def two_edges(self):
        """What two edges do against one, and how it was found."""
        say("two edges against one")
        if len(CPUS) >= 4:
            return self.two_edges_by_rate()
        return self.two_edges_by_cpu()

    # Much for an edge to do and little for the generator, which would else be the limit.
    PARTS = ("--conns", 20, "--messages", 5, "--rcpts", 50, "--size", 512)

    def loads(self, fronts, seconds, cpu=None):
        """What a generator for each of the fronts has found, all at once."""
        running = []
        for front in fronts:
            running.append(Load(self.world, front, self.PARTS + ("--seconds", seconds), cpu=cpu))
            Load.next_id += 1000000  # those that run side by side number apart
        found = [load.finish() for load in running]
        total = {key: sum(f[key] for f in found) for key in ("messages", "failed", "acked_sum")}
        total["acked_sum"] %= 1 << 64
        self.check("Sallyport, edges", {**total, "error": found[0]["error"]})
        return found

    def pinned(self, count, edges, cpus):
        """`count` Sallyports of so many edges each; all their edges, each on its processor."""
        proxies = [self.make("sallyport", "clear", edges=edges) for _ in range(count)]
        pids = [pid for proxy in proxies for pid in proxy.edge_pids()]
        for pid, cpu in zip(pids, cpus):
            os.sched_setaffinity(pid, {CPUS[cpu % len(CPUS)]})
        return proxies, [proxy.fronts["clear"] for proxy in proxies], pids

    def edges_run(self, count, edges, cpus, loads, cpu=None):
        """[(messages, seconds)] of each generator, [µs] of each edge"""
        proxies, fronts, pids = self.pinned(count, edges, cpus)
        try:
            fronts = fronts * (loads // count)
            self.loads(fronts, 0.3, cpu)
            before = [thread_usec(pid) for pid in pids]
            found = self.loads(fronts, 1.2 if self.quick else self.seconds, cpu)
            used = [thread_usec(pid) - start for pid, start in zip(pids, before)]
            return [(f["messages"], f["seconds"]) for f in found], used
        finally:
            for proxy in proxies:
                proxy.stop()

    def two_edges_by_rate(self):
        ratios = []
        for _ in range(3):
            rates = []
            for edges in (1, 2):
                found, _ = self.edges_run(1, edges, (0, 2), 2, 3)
                rates.append(sum(messages / seconds for messages, seconds in found))
            ratios.append(rates[1] / rates[0])
        return statistics.median(ratios), "messages a second, each edge on a processor of its own, generator and sink on two others"

    def two_edges_by_cpu(self):
        """Two processors can't carry two edges and the generator at full speed. What would keep two edges from twice the work
        of one is that they get into each other's way, or that one of them gets more of the work. For the first: what a
        message costs two edges of one Sallyport, against two Sallyports of one edge that share nothing, on the same
        processors at the same time."""
        dearer, balance = [], []
        for _ in range(2 if self.quick else 5):
            apart, used = self.edges_run(2, 1, (0, 1), 2)
            costs = [usec / messages for usec, (messages, _) in zip(used, apart)]
            together, used = self.edges_run(1, 2, (0, 1), 2)
            shares = [usec / cost for usec, cost in zip(used, costs)]
            dearer.append(sum(shares) / sum(messages for messages, _ in together))
            balance.append(sum(shares) / (2 * max(shares)))
        cost, even = statistics.median(dearer), statistics.median(balance)
        how = (f"a message costs {cost:.2f} times what it costs two Sallyports of one edge that share nothing, "
               f"and the busier edge has {50 / even:.0f} % of the messages")
        return 2 / cost * even, how
