"""if, set, rewrite, break and return beside nginx; and that no rewrite leads round the access rules of where it leads."""
import pytest

from harness import nginx
from harness.gate import run_cli
from harness.origin import answer_bytes
from harness.side_by_side import answers_with, both, same  # noqa: F401 (both is a fixture)
from harness.wire import Client

beside_nginx = pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")


def echo(request):
    return answer_bytes(200, f"{request.method} {request.target} {request.get('X-Set', '-')}".encode())


def seen(answer):
    return answer.status, answer.get("Location"), answer.body if answer.status == 200 else b""


REWRITES = """
map $arg_m $mapped { a one; ~^b(.*)$ "two-$1"; }
server {
    listen 127.0.0.1:@gate@; absolute_redirect off; port_in_redirect off;
    set $level server;
    if ($arg_stop) { return 200 "stopped $level"; }
    if ($arg_stop = 0) { set $level "zero"; }
    rewrite ^/early/(.*)$ /late/$1?early=1;
    rewrite ^/moved/(.*)$ /new/$1 permanent;
    location / { return 200 "root $uri $args $level"; }
    location /late/ { return 200 "late $uri $args"; }
    location /last/ { rewrite ^/last/(.*)$ /target/$1 last; return 200 "not rewritten"; }
    location /target/ { return 200 "target $uri $args $is_args $request_uri"; }
    location /on/ { rewrite ^/on/(.*)$ /one/$1; rewrite ^/one/(.*)$ /target/two/$1; set $x after; }
    location /args/ { rewrite ^/args/keep/(.*)$ /target/$1?new=$1 last; rewrite ^/args/drop/(.*)$ /target/$1?new=$1? last;
                      rewrite ^/args/none/(.*)$ /target/$1? last; return 200 "no"; }
    location /r/ { rewrite ^/r/a/(.*)$ http://else.test/$1 last; rewrite ^/r/b/(.*)$ /there/$1?x=1 redirect;
                   rewrite ^/r/c/(.*)$ /there/$1? permanent; rewrite ^/r/d/(.*)$ https://else.test/?q=$1 permanent;
                   rewrite ^/r/e/(?<name>.*)$ $scheme://else.test/$name; return 200 "no"; }
    location /loop { rewrite ^ /loop last; }
    location /set { set $a 1$arg_x; set $b "$a-$a"; set $a 2; set $mapped_now $mapped; set $mapped over; return 200 "$a $b $mapped_now $mapped"; }
    location ~ ^/groups/(.*)$ { set $a "$1"; set $b no; if ($a = $1) { set $b same; } if ($uri ~ ^/groups/(.)) { set $b "$b $1"; }
                                if ($arg_end = "") { return 200 "$a $b $1"; } rewrite ^/groups/(?<id>.*)$ /groups/$id break; return 204; }
    location /setargs { set $args "q=1&x=$arg_x"; return 200 "$args $arg_q $query_string"; }
    location /if/ {
        set $what none;
        if ($request_method = POST) { set $what post; }
        if ($request_method != GET) { set $what "$what not-get"; }
        if ($arg_r ~ ^(a+)(b*)$) { set $what "$what [$1][$2]"; }
        if ($arg_r ~* ^X(.*)$) { set $what "$what no-case $1"; }
        if ($arg_r !~ ^a) { set $what "$what not-a"; }
        if ($arg_r !~* ^A) { set $what "$what not-a-at-all"; }
        if ( $arg_z = "two words" ) { set $what "$what words"; }
        if ($arg_e = "") { set $what "$what empty"; }
        if ($arg_c) { return 204; }
        if ($arg_b) { break; }
        return 200 "$what";
    }
    location /inner { set $x 1; add_header X-Where outer always; if ($arg_a) { add_header X-Where inner always; } if ($arg_b) { set $x 2; } return 200 "$x"; }
    location /code { if ($arg_a) { return 403; } if ($arg_u) { return https://else.test/$arg_u; } if ($arg_t) { return 201 "made"; } return 405; }
    location = /exact { rewrite ^ /target/from-exact last; }
    location /empty { rewrite ^(.*)$ $arg_nothing last; }
    location /pages { error_page 404 /target/page; error_page 403 = @named; if ($arg_n) { return 403; } return 404; }
    location /again { error_page 404 /early/x; return 404; }
    location @named { rewrite ^ /target/named last; }
    location ~ ^/secret/ { internal; return 200 "internal $uri"; }
    location /in/ { rewrite ^/in/(.*)$ /secret/$1 last; }
}
"""

TARGETS = [
    "/", "/?stop=1", "/?stop=0", "/early/a?b=c", "/early/", "/moved/a%20b?c=d", "/last/a?b=c", "/last/", "/on/x?y",
    "/args/keep/v?old=1", "/args/keep/v", "/args/drop/v?old=1", "/args/none/v?old=1", "/args/keep/a%26b%3Dc%20d%3F%25%2B", "/args/keep/a&b=c",
    "/r/a/x?y=z", "/r/a/x", "/r/b/x?y=z", "/r/c/x?y=z", "/r/d/a%26b+c?y=z", "/r/d/a&b", "/r/e/x?y", "/r/a/a%20b%22c%3Fd%25e%C3%A4",
    "/loop", "/set?x=5&m=a", "/set?m=bcd", "/setargs?x=7", "/groups/a%26b+c", "/groups/a&b", "/groups/plain",
    "/setargs", "/if/", "/if/?r=aab", "/if/?r=xyz", "/if/?r=Aa&e=1", "/if/?c=1", "/if/?b=0&e=2",
    "/if/?r=b", "/inner", "/inner?a=1", "/inner?b=1", "/inner?a=1&b=1", "/code", "/code?a=1", "/code?u=x", "/code?t=1", "/exact?q", "/empty",
    "/pages", "/pages?n=1", "/again", "/secret/x", "/in/x",
]


@beside_nginx
def test_the_same_of_every_directive(both):  # noqa: F811
    pair = both(REWRITES, answers_with(200))
    wrong = []
    for target in TARGETS:
        for method in ("GET", "POST"):
            ours, theirs = pair.ask(method, target, show=lambda answer: (*seen(answer), answer.get("X-Where")))
            if ours != theirs:
                wrong.append((method, target, ours, theirs))
    assert not wrong, "\n".join(map(str, wrong))


PROXIED = """
server {
    listen 127.0.0.1:@gate@;
    location /strip/ { rewrite ^/strip(/.*)$ $1 break; proxy_pass http://@origin0@; }
    location /part/ { rewrite ^/part/(.*)$ /other/$1 break; proxy_pass http://@origin0@/ignored/; }
    location /stay/ { rewrite ^/stay/(.*)$ /other/$1; break; return 403; proxy_pass http://@origin0@; }
    location /kept/ { rewrite ^/kept/(.*)$ /kept/new/$1; break; proxy_pass http://@origin0@/v/; }
    location /whole/ { rewrite ^/whole/(.*)$ /uri/$1 last; }
    location /uri/ { proxy_pass http://@origin0@/base/; }
    location /raw/ { proxy_pass http://@origin0@; }
    location /args/ { set $args "a=$arg_b"; proxy_pass http://@origin0@; }
    location /set/ { set $x none; if ($arg_x) { set $x "got $arg_x"; } proxy_set_header X-Set $x; proxy_pass http://@origin0@; }
    location /if/ { if ($arg_x) { proxy_pass http://@origin0@; } return 404; }
    location /choose/ { set $to @origin0@; if ($arg_bad) { set $to 127.0.0.1:1; } proxy_pass http://$to; }
    location /inherit/ { if ($arg_x = 1) { set $y 1; } proxy_pass http://@origin0@/i/; }
    location ~ ^/tail/(.*)$ { proxy_pass http://@origin0@/t/$1$is_args$args; }
}
"""


@beside_nginx
@pytest.mark.parametrize("target", [
    "/strip/a%20b?c=d", "/strip/", "/strip/%41%2Fb", "/part/x?y", "/stay/x", "/kept/x?y", "/whole/a%25b?q", "/raw/%41//b?", "/args/?b=1", "/args/x", "/set/", "/set/?x=1",
    "/if/x?x=1", "/choose/x", "/choose/x?bad=1", "/inherit/a?x=1", "/inherit/a", "/tail/a/b?c", "/tail/",
])
def test_the_same_bytes_for_the_service(both, target):  # noqa: F811
    pair = both(PROXIED, echo)
    same(pair.ask("GET", target, show=lambda answer: (answer.status, answer.body if answer.status == 200 else b"")))


@beside_nginx
@pytest.mark.parametrize("server", ["return 503;", "if ($uri != /page) { return 503; }", "rewrite ^/page$ /other; if ($arg_x = '') { return 503; }"])
def test_an_error_page_passes_the_server_s_own_level_again(both, server):  # noqa: F811
    pair = both("server { listen 127.0.0.1:@gate@; error_page 503 /page; %s location /page { return 200 'page'; } location / { return 200 'other'; } }" % server,
                answers_with(200))
    for target in ("/", "/page", "/?x=1", "/page?x=1"):
        same(pair.ask("GET", target, show=lambda answer: (answer.status, answer.body if b"<html>" not in answer.body else b"")))


@beside_nginx
def test_ten_changes_and_no_more(both):  # noqa: F811
    chain = "".join(f"location = /{n} {{ rewrite ^ /{n + 1} last; }} " for n in range(1, 13))
    pair = both("server { listen 127.0.0.1:@gate@; %s location / { return 200 \"$uri\"; } }" % chain, answers_with(200))
    for start in (1, 2, 3, 4, 12):
        same(pair.ask("GET", f"/{start}", show=lambda answer: answer.status))
    assert same(pair.ask("GET", "/3", show=lambda answer: answer.status)) == 200
    assert same(pair.ask("GET", "/2", show=lambda answer: answer.status)) == 500


@beside_nginx
@pytest.mark.parametrize("text", [
    "location / { if ($arg_x) { deny all; } }", "if ($arg_x) { proxy_pass http://127.0.0.1:1; }", "location / { if ($arg_x ~ '(') { return 204; } }",
    "location / { if ($arg_x == 1) { return 204; } }", "location / { if $arg_x { return 204; } }", "location / { set arg 1; }",
    "location / { set $request_method x; }", "location / { rewrite ^/(.*)$ /x sometimes; }", "location / { rewrite '(' /x; }",
    "location / { if ($arg_x) { proxy_pass http://127.0.0.1:1/uri; } }", "location / { if ($arg_x) { if ($arg_y) { return 204; } } }",
    "location / { limit_except GETS { deny all; } }", "location / { limit_except GET { return 403; } }", "location / { return 200 ${x; }",
])
def test_both_refuse(tmp_path, text):
    (tmp_path / "keepgate.conf").write_text("events {} http { server { listen 127.0.0.1:8080; %s } }" % text)
    assert run_cli("-t", "-c", tmp_path / "keepgate.conf").returncode == 1
    assert not nginx.accepts("server { listen 127.0.0.1:8080; %s }" % text)


def test_conditions_on_files_are_refused(tmp_path):
    for test in ("-f", "!-f", "-d", "!-d", "-e", "!-e", "-x", "!-x"):
        (tmp_path / "keepgate.conf").write_text("events {} http { server { location / { if (%s $uri) { return 204; } } } }" % test)
        result = run_cli("-t", "-c", tmp_path / "keepgate.conf")
        assert result.returncode == 1 and "serves no files" in result.stderr


GUARDED = """
server {
    listen 127.0.0.1:@gate@;
    rewrite ^/alias/(.*)$ /guarded/$1 last;
    rewrite ^/glued(.*)$ /open/$1 last;
    location /open/ { proxy_pass http://@origin@; }
    location /guarded/ { deny all; proxy_pass http://@origin@; }
    location /hop/ { rewrite ^/hop/(.*)$ /$1 last; }
    location /cond/ { if ($arg_x) { rewrite ^/cond/(.*)$ /guarded/$1; } proxy_pass http://@origin@; }
    location /inside/ { deny all; if ($arg_x) { proxy_pass http://@origin@; } proxy_pass http://@origin@; }
    location /only/ { limit_except GET { deny all; } proxy_pass http://@origin@; }
}
"""


@pytest.mark.parametrize("method, target, status", [
    ("GET", "/open/x", 200), ("GET", "/guarded/x", 403), ("GET", "/alias/x", 403), ("GET", "/hop/open/x", 200), ("GET", "/hop/guarded/x", 403),
    ("GET", "/hop/alias/x", 404),  # The server's own rewrites run once.
    ("GET", "/hop//guarded/x", 403), ("GET", "/hop/%2Fguarded/x", 403), ("GET", "/hop/.%2Fguarded/x", 403),
    # What a group took completes a dot segment or a double slash with the text around it: routing sees one spelling.
    ("GET", "/glued/x", 200), ("GET", "/glued../guarded/x", 403), ("GET", "/glued/../guarded/x", 403), ("GET", "/glued%2e%2e/guarded/x", 403),
    ("GET", "/cond/x", 200), ("GET", "/cond/x?x=1", 403), ("GET", "/inside/x", 403), ("GET", "/inside/x?x=1", 403),
    ("GET", "/only/x", 200), ("HEAD", "/only/x", 200), ("POST", "/only/x", 403), ("get", "/only/x", 403), ("PROPFIND", "/only/x", 403), ("ODD", "/only/x", 403),
])
def test_a_rewrite_leads_round_no_rule(keepgate, origin, method, target, status):
    service = origin(answers_with(200))
    gate = keepgate(GUARDED, values={"origin": service.address})
    with Client(gate.address()) as client:
        assert client.request(method, target).status == status
    assert len(service.requests) == (1 if status == 200 else 0)


def test_a_line_break_from_the_path_stays_out_of_the_request_line(keepgate, origin):
    service = origin(echo)
    gate = keepgate("""server { listen 127.0.0.1:@gate@;
        location /q/ { rewrite ^/q/(?s)(?<all>.*)$ /x?q=$all break; proxy_pass http://@origin@; }
        location /s/ { set $args "a=$uri"; proxy_pass http://@origin@; }
        location /l/ { rewrite ^/l/(?s)(?<rest>.*)$ /there/$rest redirect; } }""", values={"origin": service.address})
    with Client(gate.address()) as client:
        assert b" /x?q=a%20HTTP/1.1%0D%0AX-Evil:%201 " in client.request("GET", "/q/a%20HTTP/1.1%0d%0aX-Evil:%201").body
        assert b"%0D%0A" in client.request("GET", "/s/a%0d%0ab").body
        answer = client.request("GET", "/l/a%0d%0aX-Evil:%201")
        assert answer.get("X-Evil") is None


def test_explain_says_that_it_follows_no_rewrite(tmp_path):
    (tmp_path / "p.yaml").write_text(POLICY)
    (tmp_path / "keepgate.conf").write_text("""events {} http { map $http_apikey $who { ~^key$ reader; } policy p.yaml; auth_identity $who;
        server { listen 127.0.0.1:8080; service api;
            location /v2/ { if ($arg_x) { return 403; } proxy_pass http://127.0.0.1:1; }
            location /some/ { limit_except GET { deny all; } proxy_pass http://127.0.0.1:1/v2/open/; } } }""")
    def explain(method, path):
        return run_cli("explain", method, path, "--as", "reader", "-c", tmp_path / "keepgate.conf").stdout
    assert "not followed" in explain("GET", "/v2/open/x") and "no if or rewrite answers first" in explain("GET", "/v2/open/x")
    assert "not followed" not in explain("GET", "/some/x")
    assert "limit_except" in explain("POST", "/some/x") and "limit_except" not in explain("GET", "/some/x")


POLICY = """
policies:
  - id: readers
    allow: client:reader
    on: { service: api, methods: [GET], paths: ["/v2/open/**"] }
"""


@pytest.mark.parametrize("target, status", [
    ("/v1/open/x", 200), ("/v1/shut/x", 403), ("/v1/open/..%2fshut/x", 400), ("/v1/open%2F..%2Fshut/x", 400), ("/v1/open/../shut/x", 403),
    ("/last/open/x", 200), ("/last/shut/x", 403), ("/v2/open/x", 200), ("/v2/shut/x", 403), ("/var/open/x", 200),
    ("/var/shut/x", 403), ("/v1/open//x", 400),
])
def test_a_policy_decides_on_the_path_that_the_service_receives(keepgate, origin, target, status):
    service = origin(echo)
    gate = keepgate("""
    map $http_apikey $who { ~^key-of-the-reader$ reader; }
    policy p.yaml; auth_identity $who;
    server {
        listen 127.0.0.1:@gate@; service api;
        location /v1/ { rewrite ^/v1/(.*)$ /v2/$1 break; proxy_pass http://@origin@/ignored/; }
        location /last/ { rewrite ^/last/(.*)$ /v2/$1 last; }
        location /var/ { set $to @origin@; rewrite ^/var/(.*)$ /v2/$1 break; proxy_pass http://$to$request_uri; }
        location /v2/ { proxy_pass http://@origin@; }
    }""", files={"p.yaml": POLICY}, values={"origin": service.address})
    with Client(gate.address()) as client:
        answer = client.request("GET", target, fields=[("apikey", "key-of-the-reader")])
        assert answer.status == status
        assert client.request("GET", target).status in (400, 401)
    assert [request.target for request in service.requests] == (["/v2/open/x"] if status == 200 else [])


def test_a_copy_of_an_api_key_is_withheld_too(keepgate, origin, tmp_path):
    service = origin(echo)
    made = run_cli("key", "create", "--file", tmp_path / "keys", "--client", "app")
    assert made.returncode == 0, made.stderr
    gate = keepgate("""
    map $http_x_api_key $taken { ~^(?<all>.*)$ "$all"; }
    server {
        listen 127.0.0.1:@gate@; auth_api_key "shop"; auth_api_key_file @keys@;
        location / { set $copy "x $http_x_api_key"; set $other word; proxy_set_header X-Set "$copy$all$1 $other"; proxy_pass http://@origin@; }
        location /map/ { if ($taken) { set $copy "$taken"; } proxy_set_header X-Set "$copy$all$1$taken"; proxy_pass http://@origin@; }
    }""", values={"origin": service.address, "keys": tmp_path / "keys"})
    with Client(gate.address()) as client:
        key = made.stdout.strip()
        assert client.request("GET", "/", fields=[("X-API-Key", key)]).body == b"GET / word"
        assert client.request("GET", "/map/", fields=[("X-API-Key", key)]).body == b"GET /map/ -"
        assert client.request("GET", "/").status == 401
    assert not any(key in str(request.fields) for request in service.requests)
