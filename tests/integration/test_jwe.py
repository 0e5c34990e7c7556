"""Encrypted and nested tokens through the whole program, against npm jose in both directions, and forged.

A token that is not what the location asks for is 401 and reaches no backend.
"""
import json
import subprocess
import time

import pytest

from harness.gate import binary
from harness.jose import b64, claims, unb64

WRAPPING = ["RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512",
            "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW"]
CONTENT = ["A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512", "A128GCM", "A192GCM", "A256GCM"]
PAIRS = [(wrapping, content) for wrapping in WRAPPING for content in CONTENT] + [(content, content) for content in CONTENT]
CONF = """
auth_jwt_key_file keys.json;
auth_jwt_claim_set $token_team org team;
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "the API";
    proxy_set_header X-Sub $jwt_claim_sub;
    proxy_set_header X-Payload $jwt_payload;
    proxy_set_header X-Team $token_team;
    proxy_set_header X-Alg $jwt_header_alg;
    location /encrypted { auth_jwt_type encrypted; proxy_pass http://@origin@; location /encrypted/signed { auth_jwt_type signed; proxy_pass http://@origin@; } }
    location /nested { auth_jwt_type nested; proxy_pass http://@origin@; }
    location /signed { proxy_pass http://@origin@; }
    location /public { auth_jwt_type encrypted; auth_jwt_key_file public.json; proxy_pass http://@origin@; }
}
"""


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def pair(module_keepgate, module_origin, jose):
    backend = module_origin()
    keys = [jose.key(algorithm)["private"] for algorithm in WRAPPING + CONTENT] + [jose.key("ES256")["public"]]
    public = [jose.key("RSA-OAEP-256")["public"], jose.key("ES256")["public"]]
    files = {"keys.json": json.dumps({"keys": keys}), "public.json": json.dumps({"keys": public})}
    return module_keepgate(CONF, files=files, values={"origin": backend.address}), backend


def nested(jose, content="A256GCM", algorithm="A256KW", payload=None, inner_header=None, header=None):
    inner = jose.sign("ES256", payload, header=inner_header)
    return jose.encrypt(algorithm, content, inner, header={"cty": "JWT", **(header or {})})


def refused(pair, token, path):
    gate, backend = pair
    backend.forget()
    answer = gate.get(path, bearer(token))
    assert answer.status == 401, (answer.status, token[:200])
    assert 'error="invalid_token"' in answer.get("WWW-Authenticate")
    assert not backend.requests


@pytest.mark.parametrize("algorithm,content", PAIRS)
def test_a_token_encrypted_by_jose_is_accepted_and_a_changed_one_refused(pair, jose, algorithm, content):
    gate, backend = pair
    token = jose.encrypt(algorithm, content, claims(org={"team": ["red", "blue"]}))
    for _ in range(2):  # Cold and from the cache.
        assert gate.get("/encrypted", bearer(token)).status == 200
        assert backend.last.get("X-Sub") == "client1"
        assert backend.last.get("X-Team") == "red,blue"
        assert json.loads(backend.last.get("X-Payload"))["sub"] == "client1"
    parts = token.split(".")
    for index in range(5):
        raw = bytearray(unb64(parts[index]))
        if not raw:
            continue
        raw[len(raw) // 2] ^= 1
        refused(pair, ".".join(parts[:index] + [b64(bytes(raw))] + parts[index + 1:]), "/encrypted")


def test_a_nested_token_is_accepted_with_both_layers_only(pair, jose):
    gate, backend = pair
    token = nested(jose)
    assert gate.get("/nested", bearer(token)).status == 200
    assert backend.last.get("X-Sub") == "client1"
    assert backend.last.get("X-Alg") == "ES256"
    assert backend.last.get("X-Payload").count(".") == 2  # NGINX Plus: the signed token inside.
    refused(pair, jose.sign("ES256"), "/nested")
    refused(pair, jose.encrypt("A256KW", "A256GCM"), "/nested")  # Nobody signed it.
    refused(pair, jose.encrypt("A256KW", "A256GCM", jose.sign("ES256")), "/nested")  # cty is missing.
    refused(pair, jose.encrypt("A256KW", "A256GCM", nested(jose), header={"cty": "JWT"}), "/nested")  # Three layers.
    other = dict(jose.key("ES256", "other")["private"], kid="ES256-k1")
    refused(pair, jose.encrypt("A256KW", "A256GCM", jose.sign("ES256", jwk=other), header={"cty": "JWT"}), "/nested")
    refused(pair, nested(jose, payload=claims(lifetime=-10)), "/nested")
    refused(pair, nested(jose, inner_header={"typ": "txntoken+jwt"}), "/nested")
    refused(pair, nested(jose, header={"typ": "txntoken+jwt"}), "/nested")


def test_each_form_stands_for_itself_alone(pair, jose):
    gate, _ = pair
    encrypted = jose.encrypt("A256KW", "A256GCM")
    assert gate.get("/signed", bearer(jose.sign("ES256"))).status == 200
    assert gate.get("/encrypted/signed", bearer(jose.sign("ES256"))).status == 200
    refused(pair, encrypted, "/signed")
    refused(pair, nested(jose), "/signed")
    refused(pair, encrypted, "/encrypted/signed")
    refused(pair, jose.sign("ES256"), "/encrypted")
    refused(pair, nested(jose), "/encrypted")  # cty JWT: claims are expected, not a token.


def test_an_encrypted_token_expires_cached_or_not(pair, jose):
    gate, _ = pair
    assert gate.get("/encrypted", bearer(jose.encrypt("A256KW", "A256GCM", claims(lifetime=60)))).status == 200
    refused(pair, jose.encrypt("A256KW", "A256GCM", claims(lifetime=-1)), "/encrypted")
    refused(pair, jose.encrypt("A256KW", "A256GCM", {"sub": "client1", "nbf": int(time.time()) + 600}), "/encrypted")


@pytest.mark.parametrize("header", [
    {"alg": "RSA1_5", "enc": "A128GCM"}, {"alg": "none", "enc": "A128GCM"}, {"alg": "dir", "enc": "none"},
    {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31 - 1, "p2s": "AAAA"},
    {"alg": "ECDH-ES", "enc": "A128GCM", "epk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
    {"alg": "A256KW", "enc": "A256GCM", "zip": "DEF"}, {"alg": "A256KW", "enc": "A256GCM", "crit": ["exp"], "exp": 1},
    {"alg": "A256KW", "enc": "A256GCM", "jku": "http://127.0.0.1:1/"}, {"alg": "A256KW", "enc": "A256GCM", "jwk": {}},
    {"alg": ["A256KW"], "enc": "A256GCM"}, {"alg": "A256KW"}, {"enc": "A256GCM"}, {},
])
def test_headers_that_are_not_accepted_are_refused_at_once(pair, jose, header):
    parts = jose.encrypt("A256KW", "A256GCM").split(".")
    started = time.monotonic()
    refused(pair, ".".join([b64(json.dumps(header))] + parts[1:]), "/encrypted")
    assert time.monotonic() - started < 2


def test_malformed_tokens_are_refused(pair, jose):
    token = jose.encrypt("A256KW", "A256GCM")
    parts = token.split(".")
    for bad in ["....", "." * 400, token + ".", "." + token, ".".join(parts[:4]), ".".join(parts[:4] + [parts[4][:-1]]),
                ".".join([parts[0], "", parts[2], parts[3], parts[4]]), ".".join([parts[0], parts[1], "", parts[3], parts[4]]),
                ".".join(parts[:4] + [""]), ".".join([parts[0] + "="] + parts[1:])]:
        refused(pair, bad, "/encrypted")


def test_all_failures_look_alike_from_outside(pair, jose):
    gate, _ = pair
    token = jose.encrypt("RSA-OAEP", "A128CBC-HS256").split(".")
    seen = set()
    for index in (1, 2, 3, 4):
        for at in (0, 5, -1):
            raw = bytearray(unb64(token[index]))
            raw[at] ^= 0x80
            answer = gate.get("/encrypted", bearer(".".join(token[:index] + [b64(bytes(raw))] + token[index + 1:])))
            seen.add((answer.status, answer.get("WWW-Authenticate"), answer.body))
    assert len(seen) == 1


def test_a_public_key_decrypts_nothing(pair, jose):
    gate, backend = pair
    backend.forget()
    assert gate.get("/public", bearer(jose.encrypt("RSA-OAEP-256", "A256GCM"))).status == 503
    assert not backend.requests


def test_the_command_line_and_jose_read_each_other(jose, tmp_path):
    def run(*arguments, text=None):
        return subprocess.run([binary(), *arguments], input=text, capture_output=True, text=True, timeout=20)

    (tmp_path / "issuer.jwk").write_text(json.dumps(jose.key("ES256")["private"]))
    for algorithm in ["RSA-OAEP-256", "RSA-OAEP", "A128KW", "A256GCMKW", "A256CBC-HS512", "A128GCM"]:
        path = tmp_path / f"{algorithm}.jwk"
        assert run("key", "create", "jwk", "--alg", algorithm, "--kid", "e1", "--out", str(path)).returncode == 0
        jwk = json.loads(path.read_text())
        assert path.stat().st_mode & 0o777 == 0o600
        minted = run("token", "mint", "--key", str(tmp_path / "issuer.jwk"), "--encrypt-with", str(path), "--sub", "alice")
        assert minted.returncode == 0, minted.stderr
        management = "dir" if algorithm in CONTENT else algorithm
        inner = jose.decrypt(minted.stdout.strip(), jwk, management)
        assert inner["header"]["cty"] == "JWT"
        assert json.loads(jose.verify(inner["plaintext"], jose.key("ES256")["public"], "ES256")["payload"])["sub"] == "alice"

        both = tmp_path / f"{algorithm}.jwks"
        both.write_text(json.dumps({"keys": [jwk, jose.key("ES256")["public"]]}))
        good = run("token", "verify", "--type", "nested", "--jwks", str(both), text=minted.stdout)
        assert good.returncode == 0 and json.loads(good.stdout)["claims"]["sub"] == "alice", good.stderr
        for other in ("signed", "encrypted"):
            assert run("token", "verify", "--type", other, "--jwks", str(both), text=minted.stdout).returncode == 4
        alone = run("token", "mint", "--encrypt-with", str(path), "--sub", "bob")
        assert json.loads(jose.decrypt(alone.stdout.strip(), jwk, management)["plaintext"])["sub"] == "bob"
        assert run("token", "verify", "--type", "encrypted", "--jwks", str(path), text=alone.stdout).returncode == 0
        assert run("token", "verify", "--type", "nested", "--jwks", str(both), text=alone.stdout).returncode == 4
        line = json.dumps({"jwe": alone.stdout.strip(), "jwk": jwk}) + "\n"
        batch = run("token", "verify", "--batch", "--no-claims", "--type", "encrypted", text=line)
        assert json.loads(batch.stdout)["valid"] is True, batch.stdout


def test_check_says_where_anybody_may_encrypt(jose, tmp_path):
    """With the private half of a key pair nothing says who made the token: an error under strict."""
    place = """strict %s; events {} http { server { listen 127.0.0.1:1; location / {
        auth_jwt a; auth_jwt_key_file keys.json; auth_jwt_type %s; proxy_pass http://127.0.0.1:1; } } }"""

    def complaints(key, form, strict="off"):
        (tmp_path / "keys.json").write_text(json.dumps({"keys": [jose.key(key)["private"], jose.key("ES256")["public"]]}))
        (tmp_path / "keepgate.conf").write_text(place % (strict, form))
        command = [binary(), "check", "-c", str(tmp_path / "keepgate.conf")]
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stderr

    assert "warning[KG114]" in complaints("RSA-OAEP-256", "encrypted").replace(" ", "")
    assert "error[KG114]" in complaints("RSA-OAEP-256", "encrypted", "on").replace(" ", "")
    assert "KG114" not in complaints("RSA-OAEP-256", "nested", "on")
    assert "KG114" not in complaints("A256KW", "encrypted", "on")
