#!/usr/bin/env python3
"""Lists every store to shared memory, which the fault-injection build can kill a process at, in docs/kill-points.md.

    tools/kill_points.py [--check]

A kill point is a modifying call on a hive::Shared<T> (src/base/shared.h) or a kill_point() before another store. The
list goes by file and statement, without line numbers, so that it changes only where a store does.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/kill-points.md"
PLACES = ["src/base/robust_lock.h", "src/base/slots.h", "src/base/hive*.cc", "src/maps/*.h", "src/maps/*.cc",
          "src/maps/control/*.cc"]
CALL = re.compile(r"(\.|->)(store|exchange|fetch_add|fetch_sub|fetch_or|fetch_and|compare_exchange_strong)\(")
OTHER = re.compile(r"\bkill_point\(\)")


def statement(text, at):
    """The statement around `at`, on one line."""
    begin = max(text.rfind(c, 0, at) for c in ";{}") + 1
    end = text.find(";", at)
    words = " ".join(text[begin:end].split())
    return re.sub(r", std::memory_order_\w+", "", words)


def points_of(path):
    text = re.sub(r"//[^\n]*", "", path.read_text())
    found = [(m.start(), statement(text, m.start())) for m in CALL.finditer(text) if "atomic_ref" not in
             statement(text, m.start())]
    for m in OTHER.finditer(text):
        following = text.find(";", m.end()) + 1
        found.append((m.start(), statement(text, following + 1)))
    return [words for _, words in sorted(found)]


def page():
    out = ["# Kill points", "",
           "Made by `tools/kill_points.py` (the test `kill_points_are_listed` checks that it is fresh). Every store to memory that",
           "processes share, of slots, locks, the object directory and maps. The fault-injection build (`maps_faults_test`;",
           "preset `faults`) kills a process before each of them, in every operation of every map type that comes by, and",
           "checks what is left: `tests/maps/faults/kill_every_store.cc`.", ""]
    total = 0
    parts = []
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            points = points_of(path)
            if not points:
                continue
            total += len(points)
            parts += [f"## {path.relative_to(ROOT)}: {len(points)}", "", "```"] + points + ["```", ""]
    return "\n".join(out + [f"{total} in all.", ""] + parts).rstrip() + "\n"


def main():
    made = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made)
        return 0
    if PAGE.exists() and PAGE.read_text() == made:
        return 0
    print("docs/kill-points.md is out of date: run tools/kill_points.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
