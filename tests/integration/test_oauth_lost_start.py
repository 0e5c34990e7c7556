"""A reload whose own transaction is lost at its commit counts nothing as seen that never was: PostgreSQL says 40001 once, while another process revokes."""
import base64
import json
import signal
import subprocess

import pytest

from harness.issuer import Asker, Issuer
from harness.oauth import hash_of
from harness.ports import wait_until
from harness.postgres import Postgres, why_missing

pytestmark = pytest.mark.skipif(why_missing() is not None, reason=str(why_missing()))

# The first commit with an entry of alice waits until somebody else stands in line, and fails as one that collided does.
COLLIDE = """
CREATE SEQUENCE once;
CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('once') = 1 THEN PERFORM pg_sleep(2); RAISE EXCEPTION 'collided' USING ERRCODE = '40001'; END IF; RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER collides AFTER INSERT ON revocations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.kind = 'sub') EXECUTE FUNCTION collide();
"""
REVOKE = """
BEGIN; UPDATE versions SET value = value + 1 WHERE name = 'revocations';
INSERT INTO revocations SELECT 'jti', '{}', 0, 4000000000, value FROM versions WHERE name = 'revocations'; COMMIT;
"""


@pytest.fixture
def database():
    one = Postgres()
    yield one
    one.close()


def psql(database, statement):
    result = subprocess.run(["psql", "-qXAt", "-v", "ON_ERROR_STOP=1", database.uri, "-c", statement], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_revocation_beside_a_reload_that_collides_is_seen(database):
    issuer = Issuer(store=f'"{database.uri}"')
    try:
        asker = Asker(issuer)
        token = asker.credentials().json["access_token"]
        part = token.split(".")[1]
        jti = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["jti"]
        assert asker.is_active(token)
        psql(database, COLLIDE)
        issuer.write("user.hash", hash_of("another password of alice") + "\n")
        issuer.kill(signal.SIGHUP)
        wait_until(lambda: psql(database, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1", 20, issuer.words)
        psql(database, REVOKE.format(jti))
        wait_until(lambda: "reconfigured" in issuer.read("error.log"), 30, issuer.words)
        wait_until(lambda: not asker.is_active(token), 30, lambda: f"{asker.feed()} {issuer.words()}")
        assert {"jti", "sub"} <= {kind for entry in asker.feed() for kind in entry}
    finally:
        issuer.close()
