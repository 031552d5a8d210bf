"""Reads include/tcpkit.h into sections, functions, types and constants, for the checks and for the
reference. It knows the few forms that the header uses, not C."""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "include" / "tcpkit.h"


@dataclass
class Member:
    """A field of a struct or a constant of an enumeration."""

    name: str
    code: str  # declaration without comments
    comment: str


@dataclass
class Declaration:
    kind: str  # function, struct, handle, callback, scalar, enum or macro
    name: str
    code: str  # declaration without comments
    comment: str
    section: str
    line: int
    members: list[Member] = field(default_factory=list)

    def returns_status(self) -> bool:
        return self.kind == "function" and self.code.startswith("tcpkit_status ")

    def takes_nothing(self) -> bool:
        return self.code.endswith("(void);")


def comment_text(comment: str) -> str:
    """Text of a C comment without its frame; paragraphs are kept, lines are joined."""
    lines = [re.sub(r"^\s*\*? ?", "", line).rstrip() for line in _bare(comment).split("\n")]
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _bare(comment: str) -> str:
    return re.sub(r"\*/$", "", re.sub(r"^/\*+", "", comment))


def _squeeze(code: str) -> str:
    return " ".join(code.split())


def _end_of_declaration(text: str, start: int, separator: str) -> int:
    """Index after the separator outside of all brackets, or the end of the text."""
    depth = 0
    index = start
    while index < len(text):
        if text.startswith("/*", index):
            index = text.index("*/", index) + 2
            continue
        char = text[index]
        if char in "({[":
            depth += 1
        elif char in ")}]":
            depth -= 1
        elif char == separator and depth == 0:
            return index + 1
        index += 1
    return len(text)


def _pieces(text: str, separator: str):
    """Yields (kind, text, offset): comments, preprocessor lines, and declarations. A comment that
    follows a declaration on its line is a "trailing" one."""
    index = 0
    after_code = False
    while index < len(text):
        if text[index] in " \t":
            index += 1
        elif text[index] == "\n":
            index += 1
            after_code = False
        elif text.startswith("/*", index):
            end = text.index("*/", index) + 2
            yield ("trailing" if after_code else "comment"), text[index:end], index
            index = end
        elif text[index] == "#":
            end = re.compile(r"(?:[^\n\\]|\\.)*", re.S).match(text, index).end()
            yield "directive", text[index:end], index
            index = end
        else:
            end = _end_of_declaration(text, index, separator)
            yield "code", text[index:end], index
            index = end
            after_code = True


def _strip_comments(code: str) -> tuple[str, str]:
    comments = re.findall(r"/\*.*?\*/", code, re.S)
    bare = re.sub(r"/\*.*?\*/", " ", code, flags=re.S)
    return _squeeze(bare), " ".join(comment_text(comment) for comment in comments)


def _member_name(code: str) -> str:
    pointer = re.search(r"\(\*(\w+)\)\(", code)
    if pointer:
        return pointer.group(1)
    return re.findall(r"\w+", re.sub(r"\[.*?\]|=.*", "", code))[-1]


def _members(body: str, separator: str) -> list[Member]:
    members: list[Member] = []
    pending = ""
    for kind, text, _ in _pieces(body, separator):
        if kind == "comment":
            pending = comment_text(text)
        elif kind == "trailing" and members:
            members[-1].comment = (members[-1].comment + " " + comment_text(text)).strip()
        elif kind == "code":
            code, inner = _strip_comments(text)
            code = code.rstrip(separator).strip()
            members.append(Member(_member_name(code), code, pending or inner))
            pending = ""
    return members


_FORMS = [
    ("function", re.compile(r"TCPKIT_API\s+[^()]*?(\w+)\(")),
    ("struct", re.compile(r"typedef\s+struct\s+\w+\s*\{(?P<body>.*)\}\s*(\w+);", re.S)),
    ("handle", re.compile(r"typedef\s+struct\s+\w+\s+(\w+);")),
    ("callback", re.compile(r"typedef\s+[\w\s*]+\(\*(\w+)\)\(")),
    ("scalar", re.compile(r"typedef\s+\w+\s+(\w+);")),
    ("enum", re.compile(r"enum\s*\{(?P<body>.*)\};", re.S)),
]


def _declaration(text: str, comment: str, section: str, line: int) -> Declaration:
    for kind, form in _FORMS:
        match = form.match(text)
        if not match:
            continue
        name = match.group(form.groups) if kind != "enum" else ""
        code = _strip_comments(text)[0].removeprefix("TCPKIT_API ")
        declaration = Declaration(kind, name, code, comment, section, line)
        if "body" in form.groupindex:
            separator = "," if kind == "enum" else ";"
            declaration.members = _members(match.group("body"), separator)
        return declaration
    raise SystemExit(f"{HEADER.name}:{line}: a form that scripts/header.py does not know: {text}")


def _without_guards(text: str) -> str:
    """Drops what is only for C++ or around the whole file, keeping the line numbers."""
    for pattern in (r"#ifdef __cplusplus\n.*?#endif\n", r"#if defined\(TCPKIT_BUILDING\).*?#endif\n"):
        text = re.sub(pattern, lambda match: "\n" * match.group().count("\n"), text, flags=re.S)
    return text


def read(path: Path = HEADER) -> list[Declaration]:
    text = _without_guards(path.read_text(encoding="utf-8"))
    declarations: list[Declaration] = []
    section = pending = ""
    for kind, piece, offset in _pieces(text, ";"):
        line = text.count("\n", 0, offset) + 1
        heading = re.match(r"/\* -+ (.*?) -+ \*/", piece)
        if heading:
            section, pending = heading.group(1), ""
        elif kind == "comment":
            pending = comment_text(piece)
        elif kind == "trailing":
            last = declarations[-1]
            last.comment = (last.comment + " " + comment_text(piece)).strip()
        elif kind == "directive":
            macro = re.match(r"#define\s+(\w+)\s+(.*)", piece, re.S)
            if macro and section:
                declarations.append(
                    Declaration("macro", macro.group(1), piece, pending, section, line))
            pending = ""
        else:
            declarations.append(_declaration(piece, pending, section, line))
            pending = ""
    _name_enumerations(declarations)
    return declarations


def _name_enumerations(declarations: list[Declaration]) -> None:
    """An enumeration belongs to the scalar type in front of it."""
    for before, declaration in zip(declarations, declarations[1:]):
        if declaration.kind == "enum" and before.kind == "scalar":
            declaration.name = before.name
            declaration.comment = declaration.comment or before.comment


def of_kind(declarations: list[Declaration], *kinds: str) -> list[Declaration]:
    return [declaration for declaration in declarations if declaration.kind in kinds]
