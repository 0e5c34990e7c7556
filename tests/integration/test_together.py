"""Access rules, rewrites and requests of our own in one configuration: nothing of one opens what another closes."""
import base64
import os
import shutil
import tempfile

import pytest

from harness import nginx
from harness.origin import answer_bytes
from harness.wire import Client

USERS = "alice:{PLAIN}secret\n"


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def both(keepgate, origin):
    """The same configuration under Keepgate and, where it is installed, under nginx; `service` answers what is asked of it."""
    folder = tempfile.mkdtemp(prefix="kg-users-")
    os.chmod(folder, 0o755)  # nginx's worker is another user.
    with open(os.path.join(folder, "users"), "w", encoding="utf-8") as file:
        file.write(USERS)
    peers = []

    def build(http, service):
        backend = origin(service)
        text = http.replace("@users@", os.path.join(folder, "users")).replace("@origin@", backend.address)
        addresses = [keepgate(text).address()]
        if nginx.installed():
            peers.append(nginx.Nginx(text))
            addresses.append(peers[-1].address)

        def ask(method, target, fields=(), show=lambda answer: answer.status):
            seen = []
            for address in addresses:
                with Client(address) as client:
                    seen.append(show(client.request(method, target, fields)))
            assert len(set(seen)) == 1, seen
            return seen[0]

        return ask, backend

    yield build
    for peer in peers:
        peer.close()
    shutil.rmtree(folder)


def by_path(request):
    if request.target == "/check":
        allowed = request.get("X-Pass") == "yes"
        return answer_bytes(204 if allowed else 401, b"", {"X-User": "carol", **({} if allowed else {"WWW-Authenticate": "Bearer"})})
    return answer_bytes(body=b"in")


def test_limit_except_asks_for_a_password_only_of_the_methods_it_is_for(both):
    ask, backend = both(
        'server { listen 127.0.0.1:@gate@; location / { limit_except GET { auth_basic "x"; auth_basic_user_file @users@; } '
        "proxy_pass http://@origin@; } }", by_path,
    )
    assert ask("GET", "/a") == ask("HEAD", "/a") == 200
    for method in ("POST", "DELETE", "PROPFIND"):
        assert ask(method, "/a") == 401
        assert ask(method, "/a", basic("alice", "wrong")) == 401
        assert ask(method, "/a", basic("alice", "secret")) == 200


@pytest.mark.parametrize("satisfy", ["any", "all"])
def test_satisfy_counts_passwords_addresses_and_services_alike(both, satisfy):
    ask, backend = both(
        'server { listen 127.0.0.1:@gate@; location = /check { internal; proxy_pass http://@origin@; } location / { satisfy %s; deny all; '
        'auth_basic "x"; auth_basic_user_file @users@; auth_request /check; auth_request_set $who $upstream_http_x_user; '
        "add_header X-Who $who always; proxy_pass http://@origin@; } }" % satisfy, by_path,
    )
    yes = {"X-Pass": "yes"}
    expected = {"any": [401, 200, 200, 200], "all": [403, 403, 403, 403]}[satisfy]
    got = [ask("GET", "/a", fields) for fields in ({}, yes, basic("alice", "secret"), {**yes, **basic("alice", "secret")})]
    assert got == expected
    assert ask("GET", "/a", basic("alice", "wrong")) in (401, 403)


def test_a_rewrite_leads_into_the_rules_of_where_it_leads(both):
    ask, backend = both(
        "server { listen 127.0.0.1:@gate@; location = /check { internal; proxy_pass http://@origin@; } "
        "location /open/ { rewrite ^/open/(.*)$ /closed/$1 last; } "
        "location /closed/ { auth_request /check; proxy_pass http://@origin@; } "
        'if ($arg_to = "closed") { rewrite ^ /closed/by-argument; } location / { return 200 "other"; } }', by_path,
    )
    for target in ("/open/x", "/closed/x", "/anything?to=closed"):
        assert ask("GET", target) == 401
        assert ask("GET", target, {"X-Pass": "yes"}) == 200
    assert ask("GET", "/check") == 404, "internal"
    assert ask("GET", "/open/../check") == 404


def test_set_and_auth_request_set_write_one_variable(both):
    ask, backend = both(
        'server { listen 127.0.0.1:@gate@; set $who nobody; location = /check { internal; proxy_pass http://@origin@; } '
        "location /asked { auth_request /check; auth_request_set $who $upstream_http_x_user; add_header X-Who $who always; proxy_pass http://@origin@; } "
        "location / { add_header X-Who $who always; proxy_pass http://@origin@; } }", by_path,
    )
    def who(answer):
        return answer.status, answer.get("WWW-Authenticate"), answer.get("X-Who")

    assert ask("GET", "/asked", {"X-Pass": "yes"}, who) == (200, None, "carol")
    assert ask("GET", "/asked", (), who) == (401, "Bearer", "carol")
    assert ask("GET", "/other", {"X-Pass": "yes"}, who) == (200, None, "nobody")


def test_an_error_page_of_a_refused_password_is_guarded_itself(both):
    ask, backend = both(
        'server { listen 127.0.0.1:@gate@; error_page 401 /page; location / { auth_basic "x"; auth_basic_user_file @users@; proxy_pass http://@origin@; } '
        "location = /page { deny all; proxy_pass http://@origin@; } }", by_path,
    )
    assert ask("GET", "/a") in (401, 403) and ask("GET", "/a", basic("alice", "secret")) == 200
    assert not [request for request in backend.requests if request.target == "/page"]
