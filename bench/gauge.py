#!/usr/bin/python3
"""gauge.py [--build DIR] [--write]: counts the instructions of the edge in fixed conversations, and holds them against
bench/gauge.expected.

Time on a shared machine is noise; what valgrind counts is not. One TAP line a conversation, then "N passed, N failed". More
than the tolerance above what is written there fails. With another compiler or C library than those that it was written with,
other code is counted, and the tolerance is wider. --write writes down what was counted now.
"""
import argparse
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
EXPECTED = HERE / "gauge.expected"
TOLERANCE, TOLERANCE_ELSEWHERE = 0.03, 0.20

# What belongs to the edge: a turn of a session, its birth, its end. None of them calls another one of them.
COUNTED = ("session_run", "session_new", "session_free")

# glibc chooses its memchr and memcpy by the processor; the plainest are there on all.
PLAIN_LIBC = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-BMI2,-LZCNT,-MOVBE,-RTM,-SSE4_2,-SSSE3"

HEAD = """# Instructions of the edge in the conversations of bench/gauge.c, for each operation; `make bench-talks WRITE=1` writes this.
# What makes an edge dearer on purpose says so in its commit, with this file.
"""


def toolchain(program):
    """What the numbers depend on beside our own code."""
    strings = pathlib.Path(program).read_bytes()
    compiler = re.search(rb"GCC: \([^)]*\) [\d.]+|clang version [\d.]+", strings)
    return f"{compiler.group().decode() if compiler else 'unknown compiler'}, {' '.join(platform.libc_ver())}, {platform.machine()}"


def count(program):
    """[(conversation, instructions for each operation)]"""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", "--collect-atstart=no",
                   "--dump-after=gauge_play", *(f"--toggle-collect={name}" for name in COUNTED), program]
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "GLIBC_TUNABLES": PLAIN_LIBC}, check=False)
        if done.returncode:
            raise SystemExit(f"not ok - {program}: {done.stderr[-2000:]}\n0 passed, 1 failed")
        found = []
        for number, line in enumerate(done.stdout.splitlines(), 1):
            name, operations = line.split()
            text = pathlib.Path(f"{folder}/out.{number}").read_text(encoding="utf-8", errors="replace")
            total = int(re.search(r"^(?:summary|totals): (\d+)", text, re.M).group(1))
            found.append((name, round(total / int(operations))))
        return found


def read_expected():
    text = EXPECTED.read_text(encoding="utf-8") if EXPECTED.exists() else ""
    made = re.search(r"^# made with (.*)$", text, re.M)
    return made.group(1) if made else "", {name: int(n) for name, n in re.findall(r"^(\S+) +(\d+)$", text, re.M)}


def judge(found, expected, tolerance):
    failed = 0
    for name, instructions in found:
        was = expected.get(name)
        change = instructions / was - 1 if was else 0
        good = was is not None and change <= tolerance
        failed += not good
        said = f"{instructions:,} instructions, {change:+.1%} against {was:,}" if was else f"{instructions:,} instructions, not in {EXPECTED.name}"
        print(f"{'ok' if good else 'not ok'} - {name}: {said}")
        if good and change < -tolerance:
            print("# cheaper than it was: `make bench-talks WRITE=1` keeps it so")
    for name in sorted(set(expected) - {name for name, _ in found}):
        failed += 1
        print(f"not ok - {name}: is not played any more")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    program = options.build.resolve() / "bench/gauge"
    if not program.is_file() or not shutil.which("valgrind"):
        print(f"not ok - {program} is not built, or valgrind is not installed\n0 passed, 1 failed")
        return 1
    here = toolchain(program)
    found = count(program)
    if options.write:
        lines = [f"{name:26} {instructions}\n" for name, instructions in found]
        EXPECTED.write_text(f"{HEAD}# made with {here}\n" + "".join(lines), encoding="utf-8")
    made, expected = read_expected()
    tolerance = TOLERANCE if made == here else TOLERANCE_ELSEWHERE
    if made != here:
        print(f"# note: made with {made}, this is {here}: a tolerance of {tolerance:.0%}")
    failed = judge(found, expected, tolerance)
    passed = len([name for name, _ in found]) - sum(1 for name, n in found if name not in expected or n > expected[name] * (1 + tolerance))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
