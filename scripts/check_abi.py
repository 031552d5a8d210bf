#!/usr/bin/env python3
"""Checks the binary interface: names of the header = version script = symbols of the library, and
the layout of the header = tests/abi/layout.json."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import abi_programs
import header

MAP = header.ROOT / "cmake" / "tcpkit.map"
LAYOUT = header.ROOT / "tests" / "abi" / "layout.json"


def names_of_header() -> set[str]:
    return {d.name for d in header.of_kind(header.read(), "function")}


def names_of_map() -> set[str]:
    return set(re.findall(r"^\s*(tcpkit_\w+);", MAP.read_text(encoding="utf-8"), re.M))


def names_of_library(library: Path) -> set[str]:
    """All exported symbols but the names of version nodes."""
    command = ["nm", "-D", "--defined-only", "--format=posix", str(library)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in output.splitlines()]
    return {row[0].split("@")[0] for row in rows if row[1] != "A"}


def differences(what: str, names: set[str]) -> list[str]:
    expected = names_of_header()
    missing = [f"{what} lacks {name}" for name in sorted(expected - names)]
    return missing + [f"{what} has {name}, the header does not" for name in sorted(names - expected)]


def unpaired_inits() -> list[str]:
    """Each INIT macro has its init function and the other way round."""
    with_macro = {d.name + "_init" for d in abi_programs.structs_with_init()}
    with_function = {name for name in names_of_header() if name.endswith("_init")}
    return [f"{name}: the macro or the function is missing"
            for name in sorted(with_macro ^ with_function)]


def layout_now() -> dict[str, int]:
    compiler = os.environ.get("CC", "cc")
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "layout.c"), Path(folder, "layout")
        source.write_text(abi_programs.layout_program(), encoding="utf-8")
        include = f"-I{header.HEADER.parent}"
        subprocess.run([compiler, "-std=c99", include, str(source), "-o", str(program)], check=True)
        output = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return json.loads(output)


def layout_differences() -> list[str]:
    kept = json.loads(LAYOUT.read_text(encoding="utf-8")) if LAYOUT.exists() else {}
    now = layout_now()
    return [f"{LAYOUT.name}: {key} was {kept.get(key)}, is {now.get(key)} "
            "(scripts/check_abi.py --update if that is meant)"
            for key in sorted(kept.keys() | now.keys()) if kept.get(key) != now.get(key)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, help="the built libtcpkit.so")
    parser.add_argument("--update", action="store_true", help="rewrite tests/abi/layout.json")
    parser.add_argument("--write-init-test", type=Path, metavar="FILE",
                        help="only write the C program that compares INIT macros and functions")
    arguments = parser.parse_args()
    if arguments.write_init_test:
        arguments.write_init_test.write_text(abi_programs.init_program(), encoding="utf-8")
        return 0
    if arguments.update:
        LAYOUT.write_text(json.dumps(layout_now(), indent=2) + "\n", encoding="utf-8")
    problems = differences(MAP.name, names_of_map()) + unpaired_inits() + layout_differences()
    if arguments.library:
        problems += differences(arguments.library.name, names_of_library(arguments.library))
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
