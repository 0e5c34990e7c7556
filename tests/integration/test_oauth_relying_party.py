"""Apache with mod_auth_openidc as a real relying party, and a person in Debian's Chromium who signs in at it."""
import json
import os
import subprocess
import tempfile

import pytest

from harness.apache import RelyingParty, is_installed
from harness.oauth import Oracle, complain, make_world, program, start_server

SECRET = "a-secret-of-the-relying-party-0123456789"
MISSING = not (is_installed() and os.path.exists("/usr/bin/chromium"))


@pytest.fixture
def application():
    party = RelyingParty()
    yield party
    party.close()


def walk(application, server, world):
    application.start(server, "rp", SECRET)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(world, file)
        file.flush()
        command = [*program("relying_party.mjs"), application.url, server, file.name]
        result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    cases = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0 and cases, result.stderr[-2000:] + application.words()
    complain(cases)


@pytest.mark.skipif(MISSING, reason="apache2, libapache2-mod-auth-openidc or chromium is not installed")
def test_a_person_signs_in_at_an_application_by_oidc_provider(application):
    """The steps themselves, at a server that others trust: what fails here is the test's fault."""
    world = make_world()
    world["clients"]["rp"] = application.client(SECRET)
    server = Oracle(world)
    try:
        walk(application, server.url, world)
    finally:
        server.close()


@pytest.mark.skipif(MISSING, reason="apache2, libapache2-mod-auth-openidc or chromium is not installed")
def test_a_person_signs_in_at_an_application_by_our_server(keepgate, application):
    world = make_world()
    world["clients"]["rp"] = application.client(SECRET)
    _, url = start_server(keepgate, world)
    walk(application, url, world)
