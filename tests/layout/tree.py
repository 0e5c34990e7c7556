"""What the layout tests share: the repository's files as they lie on disk."""

import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
CODE_FOLDERS = ["src", "include", "bench", "fuzz", "examples"]
SKIPPED = {"build", ".git", "node_modules", "__pycache__"}


@functools.cache
def text_of(path):
    return path.read_text(encoding="utf-8")


def relative(path):
    return path.relative_to(ROOT).as_posix()


def files(*patterns, below=None):
    """All files that match, except what tools leave behind."""
    starts = [ROOT / folder for folder in below] if below else [ROOT]
    found = set()
    for start in starts:
        for pattern in patterns:
            found.update(path for path in start.rglob(pattern)
                         if path.is_file() and not SKIPPED & set(path.relative_to(ROOT).parts))
    return sorted(found)


def cpp_files():
    return files("*.cc", "*.h", below=CODE_FOLDERS)


def is_test(path):
    return path.name.endswith("_test.cc") or path.name.startswith("test_")


def without_comments_and_strings(text):
    """C++ text with the same lines, but nothing in comments, strings and characters."""
    comment, raw, quoted = r"//[^\n]*|/\*.*?\*/", r'R"(\w*)\(.*?\)\1"', r'"(?:\\.|[^"\\\n])*"'
    character = r"(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'"  # Not the separators of 10'000.
    pattern = re.compile("|".join((comment, raw, quoted, character)), re.DOTALL)
    return pattern.sub(lambda match: '""' + "\n" * match.group().count("\n"), text)


def complain(findings, limit=40):
    """Fails with every finding on a line of its own."""
    assert not findings, "\n" + "\n".join(findings[:limit]) + (f"\n… and {len(findings) - limit} more"
                                                               if len(findings) > limit else "")
