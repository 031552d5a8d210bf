#!/usr/bin/env python3
"""Installs a build into an empty prefix, then builds and runs outside of the source tree: a C program
through pkg-config, shared and static, and a C++ program through find_package, shared and static."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent


def run(*command: object, env: dict[str, str] | None = None) -> str:
    """Runs a command to its end and returns what it printed; a failure ends the test."""
    words = [str(word) for word in command]
    result = subprocess.run(words, env={**os.environ, **(env or {})}, text=True, timeout=240,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL, check=False)
    if result.returncode != 0:
        sys.exit(f"{' '.join(words)}\nended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def install(cmake: str, build: Path) -> Path:
    prefix = build / "install-test"
    shutil.rmtree(prefix, ignore_errors=True)
    run(cmake, "--install", build, "--prefix", prefix)
    return prefix


def only(prefix: Path, pattern: str) -> Path:
    """The one installed file of that form."""
    found = sorted(prefix.glob(pattern))
    if not found:
        sys.exit(f"{pattern} was not installed into {prefix}")
    return found[0]


def pkg_config_flags(prefix: Path, *options: str) -> list[str]:
    folder = only(prefix, "**/tcpkit.pc").parent
    search = {"PKG_CONFIG_PATH": str(folder)}
    return run("pkg-config", *options, "tcpkit", env=search).split()


def test_pkg_config(prefix: Path, work: Path, cc: str) -> None:
    library_folder = only(prefix, "**/libtcpkit.so").parent
    source = work / "echo_consumer.c"
    shared = pkg_config_flags(prefix, "--cflags", "--libs")
    run(cc, "-std=c99", "-Wall", "-Werror", source, "-o", work / "c_shared", *shared)
    run(work / "c_shared", env={"LD_LIBRARY_PATH": str(library_folder)})
    static = pkg_config_flags(prefix, "--static", "--cflags", "--libs")
    static[static.index("-ltcpkit")] = str(library_folder / "libtcpkit.a")
    run(cc, "-std=c99", source, "-o", work / "c_static", *static)
    run(work / "c_static")


def test_find_package(prefix: Path, work: Path, arguments: argparse.Namespace) -> None:
    build = work / "build"
    run(arguments.cmake, "-S", work, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DCMAKE_C_COMPILER={arguments.cc}", f"-DCMAKE_CXX_COMPILER={arguments.cxx}", "-G", "Ninja")
    run(arguments.cmake, "--build", build)
    run(build / "user_shared")
    run(build / "user_static")


def test_program(prefix: Path) -> None:
    """The installed program finds the library beside it."""
    if not run(only(prefix, "bin/tcpkit"), "--help"):
        sys.exit("tcpkit --help prints nothing")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    arguments = parser.parse_args()
    prefix = install(arguments.cmake, arguments.build)
    for header in ("tcpkit.h", "tcpkit.hpp"):
        only(prefix, f"include/{header}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(TESTS / "install" / "user", work, dirs_exist_ok=True)
        for name in ("echo_consumer.c", "echo_client.h"):
            shutil.copy(TESTS / "consumer" / name, work)
        test_pkg_config(prefix, work, arguments.cc)
        test_find_package(prefix, work, arguments)
    test_program(prefix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
