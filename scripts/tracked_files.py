#!/usr/bin/env python3
"""Files of the project: what git tracks or would add; without git, what lies in the folders.

As a program it prints those whose names end with one of its arguments."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_IGNORED = {"build", ".git", ".cache", "__pycache__"}


def _from_git() -> list[str] | None:
    command = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", "ls-files", "--cached",
               "--others", "--exclude-standard", "-z"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return result.stdout.split("\0") if result.returncode == 0 else None


def _from_folders() -> list[str]:
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*"))
    return [str(path) for path in paths if not _IGNORED & set(path.parts)]


def tracked_files(*folders: str, suffixes: tuple[str, ...] = ()) -> list[Path]:
    """Paths relative to the root, sorted; all of them, or those in folders with one of suffixes."""
    names = _from_git()
    paths = sorted({Path(name) for name in (_from_folders() if names is None else names) if name})
    return [path for path in paths
            if (ROOT / path).is_file()
            and (not folders or path.parts[0] in folders)
            and (not suffixes or path.suffix in suffixes)]


if __name__ == "__main__":
    for name in tracked_files(suffixes=tuple(sys.argv[1:])):
        print(name)
