#!/usr/bin/env python3
"""Includes go strictly downward, and rooms on one line never include each other (docs/architecture.md)."""
import pathlib
import re
import sys

LINES = [["base"], ["spec"], ["isa", "btf"], ["object"], ["verifier", "vm", "maps", "helpers"], ["runtime"],
         ["hooks"], ["engine"], ["loader"], ["lang", "cc", "package", "report", "shim", "api"], ["cli"]]
LEVEL = {room: level for level, rooms in enumerate(LINES) for room in rooms}
# The agent is hooks' part inside a traced process; it is compiled on its own from these rooms.

def main() -> int:
    source = pathlib.Path(__file__).resolve().parent.parent / "src"
    wrong = 0
    for path in sorted(source.rglob("*")):
        if path.suffix not in (".h", ".cc", ".c", ".S", ".inc"):
            continue
        room = path.relative_to(source).parts[0]
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([a-z_]+)/', line)
            if not found or found[1] not in LEVEL or found[1] == room:
                if re.match(r'\s*#\s*include\s+<linux/bpf', line):
                    print(f"{path}:{number}: <linux/bpf*.h> is never included: spec/ and isa/ have its constants")
                    wrong += 1
                continue
            if LEVEL[found[1]] >= LEVEL[room]:
                print(f"{path}:{number}: room {room} (line {LEVEL[room]}) includes {found[1]} (line {LEVEL[found[1]]})")
                wrong += 1
    print(f"check_includes: {wrong} wrong" if wrong else "check_includes: every include goes down", file=sys.stderr)
    return 1 if wrong else 0

if __name__ == "__main__":
    sys.exit(main())
