#!/usr/bin/env python3
"""Checks the limits of style: length of files and functions, nesting, opening comments, and words
that must not be committed."""

import re
import sys
from pathlib import Path

from tracked_files import ROOT, tracked_files

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = {"src": 60, "cli": 60, "examples": 60, "bench": 60, "tests": 80}
MAX_NESTING = 4
MAX_OPENING_COMMENT = 3
CODE = (".h", ".hpp", ".c", ".cpp")
SCRIPT = (".py", ".sh")

# In halves, so that this file passes its own check.
FORBIDDEN_WORDS = re.compile(r"\b(TO" r"DO|FIX" r"ME|NO" r"LINT|XX" r"X)\b|#\s*if" r" 0\b")
# Top folders that name no particular machine.
COMMON_TOP = {"tmp", "usr", "home", "root", "var", "opt", "srv", "src", "build", "app"}

_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])*\'',
    re.S)


def bare_code(text: str) -> str:
    """The text without comments, literals and preprocessor lines, with the same line numbers."""
    def blank(match: re.Match) -> str:
        fill = " " if match.group().startswith("/") else "0"
        return fill + "\n" * match.group().count("\n")

    def blank_directive(match: re.Match) -> str:
        return "\n" * match.group().count("\n")

    text = _TOKEN.sub(blank, text)
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.)*", blank_directive, text, flags=re.M | re.S)


_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
_FUNCTION = re.compile(r"\)\s*(const|noexcept(\(.*\))?|override|final|mutable|try|&{1,2}|"
                       r"->[\w\s:<>,*&]+|:[^?]*|\s)*$", re.S)
_BLOCK = re.compile(r"(^|\b(else|do|try))\s*$|\)\s*$")
_LAMBDA = re.compile(r"\[[^\[\]]*\]\s*(\(.*\)\s*(mutable|noexcept|->[\w\s:<>,*&]+|\s)*)?$", re.S)


def kind_of_brace(before: str, inside_function: bool) -> str:
    """What a brace opens, from the text since the last statement."""
    if inside_function:
        is_block = _BLOCK.search(before) or _LAMBDA.search(before)
        return "block" if is_block else "list"
    if _SCOPE.search(before) and not _FUNCTION.search(before):
        return "scope"
    return "function" if _FUNCTION.search(before) else "list"


def statement_before(code: str, index: int) -> str:
    """The text of the statement that a brace at index belongs to, over closed parentheses."""
    depth = 0
    for start in range(index - 1, -1, -1):
        char = code[start]
        depth += (char == ")") - (char == "(")
        if depth < 0 or (depth == 0 and char in ";{}"):
            return code[start + 1:index].strip()
    return code[:index].strip()


def functions(code: str):
    """Yields (first line, number of lines, deepest nesting) of each function with a body."""
    stack: list[str] = []
    first_line = deepest = 0
    for match in re.finditer(r"[{}]", code):
        line = code.count("\n", 0, match.start()) + 1
        if match.group() == "{":
            kind = kind_of_brace(statement_before(code, match.start()), "function" in stack)
            stack.append(kind)
            if kind == "function":
                first_line, deepest = line, 0
            deepest = max(deepest, stack.count("block"))
        elif stack and stack.pop() == "function":
            yield first_line, line - first_line + 1, deepest


def problems_in_functions(path: Path, text: str) -> list[str]:
    limit = MAX_FUNCTION_LINES.get(path.parts[0])
    if limit is None or path.suffix not in CODE:
        return []
    found = []
    for line, length, nesting in functions(bare_code(text)):
        if length > limit:
            found.append(f"{path}:{line}: a function of {length} lines; {limit} are the most")
        if nesting > MAX_NESTING:
            found.append(f"{path}:{line}: nested {nesting} deep; {MAX_NESTING} is the most")
    return found


def problems_in_opening(path: Path, text: str) -> list[str]:
    if path.parts[0] != "src" or path.suffix not in CODE:
        return []
    lines = 0
    for line in text.split("\n"):
        if not line.startswith("//"):
            break
        lines += 1
    if 1 <= lines <= MAX_OPENING_COMMENT:
        return []
    return [f"{path}:1: opens with {lines} lines of comment instead of 1 to {MAX_OPENING_COMMENT}"]


def machine_path() -> re.Pattern:
    """Paths that exist only where this checkout lies."""
    top = ROOT.parts[1]
    prefix = f"/{top}" if top not in COMMON_TOP else str(ROOT)
    return re.compile(r"(?<![\w./-])" + re.escape(prefix) + r"/[\w.-]")


def problems_in_lines(path: Path, text: str, foreign: re.Pattern) -> list[str]:
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        word = FORBIDDEN_WORDS.search(line)
        if word:
            found.append(f"{path}:{number}: {word.group()} must not be committed")
        if foreign.search(line):
            found.append(f"{path}:{number}: a path of this machine")
    return found


def problems_in(path: Path, foreign: re.Pattern) -> list[str]:
    try:
        text = (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    found = problems_in_lines(path, text, foreign)
    lines = text.count("\n")
    limited = path.suffix in CODE + SCRIPT and path.parts[0] != "include"
    if limited and lines > MAX_FILE_LINES:
        found.append(f"{path}: {lines} lines; {MAX_FILE_LINES} are the most")
    return found + problems_in_opening(path, text) + problems_in_functions(path, text)


def main() -> int:
    foreign = machine_path()
    problems = [problem for path in tracked_files() for problem in problems_in(path, foreign)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
