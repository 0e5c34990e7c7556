"""auth_request: a service of the operator's is asked about each request; compared with nginx, and what is our own."""
import socket
import threading
import time

import pytest

from harness import nginx
from harness.origin import Close, Pieces, answer_bytes
from harness.ports import wait_until
from harness.wire import Client, chunked, request_bytes
from test_same_answers import answers_with, both, same  # noqa: F401  (`both` is a fixture)

with_nginx = pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")

BASIC = """server {
    listen 127.0.0.1:@gate@; client_body_buffer_size 1m;
    location / { auth_request /auth; auth_request_set $who $upstream_http_x_who; auth_request_set $said $upstream_status;
        proxy_set_header X-Who $who; proxy_set_header X-Said $said; proxy_pass http://@origin0@; }
    location = /auth { internal; proxy_pass http://@origin1@; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_set_header X-Original-Uri $request_uri; proxy_set_header X-Original-Method $request_method; }
}"""


def shown(answer):
    return answer.status, answer.get("WWW-Authenticate"), answer.body if answer.status == 200 else b""


def saw(pair, number=0):
    return [len(origins[number].requests) for _, origins in pair.sides]


@with_nginx
@pytest.mark.parametrize("status", [200, 201, 204, 206, 299, 300, 301, 302, 304, 400, 401, 402, 403, 404, 407, 429, 499, 500, 502, 503, 504, 999])
def test_what_the_service_says_decides_as_in_nginx(both, status):
    body = b"" if status in (204, 304) else b"words of the service"
    pair = both(BASIC, [answers_with(200), answers_with(status, {"WWW-Authenticate": 'Basic realm="x"', "X-Who": "alice"}, body)])
    for method in ("GET", "HEAD"):
        answer = same(pair.ask(method, "/path?q=1", show=shown))
        assert answer[0] == (200 if 200 <= status < 300 else status if status in (401, 403) else 500)
        assert (answer[1] is not None) == (status == 401)
    assert saw(pair) == ([2, 2] if 200 <= status < 300 else [0, 0])


@with_nginx
@pytest.mark.parametrize("local", ["return 204;", "return 200 yes;", "return 401;", "return 403;", "return 404;", "return 302 /x;",
                                   "deny all; return 200;", "proxy_pass http://127.0.0.1:1;"])
def test_a_location_of_our_own_may_be_the_service(both, local):
    http = BASIC.replace("internal; proxy_pass http://@origin1@;", "internal; " + local)
    pair = both(http, answers_with(200))
    same(pair.ask("GET", "/", show=lambda answer: answer.status))
    assert len(set(saw(pair))) == 1


@pytest.mark.parametrize("local", ["return 444;", ""])
def test_a_service_that_closes_without_an_answer_opens_nothing(keepgate, origin, local):
    """nginx closes the client's connection too; here it is an error like others."""
    service = origin()
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { auth_request /auth; proxy_pass http://%s; } "
                    "location = /auth { internal; %s } }" % (service.address, local))
    assert gate.get("/").status == 500
    assert not service.requests


@with_nginx
def test_nobody_s_answer_is_an_error(both):
    for action in (Close(b""), Close(b"garbage\r\n\r\n"), Close(b"HTTP/1.1 200 OK\r\nContent-Length: 1"), answer_bytes(101, b"", length=False)):
        pair = both(BASIC, [answers_with(200), lambda request, action=action: action])
        assert same(pair.ask("GET", "/", show=shown))[0] == 500
        assert saw(pair) == [0, 0]


@with_nginx
def test_a_service_that_is_too_slow_is_an_error(both):
    release = threading.Event()

    def slow(request):
        release.wait(20)
        return answer_bytes()
    http = BASIC.replace("internal;", "internal; proxy_read_timeout 300ms;")
    pair = both(http, [answers_with(200), slow])
    assert same(pair.ask("GET", "/", show=shown))[0] == 500
    release.set()
    assert saw(pair) == [0, 0]


def fields_of(request, without=("host", "connection", "x-who", "x-said")):
    return sorted((name.lower(), value) for name, value in request.fields if name.lower() not in without)


@with_nginx
@pytest.mark.parametrize("method,size", [("GET", 0), ("HEAD", 0), ("POST", 10), ("POST", 900_000), ("PUT", 70_000), ("DELETE", 0)])
def test_the_service_sees_the_fields_and_no_body(both, method, size):
    body = b"x" * size
    pair = both(BASIC, [answers_with(200), answers_with(200, {"X-Who": "alice"})])
    answers = []
    for address, _ in pair.sides:
        with Client(address) as client:
            answers.append(client.request(method, "/a%20b/../c?d=e&f", body=body, fields={
                "Authorization": "Bearer t", "Cookie": "a=b", "X-Own": "1", "Content-Type": "text/plain", "Accept-Encoding": "gzip"}))
    assert [answer.status for answer in answers] == [200, 200]
    asked = [origins[1].requests[0] for _, origins in pair.sides]
    assert [(one.method, one.target, one.body) for one in asked] == [("GET", "/auth", b"")] * 2
    assert fields_of(asked[0]) == fields_of(asked[1])
    assert ("x-original-uri", "/a%20b/../c?d=e&f") in fields_of(asked[0])
    assert ("x-original-method", method) in fields_of(asked[0])
    assert not asked[0].get("Content-Length") and not asked[0].get("Transfer-Encoding")
    served = [origins[0].requests[0] for _, origins in pair.sides]
    assert served[0].body == served[1].body == body
    assert [(one.get("X-Who"), one.get("X-Said")) for one in served] == [("alice", "200")] * 2


def test_a_length_is_never_passed_to_the_service_without_the_body(keepgate, origin):
    """nginx passes it where nothing drops it, and the service waits for a body that never comes."""
    http = BASIC.replace('proxy_pass_request_body off; proxy_set_header Content-Length "";', "")
    service, auth = origin(), origin()
    gate = keepgate(http.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    for body, fields in ((b"12345", {}), (chunked(b"12345"), {"Transfer-Encoding": "chunked"}), (b"12345", {"Expect": "100-continue"})):
        assert gate.request("POST", "/", fields, body).status == 200
        assert service.last.body == b"12345"
        for name in ("Content-Length", "Transfer-Encoding", "Expect", "TE", "Trailer"):
            assert auth.last.get(name) is None
        assert auth.last.method == "GET"


@with_nginx
@pytest.mark.parametrize("service", [401, 403])
def test_a_connection_goes_on_after_a_refusal(both, service):
    def says(request):
        return answer_bytes(200 if request.get("X-Good") else service)
    pair = both(BASIC, [answers_with(200), says])
    rounds = []
    for address, _ in pair.sides:
        with Client(address) as client:
            rounds.append([client.request(method, "/", fields, body).status for method, fields, body in (
                ("GET", {}, b""), ("GET", {"X-Good": "1"}, b""), ("POST", {}, b"a" * 5000), ("GET", {"X-Good": "1"}, b""), ("HEAD", {}, b""),
                ("POST", {"X-Good": "1"}, b"b" * 5000), ("GET", {}, b""))])
    assert rounds[0] == rounds[1] == [service, 200, service, 200, service, 200, service]


@with_nginx
def test_pipelined_requests_are_asked_about_one_by_one(both):
    def says(request):
        return answer_bytes(200 if "good" in request.get("X-Original-Uri") else 403)
    pair = both(BASIC, [lambda request: answer_bytes(200, request.target.encode()), says])
    data = b"".join(request_bytes(*one) for one in (("GET", "/good1"), ("POST", "/bad", {}, b"GET /good HTTP/1.1\r\n\r\n"), ("GET", "/good2"), ("GET", "/bad2"),
                                                    ("GET", "/good3")))
    got = []
    for address, _ in pair.sides:
        with Client(address) as client:
            client.send(data)
            got.append([shown(client.read_response()) for _ in range(5)])
    assert got[0] == got[1]
    assert [one[0] for one in got[0]] == [200, 403, 200, 403, 200]


@with_nginx
def test_the_whole_server_asks_and_the_service_is_not_asked_about_itself(both):
    http = """server { listen 127.0.0.1:@gate@; auth_request /auth; deny 10.0.0.0/8;
        location / { proxy_pass http://@origin0@; }
        location /open/ { auth_request off; proxy_pass http://@origin0@; }
        location = /auth { deny all; proxy_pass http://@origin1@; } }"""
    pair = both(http, [answers_with(200), lambda request: answer_bytes(200 if request.get("X-Good") else 401)])
    for target, fields in (("/", {}), ("/", {"X-Good": "1"}), ("/open/", {}), ("/auth", {}), ("/auth", {"X-Good": "1"}), ("/%61uth", {"X-Good": "1"})):
        same(pair.ask("GET", target, fields, show=shown))
    assert len(set(saw(pair, 1))) == 1


@with_nginx
@pytest.mark.parametrize("target", ["/auth", "/%61uth", "//auth", "/x/../auth", "/auth?x"])
def test_an_internal_service_is_not_reached_from_outside(both, target):
    pair = both(BASIC, [answers_with(200), answers_with(200)])
    assert same(pair.ask("GET", target, show=lambda answer: answer.status)) == 404
    assert saw(pair, 1) == [0, 0]


SATISFY = """server { listen 127.0.0.1:@gate@; satisfy %s; %s
    location / { auth_request /auth; proxy_pass http://@origin0@; } location = /auth { internal; proxy_pass http://@origin1@; } }"""


@with_nginx
@pytest.mark.parametrize("service", [200, 401, 403, 404, 500])
@pytest.mark.parametrize("rules", ["", "allow 127.0.0.1; deny all;", "deny all;", "allow 10.0.0.1;"])
@pytest.mark.parametrize("satisfy", ["all", "any"])
def test_satisfy_as_in_nginx(both, satisfy, rules, service):
    pair = both(SATISFY % (satisfy, rules), [answers_with(200), answers_with(service, {"WWW-Authenticate": "Basic"})])
    same(pair.ask("GET", "/", show=shown))
    assert len(set(saw(pair))) == len(set(saw(pair, 1))) == 1


@with_nginx
def test_error_pages_show_what_the_service_said(both):
    http = """server { listen 127.0.0.1:@gate@; error_page 401 = @login; error_page 403 /forbidden;
        location / { auth_request /auth; auth_request_set $why $upstream_http_x_why; proxy_pass http://@origin0@; }
        location @login { return 302 /login?why=$why; } location = /forbidden { internal; return 200 "no: $why"; }
        location = /auth { internal; proxy_pass http://@origin1@; } }"""
    pair = both(http, [answers_with(200), lambda request: answer_bytes(int(request.get("X-Wish")), b"", {"X-Why": "because"})])
    for wish in ("200", "401", "403", "500"):
        same(pair.ask("GET", "/", {"X-Wish": wish}, show=lambda answer: (answer.status, (answer.get("Location") or "").rpartition("/")[2],
                                                                         answer.body if answer.status == 403 else b"")))


@with_nginx
def test_another_server_is_asked_and_errors_of_the_service_s_location_count(both):
    http = """upstream group { server 127.0.0.1:1 max_fails=0; server @origin1@ max_fails=0; }
    server { listen 127.0.0.1:@gate@; location / { auth_request /auth; proxy_pass http://@origin0@; }
        location = /auth { internal; proxy_intercept_errors on; error_page 404 =204 /gone; proxy_pass http://group; } location = /gone { internal; return 204; } }"""
    pair = both(http, [answers_with(200), answers_with(404)])
    for _ in range(4):
        assert same(pair.ask("GET", "/", show=shown))[0] == 200


def test_a_great_answer_of_the_service_is_not_waited_for(keepgate, origin):
    """Its head counts, as in nginx: what comes behind it may be endless."""
    ended = threading.Event()

    def endless(connection):
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nX-Who: bob\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                connection.socket.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        except OSError:
            ended.set()
        return False
    service, auth = origin(), origin(lambda request: endless)
    gate = keepgate(BASIC.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    assert gate.get("/").status == 200
    assert service.last.get("X-Who") == "bob"
    assert ended.wait(10)


def test_connections_to_the_service_are_kept(keepgate, origin):
    service, auth = origin(), origin()
    http = BASIC.replace("http://@origin1@", "http://asked") + "upstream asked { server @origin1@; keepalive 4; }"
    gate = keepgate(http.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    with gate.connect() as client:
        for _ in range(5):
            assert client.request("GET", "/").status == 200
    assert {request.connection for request in auth.requests} == {0}


def test_a_client_that_goes_away_takes_its_question_along(keepgate, origin):
    gone = threading.Event()

    def waits(connection):
        try:
            while connection.socket.recv(100):
                pass
        except OSError:
            pass
        gone.set()
        return False
    service, auth = origin(), origin(lambda request: waits)
    logged = BASIC.replace("listen", "access_log access.log f; listen")
    gate = keepgate("log_format f '$status $request';" + logged.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        wait_until(lambda: auth.requests)
    assert gone.wait(10)
    wait_until(lambda: "499 GET / HTTP/1.1" in gate.read("access.log"))
    assert not service.requests
    assert gate.read("access.log").count("\n") == 1  # A question is no request of its own.


def test_a_head_that_is_too_large_is_an_error(keepgate, origin):
    service, auth = origin(), origin(lambda request: answer_bytes(200, b"", {"X-Who": "x" * 40_000}))
    gate = keepgate(BASIC.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    assert gate.get("/").status == 500
    assert not service.requests


@pytest.mark.parametrize("fields", [
    [("Transfer-Encoding", "chunked"), ("X", "y")], [("Connection", "Authorization, X-Secret")], [("Connection", "Content-Length")],
    [("Content-Length", "5"), ("Connection", "close, X-Original-Uri")], [("Upgrade", "websocket"), ("Connection", "upgrade")],
    [("TE", "trailers"), ("Trailer", "X-T")], [("Expect", "100-continue")], [("X-Original-Uri", "/forged"), ("X-Original-Method", "FORGED")],
    [("Proxy-Connection", "keep-alive"), ("Keep-Alive", "timeout=5")],
])
def test_nothing_is_smuggled_through_the_question(keepgate, origin, fields):
    """Every request that the service reads is one question, with framing of our own."""
    service, auth = origin(), origin(lambda request: answer_bytes(204, b"", length=False))
    gate = keepgate(BASIC.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    named = dict(fields)
    body = chunked(smuggled) if "Transfer-Encoding" in named else smuggled[:5] if "Content-Length" in named else smuggled
    gate.request("POST", "/real", fields, body)
    gate.get("/after")
    for request in auth.requests:
        assert (request.method, request.target, request.body) == ("GET", "/auth", b"")
        assert request.get("X-Original-Uri") in ("/real", "/after")
        for name in ("Content-Length", "Transfer-Encoding", "Upgrade", "Expect", "TE", "Trailer", "Proxy-Connection", "Keep-Alive"):
            assert request.get(name) is None, name
        assert len(request.all("Host")) == 1 and len(request.all("X-Original-Uri")) == 1
    assert len(auth.requests) == 2
    assert b"/smuggled" not in auth.received


@pytest.mark.parametrize("data", [
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"GET http://a.test/x?y HTTP/1.1\r\nHost: a.test\r\n\r\n", b"GET /x HTTP/1.0\r\n\r\n",
    b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n", b"LOCK /x HTTP/1.1\r\nHost: a:81\r\n\r\n",
])
def test_odd_requests_are_asked_about_too(keepgate, origin, data):
    def says(request):
        return answer_bytes(200 if request.get("X-Original-Uri") in ("*", "/x", "/x?y") else 500)
    service, auth = origin(), origin(says)
    gate = keepgate(BASIC.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    assert gate.raw(data).status == (200 if b"*" not in data else 404) or auth.requests
    for request in auth.requests:
        assert request.method == "GET" and request.target == "/auth" and len(request.all("Host")) == 1


def test_a_reload_does_not_disturb_a_question(keepgate, origin):
    release = threading.Event()

    def says(request):
        if len(auth.requests) <= 1:  # Later ones ask whether the reload is in force already.
            release.wait(20)
        return answer_bytes(200, b"", {"X-Who": "old"})
    service, auth = origin(), origin(says)
    http = BASIC.replace("@origin0@", service.address).replace("@origin1@", auth.address)
    gate = keepgate(http)
    text = gate.text
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        wait_until(lambda: auth.requests)
        gate.reload(text.replace("auth_request /auth;", "deny all;").replace("auth_request_set $who $upstream_http_x_who;", "auth_request_set $who none;"))
        wait_until(lambda: gate.get("/").status == 403)
        release.set()
        assert client.read_response().status == 200
    assert service.last.get("X-Who") == "old"


def test_many_questions_at_a_time(keepgate, origin):
    service, auth = origin(), origin(lambda request: answer_bytes(200 if int(request.get("X-Number")) % 2 else 403, b"", {"X-Who": request.get("X-Number")}))
    gate = keepgate(BASIC.replace("@origin0@", service.address).replace("@origin1@", auth.address))
    failures = []

    def run(first):
        with gate.connect() as client:
            for number in range(first, first + 40):
                answer = client.request("GET", "/", {"X-Number": str(number)})
                if answer.status != (200 if number % 2 else 403):
                    failures.append((number, answer.status))
    threads = [threading.Thread(target=run, args=(one * 1000,)) for one in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(service.requests) == 16 * 20
    assert all(request.get("X-Who") == request.get("X-Number") for request in service.requests)


POLICY = """
roles:
  reader: [client1]
services:
  api:
    - allow: [reader]
      methods: [GET]
      paths: ["/**"]
"""


def test_the_service_names_nobody_for_a_policy(keepgate, origin):
    """What it lets pass stays anonymous: a policy refuses it, and a variable of the service's is no identity."""
    service, auth = origin(), origin(lambda request: answer_bytes(200, b"", {"X-Who": "client1"}))
    http = """server { listen 127.0.0.1:@gate@; auth_request /auth; authorize on;
        location / { proxy_pass http://%s; } location /open/ { authorize off; proxy_pass http://%s; }
        location = /auth { internal; authorize off; proxy_pass http://%s; } }""" % (service.address, service.address, auth.address)
    gate = keepgate(http)
    assert gate.get("/").status == 401
    assert gate.get("/open/").status == 200
    assert len(service.requests) == 1
    auth.answer = lambda request: answer_bytes(403)
    assert gate.get("/open/").status == 403  # authorize off does not stop asking the service.
    assert len(service.requests) == 1


def test_a_policy_at_the_service_s_location_is_not_passed_by(keepgate, origin):
    service, auth = origin(), origin()
    http = """server { listen 127.0.0.1:@gate@; location / { auth_request /auth; proxy_pass http://%s; }
        location = /auth { internal; authorize on; proxy_pass http://%s; } }""" % (service.address, auth.address)
    gate = keepgate(http)
    assert gate.get("/").status == 500
    assert not auth.requests and not service.requests
    wait_until(lambda: "a subrequest is anonymous there" in gate.read("error.log") + gate.words())


@pytest.mark.parametrize("text,words", [
    ("auth_request auth;", "a path of this server"), ("auth_request /auth?x;", "a path of this server"), ("auth_request $uri;", "with variables"),
    ("auth_request /a; auth_request /b;", "duplicate"), ("auth_request_set who 1;", "invalid variable name"), ("auth_request_set $uri 1;", "already defined"),
    ("auth_request_set $a $nothing;", "unknown"), ("auth_request '/a b';", "a path of this server"), ("auth_jwt_key_request $uri;", "with variables"),
    ("auth_jwt_key_request keys;", "a path of this server"), ("auth_jwt_key_cache often;", "auth_jwt_key_cache"),
])
def test_what_is_not_taken(tmp_path, text, words):
    from harness.gate import run_cli
    path = tmp_path / "a.conf"
    path.write_text("events {} http { access_log off; server { listen 127.0.0.1:1; location / { %s return 204; } } }" % text)
    result = run_cli("check", "-c", path)
    assert result.returncode != 0
    assert words in result.stdout + result.stderr, result.stdout + result.stderr


@with_nginx
@pytest.mark.parametrize("body,fields", [(b"", {}), (b"x" * 5000, {}), (chunked(b"abc", b"def"), {"Transfer-Encoding": "chunked"})])
def test_a_location_may_drop_bodies(both, body, fields):
    http = ('server { listen 127.0.0.1:@gate@; location / { proxy_pass_request_body off; proxy_set_header Content-Length ""; '
            "proxy_pass http://@origin0@; } }")
    pair = both(http, answers_with(200))
    for address, _ in pair.sides:
        with Client(address) as client:
            for _ in range(2):
                assert client.request("POST", "/", fields, body).status == 200
    for _, origins in pair.sides:
        assert [(one.method, one.body, one.get("Content-Length"), one.get("Transfer-Encoding")) for one in origins[0].requests] == [("POST", b"", None, None)] * 2
