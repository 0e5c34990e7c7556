"""Transaction tokens end to end, and identity fields that outsiders send. The security checklist, part C."""
import json
import os
import time
import uuid

import pytest

from harness.jose import claims, header_of, payload_of
from harness.wire import chunked

CONF = """
trust_domain shop.internal;
policy policy.yaml;
identity_headers X-Client-Id X-User-Id X-Roles;
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "x";
    auth_jwt_key_file clients.json;
    transaction_token_key gateway.jwk;
    transaction_token issue ttl=30s;
    proxy_set_header X-Client-Id $identity_client;
    proxy_set_header X-User-Id $identity_user;
    location /1.0/orders/ { service orders; proxy_pass http://127.0.0.1:@guard@/orders/; }
    location /raw/ { service orders; proxy_pass http://@origin@/orders/; }
    location /claims/ { service orders; transaction_token issue ttl=5s claims=$arg_color:color; proxy_pass http://@origin@/orders/; }
    location /plain/ { service orders; transaction_token off; authorize off; auth_jwt off; proxy_pass http://@origin@; }
}
server {
    listen 127.0.0.1:@guard@;
    service orders;
    transaction_token require bind=request single_use;
    transaction_token_key_file gateway.jwks.json;
    location / { proxy_pass http://@origin@; }
    location /loose/ { transaction_token require; proxy_pass http://@origin@; }
}
"""
POLICY = """
policies:
  - { identity: client1, permissions: GET/PUT, on: /orders/ }
  - { identity: client1, permissions: GET, on: /loose/ }
"""


@pytest.fixture(scope="module", params=["EdDSA", "ES256"])
def world(request, module_keepgate, module_origin, jose):
    backend = module_origin()
    key = jose.key(request.param, "gateway")
    files = {
        "policy.yaml": POLICY,
        "clients.json": jose.set_of(jose.key("HS256")),
        "gateway.jwk": json.dumps(key["private"]),
        "gateway.jwks.json": jose.set_of(key),
    }
    gate = module_keepgate(CONF, files=files, values={"origin": backend.address})
    gate.algorithm = request.param
    return gate, backend


@pytest.fixture(scope="module")
def client_token(jose):
    return {"Authorization": "Bearer " + jose.sign("HS256", claims() | {"sub": "alice"})}


def transaction(**changes):
    """Claims as the gateway writes them; None removes one."""
    now = int(time.time())
    tctx = {"method": "GET", "path": "/orders/7", "service": "orders", "client_id": "client1"}
    tctx.update(changes.pop("tctx", {}))
    values = {
        "iat": now, "exp": now + 30, "aud": "shop.internal", "txn": str(uuid.uuid4()), "sub": "client1", "scope": "orders",
        "req_wl": "gateway", "tctx": {name: value for name, value in tctx.items() if value is not None},
        "rctx": {"req_ip": "127.0.0.1", "authn": "jwt"}, **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def sign(jose, world, payload=None, name="gateway", **header):
    algorithm = world[0].algorithm
    return jose.sign(algorithm, payload or transaction(), name=name, header={"typ": "txntoken+jwt", **header})


def to_guard(world, token, method="GET", path="/orders/7", fields=()):
    gate, backend = world
    backend.forget()
    given = list(fields.items()) if isinstance(fields, dict) else list(fields)
    if token is not None:
        given.append(("Txn-Token", token))
    answer = gate.request(method, path, given, name="guard")
    assert len(backend.requests) == (answer.status == 200)
    return answer


# Minted


def test_the_gateway_mints_what_the_draft_says(world, jose, client_token):
    gate, backend = world
    backend.forget()
    before = int(time.time())
    assert gate.get("/raw/7?color=red", client_token, name="gate").status == 200
    values = backend.last.all("Txn-Token")
    assert len(values) == 1
    header, payload = header_of(values[0]), payload_of(values[0])
    assert (header["typ"], header["alg"], header["kid"]) == ("txntoken+jwt", gate.algorithm, f"{gate.algorithm}-gateway")
    verified = jose.verify(values[0], jose.key(gate.algorithm, "gateway")["public"], gate.algorithm)
    assert json.loads(verified["payload"]) == payload
    assert before <= payload["iat"] <= time.time() and payload["exp"] - payload["iat"] == 30
    assert payload["aud"] == "shop.internal" and payload["sub"] and payload["txn"] and payload["scope"] and payload["req_wl"]
    context = payload["tctx"]
    assert (context["method"], context["path"], context["service"], context["client_id"]) == ("GET", "/orders/7", "orders", "client1")
    assert context["customer"] == "alice"
    assert payload["rctx"]["req_ip"] == "127.0.0.1" and payload["rctx"]["authn"]


def test_the_client_token_is_not_inside(world, client_token):
    gate, backend = world
    gate.get("/raw/7", client_token, name="gate")
    text = json.dumps(payload_of(backend.last.get("Txn-Token")))
    assert client_token["Authorization"].split(".")[2] not in text
    assert "eyJ" not in text


def test_every_request_has_a_transaction_of_its_own(world, client_token):
    gate, backend = world
    backend.forget()
    for _ in range(20):
        assert gate.get("/raw/7", client_token, name="gate").status == 200
    assert len({payload_of(request.get("Txn-Token"))["txn"] for request in backend.requests}) == 20


def test_a_location_adds_claims_and_sets_its_lifetime(world, client_token):
    gate, backend = world
    assert gate.get("/claims/7?color=red", client_token, name="gate").status == 200
    payload = payload_of(backend.last.get("Txn-Token"))
    assert payload["tctx"]["color"] == "red"
    assert payload["exp"] - payload["iat"] == 5


def test_nothing_is_minted_for_the_refused_or_the_unknown(world, client_token):
    gate, backend = world
    backend.forget()
    assert gate.request("DELETE", "/raw/7", client_token, name="gate").status == 403
    assert gate.get("/raw/7", name="gate").status == 401
    assert not backend.requests
    assert gate.get("/plain/7", name="gate").status == 200
    assert backend.last.get("Txn-Token") is None


def test_through_gateway_and_guard_to_the_service(world, client_token):
    gate, backend = world
    backend.forget()
    for number in range(20):
        answer = gate.get(f"/1.0/orders/{number}?q=1", client_token, name="gate")
        assert answer.status == 200
    assert [request.target for request in backend.requests] == [f"/orders/{number}?q=1" for number in range(20)]
    assert payload_of(backend.last.get("Txn-Token"))["tctx"]["path"] == "/orders/19"
    assert gate.request("PUT", "/1.0/orders/7", client_token, b"x" * 100_000, name="gate").status == 200
    assert gate.request("DELETE", "/1.0/orders/7", client_token, name="gate").status == 403


def test_a_path_that_needs_encoding_is_the_same_on_both_sides(world, client_token):
    gate, backend = world
    backend.forget()
    for sent in ("/1.0/orders/a%20b", "/1.0/orders/caf%C3%A9", "/1.0/orders/%61", "/1.0/orders/x/../y", "/1.0/orders/a+b@c:d"):
        assert gate.get(sent, client_token, name="gate").status == 200, sent
    assert [request.target for request in backend.requests][2:4] == ["/orders/a", "/orders/y"]


# The guard


def test_a_genuine_token_passes_once(world, jose):
    token = sign(jose, world)
    assert to_guard(world, token).status == 200
    for _ in range(3):
        assert to_guard(world, token).status == 401


def test_a_token_without_single_use_passes_again_where_the_location_says_so(world, jose):
    token = sign(jose, world)
    assert [to_guard(world, token, path="/loose/x").status for _ in range(2)] == [200, 200]


WRONG = {
    "another service": {"tctx": {"service": "stock"}},
    "another path": {"tctx": {"path": "/orders/8"}},
    "a longer path": {"tctx": {"path": "/orders/7/"}},
    "a shorter path": {"tctx": {"path": "/orders"}},
    "the path in another spelling": {"tctx": {"path": "/orders/%37"}},
    "another method": {"tctx": {"method": "PUT"}},
    "a method in lower case": {"tctx": {"method": "get"}},
    "no path": {"tctx": {"path": None}},
    "no method": {"tctx": {"method": None}},
    "no service": {"tctx": {"service": None}},
    "path is a list": {"tctx": {"path": ["/orders/7"]}},
    "no tctx": {"tctx_none": True},
    "another trust domain": {"aud": "evil.internal"},
    "a longer trust domain": {"aud": "shop.internal.evil"},
    "a shorter trust domain": {"aud": "shop"},
    "no aud": {"aud": None},
    "aud list without it": {"aud": ["a", "b"]},
    "no exp": {"exp": None},
    "exp a string": {"exp": "9999999999"},
    "expired": {"exp": int(time.time()) - 5},
    "long expired": {"exp": int(time.time()) - 3600, "iat": int(time.time()) - 3660},
    "no iat": {"iat": None},
    "issued tomorrow": {"iat": int(time.time()) + 86400, "exp": int(time.time()) + 86430},
    "no txn": {"txn": None},
    "empty txn": {"txn": ""},
    "txn a number": {"txn": 5},
    "no sub": {"sub": None},
    "empty sub": {"sub": ""},
    "no scope": {"scope": None},
    "no req_wl": {"req_wl": None},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_genuinely_signed_token_with_wrong_claims_is_refused(world, jose, case):
    changes = dict(WRONG[case])
    payload = transaction(**{name: value for name, value in changes.items() if name != "tctx_none"})
    if "tctx_none" in changes:
        del payload["tctx"]
    assert to_guard(world, sign(jose, world, payload)).status == 401


def test_a_genuine_token_of_a_client_that_the_policy_does_not_know_is_403(world, jose):
    payload = transaction(sub="client2", tctx={"client_id": "client2"})
    assert to_guard(world, sign(jose, world, payload)).status == 403


@pytest.mark.parametrize("method, path", [("PUT", "/orders/7"), ("GET", "/orders/8"), ("GET", "/orders/7/"), ("DELETE", "/orders/7")])
def test_a_stolen_token_cannot_be_aimed_elsewhere(world, jose, method, path):
    assert to_guard(world, sign(jose, world), method, path).status in (401, 403)


def test_the_query_is_not_part_of_the_binding(world, jose):
    assert to_guard(world, sign(jose, world), path="/orders/7?a=b").status == 200


@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "TXNTOKEN+JWT", "txntoken", "application/txntoken+jwt", "", None])
def test_another_type_is_refused(world, jose, typ):
    status = to_guard(world, sign(jose, world, typ=typ)).status
    # RFC 7515 §4.1.9 lets a full media type and case stand for the same type.
    assert status == 401 or typ in ("TXNTOKEN+JWT", "application/txntoken+jwt")


def test_a_forged_or_foreign_signature_is_refused(world, jose):
    algorithm = world[0].algorithm
    stranger = dict(jose.key(algorithm, "stranger")["private"], kid=f"{algorithm}-gateway")
    forged = jose.sign(algorithm, transaction(), jwk=stranger, header={"typ": "txntoken+jwt"})
    assert to_guard(world, forged).status == 401
    client_key = jose.sign("HS256", transaction(), header={"typ": "txntoken+jwt"})
    assert to_guard(world, client_key).status == 401
    genuine = sign(jose, world)
    assert to_guard(world, genuine[:-8] + "AAAAAAAA").status == 401
    header, payload, _ = genuine.split(".")
    assert to_guard(world, f"{header}.{payload}.").status == 401
    from harness.jose import assemble

    assert to_guard(world, assemble({"alg": "none", "typ": "txntoken+jwt"}, transaction())).status == 401
    assert to_guard(world, genuine).status == 200


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "..", "Bearer x"])
def test_no_token_or_garbage_is_refused_with_a_challenge(world, token):
    answer = to_guard(world, token)
    assert answer.status == 401
    assert answer.get("WWW-Authenticate")


def test_the_types_never_substitute_for_each_other(world, jose, client_token):
    gate, backend = world
    bare = client_token["Authorization"].split(" ")[1]
    assert to_guard(world, bare).status == 401, "a client's token is no transaction token"
    assert to_guard(world, None, fields=client_token).status == 401
    genuine = sign(jose, world)
    assert to_guard(world, None, fields={"Authorization": f"Bearer {genuine}"}).status == 401
    backend.forget()
    assert gate.get("/raw/7", {"Authorization": f"Bearer {genuine}"}, name="gate").status == 401
    signed_by_client_issuer = jose.sign("HS256", transaction(), header={"typ": "txntoken+jwt"})
    answer = gate.get("/raw/7", {"Authorization": f"Bearer {signed_by_client_issuer}"}, name="gate")
    assert answer.status == 401, "typ txntoken+jwt is not an access token, whoever signed it"
    assert not backend.requests


def test_two_transaction_tokens_are_refused(world, jose):
    first, second = sign(jose, world), sign(jose, world)
    assert to_guard(world, first, fields=[("Txn-Token", second)]).status in (400, 401)
    assert to_guard(world, first, fields=[("txn-token", first)]).status in (400, 401)
    assert to_guard(world, f"{first}, {second}").status == 401


def test_a_refused_request_does_not_use_up_a_token(world, jose):
    token = sign(jose, world)
    assert to_guard(world, token, path="/orders/8").status == 401
    assert to_guard(world, token).status == 200


def test_single_use_holds_for_many_at_once(world, jose):
    import threading

    gate, backend = world
    backend.forget()
    token = sign(jose, world)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(gate.get("/orders/7", {"Txn-Token": token}, name="guard").status))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [200] + [401] * 11
    assert len(backend.requests) == 1


def test_single_use_survives_a_reload_and_is_shared_by_workers(keepgate, origin, jose):
    backend = origin()
    key = jose.key("EdDSA", "gateway")
    gate = keepgate(
        CONF, workers=4, values={"origin": backend.address},
        files={"policy.yaml": POLICY, "clients.json": jose.set_of(jose.key("HS256")), "gateway.jwk": json.dumps(key["private"]),
               "gateway.jwks.json": jose.set_of(key)},
    )
    token = jose.sign("EdDSA", transaction(), name="gateway", header={"typ": "txntoken+jwt"})
    assert gate.get("/orders/7", {"Txn-Token": token}, name="guard").status == 200
    gate.reload()
    statuses = [gate.get("/orders/7", {"Txn-Token": token}, name="guard").status for _ in range(10)]
    assert statuses == [401] * 10


# The airlock

SPELLINGS = [
    "Txn-Token", "txn-token", "TXN-TOKEN", "Txn_Token", "txn_token", "Txn.Token", "tXn-ToKeN", "X-Client-Id", "x-client-id", "X_Client_Id",
    "X.Client.Id", "X-Client_Id", "X-USER-ID", "x_user.id", "X-Roles", "x_roles", "X.ROLES",
]


@pytest.mark.parametrize("name", SPELLINGS)
def test_identity_fields_of_an_outsider_are_gone_in_every_spelling(world, client_token, name):
    gate, backend = world
    for path, credential in (("/raw/7", client_token), ("/plain/7", {})):
        backend.forget()
        fields = [*credential.items(), (name, "evil-value"), ("Other", "kept"), (name, "evil-value")]
        assert gate.get(path, fields, name="gate").status == 200
        assert b"evil-value" not in backend.last.head, backend.last.head
        assert backend.last.get("Other") == "kept"


@pytest.mark.parametrize("suffix", ["\x0b", "\xa0", "\x00", " ", "\t"])
def test_identity_fields_with_odd_bytes_are_refused_or_gone(world, client_token, suffix):
    gate, backend = world
    backend.forget()
    token = client_token["Authorization"]
    for data in (f"X-Client-Id{suffix}: evil-value", f"X-Client-Id:{suffix}evil-value{suffix}", f"{suffix}X-Client-Id: evil-value"):
        answer = gate.raw(f"GET /raw/7 HTTP/1.1\r\nHost: t\r\nAuthorization: {token}\r\nA: b\r\n{data}\r\n\r\n", name="gate")
        assert answer.status in (200, 400)
    assert b"evil-value" not in b"".join(request.head for request in backend.requests)


def test_identity_fields_in_trailers_are_gone(world, client_token):
    gate, backend = world
    backend.forget()
    body = chunked(b"abc", trailers=b"X-Client-Id: evil-value\r\nTxn-Token: evil-value\r\n")
    gate.request("PUT", "/raw/7", {**client_token, "Transfer-Encoding": "chunked", "Trailer": "X-Client-Id"}, body, name="gate")
    assert all(b"evil-value" not in bytes(connection.received) for connection in backend.connections[-1:])


def test_the_verified_identity_arrives(world, client_token):
    gate, backend = world
    assert gate.get("/raw/7", client_token, name="gate").status == 200
    assert backend.last.all("X-Client-Id") == ["client1"]
    assert backend.last.all("X-User-Id") == ["alice"]


@pytest.mark.parametrize("listed", ["Txn-Token", "txn-token", "X-Client-Id", "X-Client-Id, Txn-Token, close", "Authorization", "Host", "Content-Length"])
def test_connection_cannot_make_the_gateways_fields_vanish(world, client_token, listed):
    gate, backend = world
    backend.forget()
    answer = gate.get("/raw/7", {**client_token, "Connection": listed}, name="gate")
    assert answer.status in (200, 400)
    for request in backend.requests:
        assert len(request.all("Txn-Token")) == 1
        assert request.all("X-Client-Id") == ["client1"]
        assert request.get("Host")
    if listed in ("Txn-Token", "X-Client-Id"):
        assert answer.status == 200


def test_forwarding_fields_change_no_decision(world, client_token):
    gate, backend = world
    fields = {"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "X-Real-IP": "10.0.0.1", "X-Forwarded-User": "root"}
    backend.forget()
    assert gate.get("/raw/7", fields, name="gate").status == 401
    assert gate.get("/raw/7", {**fields, **client_token}, name="gate").status == 200
    assert payload_of(backend.last.get("Txn-Token"))["rctx"]["req_ip"] == "127.0.0.1"


def test_no_transaction_token_in_any_log(world, client_token):
    gate, backend = world
    gate.get("/1.0/orders/7", client_token, name="gate")
    token = backend.last.get("Txn-Token")
    to_guard(world, token)  # Replayed: refused, and logged.
    logs = "".join(gate.read(name) for name in os.listdir(gate.folder) if name.endswith(".log") or name in ("stderr", "stdout"))
    assert token.split(".")[2] not in logs
    assert client_token["Authorization"].split(".")[2] not in logs
