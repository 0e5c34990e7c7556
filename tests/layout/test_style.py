"""STYLE.md as far as a program can check it. Each test names every place that breaks its rule."""

import re

from tree import CODE_FOLDERS, ROOT, SRC, complain, cpp_files, files, is_test, relative, text_of
from tree import without_comments_and_strings

LINE_MAX = 120
TEST_TABLE_LINE_MAX = 180  # Whole-program tests have tables: a case a line reads better than a case in three.
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 100
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# Word → what to write instead.
BANNED = {
    r"\bdown" r"stream\b": "client",
    r"\bwhite" r"list": "allow list",
    r"\bblack" r"list": "deny list",
    r"\bmaster/sl" r"ave\b": "primary and replica",
    r"/wo" r"rk/\w": "a path of one machine",
    r"/ho" r"me/\w": "a path of one machine",
}


def code_and_scripts():
    scripts = files("*.py", "*.sh", below=["bench", "tests", "examples", ".ci"])
    return cpp_files() + scripts + [ROOT / "dev", ROOT / ".ci/run"]


def documents():
    return files("*.md", "*.txt", "*.cmake", "*.yaml", "*.conf", "*.cedar")


def lines_of(paths):
    for path in paths:
        for number, line in enumerate(text_of(path).splitlines(), 1):
            yield f"{relative(path)}:{number}", line


def test_lines_are_short_and_clean():
    findings = []
    for place, line in lines_of(code_and_scripts()):
        if len(line) > (TEST_TABLE_LINE_MAX if place.startswith(("tests/integration/", "tests/faults/")) else LINE_MAX):
            findings.append(f"{place}: {len(line)} characters")
        if "\t" in line:
            findings.append(f"{place}: tab")
        if line != line.rstrip():
            findings.append(f"{place}: space at the end of the line")
    complain(findings)


def test_files_end_with_one_newline():
    complain([relative(path) for path in code_and_scripts() + documents()
              if text_of(path) and (not text_of(path).endswith("\n") or text_of(path).endswith("\n\n"))])


def test_headers_say_their_purpose_first_and_are_included_once():
    findings = []
    for path in files("*.h", below=CODE_FOLDERS):
        text = text_of(path)
        if not re.match(r"// \S", text):
            findings.append(f"{relative(path)}: the first line is not a comment that says what it is for")
        if "\n#pragma once\n" not in text:
            findings.append(f"{relative(path)}: no #pragma once")
    complain(findings)


def without_condition(statement):
    """"if (a) b" → "b". The statement itself if it does not begin with a condition."""
    head = re.match(r"(?:\}?\s*else\s+)?\s*(?:if|while)\s*\(", statement)
    if not head:
        return statement
    depth = 1
    for at in range(head.end(), len(statement)):
        depth += {"(": 1, ")": -1}.get(statement[at], 0)
        if depth == 0:
            return statement[at + 1 :]
    return statement


def test_what_is_awaited_is_a_statement_of_its_own():
    """g++ 12 gets co_await wrong within a larger expression. In the condition of an `if` or `switch` of a coroutine
    without local variables the frame is laid out wrongly; behind `&&` and `||` it awaits whatever stands before."""
    larger = re.compile(r"&&|\|\||\?|\b(if|switch|while) *\(.*co_await", re.DOTALL)
    findings = []
    for path in files("*.cc", "*.h", below=CODE_FOLDERS):
        line = 1
        for statement in re.split(r"([;{}])", without_comments_and_strings(text_of(path))):
            if "co_await" in statement:
                rest = without_condition(statement.strip().removeprefix('""').strip())
                if "co_await" not in rest or larger.search(rest):
                    findings.append(f"{relative(path)}:{line}: co_await within a larger expression")
            line += statement.count("\n")
    complain(findings)


def test_no_captures_are_made_within_an_await():
    """g++ 12 destroys what a lambda holds by value twice when the lambda is written within the awaited expression."""
    head = re.compile(r"co_await\b.*?\[([^\[\]]+)\]\s*(?:\(|mutable|$)", re.DOTALL)
    findings = []
    for path in files("*.cc", "*.h", below=CODE_FOLDERS):
        line = 1
        for statement in re.split(r"([;{}])", without_comments_and_strings(text_of(path))):
            found = head.search(statement)
            if found and any(not re.match(r"&|this$", item.strip()) for item in found[1].split(",")):
                findings.append(f"{relative(path)}:{line}: a lambda that holds '{found[1]}' within co_await")
            line += statement.count("\n")
    complain(findings)


def test_nothing_is_left_unfinished():
    complain([f"{place}: {line.strip()}" for place, line in lines_of(code_and_scripts() + documents())
              if UNFINISHED.search(line)])


def test_words_are_the_ones_we_use():
    findings = []
    for place, line in lines_of(code_and_scripts() + documents()):
        for pattern, instead in BANNED.items():
            match = re.search(pattern, line, re.IGNORECASE)
            if match and not place.startswith("docs/glossary.md"):
                findings.append(f"{place}: '{match.group()}': {instead}")
    complain(findings)


def test_files_and_folders_are_named_in_snake_case():
    complain([relative(path) for path in cpp_files() if not re.fullmatch(r"[a-z][a-z0-9_]*\.(cc|h)", path.name)])


def test_a_room_is_its_namespace():
    findings = []
    for path in files("*.cc", "*.h", below=["src"]):
        if path.parent == SRC:
            continue
        room = path.relative_to(SRC).parts[0]
        wanted = "namespace keepgate" if room == "base" else f"namespace keepgate::{room}"
        text = text_of(path)
        if not re.search(r"^[a-z]", text, re.MULTILINE):
            continue  # Nothing but preprocessor lines.
        if wanted not in text and f"using namespace keepgate::{room}" not in text:
            findings.append(f"{relative(path)}: no '{wanted}'")
    complain(findings)


def test_headers_open_no_namespace_to_everybody():
    headers = [path for path in files("*.h", below=CODE_FOLDERS) if not path.name.endswith("_test_support.h")]
    complain([place for place, line in lines_of(headers)
              if re.match(r"\s*using namespace ", line)])


def test_macros_are_ours_by_name():
    complain([f"{place}: {line.strip()}" for place, line in lines_of(cpp_files())
              if re.match(r"\s*#\s*define\s+(?!KG_|_GNU_SOURCE|PCRE2_CODE_UNIT_WIDTH)", line)])


def test_unit_tests_are_sentences():
    findings = []
    for path in cpp_files():
        if not is_test(path):
            continue
        for suite, name in re.findall(r"^(?:TEST|TEST_F|TEST_P)\((\w+),\s*(\w+)\)", text_of(path), re.MULTILINE):
            if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", name) or not re.fullmatch(r"[A-Z]\w*", suite):
                findings.append(f"{relative(path)}: TEST({suite}, {name})")
    complain(findings)


def test_a_test_stands_beside_what_it_tests():
    complain([relative(path) for path in files("*_test.cc")
              if SRC not in path.parents and ROOT / "examples" not in path.parents])


NOT_A_FUNCTION = r"(?!namespace|class|struct|enum|union|extern|if|for|while|switch|do|else|try|case|default|[ }#])"
OPENING = re.compile(r"^( {0,4})" + NOT_A_FUNCTION + r"\S.*\{$")


def lines_of_logic(lines):
    """Without those of tables in the shape of a switch: `case x:` and the `return` that follows it."""
    count, in_table = 0, False
    for line in lines:
        label = re.match(r"\s*(case .*|default):$", line)
        answer = in_table and re.match(r"\s*return .*;$", line)
        row = label or answer or re.match(r"\s*(case .*|default): return .*;$", line)
        in_table = bool(label)
        count += not row
    return count


def function_lengths(path):
    """(line, length) of what looks like a function: an opening brace that the same indentation closes."""
    lines = without_comments_and_strings(text_of(path)).splitlines()
    for index, line in enumerate(lines):
        match = OPENING.match(line)
        if not match or re.search(r"=\s*\{$|\{\{$|\(\{$|,\s*\{$", line):
            continue
        for end in range(index + 1, len(lines)):
            if lines[end].startswith(match[1] + "}"):
                if not lines[end].rstrip().endswith("};"):  # A list of values, or a type.
                    yield index + 1, lines_of_logic(lines[index:end + 1])
                break


def test_functions_fit_on_a_page():
    complain([f"{relative(path)}:{line}: {length} lines, at most {FUNCTION_LINES_MAX}"
              for path in cpp_files() for line, length in function_lengths(path) if length > FUNCTION_LINES_MAX])


def long_files_allowed():
    allowed = {}
    for line in text_of(ROOT / "tests/layout/long_files.txt").splitlines():
        if line and not line.startswith("#"):
            name, count = line.split()
            allowed[name] = int(count)
    return allowed


def test_files_have_one_subject_and_a_bounded_length():
    """tests/layout/long_files.txt lists the exceptions. It may only shrink."""
    allowed, findings, long_files = long_files_allowed(), [], set()
    for path in cpp_files() + files("*.py", below=["bench", "tests", "examples", ".ci"]):
        count = text_of(path).count("\n")
        if count > FILE_LINES_MAX:
            long_files.add(relative(path))
            most = allowed.get(relative(path), FILE_LINES_MAX)
            if count > most:
                findings.append(f"{relative(path)}: {count} lines, at most {most}")
    findings += [f"{name} is not long any more: take it off the list" for name in allowed if name not in long_files]
    complain(findings)
