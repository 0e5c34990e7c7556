"""The command line: keys, tokens, policies, explanations; what it makes, npm jose reads, and the other way round."""
import json
import os
import stat
import subprocess
import time

import pytest

from harness.gate import binary, run_cli
from harness.jose import claims, header_of, payload_of

PRIVATE = {"d", "p", "q", "dp", "dq", "qi"}
ALGORITHMS = ["ES256", "ES384", "ES512", "EdDSA", "RS256", "RS512", "PS256", "HS256", "HS512"]


def create(folder, algorithm="ES256", kid="k1", name=None):
    path = folder / (name or f"{algorithm}.jwk")
    result = run_cli("key", "create", "jwk", "--alg", algorithm, "--kid", kid, "--out", path)
    assert result.returncode == 0, result.stderr
    return path


def public(folder, *keys):
    path = folder / "jwks.json"
    path.unlink(missing_ok=True)
    result = run_cli("key", "public", *keys, "--out", path)
    assert result.returncode == 0, result.stderr
    return path


def mint(key, *options, stdin=""):
    result = run_cli("token", "mint", "--key", key, *options, stdin=stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def verify(token, jwks, *options):
    return run_cli("token", "verify", "--jwks", jwks, *options, stdin=token + "\n")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_is_private_and_jose_takes_it(tmp_path, jose, algorithm):
    path = create(tmp_path, algorithm)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    jwk = json.loads(path.read_text())
    assert (jwk["alg"], jwk["kid"]) == (algorithm, "k1")
    token = mint(path, "--client", "client1", "--sub", "alice", "--expires-in", "1h")
    checked = jose.verify(token, {name: value for name, value in jwk.items() if name not in PRIVATE}, algorithm)
    assert checked["header"]["alg"] == algorithm and checked["header"]["kid"] == "k1"
    made = json.loads(checked["payload"])
    assert (made["client_id"], made["sub"]) == ("client1", "alice")
    assert abs(made["exp"] - time.time() - 3600) < 30


def test_a_key_is_not_overwritten_by_accident(tmp_path):
    path = create(tmp_path)
    before = path.read_text()
    result = run_cli("key", "create", "jwk", "--alg", "ES256", "--out", path)
    assert result.returncode != 0 and path.read_text() == before
    assert run_cli("key", "create", "jwk", "--alg", "ES256", "--out", path, "--force").returncode == 0
    assert path.read_text() != before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_is_private_whatever_the_umask(tmp_path):
    path = tmp_path / "k.jwk"
    command = f'umask 000; exec "{binary()}" key create jwk --alg ES256 --out "{path}"'
    assert subprocess.run(["sh", "-c", command], timeout=20, capture_output=True).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("algorithm", ["none", "RS1", "es256", "", "ECDH-ES"])
def test_an_algorithm_that_does_not_exist_makes_no_key(tmp_path, algorithm):
    result = run_cli("key", "create", "jwk", "--alg", algorithm, "--out", tmp_path / "k")
    assert result.returncode != 0 and not (tmp_path / "k").exists()


def test_the_public_half_has_nothing_private(tmp_path):
    keys = [create(tmp_path, algorithm, f"k-{algorithm}") for algorithm in ("ES256", "EdDSA", "RS256")]
    document = json.loads(public(tmp_path, *keys).read_text())
    assert [key["kid"] for key in document["keys"]] == ["k-ES256", "k-EdDSA", "k-RS256"]
    for key in document["keys"]:
        assert not (PRIVATE | {"k"}) & set(key)


def test_a_shared_secret_has_no_public_half(tmp_path):
    assert run_cli("key", "public", create(tmp_path, "HS256")).returncode != 0


def test_mint_takes_claims_and_options(tmp_path):
    key = create(tmp_path)
    token = mint(
        key, "--claims", "-", "--sub", "alice", "--client", "web", "--role", "a", "--role", "b", "--scope", "x y", "--aud", "api",
        "--iss", "https://i.example", "--issued-ago", "14d", "--expires-in", "1h", "--typ", "at+jwt", stdin='{"extra": {"a": [1, 2]}}',
    )
    made = payload_of(token)
    assert header_of(token)["typ"] == "at+jwt"
    assert made["extra"] == {"a": [1, 2]} and made["roles"] == ["a", "b"] and made["scope"] == "x y"
    assert made["aud"] in ("api", ["api"]) and made["iss"] == "https://i.example"
    assert abs(made["iat"] - (time.time() - 14 * 86400)) < 60
    assert made["exp"] > time.time(), "an old token that is still valid"


def test_mint_to_a_file_is_private(tmp_path):
    out = tmp_path / "token"
    assert run_cli("token", "mint", "--key", create(tmp_path), "--sub", "a", "--out", out).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text().count(".") == 2


def test_inspect_shows_and_does_not_verify(tmp_path):
    token = mint(create(tmp_path), "--sub", "alice")
    result = run_cli("token", "inspect", stdin=token)
    assert result.returncode == 0 and "alice" in result.stdout and "ES256" in result.stdout
    assert token.split(".")[2] not in result.stdout
    assert run_cli("token", "inspect", stdin="hello").returncode != 0


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES512", "EdDSA", "HS256"])
def test_verify_accepts_what_jose_made(tmp_path, jose, algorithm):
    jwks = tmp_path / "jwks.json"
    jwks.write_text(jose.set_of(jose.key(algorithm)))
    result = verify(jose.sign(algorithm), jwks)
    assert result.returncode == 0, result.stderr
    assert "client1" in result.stdout


def test_verify_says_why_not(tmp_path, jose):
    jwks = tmp_path / "jwks.json"
    jwks.write_text(jose.set_of(jose.key("ES256")))
    now = int(time.time())
    good = jose.sign("ES256", claims(aud="api", iss="https://i.example"))
    assert verify(good, jwks, "--aud", "api", "--iss", "https://i.example", "--alg", "ES256").returncode == 0
    cases = [
        (good[:-6] + "AAAAAA", ()), ("hello", ()), ("", ()), (good, ("--aud", "other")), (good, ("--iss", "https://i.example/")),
        (good, ("--alg", "RS256")), (jose.sign("ES256", claims() | {"exp": now - 10}), ()), (jose.sign("ES256", name="other"), ()),
        (jose.sign("ES256", claims() | {"nbf": now + 100}), ()), (jose.sign("ES256", claims()), ("--aud", "api")),
    ]
    for token, options in cases:
        result = verify(token, jwks, *options)
        assert result.returncode == 4, (options, result.stdout, result.stderr)
        assert result.stderr.strip()
    assert verify(jose.sign("ES256", claims() | {"exp": now - 10}), jwks, "--leeway", "60").returncode == 0
    assert verify(jose.sign("ES256", "any bytes"), jwks, "--no-claims").returncode == 0


def test_verify_in_a_batch(tmp_path, jose):
    good, other = jose.sign("ES256"), jose.sign("ES256", name="other")
    jwk = jose.key("ES256")["public"]
    lines = [{"jws": good, "jwk": jwk}, {"jws": other, "jwk": jwk}, {"jws": "x", "jwk": jwk}]
    result = run_cli("token", "verify", "--batch", stdin="".join(json.dumps(line) + "\n" for line in lines))
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["valid"] for answer in answers] == [True, False, False]
    assert all(answer["why"] for answer in answers[1:])


# Policy

POLICY = """
roles:
  admins: [client:root]
policies:
  - { identity: client1, permissions: PUT/GET, on: /orders/ }
  - id: admins
    allow: role:admins
    on: { service: orders, methods: [GET, DELETE], paths: ["/orders/**"] }
tests:
  - { as: client:client1, may: [GET /orders/7], may-not: [DELETE /orders/7] }
  - { as: client:root, may: [DELETE /orders/7] }
"""
CONF = """
daemon off;
events {}
http {
    policy policy.yaml;
    server {
        listen 127.0.0.1:1;
        auth_jwt "x";
        auth_jwt_key_file keys.json;
        location /1.0/orders/ { service orders; proxy_pass http://127.0.0.1:2/orders/; }
        location = /open { authorize off; auth_jwt off; proxy_pass http://127.0.0.1:2; }
    }
}
"""


@pytest.fixture
def folder(tmp_path, jose):
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "keepgate.conf").write_text(CONF)
    (tmp_path / "keys.json").write_text(jose.set_of(jose.key("ES256")))
    return tmp_path


def test_policy_test_passes_and_fails(folder):
    result = run_cli("policy", "test", folder / "policy.yaml")
    assert result.returncode == 0, result.stderr
    result = run_cli("policy", "test", "-c", folder / "keepgate.conf")
    assert result.returncode == 0, result.stderr
    (folder / "policy.yaml").write_text(POLICY.replace("may-not: [DELETE /orders/7]", "may-not: [GET /orders/8]"))
    result = run_cli("policy", "test", folder / "policy.yaml")
    assert result.returncode == 1
    assert "policy.yaml:" in result.stdout + result.stderr and "/orders/8" in result.stdout + result.stderr


def test_policy_test_of_a_broken_file_is_an_error(folder):
    (folder / "policy.yaml").write_text("policies: [")
    assert run_cli("policy", "test", folder / "policy.yaml").returncode == 1


def test_explain_tells_the_location_and_the_rule(folder):
    result = run_cli("explain", "GET", "/1.0/orders/7", "--as", "client:client1", "-c", folder / "keepgate.conf")
    assert result.returncode == 0, result.stderr
    assert "/1.0/orders/" in result.stdout and "/orders/7" in result.stdout and "policy.yaml:" in result.stdout
    denied = run_cli("explain", "DELETE", "/1.0/orders/7", "--as", "client:client1", "-c", folder / "keepgate.conf")
    assert "den" in denied.stdout.lower()
    assert "DELETE" in denied.stdout


def test_explain_with_a_policy_and_a_service(folder):
    arguments = ["--service", "orders", "--policy", folder / "policy.yaml"]
    assert "allow" in run_cli("explain", "DELETE", "/orders/7", "--as", "client:root", *arguments).stdout.lower()
    assert "den" in run_cli("explain", "DELETE", "/orders/7", "--as", "client1", *arguments).stdout.lower()
    assert "den" in run_cli("explain", "GET", "/orders/7", "--as", "anonymous", *arguments).stdout.lower()


def test_who_can(folder):
    result = run_cli("who-can", "DELETE", "/1.0/orders/7", "-c", folder / "keepgate.conf")
    assert result.returncode == 0, result.stderr
    assert "role:admins" in result.stdout and "client1" not in result.stdout
    result = run_cli("who-can", "GET", "/1.0/orders/7", "-c", folder / "keepgate.conf")
    assert "client:client1" in result.stdout and "role:admins" in result.stdout


def test_who_can_knows_that_an_open_location_is_open(folder):
    result = run_cli("who-can", "DELETE", "/open", "-c", folder / "keepgate.conf")
    assert any(word in result.stdout.lower() for word in ("anonymous", "anybody", "everybody", "open")), result.stdout


def test_help_of_a_verb_starts_with_examples():
    for verb in (["explain"], ["token"], ["key"], ["policy"], ["who-can"]):
        result = run_cli("help", *verb)
        assert result.returncode == 0, verb
        assert f"keepgate {verb[0]}" in "\n".join((result.stdout + result.stderr).splitlines()[:8])


def test_no_colour_off_a_terminal(folder):
    result = run_cli("explain", "GET", "/1.0/orders/7", "--as", "client1", "-c", folder / "keepgate.conf", env={**os.environ, "NO_COLOR": "1"})
    assert "\x1b" not in result.stdout + result.stderr
