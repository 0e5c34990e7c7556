#!/usr/bin/python3
"""Prints "PASSED FAILED" for the JUnit files in a folder: GoogleTest's and pytest's cases, and programs that crashed.

A unit test program that ends before it can write its own file is known from ctest's file alone: one failure.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def count(suite):
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped") or 0) + int(suite.get("disabled") or 0)
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    return total - skipped - failed, failed


def main(folder):
    passed = failed = 0
    told_failures = set()
    told = set()
    for path in sorted(folder.glob("*.xml")):
        if path.name == "ctest.xml":
            continue
        root = xml.parse(path).getroot()
        suites = root.findall("testsuite") if path.name == "pytest.xml" else [root]
        told.add(path.stem)
        for suite in suites:
            good, bad = count(suite)
            passed, failed = passed + good, failed + bad
            if bad:
                told_failures.add(path.stem)
    ctest = folder / "ctest.xml"
    if not ctest.exists():
        failed += 1
    else:
        for case in xml.parse(ctest).getroot().iter("testcase"):
            if case.get("status") == "run":
                passed += case.get("name") not in told
            else:  # It failed, timed out, or was never built.
                failed += case.get("name") not in told_failures
    if not (folder / "pytest.xml").exists() and folder.name != "tsan":
        failed += 1
    print(passed, failed)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
