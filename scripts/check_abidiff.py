#!/usr/bin/env python3
"""Compares the built library with the last tagged one of the same ABI (the same SONAME). Exits with
77, "skipped", where there is no such tag."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tracked_files import ROOT

SKIPPED = 77
# Bits in the exit status of abidiff.
INCOMPATIBLE = 8
USAGE_ERROR = 1 | 2


def soname_version(header_text: str) -> str:
    """The part of the version that is in the SONAME."""
    major, minor = (re.search(rf"TCPKIT_VERSION_{part} (\d+)", header_text).group(1)
                    for part in ("MAJOR", "MINOR"))
    return f"{major}.{minor}." if major == "0" else f"{major}."


def last_tag() -> str:
    wanted = "v" + soname_version((ROOT / "include" / "tcpkit.h").read_text(encoding="utf-8"))
    command = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "tag", "--merged", "HEAD",
               "--sort=-version:refname", "--list", f"{wanted}*"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return (result.stdout.split() or [""])[0]


def build_tag(tag: str, work: Path) -> Path:
    """Builds the shared library of a tag, once, and returns its path."""
    folder = work / tag
    library = folder / "build" / "libtcpkit.so"
    if library.exists():
        return library
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    archive = folder / "source.tar"
    subprocess.run(["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "archive",
                    f"--output={archive}", tag], check=True)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(source)], check=True)
    off = [f"-DTCPKIT_BUILD_{part}=OFF" for part in ("TESTS", "CLI", "BENCH", "EXAMPLES")]
    subprocess.run(["cmake", "-S", str(source), "-B", str(folder / "build"), "-G",
                    "Ninja", *off], check=True)
    subprocess.run(["cmake", "--build", str(folder / "build"), "--target", "tcpkit"], check=True)
    return library


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder to build the tag in")
    arguments = parser.parse_args()
    tag = last_tag()
    if not tag:
        print("no tagged release of this ABI")
        return SKIPPED
    earlier = build_tag(tag, arguments.work)
    result = subprocess.run(["abidiff", "--no-added-syms", str(earlier), str(arguments.library)],
                            check=False)
    return 1 if result.returncode & (INCOMPATIBLE | USAGE_ERROR) else 0


if __name__ == "__main__":
    sys.exit(main())
