#!/usr/bin/env python3
"""Writes docs/api.md from the comments of include/tcpkit.h, in the order of its sections."""

import re
import sys

import header

REFERENCE = header.ROOT / "docs" / "api.md"

INTRODUCTION = """\
# API reference of tcpkit {version}

Made by `scripts/make_reference.py` from the comments of `include/tcpkit.h`; edit those.

{rules}
"""


def mark_names(text: str) -> str:
    """Marks names of the API as code, and keeps the text from being read as markup."""
    text = text.replace("<", "&lt;").replace("*", r"\*")
    return re.sub(r"\b(?:tcpkit|TCPKIT)_\w+(?:\(\))?", lambda match: f"`{match.group()}`", text)


def cell(text: str) -> str:
    return mark_names(text).replace("\n\n", "<br>").replace("|", r"\|")


def wrapped_declaration(code: str, width: int = 92) -> str:
    """A declaration on one line if it fits, else one parameter per line."""
    if len(code) <= width:
        return code
    head, _, parameters = code.partition("(")
    parameters = parameters.removesuffix(");")
    lines = ",\n    ".join(part.strip() for part in re.split(r",(?![^(]*\))", parameters))
    return f"{head}(\n    {lines});"


def with_facts_apart(comment: str) -> str:
    """Puts "Thread:" and "Since:" on a line of their own."""
    text, thread, facts = comment.partition("Thread: ")
    if not thread:
        return mark_names(comment)
    return f"{mark_names(text.strip())}\n\n*Thread: {facts.strip()}*"


def member_table(head: str, rows: list[tuple[str, ...]]) -> str:
    titles = head.split(",")
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def struct_table(declaration: header.Declaration) -> str:
    rows = [(f"`{member.code}`".replace("|", r"\|"), cell(member.comment))
            for member in declaration.members]
    return member_table("Field,Meaning", rows)


def enum_table(declaration: header.Declaration) -> str:
    rows = []
    for member in declaration.members:
        name, _, value = member.code.partition("=")
        rows.append((f"`{name.strip()}`", value.strip(), cell(member.comment)))
    return member_table("Constant,Value,Meaning", rows)


def entry(declaration: header.Declaration) -> str:
    """The part of the reference about one declaration; "" for what is shown with another one."""
    kind = declaration.kind
    if kind == "scalar" or (kind == "macro" and not declaration.comment):
        return ""
    if kind == "enum":
        body = [f"`typedef int32_t {declaration.name};`", mark_names(declaration.comment),
                enum_table(declaration)]
    elif kind == "struct":
        body = [mark_names(declaration.comment), struct_table(declaration)]
    elif kind == "macro":
        body = [f"```c\n{declaration.code}\n```", mark_names(declaration.comment)]
    else:
        code = wrapped_declaration(declaration.code)
        body = [f"```c\n{code}\n```", with_facts_apart(declaration.comment)]
    return "\n\n".join([f"### `{declaration.name}`", *body])


def rules() -> str:
    """The list at the top of the header."""
    opening = header.HEADER.read_text(encoding="utf-8").split("*/")[0]
    lines = [re.sub(r"^ \* ?", "", line) for line in opening.split("\n")[1:]]
    return mark_names("\n".join(lines).strip()).replace("docs/abi.md", "[abi.md](abi.md)")


def reference() -> str:
    declarations = header.read()
    version = next(d.code for d in declarations if d.name == "TCPKIT_VERSION_TEXT").split('"')[1]
    parts = [INTRODUCTION.format(version=version, rules=rules()).rstrip()]
    sections = dict.fromkeys(declaration.section for declaration in declarations)
    links = [f"[{section}](#{section.lower().replace(' ', '-')})" for section in sections]
    parts.append("Sections: " + ", ".join(links))
    for section in sections:
        parts.append(f"## {section}")
        parts += [entry(d) for d in declarations if d.section == section]
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(reference(), encoding="utf-8")
