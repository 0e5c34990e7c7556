"""What is refused before there is a request, or with a body that nobody reads: its error page, its log line."""
import pytest

from harness import nginx
from harness.certificates import Authority
from harness.origin import answer_bytes
from harness.ports import wait_until
from harness.wire import Client, chunked, request_bytes

# As published sets of pages for APIs have it.
PAGES = """
    error_page 400 = @bad; error_page 413 = @large; error_page 414 = @long; error_page 494 = @header;
    location @bad { return 400 '{"status":400,"was":"$status"}'; }
    location @large { return 413 '{"status":413}'; }
    location @long { return 414 '{"status":414}'; }
    location @header { return 400 '{"status":400,"header":1}'; }
"""
SITE = "log_format own '$status \"$request\"'; server { listen 127.0.0.1:@gate@; %s " + PAGES + " location / { return 200 in; } }"


@pytest.fixture
def gate(keepgate):
    return keepgate(SITE % "access_log own.log own;")


@pytest.fixture
def theirs():
    if not nginx.installed():
        pytest.skip("nginx is not installed")
    peer = nginx.Nginx(SITE % "")
    yield peer
    peer.close()


def answer_to(address, data):
    with Client(address) as client:
        client.send(data)
        return client.read_response()


HEADS = {
    "no method": (b"\x01\x02 / HTTP/1.1\r\nHost: a\r\n\r\n", '"status":400'),
    "no version": (b"GET / HTTX\r\nHost: a\r\n\r\n", '"status":400'),
    "no host": (b"GET /there?x=1 HTTP/1.1\r\n\r\n", '"status":400'),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", '"status":400'),
    "a bad length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", '"status":400'),
    "a long line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", '"status":414'),
    "a long field": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 9000 + b"\r\n\r\n", '"header":1'),
}


@pytest.mark.parametrize("head", HEADS, ids=lambda name: name.replace(" ", "-"))
def test_a_head_that_is_none_has_its_page(gate, theirs, head):
    data, page = HEADS[head]
    ours, other = answer_to(gate.address(), data), answer_to(theirs.address, data)
    assert page in ours.text and ours.get("Connection") == "close"
    if other.status != 500:  # What nginx has no URI of has no named page there.
        assert (ours.status, ours.body) == (other.status, other.body)


@pytest.mark.parametrize("line, shown", [
    (b"GET / HTTX", "GET / HTTX"),
    (b"\x16\x03\x01 tls", "\\x16\\x03\\x01 tls"),
    (b"GET /k?key=kg_4tXqk2mJw0Za_" + b"A" * 49 + b" HTTX", "kg_4tXqk2mJw0Za_[redacted]"),
    (b"GET /" + b"b" * 2000 + b" HTTX", "b" * 1000),
])
def test_the_log_shows_a_line_that_is_no_request(gate, line, shown):
    assert answer_to(gate.address(), line + b"\r\nHost: a\r\n\r\n").status == 400
    wait_until(lambda: "\n" in gate.read("own.log"))
    text = gate.read("own.log")
    assert text.startswith('400 "') and shown in text and len(text) < 1100


@pytest.mark.parametrize("size, shown", [(1023, 1023), (1024, 1024), (1025, 1024)])
def test_the_log_shows_so_much_of_such_a_line(gate, size, shown):
    assert answer_to(gate.address(), b"GET /".ljust(size, b"b") + b"\r\nHost: a\r\n\r\n").status == 400
    wait_until(lambda: "\n" in gate.read("own.log"))
    assert gate.read("own.log") == '400 "%s"\n' % "GET /".ljust(shown, "b")


@pytest.mark.parametrize("data", [b"GET /in HTTP/1.1\r\nHost: a\r\nHost: a\r\nX-Secret: y\r\n\r\n", b"PUT /in HTTP/1.1\r\nHost: a\r\nContent-Length: 3,4\r\n\r\nabcd"])
def test_a_page_behind_a_proxy_is_asked_with_nothing_that_was_sent(keepgate, origin, data):
    backend = origin(lambda request: answer_bytes(body=b"page"))
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@; error_page 400 /pages/400; location /pages/ { proxy_pass http://@origin@; } "
        "location / { return 200 in; } }",
        values={"origin": backend.address},
    )
    answer = answer_to(gate.address(), data)
    assert (answer.status, answer.body) == (400, b"page") and answer.get("Connection") == "close"
    request = backend.requests[0]
    assert (request.method, request.target, request.body) == ("GET", "/pages/400", b"")
    assert not {"x-secret", "content-length", "transfer-encoding"} & set(request.names())


def test_a_page_is_guarded_like_any_other(keepgate, origin):
    backend = origin(lambda request: answer_bytes(body=b"secret"))
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@; error_page 400 /pages/400; location /pages/ { deny all; proxy_pass http://@origin@; } }",
        values={"origin": backend.address},
    )
    assert answer_to(gate.address(), b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status in (400, 403)
    assert backend.requests == []


LIMITED = """server { listen 127.0.0.1:@gate@; client_max_body_size 1k; %s
    error_page 413 %s; location @page { proxy_pass http://@origin@; } location /page { proxy_pass http://@origin@; }
    location @said { return 413 said; }
    location / { proxy_pass http://@origin@; } }"""


@pytest.mark.parametrize("buffering", ["", "proxy_request_buffering off;"])
@pytest.mark.parametrize("framing", ["length", "chunked", "chunked in pieces"])
@pytest.mark.parametrize("page", ["@page", "/page", "= @said"])
def test_a_body_that_is_too_large_has_its_page(keepgate, origin, buffering, framing, page):
    backend = origin(lambda request: answer_bytes(body=b"page"))
    gate = keepgate(LIMITED % (buffering, page), values={"origin": backend.address})
    body = b"b" * 1500
    with gate.connect() as client:
        if framing == "length":
            client.send(request_bytes("PUT", "/up", {"Content-Length": len(body)}) + body)
        elif framing == "chunked":
            client.send(request_bytes("PUT", "/up", {"Transfer-Encoding": "chunked"}) + chunked(body))
        else:
            client.send(request_bytes("PUT", "/up", {"Transfer-Encoding": "chunked"}) + b"200\r\n" + b"b" * 512 + b"\r\n")
            client.send(b"200\r\n" + b"b" * 512 + b"\r\n1\r\nb\r\n0\r\n\r\n")
        answer = client.read_response()
    assert answer.status == 413
    if buffering and framing == "chunked in pieces":
        return  # Its beginning may be on its way to the backend already: the page, if one came, is that of a 413.
    assert answer.body == (b"said" if "said" in page else b"page")
    assert [request.body for request in backend.requests] == ([] if "said" in page else [b""])
    assert {request.target for request in backend.requests} <= {"/up", "/page"}


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_of_just_that_size_is_passed_on(keepgate, origin, framing):
    backend = origin()
    gate = keepgate(LIMITED % ("", "@page"), values={"origin": backend.address})
    body = b"b" * 1024
    fields = {"Content-Length": len(body)} if framing == "length" else {"Transfer-Encoding": "chunked"}
    with gate.connect() as client:
        client.send(request_bytes("PUT", "/up", fields) + (body if framing == "length" else chunked(body)))
        assert client.read_response().status == 200
    assert backend.requests[0].body == body


# Plain HTTP where TLS is spoken

SECURE = """server { listen 127.0.0.1:@gate@ ssl; ssl_certificate %s; ssl_certificate_key %s; %s
    location / { return 200 "in $scheme"; } location @said { return 400 "said $scheme $status"; } }"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority")).issue("a.example")


@pytest.mark.parametrize("page", ["", "error_page 497 https://$host:8443$request_uri;", "error_page 497 =307 https://x$request_uri;", "error_page 497 = @said;"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_plain_http_on_a_port_of_tls_is_told_so(keepgate, certificate, page, method):
    text = SECURE % (*certificate, page)
    gate = keepgate(text)
    data = request_bytes(method, "/a?b=c", {"Content-Length": 3} if method == "POST" else {}, host="a.example") + (b"abc" if method == "POST" else b"")
    ours = answer_to(gate.address(), data)
    assert ours.get("Connection") == "close" and ours.status != 200
    assert ours.get("Location") == (None if "https" not in page else "https://a.example:8443/a?b=c" if "$host" in page else "https://x/a?b=c")
    if nginx.installed():
        peer = nginx.Nginx(text)
        theirs = answer_to(peer.address, data)
        peer.close()
        assert (ours.status, ours.get("Location")) == (theirs.status, theirs.get("Location"))
        assert "said" not in page or ours.body == theirs.body


def test_a_bad_head_on_a_port_of_tls_is_refused_too(keepgate, certificate):
    gate = keepgate(SECURE % (*certificate, ""))
    assert answer_to(gate.address(), b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status == 400
    with Client(gate.address()) as client:
        client.send(bytes(range(32)))
        assert b"HTTP" not in client.read_to_end()


# What an upstream says that a page takes the place of


@pytest.mark.parametrize("challenges", [["Bearer realm=\"api\""], ["Basic realm=\"a\"", "Digest realm=\"b\""]])
def test_the_challenge_of_an_answer_that_is_replaced_goes_on(keepgate, origin, challenges):
    backend = origin(lambda request: answer_bytes(401, b"own", [("WWW-Authenticate", one) for one in challenges]))
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@; proxy_intercept_errors on; error_page 401 = @page; location @page { return 401 page; } "
        "location / { proxy_pass http://@origin@; } }",
        values={"origin": backend.address},
    )
    answer = gate.get("/")
    assert (answer.status, answer.body, answer.get("WWW-Authenticate")) == (401, b"page", ", ".join(challenges))


@pytest.mark.parametrize("kind", ["relayed", "said", "intercepted", "through a map"])
def test_logs_tell_of_the_fields_of_an_answer(keepgate, origin, kind):
    backend = origin(lambda request: answer_bytes(503 if kind == "intercepted" else 200, b"own", {"X-Request-Id": "r7", "X-Gone": "g", "Cache-Control": "no-store"}))
    word = "$through" if kind == "through a map" else "$upstream_http_x_gone"
    gate = keepgate(
        "log_format own '$sent_http_x_request_id|$sent_http_x_gone|%s|$sent_http_x_added|$sent_http_content_type';"
        "map $upstream_http_x_gone $through { default $upstream_http_x_gone; }"
        "server { listen 127.0.0.1:@gate@; access_log own.log own; add_header X-Added $upstream_http_x_request_id always; %s"
        "location @page { return 503 page; } location /said { default_type text/x; return 200 ok; } "
        "location / { proxy_hide_header X-Gone; proxy_pass http://@origin@; } }"
        % (word, "proxy_intercept_errors on; error_page 503 = @page;" if kind == "intercepted" else ""),
        values={"origin": backend.address},
    )
    gate.get("/said" if kind == "said" else "/")
    wait_until(lambda: "\n" in gate.read("own.log"))
    expected = {"relayed": "r7|-|g|r7|-", "through a map": "r7|-|g|r7|-", "said": "-|-|-|-|text/x", "intercepted": "-|-|g|r7|text/plain"}[kind]
    assert gate.read("own.log") == expected + "\n"
