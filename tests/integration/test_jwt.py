"""Client tokens through the whole program: made by npm jose in every algorithm, and forged in every way we know.

A forged token is 401 and reaches no backend. The security checklist, part F.
"""
import base64
import hashlib
import json
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from harness.gate import run_cli
from harness.jose import assemble, b64, claims, hmac_token, unb64
from harness.wire import request_bytes

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"]
CONF = """
auth_jwt_key_file keys.json;
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "the API";
    location / { proxy_set_header X-Sub $jwt_claim_sub; proxy_set_header X-Payload $jwt_payload; proxy_pass http://@origin@; }
    location /leeway/ { auth_jwt_leeway 60s; proxy_pass http://@origin@; }
    location /open/ { auth_jwt off; proxy_pass http://@origin@; }
    location /cookie/ { auth_jwt "c" token=$cookie_session; proxy_pass http://@origin@; }
    location /argument/ { auth_jwt "a" token=$arg_token; proxy_pass http://@origin@; }
}
"""


@pytest.fixture(scope="module")
def pair(module_keepgate, module_origin, jose):
    backend = module_origin()
    keys = jose.set_of(*[jose.key(algorithm) for algorithm in ALGORITHMS])
    gate = module_keepgate(CONF, files={"keys.json": keys}, values={"origin": backend.address})
    return gate, backend


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def refused(pair, token, path="/x"):
    gate, backend = pair
    backend.forget()
    data = token if isinstance(token, str) else token.decode("latin-1")
    answer = gate.get(path, bearer(data))
    assert answer.status == 401, (answer.status, data[:200])
    assert (answer.get("WWW-Authenticate") or "").startswith("Bearer realm=")
    assert not backend.requests


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_by_jose_is_accepted(pair, jose, algorithm):
    gate, backend = pair
    for _ in range(2):  # Cold and from the cache.
        answer = gate.get("/x", bearer(jose.sign(algorithm)))
        assert answer.status == 200
        assert backend.last.get("X-Sub") == "client1"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_by_another_key_is_refused(pair, jose, algorithm):
    other = dict(jose.key(algorithm, "other")["private"], kid=f"{algorithm}-k1")
    refused(pair, jose.sign(algorithm, jwk=other))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_changed_bit_of_the_signature_or_the_payload_is_refused(pair, jose, algorithm):
    header, payload, signature = jose.sign(algorithm).split(".")
    raw = bytearray(unb64(signature))
    raw[len(raw) // 2] ^= 1
    refused(pair, f"{header}.{payload}.{b64(bytes(raw))}")
    changed = dict(json.loads(unb64(payload)), sub="admin")
    refused(pair, f"{header}.{b64(json.dumps(changed))}.{signature}")
    refused(pair, f"{header}.{payload}.")
    refused(pair, f"{header}.{payload}.{b64(bytes(raw[:-1]))}")


def test_no_token_is_401_with_a_challenge_and_no_error(pair):
    gate, backend = pair
    backend.forget()
    answer = gate.get("/x")
    assert answer.status == 401
    assert answer.get("WWW-Authenticate") == 'Bearer realm="the API"'
    assert not backend.requests


def test_a_bad_token_is_401_with_an_error(pair):
    gate, _ = pair
    assert 'error="invalid_token"' in gate.get("/x", bearer("a.b.c")).get("WWW-Authenticate")


# Algorithm and key confusion (31–33)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 5, ["none"], {"a": 1}, "HS", "RS256 ", "rs256", "HS1", "ES256K", "RS1"])
def test_an_algorithm_that_is_none_or_unknown_is_refused(pair, algorithm):
    header = {"typ": "JWT"} if algorithm is None else {"alg": algorithm, "typ": "JWT"}
    for signature in (b"", b"x" * 64):
        refused(pair, assemble(header, claims(), signature))


def public_forms(jose):
    """Everything an attacker may know of the RSA and EC keys, as an HMAC secret."""
    forms = {}
    for algorithm in ("RS256", "ES256"):
        jwk = jose.key(algorithm)["public"]
        if algorithm == "RS256":
            number = lambda name: int.from_bytes(unb64(jwk[name]), "big")
            key = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
            forms["modulus"] = unb64(jwk["n"])
        else:
            number = lambda name: int.from_bytes(unb64(jwk[name]), "big")
            key = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
            forms["point"] = unb64(jwk["x"]) + unb64(jwk["y"])
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
            data = key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
            forms[f"{algorithm} {encoding.name}"] = data
            forms[f"{algorithm} {encoding.name} stripped"] = data.strip()
        forms[f"{algorithm} JWK"] = json.dumps(jwk).encode()
        forms[f"{algorithm} JWK compact"] = json.dumps(jwk, separators=(",", ":")).encode()
    forms["empty"] = b""
    return forms


@pytest.mark.parametrize("kid", ["RS256-k1", "ES256-k1", "HS256-k1", None])
def test_a_public_key_is_no_hmac_secret(pair, jose, kid):
    for secret in public_forms(jose).values():
        header = {"alg": "HS256", "typ": "JWT", **({"kid": kid} if kid else {})}
        refused(pair, hmac_token(header, claims(), secret))


@pytest.mark.parametrize("algorithm, kid", [("RS256", "PS256-k1"), ("PS256", "RS256-k1"), ("RS384", "RS256-k1"),
                                            ("ES256", "RS256-k1"), ("EdDSA", "ES256-k1"), ("HS256", "HS384-k1"), ("RS256", "unknown")])
def test_a_kid_of_another_algorithm_is_refused(pair, jose, algorithm, kid):
    refused(pair, jose.sign(algorithm, header={"kid": kid}))


def test_a_token_without_kid_is_tried_with_the_keys_of_its_algorithm(pair, jose):
    gate, _ = pair
    assert gate.get("/x", bearer(jose.sign("RS256", header={"kid": None}))).status == 200
    refused(pair, jose.sign("RS256", name="other", header={"kid": None}))


# ECDSA and EdDSA values (34)

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_psychic_signatures_are_refused(pair):
    def number(value):
        return value.to_bytes(32, "big")

    for r in (0, 1, ORDER, ORDER - 1, ORDER + 1):
        for s in (0, 1, ORDER):
            refused(pair, assemble({"alg": "ES256", "kid": "ES256-k1"}, claims(), number(r) + number(s)))


def test_der_and_padded_signatures_are_refused(pair, jose):
    header, payload, signature = jose.sign("ES256").split(".")
    raw = unb64(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    forms = [utils.encode_dss_signature(r, s), b"\0" + raw[:32] + b"\0" + raw[32:], raw + b"\0", raw[:63], b""]
    for form in forms:
        refused(pair, f"{header}.{payload}.{b64(form)}")
    assert pair[0].get("/x", bearer(f"{header}.{payload}.{signature}")).status == 200


def test_a_malleable_eddsa_signature_is_refused(pair, jose):
    order = 2**252 + 27742317777372353535851937790883648493
    header, payload, signature = jose.sign("EdDSA").split(".")
    raw = unb64(signature)
    s = int.from_bytes(raw[32:], "little") + order
    refused(pair, f"{header}.{payload}.{b64(raw[:32] + s.to_bytes(32, 'little'))}")


# Header fields that are never obeyed (35, 36)


@pytest.mark.parametrize(
    "extra",
    [
        {"crit": ["exp"]}, {"crit": []}, {"crit": "b64"}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"zip": "DEF"},
        {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/c"}, {"x5c": ["AAAA"]},
        {"kid": "../../../../dev/null"}, {"kid": "x' OR '1'='1"}, {"kid": "a|id"}, {"kid": "\u0000"}, {"kid": "a" * 3000},
        {"kid": 5}, {"kid": ["ES256-k1"]}, {"alg": "HS256 "},
    ],
    ids=str,
)
def test_a_header_that_asks_for_something_else_is_refused(pair, jose, extra):
    """Really signed, with this header: only the header is wrong."""
    key = jose.key("HS256")["private"]
    header = {"alg": "HS256", "typ": "JWT", "kid": key["kid"], **extra}
    refused(pair, hmac_token(header, claims(), unb64(key["k"])))


def test_the_plain_header_is_the_accepted_sibling(pair, jose):
    key = jose.key("HS256")["private"]
    token = hmac_token({"alg": "HS256", "typ": "JWT", "kid": key["kid"]}, claims(), unb64(key["k"]))
    assert pair[0].get("/x", bearer(token)).status == 200


def test_a_key_that_the_token_brings_along_is_not_used(pair, jose):
    other = jose.key("ES256", "mallory")
    refused(pair, jose.sign("ES256", jwk=other["private"], header={"jwk": other["public"], "kid": None}))
    refused(pair, jose.sign("ES256", jwk=other["private"], header={"jwk": other["public"], "kid": "ES256-k1"}))


# Shapes (37, 38)


def shapes(jose):
    good = jose.sign("ES256")
    header, payload, signature = good.split(".")
    text = unb64(payload).decode()
    key = unb64(jose.key("HS256")["private"]["k"])
    plain = {"alg": "HS256", "kid": "HS256-k1"}
    signed = lambda head, body: hmac_token(head, body, key)
    now = int(time.time())
    return {
        "one part": header, "two parts": f"{header}.{payload}", "four parts": good + ".x", "trailing dot": good + ".",
        "leading dot": "." + good, "empty parts": "..", "dots": "." * 5000, "padding": f"{header}.{payload}=.{signature}",
        "signature padding": good + "=", "plus instead of minus": good.replace("-", "+") + "+",
        "standard alphabet": f"{header}.{payload}.{base64.b64encode(unb64(signature)).decode()}",
        "trailing bits": f"{header}.{payload}.{signature[:-1]}{'B' if signature[-1] != 'B' else 'C'}",
        "header is an array": signed("[]", claims()), "header is a string": signed('"x"', claims()),
        "header is empty": signed("", claims()), "header twice alg": signed('{"alg":"HS256","alg":"HS256","kid":"HS256-k1"}', claims()),
        "header twice alg, escaped": signed('{"alg":"HS256","\\u0061lg":"none","kid":"HS256-k1"}', claims()),
        "payload is an array": signed(plain, "[1]"), "payload is no JSON": signed(plain, "hello"), "payload is empty": signed(plain, ""),
        "payload with trailing bytes": signed(plain, json.dumps(claims()) + "x"),
        "payload with a NUL after it": signed(plain, json.dumps(claims()) + "\0"),
        "payload with a BOM": signed(plain, b"\xef\xbb\xbf" + json.dumps(claims()).encode()),
        "payload not UTF-8": signed(plain, b'{"sub":"\xff","exp":%d}' % (now + 60)),
        "payload twice sub": signed(plain, '{"sub":"a","sub":"b","exp":%d}' % (now + 60)),
        "payload twice exp, escaped": signed(plain, '{"sub":"a","exp":%d,"\\u0065xp":9999999999}' % (now - 60)),
        "lone surrogate": signed(plain, '{"sub":"\\ud800","exp":%d}' % (now + 60)),
        "too deep": signed(plain, '{"a":' + "[" * 3000 + "]" * 3000 + "}"),
        "exp a string": signed(plain, '{"sub":"a","exp":"%d"}' % (now + 60)),
        "exp null": signed(plain, '{"sub":"a","exp":null}'), "exp true": signed(plain, '{"sub":"a","exp":true}'),
        "exp an object": signed(plain, '{"sub":"a","exp":{}}'), "exp NaN": signed(plain, '{"sub":"a","exp":NaN}'),
        "exp 1e400": signed(plain, '{"sub":"a","exp":1e400}'), "exp negative": signed(plain, '{"sub":"a","exp":-1}'),
        "nbf a string": signed(plain, '{"sub":"a","nbf":"0"}'),
        "JSON serialisation": json.dumps({"protected": header, "payload": payload, "signature": signature}).replace(" ", ""),
        "cut short": signed(plain, json.dumps(claims(fill="a" * 20000)))[:7900],
        "spelled twice": good + good, "two tokens": good + "," + good, "text": text.replace(" ", "").replace('"', ""),
    }


SHAPES = ["one part", "two parts", "four parts", "trailing dot", "leading dot", "empty parts", "dots", "padding", "signature padding",
          "plus instead of minus", "trailing bits", "header is an array", "header is a string", "header is empty", "header twice alg",
          "header twice alg, escaped", "payload is an array", "payload is no JSON", "payload is empty", "payload with trailing bytes",
          "payload with a NUL after it", "payload with a BOM", "payload not UTF-8", "payload twice sub", "payload twice exp, escaped",
          "lone surrogate", "too deep", "exp a string", "exp null", "exp true", "exp an object", "exp NaN", "exp 1e400", "exp negative",
          "nbf a string", "JSON serialisation", "cut short", "spelled twice", "two tokens", "text"]


@pytest.fixture(scope="module")
def misshapen(jose):
    return shapes(jose)


@pytest.mark.parametrize("case", SHAPES)
def test_a_misshapen_token_is_refused(pair, misshapen, case):
    refused(pair, misshapen[case])


# Time (39)


@pytest.mark.parametrize("more", [{"exp": -1}, {"exp": -3600}, {"exp": 0}, {"nbf": 30}, {"exp": -30, "nbf": -60}], ids=str)
def test_a_token_out_of_its_time_is_refused(pair, jose, more):
    now = int(time.time())
    values = claims() | {name: now + offset for name, offset in more.items()}
    refused(pair, jose.sign("ES256", values))


def test_leeway_reaches_this_far_and_no_further(pair, jose):
    gate, _ = pair
    now = int(time.time())
    within = jose.sign("ES256", claims() | {"exp": now - 30, "nbf": now + 30})
    beyond = jose.sign("ES256", claims() | {"exp": now - 90})
    early = jose.sign("ES256", claims() | {"nbf": now + 90})
    assert gate.get("/leeway/x", bearer(within)).status == 200
    refused(pair, within)  # Accepted there, and its cache entry must not help here.
    refused(pair, beyond, "/leeway/x")
    refused(pair, early, "/leeway/x")


def test_a_cached_token_expires(pair, jose):
    gate, _ = pair
    expires = int(time.time()) + 2
    token = jose.sign("ES256", claims() | {"exp": expires})
    assert gate.get("/x", bearer(token)).status == 200
    while time.time() < expires + 0.05:
        time.sleep(0.05)
    refused(pair, token)


def test_a_token_without_exp_is_accepted_as_nginx_plus_does(pair, jose):
    assert pair[0].get("/x", bearer(jose.sign("ES256", {"sub": "client1"}))).status == 200


# Carrying it (41)


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "bearer", "Basic {}", "Bearer {0}, Bearer {0}", "Bearer {0} {0}",
                                   "Bearer\t{}x", "{}", "Token {}", "Bearer,{}", "Bearer {} x"])
def test_another_credential_is_refused(pair, jose, value):
    gate, backend = pair
    backend.forget()
    assert gate.get("/x", {"Authorization": value.format(jose.sign("ES256"))}).status == 401
    assert not backend.requests


def test_two_authorization_fields_are_refused(pair, jose):
    gate, backend = pair
    backend.forget()
    token = "Bearer " + jose.sign("ES256")
    for fields in ([("Authorization", token)] * 2, [("Authorization", token), ("authorization", "Basic eDp5")]):
        assert gate.get("/x", fields).status in (400, 401)
    assert not backend.requests


def test_the_scheme_is_compared_without_case(pair, jose):
    gate, _ = pair
    for scheme in ("bearer", "BEARER"):
        assert gate.get("/x", {"Authorization": f"{scheme} {jose.sign('ES256')}"}).status == 200


def test_token_from_a_cookie_or_an_argument_where_the_location_says_so(pair, jose):
    gate, backend = pair
    token = jose.sign("ES256")
    assert gate.get("/cookie/x", {"Cookie": f"a=b; session={token}"}).status == 200
    assert gate.get(f"/argument/x?token={token}").status == 200
    backend.forget()
    assert gate.get("/cookie/x", bearer(token)).status == 401, "the field is not looked at there"
    assert gate.get("/x", {"Cookie": f"session={token}"}).status == 401
    assert gate.get(f"/x?token={token}").status == 401
    assert gate.get(f"/x?access_token={token}").status == 401
    assert not backend.requests


def test_auth_jwt_off_opens_the_location_and_no_other(pair):
    gate, _ = pair
    assert gate.get("/open/x").status == 200
    assert gate.get("/openx").status == 401


# auth_jwt_require, claim variables, key files


@pytest.fixture(scope="module")
def requiring(module_keepgate, module_origin, jose):
    backend = module_origin()
    gate = module_keepgate(
        """
map $jwt_claim_role $is_admin { default 0; admin 1; }
map $jwt_claim_level $level { default ""; ~^[1-9]$ ok; }
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "x";
    auth_jwt_key_file keys.json;
    location / { auth_jwt_require $is_admin $level error=403; proxy_pass http://@origin@; }
    location /plain/ { auth_jwt_require $is_admin; proxy_pass http://@origin@; }
    location /city/ { auth_jwt_require $jwt_claim_city; proxy_set_header X-City $jwt_claim_city; proxy_set_header X-Groups $jwt_claim_groups;
                      proxy_set_header X-Alg $jwt_header_alg; proxy_pass http://@origin@; }
    location /two/ { auth_jwt_key_file keys.json; auth_jwt_key_file more.json; proxy_pass http://@origin@; }
}
""",
        files={"keys.json": jose.set_of(jose.key("ES256")), "more.json": jose.set_of(jose.key("RS256"))},
        values={"origin": backend.address},
    )
    return gate, backend


@pytest.mark.parametrize(
    "path, more, status",
    [("/x", {"role": "admin", "level": 3}, 200), ("/x", {"role": "admin"}, 403), ("/x", {"level": 3}, 403), ("/x", {"role": "user", "level": 3}, 403),
     ("/x", {}, 403), ("/plain/", {"role": "admin"}, 200), ("/plain/", {"role": "x"}, 401), ("/plain/", {"role": ["admin", "x"]}, 401)],
)
def test_auth_jwt_require(requiring, jose, path, more, status):
    gate, backend = requiring
    backend.forget()
    assert gate.get(path, bearer(jose.sign("ES256", claims(**more)))).status == status
    assert len(backend.requests) == (status == 200)


def test_claims_become_variables(requiring, jose):
    gate, backend = requiring
    token = jose.sign("ES256", claims(city="Bonn", groups=["a", "b"]))
    assert gate.get("/city/", bearer(token)).status == 200
    assert (backend.last.get("X-City"), backend.last.get("X-Groups"), backend.last.get("X-Alg")) == ("Bonn", "a,b", "ES256")
    assert gate.get("/city/", bearer(jose.sign("ES256", claims()))).status == 401


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\0b", "a\rb", "\x7f"])
def test_a_claim_with_control_bytes_does_not_split_the_request(requiring, jose, value):
    gate, backend = requiring
    backend.forget()
    answer = gate.get("/city/", bearer(jose.sign("ES256", claims(city=value))))
    assert answer.status in (200, 400, 401, 403, 500)
    for request in backend.requests:
        assert "x-evil" not in request.names()
        assert not set(request.get("X-City", "")) & set("\r\n\0\x7f")


def test_several_key_files_of_a_level_count_together(requiring, jose):
    gate, _ = requiring
    for algorithm in ("ES256", "RS256"):
        assert gate.get("/two/x", bearer(jose.sign(algorithm))).status == 200
    assert gate.get("/plain/", bearer(jose.sign("RS256", claims(role="admin")))).status == 401
    assert gate.get("/plain/", bearer(jose.sign("ES256", claims(role="admin")))).status == 200


def test_the_cache_keeps_tokens_apart(pair, jose):
    """Hashing is not trusted: many tokens, each its own answer, in both orders."""
    gate, backend = pair
    tokens = {f"user{number}": jose.sign("HS256", claims(sub=f"user{number}") | {"sub": f"user{number}"}) for number in range(20)}
    with gate.connect() as client:
        for name in [*tokens, *reversed(tokens)]:
            assert client.request("GET", "/x", bearer(tokens[name])).status == 200
            assert backend.last.get("X-Sub") == name


def test_pipelined_requests_do_not_share_an_identity(pair, jose):
    gate, backend = pair
    backend.forget()
    with gate.connect() as client:
        client.send(request_bytes("GET", "/1", bearer(jose.sign("ES256"))) + request_bytes("GET", "/2"))
        assert client.read_response().status == 200
        assert client.read_response().status == 401
    assert [request.target for request in backend.requests] == ["/1"]


def test_no_token_in_any_log(pair, jose):
    gate, _ = pair
    token = jose.sign("RS256")
    gate.get("/x", bearer(token))
    gate.get("/x", bearer(token[:-4] + "AAAA"))
    signature = token.split(".")[2]
    assert signature[:40] not in gate.read("error.log") + gate.read("stderr")
    assert hashlib.sha256(token.encode()).hexdigest() != token


NESTED = """
auth_jwt_key_file keys.json;
auth_jwt_claim_set $tenant org tenant name;
auth_jwt_claim_set $groups org groups;
auth_jwt_header_set $kind typ;
map $groups $is_admin { "~\\badmin\\b" 1; default 0; }
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "nested";
    location / { proxy_set_header X-Tenant $tenant; proxy_set_header X-Groups $groups; proxy_set_header X-Kind $kind;
                 proxy_pass http://@origin@; }
    location /admin/ { auth_jwt_require $is_admin error=403; proxy_pass http://@origin@; }
}
"""


def test_claims_inside_others_are_variables(keepgate, origin, jose):
    backend = origin()
    gate = keepgate(NESTED, files={"keys.json": jose.set_of(jose.key("ES256"))}, values={"origin": backend.address})
    org = {"tenant": {"name": "acme"}, "groups": ["staff", "admin"]}
    assert gate.get("/admin/x", bearer(jose.sign("ES256", {"org": org}))).status == 200
    assert gate.get("/x", bearer(jose.sign("ES256", {"org": org}))).status == 200
    assert (backend.last.get("X-Tenant"), backend.last.get("X-Groups")) == ("acme", "staff,admin")
    for other in ({"groups": ["staff"]}, {"groups": "administrator"}, {"groups": {"admin": 1}, "tenant": 5}, {}):
        assert gate.get("/admin/x", bearer(jose.sign("ES256", {"org": other}))).status == 403
    assert gate.get("/admin/x").status == 401


# What else NGINX Plus asks for


REQUIRE = """
auth_jwt_key_file keys.json;
map $arg_tier $is_gold { gold 1; silver 0; }
server {
    listen 127.0.0.1:@gate@;
    location /plain { auth_require $arg_a $arg_b; proxy_pass http://@origin@; }
    location /codes { auth_require $arg_a error=404; auth_require $is_gold error=503; proxy_pass http://@origin@; }
    location /token { auth_jwt "t"; auth_require $jwt_claim_team; proxy_pass http://@origin@; }
    location /open { auth_jwt off token=$cookie_id; proxy_set_header X-Sub $jwt_claim_sub; proxy_pass http://@origin@; }
    location /late { auth_jwt "t"; auth_delay 700ms; proxy_pass http://@origin@; }
    location /late/403 { auth_jwt "t"; auth_delay 700ms; auth_jwt_require $jwt_claim_team error=403; proxy_pass http://@origin@; }
}
"""


@pytest.fixture(scope="module")
def plus(module_keepgate, module_origin, jose):
    backend = module_origin()
    keys = {"keys.json": jose.set_of(jose.key("ES256"))}
    return module_keepgate(REQUIRE, files=keys, values={"origin": backend.address}), backend


@pytest.mark.parametrize("target,status", [
    ("/plain?a=1&b=x", 200), ("/plain?a=1", 403), ("/plain?a=1&b=0", 403), ("/plain?a=1&b=", 403), ("/plain?a=00&b=1", 200),
    ("/codes?a=1&tier=gold", 200), ("/codes?a=1&tier=silver", 503), ("/codes?a=1", 503), ("/codes?tier=gold", 404), ("/codes", 404),
])
def test_auth_require_wants_values_that_are_neither_empty_nor_zero(plus, target, status):
    gate, backend = plus
    backend.forget()
    assert gate.get(target).status == status
    assert bool(backend.requests) == (status == 200)


def test_auth_require_sees_the_claims_of_a_verified_token(plus, jose):
    gate, backend = plus
    assert gate.get("/token", bearer(jose.sign("ES256", claims(team="red")))).status == 200
    backend.forget()
    assert gate.get("/token", bearer(jose.sign("ES256"))).status == 403
    assert gate.get("/token").status == 401
    forged = jose.sign("ES256", claims(team="red"), jwk=dict(jose.key("ES256", "other")["private"], kid="ES256-k1"))
    assert gate.get("/token", bearer(forged)).status == 401
    assert not backend.requests


def test_auth_jwt_off_with_a_token_lets_claims_be_read_and_checks_nothing(plus, jose):
    gate, backend = plus
    assert gate.get("/open", {"Cookie": f"id={jose.sign('ES256')}"}).status == 200
    assert backend.last.get("X-Sub") == "client1"
    for fields in ({}, {"Cookie": "id=x"}, bearer(jose.sign("ES256"))):
        assert gate.get("/open", fields).status == 200
        assert not backend.last.get("X-Sub")


def test_auth_delay_holds_a_401_back_and_nothing_else(plus, jose):
    gate, _ = plus

    def timed(path, fields=()):
        started = time.monotonic()
        status = gate.get(path, fields).status
        return status, time.monotonic() - started

    for fields in ({}, bearer("a.b.c")):
        status, seconds = timed("/late", fields)
        assert status == 401 and seconds >= 0.69
    quickest = min(timed("/late", bearer(jose.sign("ES256"))) for _ in range(3))
    assert quickest[0] == 200 and quickest[1] < 0.69
    quickest = min(timed("/late/403", bearer(jose.sign("ES256"))) for _ in range(3))
    assert quickest[0] == 403 and quickest[1] < 0.69


def test_a_token_is_refused_once_its_key_has_left_the_set_cached_or_not(keepgate, origin, jose):
    backend = origin()
    conf = 'auth_jwt_key_file keys.json; server { listen 127.0.0.1:@gate@; location / { auth_jwt "t"; proxy_pass http://@origin@; } }'
    both = jose.set_of(jose.key("ES256"), jose.key("RS256"))
    gate = keepgate(conf, files={"keys.json": both}, values={"origin": backend.address})
    leaving, staying = jose.sign("ES256"), jose.sign("RS256")
    for token in (leaving, staying):
        assert gate.get("/x", bearer(token)).status == 200
    gate.write("keys.json", jose.set_of(jose.key("RS256")))
    gate.reload()
    assert gate.get("/x", bearer(leaving)).status == 401
    assert gate.get("/x", bearer(staying)).status == 200


def test_a_cached_token_is_refused_the_moment_it_expires(pair, jose):
    gate, _ = pair
    token = jose.sign("ES256", claims(lifetime=2))
    assert gate.get("/x", bearer(token)).status == 200
    expires = json.loads(unb64(token.split(".")[1]))["exp"]
    while time.time() < expires:
        time.sleep(0.02)
    assert gate.get("/x", bearer(token)).status == 401


@pytest.mark.parametrize("leeway, code", [("10m", 0), ("600s", 0), ("601s", 1), ("11m", 1)])
def test_a_leeway_is_no_longer_than_what_was_revoked_is_told(tmp_path, leeway, code):
    path = tmp_path / "keepgate.conf"
    path.write_text(f"events {{}} http {{ server {{ listen 127.0.0.1:1; auth_jwt_leeway {leeway}; location / {{ return 204; }} }} }}")
    result = run_cli("-t", "-c", path)
    assert result.returncode == code and ("at most 10m" in result.stderr) == bool(code), result.stderr
