"""The store's unit tests against a real PostgreSQL server, which they skip where the environment names none."""
import os
import subprocess

import pytest

from harness import postgres
from harness.gate import binary

pytestmark = pytest.mark.skipif(postgres.why_missing() is not None, reason=str(postgres.why_missing()))

CASES = "*/postgres:LostConnections.*"


@pytest.fixture(scope="module")
def server():
    running = postgres.Postgres()
    yield running
    running.close()


def run_store_tests(uri, filter_):
    program = os.path.join(os.path.dirname(binary()), "store_test")
    if not os.access(program, os.X_OK):
        pytest.skip(f"{program} is not built")
    return subprocess.run([program, "--gtest_brief=1", f"--gtest_filter={filter_}"], capture_output=True, encoding="utf-8",
                          errors="replace", timeout=300, env={**os.environ, "KEEPGATE_TEST_POSTGRES": uri}, check=False)


def test_the_store_does_in_postgresql_what_it_does_in_sqlite_and_survives_lost_connections(server):
    result = run_store_tests(server.uri, CASES)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert "[  PASSED  ]" in output and "[  SKIPPED ]" not in output, output


def test_a_server_that_is_not_there_fails_the_tests_so_that_they_are_known_to_need_it(server):
    result = run_store_tests(server.uri.replace("host=", "host=/nowhere"), "Kinds/Migrations.*/postgres")
    assert result.returncode != 0
