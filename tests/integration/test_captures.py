"""What regular expressions take: $1 and $name of location, server_name and map, compared with nginx."""
import pytest

from harness import nginx
from harness.gate import run_cli
from harness.origin import answer_bytes
from harness.ports import wait_until
from harness.side_by_side import answers_with, both, same  # noqa: F401 (both is a fixture)
from harness.wire import Client

beside_nginx = pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")

CAPTURES = """
map $arg_m $mapped { ~^(?<first>.)(.*)$ "$2-$first"; default "none"; }
map $arg_m $plain { ~^x yes; default no; }
map $arg_h $shape { hostnames; *.example.com suffix; ~^(.*)\\.test$ "test:$1"; }
server {
    listen 127.0.0.1:@gate@;
    server_name ~^(?<tenant>[a-z]+)\\.(?<zone>one|two)\\.test$;
    add_header X-Tenant "$tenant/$zone" always;
    location = /host { return 200 "$1,$2,$tenant,$zone"; }
    location ~ ^/user/(?<id>[0-9]+)(/(?<rest>.*))?$ { return 200 "[$1][$2][$3][$4][$id][$rest]"; }
    location ~* ^/i/(A|B)$ { return 200 "$1"; }
    location ~ ^/nested/ {
        location ~ ^/nested/(one)/(.*)$ { return 200 "inner $1 $2 $9"; }
        return 200 "outer [$1]";
    }
    location ~ ^/lost/(.*)$ { return 200 "$plain [$1] $mapped [$1][$2]"; }
    location ~ ^/kept/(.*)$ { return 200 "[$1] $mapped [$1]"; }
    location ~ ^/dup/(?<id>.)(?<id2>.)$ { return 200 "$id$id2$ID"; }
    location /map { return 200 "$mapped $plain $shape"; }
    location ~ ^/go/(.*)$ { return 302 https://else.test/$1?$args; }
    location ~ ^/h/(?<value>.*)$ { add_header X-Taken "$value" always; return 404; }
}
server { listen 127.0.0.1:@gate@ default_server; location / { return 200 "default [$tenant]"; } }
"""

TARGETS = [
    "/host", "/user/7", "/user/7/a/b", "/user/x", "/user/12/%41%2Fb", "/i/a", "/nested/one/two", "/nested/x", "/lost/a?m=xyz",
    "/kept/a?m=pq", "/kept/a?m=", "/dup/ab", "/map?m=ab&h=www.example.com", "/map?m=x&h=a.b.test", "/map?h=a.b.test.", "/go/a/b?c=d",
    "/h/word", "/h/", "/none",
]


@beside_nginx
def test_what_groups_take(both):  # noqa: F811
    pair = both(CAPTURES, answers_with(200))
    show = lambda answer: (answer.status, answer.body if answer.status == 200 else answer.get("Location"), answer.get("X-Tenant"), answer.get("X-Taken"))
    for host in ("abc.one.test", "ABC.Two.test", "abc.three.test"):
        for target in TARGETS:
            same(pair.ask("GET", target, fields=[("Host", host)], show=show))


@beside_nginx
def test_groups_in_what_goes_to_a_service(both):  # noqa: F811
    http = """
    limit_req_zone $who zone=z:1m rate=1r/m;
    upstream blue { server @origin0@; }
    server {
        listen 127.0.0.1:@gate@;
        location ~ ^/to/(?<name>blue|green)/(?<tail>.*)$ { proxy_set_header X-Name "$name $1"; proxy_pass http://$name/v1/$tail$is_args$args; }
        location ~ ^/limited/(?<who>[a-z]+)$ { limit_req zone=z; proxy_pass http://@origin0@; }
    }
    """
    pair = both(http, lambda request: answer_bytes(200, request.get("X-Name", "-").encode() + b" " + request.target.encode()))
    assert same(pair.ask("GET", "/to/blue/a/b?c=d")) == (200, b"blue blue /v1/a/b?c=d")
    for target, status in (("/limited/ann", 200), ("/limited/bob", 200), ("/limited/ann", 503)):
        assert same(pair.ask("GET", target, show=lambda answer: answer.status)) == status


def test_a_log_line_has_named_groups(keepgate):
    gate = keepgate("""
    log_format own '$id $uri';
    server { listen 127.0.0.1:@gate@; access_log own.log own; location ~ ^/(?<id>[a-z]+)$ { return 204; } }
    """)
    with Client(gate.address()) as client:
        assert client.request("GET", "/word").status == 204
    wait_until(lambda: gate.read("own.log") == "word /word\n", 10, "not logged")


def test_a_group_of_another_request_is_never_seen(keepgate):
    gate = keepgate("""server { listen 127.0.0.1:@gate@; location ~ ^/a/(?<id>.+)$ { return 200 "$1 $id"; } location / { return 200 "[$1$id]"; } }""")
    with Client(gate.address()) as client:
        assert client.request("GET", "/a/secret").body == b"secret secret"
        assert client.request("GET", "/b").body == b"[]"


@pytest.mark.parametrize("wrong, says", [
    ("server { location ~ ^/(?<host>.*)$ { return 204; } }", "'$host' is already defined"),
    ("log_format x '$1';", "$1"),
    ("server { location ~ ^/(?<a-b>.*)$ { return 204; } }", "regular expression"),
    ("server { location ~ ^/x { return 200 $nobody; } }", 'unknown "nobody" variable'),
])
def test_what_groups_may_not(tmp_path, wrong, says):
    (tmp_path / "keepgate.conf").write_text("events {} http { %s }" % wrong)
    result = run_cli("-t", "-c", tmp_path / "keepgate.conf")
    assert result.returncode == 1 and says in result.stderr
