#!/usr/bin/env python3
"""docs/features.md against tests/data/feature_keys.txt and the tree.

Each key has one row; a row that works names tests that exist: a GoogleTest as Suite.name (after a "/" comes its parameter),
a ctest of a CMakeLists.txt, or a word of a case file. The counts at the page's top are the table's.
--self-test tries it on broken tables."""
import pathlib
import re
import sys

STATES = ("works", "kernel", "n/a", "missing")


def rows_of(text):
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("| "):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if cells[0] != "Key":
            yield number, cells


def named_in(source, path, name):
    name = name.split("/")[0]
    if path.endswith(".cc"):
        suite, _, test = name.partition(".")
        return re.search(rf"TEST(_F|_P)?\(\s*{re.escape(suite)},\s*{re.escape(test)}\s*\)", source) is not None
    if path.endswith("CMakeLists.txt"):
        return re.search(rf"add_test\(\s*NAME {re.escape(name)}\b", source) is not None
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) is not None


def check_tests(root, cell):
    """What is wrong with a cell "tests/file: name, name; tests/file: name"."""
    for part in cell.split("; "):
        path, colon, names = part.partition(": ")
        if not colon or not names.strip():
            yield f"a test is written as FILE: NAME, found {part!r}"
            continue
        if not (root / path).is_file():
            yield f"there is no {path}"
            continue
        source = (root / path).read_text(errors="replace")
        for name in names.split(", "):
            if not named_in(source, path, name.strip()):
                yield f"{path} has no test {name.strip()}"


def check(root, text, keys):
    wrong, seen, counts = [], set(), dict.fromkeys(STATES, 0)
    for number, cells in rows_of(text):
        if len(cells) != 5:
            wrong.append(f"{number}: 5 columns were expected, found {len(cells)}")
            continue
        key, what, state, _, test = cells
        if key in seen:
            wrong.append(f"{number}: {key} is there twice")
        if key not in keys:
            wrong.append(f"{number}: {key} is no key of tests/data/feature_keys.txt")
        seen.add(key)
        if not what:
            wrong.append(f"{number}: {key} does not say what it is")
        if state not in STATES:
            wrong.append(f"{number}: {key}: state {state!r}, expected one of {', '.join(STATES)}")
            continue
        counts[state] += 1
        if state in ("works", "kernel"):
            wrong += [f"{number}: {key}: {problem}" for problem in check_tests(root, test)]
        elif test != "—":
            wrong.append(f"{number}: {key} is {state}, and names a test")
    wrong += [f"{key} has no row" for key in keys if key not in seen]
    top = f"Rows: {len(seen)}, " + ", ".join(f"{state}: {counts[state]}" for state in STATES) + "."
    if top not in text:
        wrong.append(f"the counts at the top should be: {top}")
    return wrong


def self_test(root):
    """A table that is right, and ways to break it."""
    test = "tests/base/result_test.cc: Files.a_missing_file_is_an_error_with_its_name"
    good = ("Rows: 3, works: 1, kernel: 0, n/a: 1, missing: 1.\n"
            "| Key | What | State | Where | Test |\n|---|---|---|---|---|\n"
            f"| A1 | one | works | src | {test} |\n| A2 | two | n/a | — | — |\n| A3 | three | missing | — | — |\n")
    keys = ["A1", "A2", "A3"]
    row = "| A3 | three | missing | — | — |\n"
    broken = {
        "a row is missing": good.replace(row, ""),
        "a row is there twice": good + row,
        "an unknown key": good + row.replace("A3", "A4"),
        "an unknown state": good.replace("n/a |", "perhaps |"),
        "a wrong count": good.replace("missing: 1.", "missing: 0."),
        "no such file": good.replace("result_test", "no_such_test"),
        "no such test": good.replace("Files.a_missing", "Files.another"),
        "no test": good.replace(test, "—"),
        "a missing row with a test": good.replace("missing | — | —", f"missing | — | {test}"),
        "four columns": good.replace("| two ", ""),
    }
    wrong = [f"a table that is right: {problem}" for problem in check(root, good, keys)]
    wrong += [f"not noticed: {name}" for name, text in broken.items() if not check(root, text, keys)]
    if named_in("add_test(NAME bpf_diff COMMAND x)", "tests/CMakeLists.txt", "bpf") or not named_in(
            "add_test(NAME bpf_diff COMMAND x)", "tests/CMakeLists.txt", "bpf_diff"):
        wrong.append("ctests are not told apart")
    return wrong


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    if "--self-test" in sys.argv[1:]:
        wrong = self_test(root)
    else:
        keys = (root / "tests/data/feature_keys.txt").read_text().split()
        wrong = [f"docs/features.md:{line}" for line in check(root, (root / "docs/features.md").read_text(), keys)]
    print("\n".join(wrong) if wrong else "check_features: every row is as the tree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
