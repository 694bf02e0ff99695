"""Makes the page out of the figures: tables, verdicts, the plot."""
import pathlib
import re
import statistics
import subprocess
import tempfile

import works
from machine import description, versions

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ("sallyport", "nginx-stream", "haproxy", "stunnel", "nginx-mail", "postfix")
COLOURS = ("#1b6ca8", "#7a9e3c", "#c9892b", "#9a5a9c", "#4fa3a3", "#b5483f")


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def spread(values, show=number):
    return f"{show(statistics.median(values))} ({show(min(values))}–{show(max(values))})" if values else "–"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


class Report:
    def __init__(self, bench, results):
        self.bench, self.results = bench, results
        self.targets = []  # (id, what, found, target, met or None)

    def of(self, work, name):
        return self.bench.samples.get((work.key, name), [])

    # --- what it cost ---

    def costs(self):
        rows = []
        for work in works.WORKS:
            if self.of(work, "sallyport"):
                rows.append([work.title, f"µs/{work.unit}", *(spread(self.of(work, name)) for name in COLUMNS)])
        return table(["work", "", *map(self.bench.title, COLUMNS)], rows)

    def rates(self):
        rows = []
        for work in works.WORKS:
            if self.of(work, "sallyport"):
                rows.append([work.title, f"{work.unit}/s",
                             *(spread(self.bench.rates.get((work.key, name), [])) for name in COLUMNS)])
        return table(["work", "", *map(self.bench.title, COLUMNS)], rows)

    def judge_work(self, work, target):
        ours = self.of(work, "sallyport")
        beside = {name: self.of(work, name) for name in target.beside if self.of(work, name)}
        names = " and ".join(map(self.bench.title, target.beside))
        what = f"{work.title}, beside {'the better of ' if len(target.beside) > 1 else ''}{names}"
        goal = f"≤ {target.most:.2f}"
        key = f"{work.key}/{'+'.join(target.beside)}"
        if not ours or not beside:
            why = self.results["refused"] or "it failed, see below" if not ours else "; ".join(
                self.bench.absent.get(name, "no figures") for name in target.beside)
            self.targets.append((key, what, f"not measured: {why}", goal, None))
            return
        best = min(beside.values(), key=statistics.median)
        ratio = statistics.median(ours) / statistics.median(best)
        # Rounds were interleaved: those of the same number had the same weather.
        pairs = [a / b for a, b in zip(ours, best)]
        self.targets.append((key, what, f"{ratio:.2f} ({min(pairs):.2f}–{max(pairs):.2f})", goal, ratio <= target.most))

    # --- memory ---

    def idle(self):
        rows = []
        for name, front, most in works.IDLE:
            if (name, front) not in self.results["idle"]:
                continue
            count, first, second = self.results["idle"][name, front]
            rows.append([self.bench.title(name), {"half": "client", "both": "both", "pass": "none"}[front], f"{count:,}",
                         f"{first / 1000:.1f}" if first else "–", f"{second / 1000:.1f}" if second else "–"])
            if most and first:
                # A session that has not yet needed its upstream has one leg; with the second one it is behind a message.
                worst = max(first, second or 0) if front == "both" else first
                self.targets.append((f"idle-{front}", f"memory of an idle session, TLS on {'both legs' if front == 'both' else 'the client side'}",
                                     f"{worst / 1000:.1f} kB", f"≤ {most / 1000:.0f} kB", worst <= most))
        return table(["", "TLS legs", "sessions", "after EHLO, kB", "after a message, kB"], rows)

    def many(self):
        held, slowest, limit = self.results["many_idle"]
        met = slowest <= works.SERVED_WITHIN_USEC and (held >= works.MANY_IDLE or bool(limit))
        if met and limit:
            met = None  # nothing failed, but the number was not reached
        text = f"{held:,} held{' (' + limit + ')' if limit else ''}, slowest other {slowest / 1000:.0f} ms"
        self.targets.append(("many-idle", f"{works.MANY_IDLE:,} idle sessions on one edge, others served within 1 s", text, "1 s", met))

    # --- latency ---

    def latency(self):
        found = self.results["latency"]
        rows = []
        base = found.get(("direct", None))
        for (name, front), values in found.items():
            p50, p99 = [v[0] / 1000 for v in values], [v[1] / 1000 for v in values]
            added = "–" if name == "direct" or not base else f"{statistics.median(p50) - statistics.median([v[0] / 1000 for v in base]):+.2f}"
            title = "none" if name == "direct" else self.bench.title(name)
            rows.append([title, {"both": "both", "half": "client", None: "–"}[front],
                         spread(p50, "{:.2f}".format), spread(p99, "{:.1f}".format), added])
        self.judge_latency(base, found.get(works.LATENCY[0]))
        return table(["proxy", "TLS legs", "p50, ms", "p99, ms", "added p50, ms"], rows)

    def judge_latency(self, base, ours):
        if not base or not ours:
            return
        # The best round of each: what the machine's other work adds can only be more.
        added = [min(v[i] for v in ours) - min(v[i] for v in base) for i in (0, 1)]
        middle = statistics.median(v[0] for v in ours) - statistics.median(v[0] for v in base)
        self.targets.append(("latency", f"added median latency at {works.LATENCY_RATE} new connections a second, TLS on both legs",
                             f"{middle / 1000:.2f} ms (best round {added[0] / 1000:.2f})", f"≤ {works.LATENCY_MOST_USEC / 1000} ms",
                             middle <= works.LATENCY_MOST_USEC))
        self.targets.append(("stall", "no stall of ours at p99", f"{added[1] / 1000:+.1f} ms against direct",
                             f"< {works.STALL_USEC / 1000:.0f} ms", added[1] < works.STALL_USEC))

    # --- the rest ---

    def others(self):
        whole, resumed = self.results["resumed"]
        share = resumed / whole if whole else None
        text = f"{share * 100:.1f} % of {whole:,}" if whole else "no handshake: connections were reused"
        self.targets.append(("resumed", "upstream handshakes resumed", text, f"≥ {works.RESUMED_LEAST * 100:.0f} %",
                             share is None or share >= works.RESUMED_LEAST))
        ratio, how = self.results["edges"]
        self.targets.append(("edges", f"two edges against one ({how})", f"{ratio:.2f}", f"≥ {works.EDGES_LEAST}",
                             ratio >= works.EDGES_LEAST))

    def verdicts(self):
        words = {True: "met", False: "**missed**", None: "–"}
        return table(["target", "found", "wanted", ""], [[what, found, goal, words[met]] for _, what, found, goal, met in self.targets])

    def explanations(self):
        """What bench/explained.md says of each target that is missed."""
        text = (HERE / "explained.md").read_text(encoding="utf-8")
        known = dict(re.findall(r"^## (\S+)\n+(.*?)\s*(?=^## |\Z)", text, re.M | re.S))
        missed = [(key, what) for key, what, _, _, met in self.targets if met is False]
        if not missed:
            return "None is missed."
        return "\n\n".join(f"**{what}.** {known.get(key, 'Not explained yet.')}" for key, what in missed)


def plot(bench, path):
    names = [name for name in COLUMNS if any(key[1] == name for key in bench.samples)]
    rows = [work for work in works.WORKS if (work.key, "sallyport") in bench.samples]
    if not rows:
        return
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        lines = []
        for work in rows:
            cells = [f"{statistics.median(bench.samples[work.key, name]):.1f}" if (work.key, name) in bench.samples else "NaN"
                     for name in names]
            lines.append(" ".join([f'"{work.title.replace(", ", chr(92) + "n")}\\n(µs/{work.unit})"', *cells]))
        data.write_text("\n".join(lines) + "\n", encoding="utf-8")
        columns = ", ".join(
            f"'{data}' using {i + 2}{':xtic(1)' if i == 0 else ''} title '{bench.title(name)}' linecolor rgb '{COLOURS[COLUMNS.index(name)]}'"
            for i, name in enumerate(names))
        script = f"""set terminal svg size 1300,560 font 'sans-serif,12' background '#ffffff'
set output '{path}'
set encoding utf8
set title 'CPU time of the proxy (all its processes); less is better'
set style data histogram
set style histogram clustered gap 1
set style fill solid border -1
set boxwidth 0.9
set logscale y
set ylabel 'microseconds'
set grid ytics
set bmargin 5
set key top right horizontal
set xtics font ',10'
plot {columns}
"""
        subprocess.run(["gnuplot"], input=script, text=True, check=False, timeout=60, stderr=subprocess.DEVNULL)


def write(bench, results, folder):
    report = Report(bench, results)
    for work in works.WORKS:
        for target in work.targets:
            report.judge_work(work, target)
    idle = report.idle()
    report.many()
    latency = report.latency()
    report.others()
    parts = {
        "when": results["when"], "machine": description(),
        "versions": ", ".join(f"{name} {version}" for name, version in versions()),
        "rounds": str(bench.rounds), "seconds": f"{bench.seconds:g}",
        "quick": " It was the quick run: `make bench` takes more rounds and more peers." if bench.quick else "",
        "costs": report.costs(), "rates": report.rates(), "idle": idle, "latency": latency, "verdicts": report.verdicts(),
        "explained": report.explanations(),
        "absent": "".join(f"\nLeft out: {why}\n" for why in bench.absent.values()),
        "wrong": "\n".join(f"- {text}" for text in bench.wrong) or "Nothing: every message that was acknowledged came once and whole.",
    }
    page = (HERE / "performance.in.md").read_text(encoding="utf-8")
    page = re.sub(r"@(\w+)@", lambda match: parts[match.group(1)], page)
    (folder / "performance.md").write_text(page, encoding="utf-8")
    plot(bench, folder / "performance.svg")
    print("\n".join(("", parts["costs"], "", idle, "", latency, "", parts["verdicts"], "", parts["wrong"])))
