"""proxy_redirect and proxy_cookie_*: what becomes of an upstream's Location, Refresh and Set-Cookie. nginx says what."""
import pytest

from harness import nginx
from harness.gate import run_cli
from harness.origin import answer_bytes
from harness.ports import wait_until
from harness.wire import Client

# The upstream answers with the fields that the query asks for: ?Location=…
SENT = {
    "Location": [
        "http://@origin@/one/x?y=1", "http://@origin@/two/x", "http://@origin@/", "http://@origin@", "http://@origin@1/two/x",
        "https://@origin@/two/x", "HTTP://@origin@/two/x", "/two/x", "two/x", "http://other.example/two/x", "http://OTHER.example/", "",
        "http://host.example:8080/two/a/b", "http://host.example/nothing",
    ],
    "Refresh": ["5; url=http://@origin@/two/x", "5; URL=http://@origin@/", "5", "0;Url=http://host.example:8080/two/a", "url=/two/x"],
    "Set-Cookie": [
        "a=b", "a=b; Domain=one.example; Path=/two/x; Secure", "a=b; domain=.one.example; PATH=/two/", "a = b ;path= /two/x ; Domain=ONE.example",
        "a=b; Path=/other; HttpOnly; SameSite=Lax", "session=1; Path=/two", "session=1; secure; httponly; samesite=Strict; Secure", "a; Path=/two/",
        "a=; Path=/two/; Path=/two/y", "x.y=1;domain=sub.one.example;Path=/Two/q", "=v; Path=/two/", "a=b;", ";a=b", "other=1; Expires=Thu, 01 Jan 2037 00:00:00 GMT; Path=/two/",
        "plain=1; Domain=.", "plain=1; Domain=; Path=",
    ],
}
RULES = {
    "nothing": "",
    "default": "proxy_redirect default;",
    "off": "proxy_redirect off;",
    "texts": "proxy_redirect http://host.example:8080/two/ /h/; proxy_redirect http://other.example/ http://$host/other/; proxy_redirect default;",
    "relative": "proxy_redirect /two/ /there/; proxy_redirect http://@origin@ https://front.example;",
    "variables": "proxy_redirect http://$proxy_host/ $scheme://front.example:99/;",
    "regex": "proxy_redirect ~^(http://[^:]+):\\d+(/.+)$ $1$2; proxy_redirect ~*^http://OTHER\\.example/(?<tail>.*)$ /x/$tail;",
    "regex_empty_groups": "proxy_redirect ~^(x)?http(s)?: $1-$2-$3;",
    "first_wins": "proxy_redirect http:// http://a/; proxy_redirect http://@origin@/ http://b/;",
    "cookie_domain": "proxy_cookie_domain one.example front.example; proxy_cookie_domain ~^sub\\.(.+)$ $1.$host;",
    "cookie_domain_dots": "proxy_cookie_domain .one.example .front.example;",
    "cookie_path": "proxy_cookie_path /two/ /front/; proxy_cookie_path ~*^/TWO/(.)(.*)$ /$2$1;",
    "cookie_path_regex": "proxy_cookie_path ~^/two/(.*)$ /$1;",
    "cookie_off": "proxy_cookie_path off; proxy_cookie_domain off; proxy_cookie_flags off;",
    "flags": "proxy_cookie_flags session nosecure nohttponly nosamesite; proxy_cookie_flags ~^a$ secure httponly samesite=strict; proxy_cookie_flags ~. samesite=none;",
    "flags_both": "proxy_cookie_flags ~ secure nosecure; proxy_cookie_flags a httponly;",
    "flags_sites": "proxy_cookie_flags a samesite=lax samesite=strict nosamesite; proxy_cookie_flags session samesite=NONE samesite=Lax;",
    "flags_variable": "proxy_cookie_flags $arg_name $arg_flag;",
    "all": "proxy_cookie_domain one.example front.example; proxy_cookie_path / /deep/; proxy_cookie_flags ~ secure; proxy_redirect http:// https://;",
}
SERVER = """
%s
server {
    listen 127.0.0.1:@gate@;
    server_name front.example;
    location /one/ { proxy_pass http://@origin@/two/; %s }
    location /same/ { proxy_pass http://@origin@; %s }
    location ~ ^/regex { proxy_pass http://@origin@; %s }
    location = /exact { proxy_pass http://@origin@/two/exact; %s }
}
"""


@pytest.fixture(scope="module")
def backend(module_origin):
    def answer(request):
        name, value = request.get("X-Send").split(":", 1)
        return answer_bytes(302 if name == "Location" else 200, fields=[(name, value), ("X-Last", "1")])

    return module_origin(answer)


def answers(address, backend):
    """What came of every value, without what differs by design: ports of this machine."""
    out = {}
    with Client(address) as client:
        for name, values in SENT.items():
            for value in values:
                for path in ("/one/x", "/same/x", "/regex", "/exact"):
                    sent = value.replace("@origin@", backend.address)
                    answer = client.request("GET", f"{path}?name=session&flag=samesite=none", host=f"front.example:{address[1]}", fields=[("X-Send", f"{name}:{sent}")])
                    got = [field.replace(f":{address[1]}", ":PORT") for field in answer.all(name)]
                    out[name, value, path] = got
    return out


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("level", ["location", "http"])
@pytest.mark.parametrize("name", RULES)
def test_fields_become_what_nginx_makes_of_them(keepgate, backend, name, level):
    rules = RULES[name]
    if level == "http" and "default" in rules:
        pytest.skip("nginx wants it behind proxy_pass")
    http = SERVER % (("", *[rules] * 4) if level == "location" else (rules, *[""] * 4))
    http = http.replace("@origin@", backend.address)
    gate = keepgate(http)
    peer = nginx.Nginx(http)
    try:
        ours, theirs = answers(gate.address(), backend), answers(peer.address, backend)
    finally:
        peer.close()
    assert {key: (ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]} == {}


def test_values_of_a_request_do_not_end_the_line(keepgate, backend):
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; proxy_redirect http:// $uri; proxy_cookie_path / $uri; } }",
        values={"origin": backend.address},
    )
    for name, value in (("Location", "http://x/"), ("Set-Cookie", "a=b; Path=/")):
        answer = gate.get("/%0d%0aX-Evil:%201", fields=[("X-Send", f"{name}:{value}")])
        assert answer.status in (200, 302) and not answer.all(name) and not answer.all("X-Evil")
        assert answer.get("X-Last") == "1"
    wait_until(lambda: "control bytes" in gate.read("error.log"), 10)


def test_an_expression_that_costs_too_much_changes_nothing(keepgate, backend):
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; proxy_redirect ~^(a+)+$ /changed; } }",
        values={"origin": backend.address},
    )
    value = "a" * 5000 + "!"
    answer = gate.get("/", fields=[("X-Send", f"Location:{value}")])
    assert (answer.status, answer.get("Location")) == (302, value)


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("directives", [
    "proxy_redirect a b; proxy_redirect off;", "proxy_redirect off; proxy_redirect a b;", "proxy_redirect off; proxy_redirect off;",
    "proxy_redirect default; proxy_redirect default;", "proxy_redirect x;", "proxy_redirect ~(a b;", "proxy_redirect $nothing b;",
    "proxy_cookie_path a b; proxy_cookie_path off;", "proxy_cookie_path off; proxy_cookie_path a b;", "proxy_cookie_path x;",
    "proxy_cookie_flags a;", "proxy_cookie_flags a $arg_b;", "proxy_cookie_flags a SECURE;", "proxy_cookie_flags a secure secure secure secure;",
    "proxy_cookie_flags off; proxy_cookie_flags a secure;", "proxy_cookie_domain ~(b $1;", "proxy_cookie_domain a b c;",
    "proxy_bind 1.2.3;", "proxy_bind localhost;", "proxy_bind off; proxy_bind 127.0.0.1;", "proxy_bind 127.0.0.1 x;", "proxy_bind off transparent;",
    "proxy_bind unix:/x;", "proxy_bind [::1]:80;", "proxy_bind ::1;", "proxy_bind 127.0.0.1:80 transparent;", "proxy_socket_keepalive x;",
])
def test_what_nginx_refuses_does_not_load_either(keepgate, directives):
    http = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://127.0.0.1:1; %s } }" % directives
    gate = keepgate(http, start=False)
    ours = run_cli("-t", "-c", gate.path("keepgate.conf"), cwd=gate.folder)
    assert (ours.returncode == 0) == nginx.accepts(http), ours.stderr
