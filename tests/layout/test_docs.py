"""The documents tell the truth about the tree: files, functions, links and the form of decisions and changes."""

import os
import re
import subprocess

import pytest

from tree import ROOT, SRC, complain, files, relative, text_of

WANTED = ["README.md", "STYLE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "docs/glossary.md",
          "docs/life_of_a_request.md"]
DECISIONS = ROOT / "docs/decisions"


def documents():
    return files("*.md")


@pytest.mark.parametrize("name", WANTED)
def test_the_documents_that_people_look_for_exist(name):
    assert (ROOT / name).is_file(), f"{name} is missing"


def test_readme_is_short():
    lines = text_of(ROOT / "README.md").count("\n")
    assert lines <= 200, f"README.md has {lines} lines, at most 200"


def test_changelog_has_a_place_for_what_is_not_released():
    assert re.search(r"^## \[?Unreleased\]?", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)


def code_spans(path):
    """What stands in backticks outside fenced blocks."""
    prose = re.sub(r"^```.*?^```", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def find_source(name):
    for start in (SRC, ROOT):
        if (start / name).is_file():
            return start / name
    return None


def test_life_of_a_request_names_files_and_functions_that_exist():
    """`pipeline/serve.cc: serve_connection` means: this file is there and holds this name."""
    page = ROOT / "docs/life_of_a_request.md"
    findings, named = [], 0
    for span in code_spans(page):
        match = re.fullmatch(r"([\w./-]+\.(?:cc|h))(?::\s*([\w:~]+)(?:\(\))?)?", span)
        if not match:
            continue
        named += 1
        source = find_source(match[1])
        if source is None:
            findings.append(f"{match[1]} does not exist")
        elif match[2] and not re.search(rf"\b{re.escape(match[2].split('::')[-1])}\b", text_of(source)):
            findings.append(f"{match[1]} has no {match[2]}")
    assert named >= 10, "the page names fewer than ten files: it is not the map it should be"
    complain(findings)


def test_documents_name_only_source_files_that_exist():
    findings = []
    for path in documents():
        for span in code_spans(path):
            match = re.fullmatch(r"(src|include|bench|tests|fuzz|cmake|examples)/[\w./-]+\.\w+", span)
            if match and not (ROOT / span).exists():
                findings.append(f"{relative(path)}: `{span}` does not exist")
    complain(findings)


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path):
    prose = re.sub(r"^```.*?^```", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+\s+(.*)$", prose, re.MULTILINE)}


def test_links_between_documents_lead_somewhere():
    findings = []
    for path in documents():
        prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            if not file.exists():
                findings.append(f"{relative(path)}: {link} does not exist")
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                findings.append(f"{relative(path)}: {link} has no such heading")
    complain(findings)


def test_decisions_have_one_form():
    findings, numbers = [], []
    for path in sorted(DECISIONS.glob("*")):
        match = re.fullmatch(r"(\d{4})-[a-z0-9]+(-[a-z0-9]+)+\.md", path.name)
        if not match:
            findings.append(f"{path.name}: the name is not NNNN-verb-object.md")
            continue
        numbers.append(int(match[1]))
        text = text_of(path)
        for heading in ("Context", "Decision", "Consequences", "What would change our mind"):
            if f"\n## {heading}\n" not in text:
                findings.append(f"{path.name}: no section '{heading}'")
        if not text.startswith(f"# {match[1]} "):
            findings.append(f"{path.name}: the title does not begin with its number")
        if text.count("\n") > 70:
            findings.append(f"{path.name}: longer than a page")
    if numbers != list(range(1, len(numbers) + 1)):
        findings.append(f"numbers are not consecutive: {numbers}")
    complain(findings)


def test_glossary_is_in_order():
    terms = re.findall(r"^- \*\*(.+?)\*\*", text_of(ROOT / "docs/glossary.md"), re.MULTILINE)
    assert len(terms) > 20
    assert terms == sorted(terms, key=str.lower)


@pytest.mark.parametrize("script", ["dev", ".ci/run"])
def test_scripts_can_be_run(script):
    path = ROOT / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_dev_help_begins_with_examples_and_names_every_verb():
    output = subprocess.run([str(ROOT / "dev"), "help"], capture_output=True, text=True, check=True).stdout
    assert output.startswith("Examples\n")
    for verb in ("demo", "test", "build", "check", "bench", "fuzz", "fmt"):
        assert re.search(rf"^  {verb}\b", output, re.MULTILINE), verb


def test_dev_refuses_an_unknown_verb():
    result = subprocess.run([str(ROOT / "dev"), "destroy"], capture_output=True, text=True, check=False)
    assert result.returncode != 0 and "unknown verb" in result.stderr
