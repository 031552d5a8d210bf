#!/usr/bin/env python3
"""Compiles every C and C++ block of README.md and of the guides as printed, runs those that are whole
programs on a free port and has them echo a line; shell blocks must parse and name commands of ./dev
that exist."""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tracked_files import ROOT

DOCUMENTS = ("README.md", "docs/tls.md", "docs/clients.md", "docs/codecs.md", "docs/coroutines.md")
LANGUAGES = {"c": ("cc", "-std=c99", ".c"), "cpp": ("cxx", "-std=c++20", ".cpp")}
PORT = re.compile(r'(?<=:)\d{4,5}(?=")')
FUNCTION = re.compile(r"^(static|void) .*\) \{$", re.M)
PATIENCE_S = 10


def blocks(text: str):
    """Yields (language, code, line number) of each fenced block."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        yield match.group(1), match.group(2), text.count("\n", 0, match.start()) + 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_program(code: str) -> str:
    """A fragment that has no main becomes the body of one, or stands before one if it defines
    functions."""
    headers = "#ifdef __cplusplus\n#include <tcpkit.hpp>\n#endif\n#include <stdio.h>\n#include <string.h>\n"
    headers += "#include <tcpkit.h>\n"
    if FUNCTION.search(code):
        return f"{headers}{code}\nint main(void) {{ return 0; }}\n"
    return f"{headers}int main(void) {{\n{code}\n}}\n"


class Compiler:
    def __init__(self, arguments: argparse.Namespace, work: Path):
        self.compilers = {"cc": arguments.cc, "cxx": arguments.cxx}
        self.library_folder = arguments.build.resolve()
        self.work = work

    def compile(self, language: str, code: str) -> tuple[Path | None, str]:
        """Path of the program, or None and what the compiler said."""
        kind, standard, suffix = LANGUAGES[language]
        source, program = self.work / f"block{suffix}", self.work / "block"
        source.write_text(code, encoding="utf-8")
        command = [self.compilers[kind], standard, "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
                   f"-I{ROOT / 'include'}", str(source), "-o", str(program),
                   f"-L{self.library_folder}", f"-Wl,-rpath,{self.library_folder}", "-ltcpkit",
                   "-pthread"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return (program, "") if result.returncode == 0 else (None, result.stderr)


def connect(port: int, server: subprocess.Popen) -> socket.socket:
    """Connects as soon as the server listens."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        except ConnectionRefusedError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def echoed(port: int, server: subprocess.Popen) -> bytes:
    line = b"hello, tcpkit\n"
    received = b""
    with connect(port, server) as client:
        client.sendall(line)
        while len(received) < len(line):
            data = client.recv(4096)
            if not data:
                break
            received += data
    return received


def problem_of_run(program: Path, port: int) -> str:
    """What is wrong with the answers of an echo server; "" if nothing."""
    server = subprocess.Popen([str(program)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        answer = echoed(port, server)
        if answer != b"hello, tcpkit\n":
            return f"answered {answer!r}"
        server.send_signal(signal.SIGTERM)
        status = server.wait(PATIENCE_S)
        return f"ended with {status} at SIGTERM" if status else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        server.kill()
        server.wait()


def problem_of_program(compiler: Compiler, language: str, code: str) -> str:
    port = free_port()
    program, message = compiler.compile(language, PORT.sub(str(port), code))
    if program is None:
        return message
    return problem_of_run(program, port) if PORT.search(code) else ""


def problem_of_code(compiler: Compiler, language: str, code: str) -> str:
    if re.search(r"\bint main\(", code):
        return problem_of_program(compiler, language, code)
    _, message = compiler.compile(language, as_program(code))
    return message


def problem_of_shell(code: str) -> str:
    result = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True, check=False)
    if result.returncode:
        return result.stderr
    known = (ROOT / "dev").read_text(encoding="utf-8")
    missing = [name for name in re.findall(r"^\./dev (\w+)", code, re.M)
               if f"cmd_{name}()" not in known and name != "help"]
    return f"./dev has no command {missing[0]}" if missing else ""


def problem_of(compiler: Compiler, language: str, code: str) -> str:
    if language in LANGUAGES:
        return problem_of_code(compiler, language, code)
    return problem_of_shell(code) if language in ("sh", "bash") else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True, help="folder with libtcpkit.so")
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"))
    parser.add_argument("--cxx", default=os.environ.get("CXX", "c++"))
    arguments = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        compiler = Compiler(arguments, Path(folder))
        for document in DOCUMENTS:
            for language, code, line in blocks((ROOT / document).read_text(encoding="utf-8")):
                problem = problem_of(compiler, language, code)
                print(f"{'FAILED' if problem else 'ok'} {document}:{line} ({language}) {problem}")
                failures += bool(problem)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
