"""limit_except, geo, split_clients, access_log if=, stub_status, types and charset: beside nginx, and what each must refuse."""
import re

import pytest

from harness import nginx
from harness.gate import run_cli
from harness.ports import wait_until
from harness.side_by_side import answers_with, both, same  # noqa: F401 (both is a fixture)
from harness.wire import Client

beside_nginx = pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
status_of = lambda answer: answer.status  # noqa: E731

LIMITED = """
server {
    listen 127.0.0.1:@gate@;
    location /get/ { limit_except GET { deny all; } proxy_pass http://@origin0@; }
    location /some/ { limit_except GET POST PROPFIND { allow 127.0.0.2; deny all; } proxy_pass http://@origin0@/x/; }
    location /open/ { deny all; limit_except GET { allow all; } proxy_pass http://@origin0@; }
    location /rewritten/ { limit_except GET { allow all; } rewrite ^ /get/x last; proxy_pass http://@origin0@; }
    location /returns/ { limit_except POST { deny all; } return 200 "text"; }
}
"""


@beside_nginx
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "ODD"])
@pytest.mark.parametrize("target", ["/get/", "/some/x", "/open/", "/rewritten/a", "/returns/"])
def test_methods_have_rules_of_their_own(both, method, target):  # noqa: F811
    pair = both(LIMITED, answers_with(200))
    same(pair.ask(method, target, show=status_of))
    same(pair.targets())


def test_limit_except_asks_for_a_token_too(keepgate, origin, jose):
    service = origin(answers_with(200))
    key = jose.key("HS256")
    gate = keepgate("""server { listen 127.0.0.1:@gate@; auth_jwt_key_file k.json;
        location / { limit_except GET { auth_jwt "writers"; } proxy_pass http://@origin@; } }""",
                    files={"k.json": jose.set_of(key)}, values={"origin": service.address})
    with Client(gate.address()) as client:
        assert client.request("GET", "/").status == 200
        assert client.request("POST", "/").status == 401
        assert client.request("get", "/").status == 401
        assert client.request("X", "/").status == 401
    assert [request.method for request in service.requests] == ["GET"]


GEO = """
geo $net { default other; 127.0.0.0/8 loop; 127.0.0.1 here; 127.0.0.0/16 sixteen; delete 127.0.0.0/16; 10.0.0.0/8 ten; }
geo $arg_ip $by_arg { default none; 10.0.0.0/8 ten; 10.1.0.0/16 "ten one"; 2001:db8::/32 doc; 255.255.255.255 bad; }
geo $arg_ip $by_range { ranges; default none; 10.0.0.0-10.0.0.255 low; 10.0.0.16-10.0.0.31 inner; 192.168.0.1-192.168.0.1 one; }
split_clients "$arg_u" $half { 50% a; 25.5% b; 0.5% c; * d; }
split_clients "x${arg_u}y" $few { 33.33% a; 10% b; }
server { listen 127.0.0.1:@gate@; location / { return 200 "$net $by_arg $by_range $half $few"; } }
"""


@beside_nginx
def test_the_same_groups_and_networks(both):  # noqa: F811
    pair = both(GEO, answers_with(200))
    for ip in ("", "10.0.0.1", "10.0.0.20", "10.1.2.3", "10.255.255.255", "11.0.0.0", "192.168.0.1", "2001:db8::1", "2001:db9::1", "x", "255.255.255.255",
               "::ffff:10.1.0.1"):
        same(pair.ask("GET", f"/?ip={ip}"))
    for number in range(40):
        same(pair.ask("GET", f"/?u={'client' * (number % 3)}{number}"))


@beside_nginx
@pytest.mark.parametrize("text", [
    "geo $x { 10.0.0.0/99 a; }", "geo $x { ranges; 10.0.0.0/8 a; }", "geo x { default a; }", "split_clients $uri $x { 60% a; 50% b; }",
    "split_clients $uri $x { 10 a; }", "split_clients $uri $x { 0.001% a; }", "geo $x { default a; } server { location / { stub_status on; limit_except A { deny all; } } }",
])
def test_both_refuse(tmp_path, text):
    (tmp_path / "keepgate.conf").write_text("events {} http { %s }" % text)
    assert run_cli("-t", "-c", tmp_path / "keepgate.conf").returncode == 1
    assert not nginx.accepts(text)


def test_a_condition_keeps_lines_out_of_the_log(keepgate):
    gate = keepgate("""
    map $status $loggable { ~^2 0; default 1; } log_format own '$uri $status';
    server { listen 127.0.0.1:@gate@; access_log own.log own if=$loggable; access_log arg.log own if=$arg_log;
             location /quiet { if ($arg_q) { access_log off; } return 204; }
             location /good { return 204; } location /bad { return 404; } }""")
    with Client(gate.address()) as client:
        for target in ("/good", "/bad", "/good?log=1", "/bad?log=0", "/good?log=", "/quiet?q=1"):
            client.request("GET", target)
    wait_until(lambda: gate.read("own.log") == "/bad 404\n/bad 404\n" and gate.read("arg.log") == "/good 204\n", 10, lambda: gate.read("own.log"))


@beside_nginx
def test_the_figures_are_nginx_s(both):  # noqa: F811
    pair = both("""server { listen 127.0.0.1:@gate@; location / { return 204; } location = /status { allow 127.0.0.1; deny all; stub_status; }
                   location = /shut { deny all; stub_status; } }""", answers_with(200))
    shown = lambda answer: (answer.status, answer.get("Content-Type"), answer.body)  # noqa: E731
    clients = [Client(address) for address, _ in pair.sides]
    for client in clients:
        assert client.request("GET", "/").status == 204
    # Both have the client that waits, and the one that asks; nginx was asked once more, whether it listens.
    ours, theirs = (re.sub(rb" \d+ \d+ (\d+) \n", rb" N N \1 \n", body) for _, _, body in pair.ask("GET", "/status", show=shown))
    assert ours == theirs and b"Active connections: 2 \n" in ours and b"Writing: 1 Waiting: 1 \n" in ours
    for method, target in (("GET", "/shut"), ("POST", "/status"), ("HEAD", "/status")):
        same(pair.ask(method, target, show=lambda answer: (answer.status, answer.get("Content-Type"))))
    for client in clients:
        client.close()


@beside_nginx
def test_variables_of_figures_and_of_what_is_not_done(both):  # noqa: F811
    pair = both("""server { listen 127.0.0.1:@gate@;
        location / { return 200 "$connections_active $connections_reading $connections_writing $connections_waiting [$gzip_ratio][$upstream_cache_status]"; } }""",
                answers_with(200))
    assert same(pair.ask("GET", "/")) == (200, b"1 0 1 0 [][]")


TYPES = """
types { text/css css; application/json json; text/html html htm; }
default_type application/octet-stream;
server { listen 127.0.0.1:@gate@; charset utf-8;
    location / { return 200 "x"; }
    location /off/ { charset off; return 200 "x"; }
    location /own/ { types { text/x-own own; text/plain txt; } default_type text/xml; charset koi8-r; return 200 "x"; }
    location /none/ { types {} default_type text/plain; return 200 "x"; }
    location /moved { return 301 /x; }
    location /bad { return 403; }
    location /empty { return 200; }
    location /nothing { return 204; }
    location /typed { default_type "text/plain; charset=ascii"; return 200 "x"; }
}
"""


@beside_nginx
@pytest.mark.parametrize("types", [True, False])
def test_texts_have_nginx_s_types(both, types):  # noqa: F811
    pair = both(TYPES if types else TYPES.replace("types { text/css css; application/json json; text/html html htm; }", ""), answers_with(200))
    wrong = []
    for target in ("/a.css", "/a.JSON", "/a.html", "/a.htm", "/a", "/.css", "/a.b/c", "/a.", "/a.unknown", "/off/a.html", "/own/a.own", "/own/a.css", "/own/a.txt",
                   "/none/a.css", "/moved", "/bad", "/empty", "/empty.html", "/nothing", "/typed", "/a.gif"):
        ours, theirs = pair.ask("GET", target, show=lambda answer: (answer.status, answer.get("Content-Type")))
        if ours != theirs:
            wrong.append((target, ours, theirs))
    assert not wrong, wrong


@beside_nginx
@pytest.mark.parametrize("status", ["404", "404 =200", "404 =", "403"])
def test_an_error_page_that_is_not_there(both, status):  # noqa: F811
    pair = both("server { listen 127.0.0.1:@gate@; error_page %s @missing; location / { return 404; } location /x { return 403; } }" % status, answers_with(200))
    same(pair.ask("GET", "/", show=status_of))
    same(pair.ask("GET", "/x", show=status_of))
