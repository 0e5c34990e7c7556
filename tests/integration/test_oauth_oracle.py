"""The cases of tests/oauth asked of npm oidc-provider: does another server read the RFCs as we do?

tests/oauth/differences.json says where it does not, and why. A difference that is gone has to leave the file: it only shrinks.
"""
import pytest

from harness.oauth import Oracle, complain, differences, make_world, run_cases, sections


@pytest.fixture(scope="module")
def oracle():
    world = make_world()
    server = Oracle(world)
    yield server, world
    server.close()


@pytest.mark.parametrize("section", sections("negative.mjs"))
def test_oidc_provider_answers_as_we_expect_of_ourselves(oracle, section):
    server, world = oracle
    expected = {name for name in differences() if name.startswith(f"{section}: ")}
    cases = run_cases("negative.mjs", server.url, world, section)
    complain([case for case in cases if case["name"] not in expected])
    gone = expected - {case["name"] for case in cases if not case["ok"]}
    assert not gone, f"no difference any more, take these out of differences.json: {sorted(gone)}"


@pytest.mark.parametrize("section", ["openid", "webapi"])
def test_the_flows_pass_at_oidc_provider(oracle, section):
    server, world = oracle
    complain(run_cases("flows.mjs", server.url, world, section))
