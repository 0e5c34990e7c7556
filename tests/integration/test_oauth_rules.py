"""The authorization server from outside: every rule it refuses by, and every good flow, as tests/oauth asks for them."""
import re

import pytest

from harness.oauth import complain, make_world, run_cases, sections, start_server


SECRETS = re.compile(r"\bkg[a-z]_[\w-]{20,}|\beyJ[\w-]{20,}")  # Codes, refresh tokens, secrets and JWTs.


def check_secrets(log, world):
    words = [thing[name] for thing in (*world["clients"].values(), *world["users"].values()) for name in ("secret", "password") if name in thing]
    assert not [word for word in words if word in log], "a secret is in the log"
    assert not SECRETS.search(log), SECRETS.search(log)


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
    gate.stop()  # Then everything is in the log.
    check_secrets(gate.read("error.log"), world)


@pytest.mark.parametrize("section", ["clients", "refresh", "redirects", "device"])
def test_no_refusal_is_logged_as_a_fault_of_the_server(server, section):
    gate, url, world = server
    run_cases("negative.mjs", url, world, section)
    gate.stop()  # Then everything is in the log.
    faults = [line for line in gate.read("error.log").splitlines() if "status: 500" in line or "[crit]" in line]
    assert not faults, f"{len(faults)} lines: {faults[0]}"


@pytest.mark.parametrize("section", ["openid", "webapi", "tokens", "conformance", "logout", "fapi"])
def test_real_clients_get_what_they_ask_for(server, section):
    _, url, world = server
    complain(run_cases("flows.mjs", url, world, section))


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
@pytest.mark.parametrize("section", ["openid", "webapi", "tokens"])
def test_they_do_with_keys_of_every_algorithm(keepgate, section, algorithm):
    world = make_world()
    _, url = start_server(keepgate, world, f"signing_algorithm {algorithm};")
    complain(run_cases("flows.mjs", url, world, section))
