"""The pages of the authorization server in Debian's Chromium: tests/oauth/people.mjs drives it, each of its lines is a case."""
import json
import os
import shutil
import subprocess

import pytest

from harness.people import FILES, SERVER
from harness.ports import free_port

TESTS = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
needs_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
needs_node = pytest.mark.skipif(not os.path.isdir(os.path.join(TESTS, "node_modules", "playwright-core")), reason="playwright-core is not installed")


@needs_chromium
@needs_node
def test_people_in_a_browser(keepgate):
    app = free_port()
    gate = keepgate(main=SERVER % "", files=FILES, values={"app": app})
    folder = os.environ.get("KEEPGATE_SCREENSHOTS", "")
    result = subprocess.run(["node", os.path.join(TESTS, "oauth", "people.mjs"), f"http://127.0.0.1:{gate.port('as')}", str(app), *([folder] if folder else [])],
                            capture_output=True, text=True, timeout=300, cwd=TESTS)
    cases = [json.loads(line) for line in result.stdout.splitlines()]
    failed = [f"{case['name']}: {case['why']}" for case in cases if not case["ok"]]
    assert not failed, "\n".join(failed)
    assert result.returncode == 0 and len(cases) >= 8, result.stderr
