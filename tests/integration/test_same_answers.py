"""What operators bring from nginx is asked of both: the same answer, and the same bytes for the service behind."""
import os
import socket
import time

import pytest

from harness import nginx
from harness.origin import Close, answer_bytes
from harness.ports import wait_until
from harness.side_by_side import answers_with, both, same  # noqa: F401 (both is a fixture)
from harness.wire import Client, request_bytes

pytestmark = pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")


GROUP = "upstream group { server @origin0@; server @origin1@%s; }"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("parameter", ["", " down", " backup", " max_fails=0"])
def test_an_answer_is_given_up_only_for_another_server_s(both, method, parameter):
    http = (GROUP % parameter) + ("server { listen 127.0.0.1:@gate@; location / { proxy_next_upstream error timeout http_503; "
                                  "proxy_pass http://group; } }")
    pair = both(http, answers_with(503), 2)
    assert same(pair.ask(method, "/")) == (503, b"own words")
    for _ in range(3):  # nginx gives up the words of the last server that is left, and answers 502.
        assert pair.ask(method, "/")[0] == (503, b"own words")


def test_what_one_server_says_takes_nobody_out(both):
    http = (GROUP % "") + ("server { listen 127.0.0.1:@gate@; location / { proxy_next_upstream error http_503; proxy_next_upstream_tries 1; "
                           "proxy_pass http://group; } }")
    pair = both(http, [answers_with(503), answers_with(200)])
    statuses = [pair.ask("GET", "/", show=lambda answer: answer.status) for _ in range(6)]
    assert sorted(ours for ours, _ in statuses) == sorted(theirs for _, theirs in statuses) == [200] * 3 + [503] * 3


@pytest.mark.parametrize("uri", ["/bucket/%E2%82%AC.json", "/a%2Fb/", "/a%20b", "/v1/", "/x%41?a=%2F", "/%25"])
def test_a_uri_of_proxy_pass_goes_out_as_written(both, uri):
    http = "server { listen 127.0.0.1:@gate@; location /in/ { proxy_pass http://@origin0@%s; } }" % uri
    pair = both(http, answers_with(200))
    same(pair.ask("GET", "/in/rest%20of%20it"))
    assert len(same(pair.targets())) == 1


@pytest.mark.parametrize("setting", ["", "absolute_redirect on;", "absolute_redirect off;"])
@pytest.mark.parametrize("target", ["/old", "/slash", "/proxied/"])
def test_redirects_are_absolute_where_nginx_s_are(both, setting, target):
    # Ours has the port that the client used.
    http = ("server { listen 127.0.0.1:@gate@; port_in_redirect off; %s location = /old { return 301 /new?a; } location /slash/ { proxy_pass http://@origin0@; } "
            "location /proxied/ { proxy_pass http://@origin0@/; } }" % setting)
    pair = both(http, answers_with(302, {"Location": "http://@/x"}))
    assert same(pair.ask("GET", target, show=lambda answer: (answer.get("Location"), answer.status)))[1] in (301, 302)


@pytest.mark.parametrize("target", ["/missing", "/named/a%2Fb//c%3Fd?q"])
def test_an_error_page_knows_the_status_and_the_uri(both, target):
    http = ("server { listen 127.0.0.1:@gate@; error_page 404 = @says; error_page 502 = @other; "
            "location @says { return 404 'status $status'; } location @other { proxy_pass http://@origin0@; } "
            "location /missing { return 404; } location /named { proxy_pass http://127.0.0.1:1; } }")
    pair = both(http, answers_with(200))
    same(pair.ask("GET", target))
    same(pair.targets())


@pytest.mark.parametrize("target", ["/ru?x", "http://test/ru?x", "http://test/ru"])
def test_request_uri_has_no_scheme(both, target):
    http = "server { listen 127.0.0.1:@gate@; location / { proxy_set_header X-Uri $request_uri; proxy_pass http://@origin0@; } }"
    pair = both(http, lambda request: answer_bytes(200, request.get("X-Uri").encode()))
    assert same(pair.ask("GET", target))[0] == 200


def test_a_cookie_of_a_second_line_is_found(both):
    http = "server { listen 127.0.0.1:@gate@; location / { return 200 '$cookie_a,$cookie_b,$cookie_c'; } }"
    pair = both(http, answers_with(200))
    assert same(pair.ask("GET", "/", [("Cookie", "a=1; x=0"), ("Cookie", "b=2; a=3")])) == (200, b"1,2,")


@pytest.mark.parametrize("hidden", ["Location", "Content-Length", "Server", "X-Own"])
def test_hidden_fields(both, hidden):
    http = ("server { listen 127.0.0.1:@gate@; location / { proxy_hide_header %s; proxy_redirect off; proxy_pass http://@origin0@; } }" % hidden)
    pair = both(http, answers_with(302, {"Location": "http://secret.test/", "X-Own": "1"}))
    for method in ("GET", "HEAD"):
        same(pair.ask(method, "/", show=lambda answer: (answer.status, answer.get("Location"), answer.get("X-Own"), answer.body,
                                                        answer.get("Content-Length"))))


def test_no_second_request_where_close_was_said(both):
    """Without `keepalive`, as in many a configuration that is brought along."""
    http = ("upstream group { server @origin0@; } server { listen 127.0.0.1:@gate@; location / { proxy_http_version 1.1; "
            "proxy_set_header Connection close; proxy_pass http://group; } }")
    pair = both(http, answers_with(200))
    for _ in range(2):
        same(pair.ask("GET", "/"))
    assert same([[request.connection for request in origins[0].requests] for _, origins in pair.sides]) == [0, 1]


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_an_answer_that_is_cut_takes_nothing_away(keepgate, origin, framing):
    """What came before it, a whole answer too, is still there for a client that reads slowly."""
    cut = ("HTTP/1.1 200 OK\r\n%s\r\n\r\n" % framing).encode() + b"a\r\n0123456789"
    service = origin(lambda request: Close(cut) if request.target == "/cut" else answer_bytes(200, b"x" * 1_000_000))
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }", values={"origin": service.address})
    for before, least in (("/big", 1_000_000), ("/cut", 0)):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            client.connect(gate.address())
            client.settimeout(10)
            client.sendall(request_bytes("GET", before) + request_bytes("GET", "/cut") + request_bytes("GET", "/never"))
            wait_until(lambda: service.requests and service.requests[-1].target == "/cut")
            time.sleep(0.2)  # Nobody reads: what was sent waits in the kernel.
            received = b""
            while piece := client.recv(65536):
                received += piece
        assert len(received) > least and received.rstrip().endswith(b"0123456789"), received[-200:]
        assert received.count(b"HTTP/1.1 200") == (2 if least else 1)
        service.forget()


def test_an_answer_without_framing_that_is_cut_is_reset(keepgate, origin):
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789"
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }",
                    values={"origin": origin(lambda request: Close(cut)).address})
    with socket.create_connection(gate.address(), 10) as client:
        client.sendall(request_bytes("GET", "/", version="HTTP/1.0"))
        with pytest.raises(ConnectionResetError):
            while client.recv(65536):
                pass


def test_a_cut_answer_waits_for_its_client_no_longer_than_send_timeout(keepgate, origin):
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n" + b"x" * 20_000_000
    gate = keepgate("send_timeout 300ms; server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; } }",
                    values={"origin": origin(lambda request: Close(cut)).address})

    def sockets():  # Not all descriptors: loops of other threads may be opening theirs just now.
        folder = f"/proc/{gate.process.pid}/fd"
        found = 0
        for name in os.listdir(folder):
            try:
                found += os.readlink(os.path.join(folder, name)).startswith("socket:")
            except FileNotFoundError:
                pass  # Closed meanwhile.
        return found

    before = sockets()
    with socket.create_connection(gate.address(), 10) as client:
        client.sendall(request_bytes("GET", "/"))
        wait_until(lambda: "before its answer was complete" in gate.read("error.log") or sockets() > before)
        wait_until(lambda: sockets() <= before, 10, "nobody reads, and it is kept")
