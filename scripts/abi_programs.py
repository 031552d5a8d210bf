"""C programs made from the header: one prints the layout of everything in it, one compares each
INIT macro with its init function."""

import re

import header

_OPENING = '#include <inttypes.h>\n#include <stdio.h>\n#include <string.h>\n#include "tcpkit.h"\n\n'


def _print(key: str, value: str) -> str:
    return f'  printf("  \\"{key}\\": %" PRId64 ",\\n", (int64_t)({value}));'


def _struct_lines(declaration: header.Declaration) -> list[str]:
    name = declaration.name
    lines = [_print(f"sizeof {name}", f"sizeof({name})")]
    for member in declaration.members:
        lines.append(_print(f"{name}.{member.name} at", f"offsetof({name}, {member.name})"))
        lines.append(_print(f"{name}.{member.name} size", f"sizeof((({name} *)0)->{member.name})"))
    return lines


def _is_number(macro: header.Declaration) -> bool:
    value = macro.code.split()[-1]
    return bool(re.fullmatch(r"-?\d+u?|U?INT\d+_MAX|SIZE_MAX", value)) and "VERSION" not in macro.name


def layout_program() -> str:
    """Prints a JSON object: sizes, offsets, and the values of all constants."""
    declarations = header.read()
    lines: list[str] = []
    for declaration in declarations:
        if declaration.kind == "struct":
            lines += _struct_lines(declaration)
        elif declaration.kind in ("scalar", "callback"):
            lines.append(_print(f"sizeof {declaration.name}", f"sizeof({declaration.name})"))
        elif declaration.kind == "enum":
            lines += [_print(member.name, member.name) for member in declaration.members]
        elif declaration.kind == "macro" and _is_number(declaration):
            lines.append(_print(declaration.name, declaration.name))
    last = lines.pop().replace(',\\n"', '\\n"')
    body = "\n".join([*lines, last])
    return (f'{_OPENING}int main(void) {{\n  puts("{{");\n{body}\n'
            '  puts("}");\n  return 0;\n}\n')


_INIT_FUNCTION = """\
static int check_{name}(void) {{
  static const {name} from_macro = {macro};
  {name} from_function;
  memset(&from_function, 0xA5, sizeof from_function);
  {name}_init(&from_function);
  {name}_init(NULL);
  if (!memcmp(&from_macro, &from_function, sizeof from_macro){size_check}) return 0;
  puts("{macro} and {name}_init differ");
  return 1;
}}
"""


def structs_with_init() -> list[header.Declaration]:
    declarations = header.read()
    macros = {d.name for d in header.of_kind(declarations, "macro")}
    return [d for d in header.of_kind(declarations, "struct")
            if d.name.upper() + "_INIT" in macros]


def init_program() -> str:
    parts = [_OPENING]
    calls = []
    for declaration in structs_with_init():
        name = declaration.name
        has_size = declaration.members[0].name == "struct_size"
        size_check = " &&\n      from_macro.struct_size == sizeof from_macro" if has_size else ""
        parts.append(_INIT_FUNCTION.format(name=name, macro=name.upper() + "_INIT",
                                           size_check=size_check))
        calls.append(f"check_{name}()")
    parts.append("int main(void) {\n  int failures = 0;\n")
    parts += [f"  failures += {call};\n" for call in calls]
    parts.append("  return failures != 0;\n}\n")
    return "".join(parts)
