"""The policy through the whole program: who may, who may not, and that every grant has its refused sibling."""
import pytest

from harness.jose import claims

CONF = """
policy policy.yaml;
auth_jwt "x";
auth_jwt_key_file keys.json;
decision_log decisions.log;
identity_claims client=client_id user=sub roles=roles scopes=scope;
server {
    listen 127.0.0.1:@gate@;
    location /orders/ { service orders; proxy_pass http://@origin@; }
    location /stock/ { service stock; proxy_pass http://@origin@; }
    location /shadow/ { service orders; authorize shadow; proxy_pass http://@origin@; }
    location /off/ { authorize off; auth_jwt off; proxy_pass http://@origin@; }
    location /anon/ { service orders; auth_jwt off; proxy_pass http://@origin@; }
    location /edge/ { service orders; proxy_pass http://@origin@/orders/; }
}
"""
POLICY = """
roles:
  order-admins: [client:root, user:alice]
policies:
  - identity: client1
    permissions: PUT/GET
    on: /orders/
  - id: admins
    allow: role:order-admins
    on: { service: orders, methods: [GET, PUT, DELETE], paths: ["/orders/**"] }
  - id: role-by-claim
    allow: role:auditor
    on: { service: orders, methods: [GET], paths: ["/orders/*/audit"] }
  - id: scoped
    allow: client:scoped
    on: { service: orders, methods: [GET, PUT], paths: ["/orders/*"] }
    scopes: [orders:write]
  - id: both
    allow: client:portal
    on_behalf_of: user:bob
    on: { service: orders, methods: [GET], paths: ["/orders/*"] }
  - id: everybody-identified
    allow: "*"
    on: { service: orders, methods: [GET], paths: [/orders/list] }
  - id: open
    allow: anonymous
    on: { service: orders, methods: [GET], paths: [/anon/hello] }
  - id: exact
    allow: client:exact
    on: { service: orders, methods: "*", paths: [/orders] }
  - id: no-archive
    deny: "*"
    on: { service: orders, methods: [DELETE], paths: ["/orders/archive/**"] }
  - id: stock-only
    allow: client:stocker
    on: { service: stock, methods: [GET], paths: ["/stock/**"] }
"""
WHO = {
    "client1": {"client_id": "client1", "sub": "client1"},
    "root": {"client_id": "root", "sub": "root"},
    "alice": {"client_id": "portal", "sub": "alice"},
    "bob": {"client_id": "portal", "sub": "bob"},
    "eve": {"client_id": "portal", "sub": "eve"},
    "bob elsewhere": {"client_id": "other", "sub": "bob"},
    "auditor": {"client_id": "audit", "sub": "ann", "roles": ["auditor"]},
    "auditor as text": {"client_id": "audit", "sub": "ann", "roles": "auditor"},
    "half auditor": {"client_id": "audit", "sub": "ann", "roles": ["auditors", "audit"]},
    "scoped": {"client_id": "scoped", "sub": "scoped", "scope": "orders:read orders:write"},
    "scoped list": {"client_id": "scoped", "sub": "scoped", "scope": ["orders:write"]},
    "unscoped": {"client_id": "scoped", "sub": "scoped", "scope": "orders:read orders:writer"},
    "no scope": {"client_id": "scoped", "sub": "scoped"},
    "stocker": {"client_id": "stocker", "sub": "stocker"},
    "user named as the client": {"client_id": "x", "sub": "client1"},
    "prefix": {"client_id": "client", "sub": "client"},
    "longer": {"client_id": "client11", "sub": "client11"},
    "other case": {"client_id": "Client1", "sub": "Client1"},
    "kind in the name": {"client_id": "role:order-admins", "sub": "client:client1"},
    "star": {"client_id": "*", "sub": "*"},
    "exact": {"client_id": "exact", "sub": "exact"},
}


@pytest.fixture(scope="module")
def pair(module_keepgate, module_origin, jose):
    backend = module_origin()
    files = {"policy.yaml": POLICY, "keys.json": jose.set_of(jose.key("HS256"))}
    return module_keepgate(CONF, files=files, values={"origin": backend.address}), backend


@pytest.fixture(scope="module")
def tokens(jose):
    base = {name: value for name, value in claims().items() if name in ("iat", "exp")}
    return {name: jose.sign("HS256", {**base, **who}) for name, who in WHO.items()}


def ask(pair, tokens, who, method, path, fields=()):
    gate, backend = pair
    backend.forget()
    given = dict(fields)
    if who is not None:
        given["Authorization"] = "Bearer " + tokens[who]
    answer = gate.request(method, path, given)
    assert len(backend.requests) == (answer.status == 200), "a refused request reaches nobody"
    return answer


CASES = [
    ("client1", "GET", "/orders/7", 200), ("client1", "PUT", "/orders/7", 200), ("client1", "GET", "/orders/a/b/c", 200),
    ("client1", "GET", "/edge/7", 200), ("client1", "HEAD", "/orders/7", 403),  # Methods are exact.
    ("stocker", "HEAD", "/orders/7", 403),
    ("client1", "DELETE", "/orders/7", 403), ("client1", "POST", "/orders/7", 403), ("client1", "PATCH", "/orders/7", 403),
    ("client1", "OPTIONS", "/orders/7", 403), ("client1", "GET", "/stock/7", 403), ("client1", "DELETE", "/edge/7", 403),
    ("user named as the client", "GET", "/orders/7", 403), ("prefix", "GET", "/orders/7", 403), ("longer", "GET", "/orders/7", 403),
    ("other case", "GET", "/orders/7", 403), ("kind in the name", "GET", "/orders/7", 403), ("star", "PUT", "/orders/7", 403),
    ("root", "DELETE", "/orders/7", 200), ("alice", "DELETE", "/orders/7", 200), ("bob", "DELETE", "/orders/7", 403),
    ("root", "DELETE", "/orders/archive/7", 403), ("alice", "DELETE", "/orders/archive/7/8", 403), ("root", "GET", "/orders/archive/7", 200),
    ("auditor", "GET", "/orders/7/audit", 200), ("auditor as text", "GET", "/orders/7/audit", 200), ("half auditor", "GET", "/orders/7/audit", 403),
    ("auditor", "GET", "/orders/7/8/audit", 403), ("auditor", "GET", "/orders/7", 403), ("auditor", "PUT", "/orders/7/audit", 403),
    ("scoped", "PUT", "/orders/7", 200), ("scoped list", "PUT", "/orders/7", 200), ("unscoped", "PUT", "/orders/7", 403), ("no scope", "PUT", "/orders/7", 403),
    ("scoped", "PUT", "/orders/7/8", 403),
    ("bob", "GET", "/orders/7", 200), ("eve", "GET", "/orders/7", 403), ("bob elsewhere", "GET", "/orders/7", 403),
    ("eve", "GET", "/orders/list", 200), ("eve", "GET", "/orders/list/", 403), ("eve", "GET", "/orders/lists", 403), ("eve", "PUT", "/orders/list", 403),
    (None, "GET", "/orders/list", 401), (None, "GET", "/orders/7", 401),
    ("stocker", "GET", "/stock/1/2", 200), ("stocker", "GET", "/orders/1", 403),
    (None, "GET", "/anon/hello", 200), (None, "GET", "/anon/other", 401), (None, "POST", "/anon/hello", 401),
    ("exact", "GET", "/orders/", 403),
    (None, "GET", "/off/x", 200), ("eve", "DELETE", "/shadow/x", 200), (None, "GET", "/shadow/x", 401),
]


@pytest.mark.parametrize("who, method, path, status", CASES)
def test_who_may_do_what(pair, tokens, who, method, path, status):
    assert ask(pair, tokens, who, method, path).status == status


def test_a_denial_tells_an_id_and_no_reason(pair, tokens):
    answer = ask(pair, tokens, "client1", "DELETE", "/orders/7", {"Accept": "application/json"})
    assert answer.get("Content-Type") == "application/problem+json"
    assert '"decision_id":"' in answer.text
    for secret in ("client1", "no-archive", "rule", "admins"):
        assert secret not in answer.text


def test_a_browser_gets_a_page(pair, tokens):
    answer = ask(pair, tokens, "client1", "DELETE", "/orders/7", {"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status, answer.get("Content-Type")) == (403, "text/html")


def test_an_anonymous_denial_challenges(pair, tokens):
    assert ask(pair, tokens, None, "GET", "/orders/7").get("WWW-Authenticate").startswith("Bearer")


def test_a_policy_without_rules_denies(keepgate, origin, jose):
    backend = origin()
    for text in ("policies: []\n", "roles: {}\npolicies: []\n"):
        gate = keepgate(
            'policy p.yaml; server { listen 127.0.0.1:@gate@; auth_jwt "x"; auth_jwt_key_file k.json; location / { proxy_pass http://@origin@; } }',
            files={"p.yaml": text, "k.json": jose.set_of(jose.key("HS256"))}, values={"origin": backend.address},
        )
        assert gate.get("/x", {"Authorization": "Bearer " + jose.sign("HS256")}).status == 403
    assert not backend.requests


def test_several_policies_accumulate_and_a_denial_wins(keepgate, origin, jose):
    backend = origin()
    gate = keepgate(
        'policy a.yaml; policy b.yaml; server { listen 127.0.0.1:@gate@; auth_jwt "x"; auth_jwt_key_file k.json; location / { proxy_pass http://@origin@; } }',
        files={
            "a.yaml": 'policies:\n  - { identity: client1, permissions: "*", on: /a/ }\n  - { identity: client1, permissions: GET, on: /b/ }\n',
            "b.yaml": 'policies:\n  - { id: not-b, deny: "*", on: /b/x }\n',
            "k.json": jose.set_of(jose.key("HS256")),
        },
        values={"origin": backend.address},
    )
    token = {"Authorization": "Bearer " + jose.sign("HS256")}
    assert [gate.get(path, token).status for path in ("/a/x", "/b/y", "/b/x", "/c")] == [200, 200, 403, 403]


def test_an_identity_from_a_map_and_the_policy_work_together(keepgate, origin):
    backend = origin()
    gate = keepgate(
        """
map $http_apikey $api_client { default ""; "7B5zIqmRGXmrJTFmKa99vcit" client1; "QzVV6y1EmQFbbxOfRCwyJs35" client2; }
policy p.yaml;
server { listen 127.0.0.1:@gate@; auth_identity $api_client; location / { service s; proxy_pass http://@origin@; } }
""",
        files={"p.yaml": "policies:\n  - { identity: client1, permissions: GET, on: /orders/ }\n"},
        values={"origin": backend.address},
    )
    assert gate.get("/orders/1", {"apikey": "7B5zIqmRGXmrJTFmKa99vcit"}).status == 200
    assert gate.get("/orders/1", {"apikey": "QzVV6y1EmQFbbxOfRCwyJs35"}).status == 403
    assert gate.get("/orders/1", {"apikey": "wrong"}).status == 401
    assert gate.get("/orders/1").status == 401
    assert len(backend.requests) == 1


def test_strict_refuses_what_nobody_opened(keepgate, origin):
    """Under `strict on` a location without policy and without `authorize off` is closed, or does not load."""
    backend = origin()
    text = (
        "strict on;\ndaemon off;\nworker_processes 1;\npid keepgate.pid;\nerror_log error.log;\nevents {}\n"
        "http { server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } %s } }\n"
    )
    from harness.gate import run_cli

    gate = keepgate(text=text % "location = /open { authorize off; return 200 ok; }", values={"origin": backend.address}, start=False)
    if run_cli("-t", "-c", gate.path("keepgate.conf")).returncode == 0:
        gate.start()
        assert gate.get("/x").status in (401, 403)
        assert gate.get("/open").status == 200
    assert not backend.requests
