"""Paths: the policy sees exactly what the origin gets, and where a policy decides, an ambiguous spelling is 400.

Without a policy nginx's behaviour holds. The security checklist, part B.
"""
import pytest

from harness.jose import claims

GUARDED = """
policy policy.yaml;
server {
    listen 127.0.0.1:@gate@;
    auth_jwt "x";
    auth_jwt_key_file keys.json;
    location /api/ { service api; proxy_pass http://@origin@/v1/; }
    location / { service api; proxy_pass http://@origin@; }
}
server {
    listen 127.0.0.1:@open@;
    authorize off;
    location /api/ { proxy_pass http://@origin@/v1/; }
    location /noslash { proxy_pass http://@origin@/v1; }
    location / { proxy_pass http://@origin@; }
}
"""
POLICY = """
policies:
  - identity: client1
    permissions: "*"
    on: /public/
  - identity: client1
    permissions: GET
    on: /v1/
  - id: never
    deny: "*"
    on: /v1/secret/
"""


@pytest.fixture(scope="module")
def guarded(module_keepgate, module_origin, jose):
    backend = module_origin()
    key = jose.key("ES256")
    gate = module_keepgate(
        GUARDED, files={"policy.yaml": POLICY, "keys.json": jose.set_of(key)}, values={"origin": backend.address}
    )
    return gate, backend, {"Authorization": "Bearer " + jose.sign("ES256", claims())}


@pytest.mark.parametrize(
    "sent, received",
    [("/public/a", "/public/a"), ("/public/./a", "/public/a"), ("/public/b/../a", "/public/a"), ("/api/x", "/v1/x"),
     ("/public/a%20b", "/public/a%20b"), ("/public/%61", "/public/a"), ("/public/a?b=%2f..", "/public/a?b=%2f.."),
     ("/public/caf%C3%A9", "/public/caf%C3%A9")],
)
def test_the_path_decided_on_is_the_path_forwarded(guarded, sent, received):
    gate, backend, token = guarded
    backend.forget()
    assert gate.get(sent, token, name="gate").status == 200
    assert backend.last.target == received


AMBIGUOUS = [
    "/public/..%2fv1/secret/a", "/public/..%2Fv1", "/public/%2e%2e/v1/secret/a", "/public/.%2e/v1/secret/a",
    "/public/%2e./v1/secret", "/public//a", "//public/a", "/public/a;x", "/public/..;/v1/secret/a", "/public/;/a",
    "/public/a%3bx", "/public/..\\v1", "/public/a\\b", "/public/..%5cv1", "/public/%252e%252e/v1", "/public/a%252fb",
    "/public/a%00b", "/public/%00", "/public/%c0%ae%c0%ae/v1", "/public/%c0%af", "/public/%u002e", "/public/a.",
    "/public/a%20", "/public/a%09", "/public/.../a", "/public/%01", "/public/a%0d%0ab", "/public/%ff", "/public/%zz",
    "/public/%", "/public/%4", "/public/a%3fb", "/public/a%23b", "/..", "/../public/a", "/public/../../a",
    "/%2e%2e/public/a", "/public/%7f",
]


@pytest.mark.parametrize("path", AMBIGUOUS)
def test_an_ambiguous_path_is_refused_where_a_policy_decides(guarded, path):
    gate, backend, token = guarded
    backend.forget()
    assert gate.get(path, token, name="gate").status == 400, path
    assert not backend.requests


@pytest.mark.parametrize("path", ["/v1/secret/a", "/api/secret/a", "/public/../v1/secret/a", "/api/x/../secret/a", "/V1/x", "/PUBLIC/a", "/publica", "/public"])
def test_a_path_that_is_not_granted_is_403_in_every_clear_spelling(guarded, path):
    gate, backend, token = guarded
    backend.forget()
    assert gate.get(path, token, name="gate").status == 403, path
    assert not backend.requests


@pytest.mark.parametrize("sent", ["/a%2fb", "/a;x=1", "/a//b", "/a%20b?c=d%2f", "/%7euser", "/a%252f", "/x/./y"])
def test_without_a_policy_a_bare_proxy_pass_sends_what_was_sent(guarded, sent):
    gate, backend, _ = guarded
    backend.forget()
    assert gate.get(sent, name="open").status == 200
    assert backend.last.target == sent


@pytest.mark.parametrize(
    "sent, received",
    [("/api/a/../b", "/v1/b"), ("/api/a%20b", "/v1/a%20b"), ("/api//a", "/v1/a"), ("/api/%61", "/v1/a"), ("/noslash", "/v1"),
     ("/noslash/a", "/v1/a")],
)
def test_without_a_policy_a_replaced_part_is_normalised_as_nginx_does(guarded, sent, received):
    gate, backend, _ = guarded
    backend.forget()
    assert gate.get(sent, name="open").status == 200
    assert backend.last.target == received


@pytest.mark.parametrize("path", ["/api/../../etc", "/..", "/a/../../b", "/%2e%2e/x", "/a%00b", "/%", "/%zz"])
def test_without_a_policy_what_leaves_the_root_or_is_no_path_is_400(guarded, path):
    gate, backend, _ = guarded
    backend.forget()
    assert gate.get(path, name="open").status == 400
    assert not backend.requests


def test_a_prefix_without_slash_does_not_climb_out(guarded):
    gate, backend, _ = guarded
    backend.forget()
    answer = gate.get("/api../secret", name="open")
    assert answer.status in (200, 400)
    for request in backend.requests:
        assert request.target == "/api../secret", "it is another path, not a way out of /api/"


def test_dot_segments_that_leave_a_replaced_prefix_are_another_location(guarded):
    """With a policy 403 or the canonical path; without, location / sends what was sent, as nginx does."""
    gate, backend, token = guarded
    backend.forget()
    assert gate.get("/api/x/../../public/a", token, name="gate").status == 200
    assert gate.get("/api/x/../../public/a", name="open").status == 200
    assert [request.target for request in backend.requests] == ["/public/a", "/api/x/../../public/a"]


@pytest.mark.parametrize("method", ["POST", "PUT", "get", "Get", "X", "OPTIONS"])
def test_another_method_is_not_covered_by_a_grant_for_get(guarded, method):
    gate, backend, token = guarded
    backend.forget()
    assert gate.request(method, "/v1/x", token, name="gate").status in (400, 403, 405)
    assert not backend.requests


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "X-Original-URL", "X-Rewrite-URL"])
def test_override_fields_change_no_decision(guarded, name):
    gate, backend, token = guarded
    backend.forget()
    assert gate.get("/v1/secret/a", {**token, name: "/public/a"}, name="gate").status == 403
    assert gate.request("DELETE", "/v1/x", {**token, name: "GET"}, name="gate").status == 403
    assert not backend.requests


def test_encoded_line_ends_do_not_split_answers_or_requests(keepgate, origin):
    backend = origin()
    gate = keepgate(
        """server {
            listen 127.0.0.1:@gate@;
            location /go/ { return 302 https://x.example$uri; }
            location /set/ { proxy_set_header X-Uri $uri; proxy_pass http://@origin@; }
        }""",
        values={"origin": backend.address},
    )
    for path in ("/go/a%0d%0aX-Evil:%201", "/go/a%0aX-Evil:%201", "/set/a%0d%0aX-Evil:%201"):
        answer = gate.get(path)
        assert answer.get("X-Evil") is None
    assert all("x-evil" not in request.names() for request in backend.requests)
    assert gate.get("/go/fine").get("Location") == "https://x.example/go/fine"
