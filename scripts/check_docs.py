#!/usr/bin/env python3
"""Checks that every declaration of include/tcpkit.h is documented by the rules of docs/abi.md, and
that docs/api.md is what scripts/make_reference.py makes of it."""

import re
import sys

import header
import make_reference


def missing_in_function(declaration: header.Declaration) -> list[str]:
    comment = declaration.comment
    missing = []
    if not re.match(r"[A-Za-z0-9].{10,}?[.:](\s|$)", comment):
        missing.append("a first sentence")
    for fact in (r"Thread: (any|loop)", r"Since: \d+\.\d+\."):
        if not re.search(fact, comment):
            missing.append(f'"{fact.split(":")[0]}:"')
    if declaration.returns_status() and not declaration.takes_nothing():
        if not re.search(r"Returns [^.]*(TCPKIT_(E_|OK)|\btcpkit_\w+|the status)", comment):
            missing.append('the statuses that it returns ("Returns ...")')
    return missing


def missing_in(declaration: header.Declaration) -> list[str]:
    if declaration.kind == "function":
        return missing_in_function(declaration)
    if declaration.kind == "macro" or declaration.comment:
        return []
    return ["a comment"]


def stale_reference() -> list[str]:
    path = make_reference.REFERENCE
    written = path.read_text(encoding="utf-8") if path.exists() else ""
    if written == make_reference.reference():
        return []
    return [f"{path.relative_to(header.ROOT)}: out of date; run scripts/make_reference.py"]


def main() -> int:
    problems = []
    for declaration in header.read():
        for what in missing_in(declaration):
            name = declaration.name or "an enumeration"
            problems.append(f"include/tcpkit.h:{declaration.line}: {name} lacks {what}")
    problems += stale_reference()
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
