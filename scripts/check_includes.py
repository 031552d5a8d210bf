#!/usr/bin/env python3
"""Checks the #include lines against the table of rooms in docs/architecture.md: who may use whom,
and which system headers stay in which room."""

import re
import sys
from pathlib import Path

from tracked_files import ROOT, tracked_files

BELOW_CONN = {"base", "buffer", "metrics", "codec", "framing", "filters", "tls", "loop"}
UP_TO_CONN = BELOW_CONN | {"conn"}

# Room: the other rooms that it may include.
ROOMS = {
    "base": set(),
    "buffer": {"base"},
    "metrics": {"base"},
    "codec": {"base"},
    "framing": {"base", "buffer", "codec"},
    "filters": {"base"},
    "tls": {"base", "buffer"},
    "loop": {"base", "buffer"},
    "conn": BELOW_CONN,
    "strategy": UP_TO_CONN,
    "server": UP_TO_CONN | {"strategy"},
    "client": UP_TO_CONN,
    "broadcast": UP_TO_CONN,
    "events": UP_TO_CONN,
    "services": UP_TO_CONN | {"strategy", "server", "client"},
}
ROOMS["api"] = set(ROOMS)

# Pure byte transformers: they know no socket. <arpa/inet.h> is left to them for inet_pton, which
# only reads text.
PURE_ROOMS = {"framing", "filters", "codec", "tls"}
SOCKET_HEADER = re.compile(r"(sys/(socket|epoll|un|uio|ioctl|select)|netinet/\w+|netdb"
                           r"|unistd|poll|fcntl)\.h$")

# Header of a library: the only room with it.
OWNED_HEADERS = {re.compile(r"uv(\.h$|/)"): "loop", re.compile(r"openssl/"): "tls"}

# Programs and tests that use the library as its users do.
PUBLIC_ONLY = ("cli", "examples", "tests/integration", "tests/consumer", "tests/install")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(path: Path):
    """Yields (line number, form, name) for each #include line."""
    text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def problem_with_room(room: str, name: str) -> str:
    if name == "tcpkit.h":
        return ""
    target = name.split("/")[0]
    if "/" not in name or target not in ROOMS:
        return f'"{name}" does not name its file from src/'
    if target != room and target not in ROOMS[room]:
        return f"{room} may not include {target}"
    return ""


def problem_with_system(room: str, name: str) -> str:
    for pattern, owner in OWNED_HEADERS.items():
        if pattern.match(name) and room != owner:
            return f"<{name}> belongs to src/{owner} alone"
    if room in PURE_ROOMS and SOCKET_HEADER.match(name):
        return f"{room} knows no sockets: <{name}>"
    return ""


def problems_in_source(path: Path) -> list[str]:
    room = path.parts[1] if len(path.parts) > 2 else ""
    if room not in ROOMS:
        return [f"{path}: not in a room of the table"]
    found = []
    for number, form, name in includes(path):
        check = problem_with_room if form == '"' else problem_with_system
        problem = check(room, name)
        if problem:
            found.append(f"{path}:{number}: {problem}")
    return found


def problems_in_user(path: Path) -> list[str]:
    return [f"{path}:{number}: only the public headers may be used here"
            for number, _, name in includes(path) if name.split("/")[0] in ROOMS]


def main() -> int:
    problems = []
    suffixes = (".h", ".hpp", ".c", ".cpp")
    for path in tracked_files("src", suffixes=suffixes):
        problems += problems_in_source(path)
    for path in tracked_files("cli", "examples", "tests", suffixes=suffixes):
        if str(path).startswith(PUBLIC_ONLY):
            problems += problems_in_user(path)
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
