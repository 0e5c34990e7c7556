"""The authorization server from outside: every rule it refuses by, and every good flow, as tests/oauth asks for them."""
import pytest

from harness.oauth import complain, make_world, run_cases, sections, start_server


@pytest.fixture
def server(keepgate):
    """Fresh for each section: what one does to limits and sessions is no matter of another."""
    world = make_world()
    gate, url = start_server(keepgate, world)
    return gate, url, world


@pytest.mark.parametrize("section", sections("negative.mjs"))
def test_what_breaks_a_rule_is_refused(server, section):
    gate, url, world = server
    complain(run_cases("negative.mjs", url, world, section))
    log = gate.read("error.log")
    for name, client in world["clients"].items():
        assert client.get("secret", "-") not in log, f"the secret of {name} is in the log"
    for name, user in world["users"].items():
        assert user["password"] not in log, f"the password of {name} is in the log"


@pytest.mark.parametrize("section", ["openid", "webapi", "tokens"])
def test_real_clients_get_what_they_ask_for(server, section):
    _, url, world = server
    complain(run_cases("flows.mjs", url, world, section))
