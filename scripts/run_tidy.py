#!/usr/bin/env python3
"""Runs clang-tidy over src/ and cli/. A file is looked at again only when it, one of its headers, its
compile command or the settings changed."""

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tracked_files import ROOT

SETTINGS = ROOT / ".clang-tidy"
FOLDERS = ("src/", "cli/")


def commands(build: Path) -> dict[Path, list[str]]:
    """Compile command of each source file to look at."""
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    found = {}
    for entry in entries:
        path = Path(entry["directory"], entry["file"])
        if path.is_relative_to(ROOT) and str(path.relative_to(ROOT)).startswith(FOLDERS):
            found[path] = shlex.split(entry["command"])
    return found


def headers_of(command: list[str]) -> list[str]:
    """Files of the project that a source file reads, by asking the compiler."""
    kept = command[:command.index("-o")] + command[command.index("-o") + 2:]
    result = subprocess.run([*kept, "-MM"], capture_output=True, text=True, check=False)
    return result.stdout.replace("\\\n", " ").split(":", 1)[-1].split()


def key_of(path: Path, command: list[str], version: bytes) -> str:
    digest = hashlib.sha256(version + SETTINGS.read_bytes() + " ".join(command).encode())
    for name in sorted({str(path), *headers_of(command)}):
        digest.update(name.encode() + b"\0" + Path(name).read_bytes())
    return digest.hexdigest()


def look_at(path: Path, stamp: Path, build: Path) -> str:
    """Findings about one file; "" if there are none, which is remembered."""
    if stamp.exists():
        return ""
    command = ["clang-tidy", "--quiet", "-p", str(build), str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        stamp.touch()
        return ""
    return result.stdout + ("" if result.stdout else result.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="build folder with compile_commands.json")
    build = parser.parse_args().build.resolve()
    cache = build / "tidy"
    cache.mkdir(exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout

    def check(item: tuple[Path, list[str]]) -> str:
        path, command = item
        return look_at(path, cache / key_of(path, command, version), build)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [text for text in pool.map(check, sorted(commands(build).items())) if text]
    print("".join(findings), end="")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
