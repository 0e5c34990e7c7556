"""allow, deny and satisfy: with credentials, and without any as nginx decides."""
import pytest

from harness import nginx
from harness.gate import run_cli
from harness.jose import claims
from harness.wire import Client

CONF = """
server {
    listen 127.0.0.1:@gate@;
    set_real_ip_from 127.0.0.1;
    error_page 403 = @forbidden;
    location @forbidden { return 403 "kept out\\n"; }
    location /all/ {
        allow 10.0.0.0/8; deny 10.1.0.0/16; allow 2001:db8::/32; deny all;
        proxy_pass http://@origin@;
    }
    location /order/ { deny 10.1.0.0/16; allow 10.0.0.0/8; deny all; proxy_pass http://@origin@; }
    location /open/ { proxy_pass http://@origin@; location /open/but/ { deny all; proxy_pass http://@origin@; } }
    location /both/ { allow 10.0.0.0/8; deny all; auth_jwt x; auth_jwt_key_file keys.json; proxy_pass http://@origin@; }
    location /any/ {
        satisfy any; allow 10.0.0.0/8; deny all; auth_jwt x; auth_jwt_key_file keys.json; proxy_pass http://@origin@;
        proxy_set_header X-Sub $jwt_claim_sub;
    }
    location /return/ { deny all; return 200 "open, as in nginx\\n"; }
}
"""


@pytest.fixture(scope="module")
def world(module_keepgate, module_origin, jose):
    backend = module_origin()
    gate = module_keepgate(CONF, files={"keys.json": jose.set_of(jose.key("ES256"))}, values={"origin": backend.address})
    return gate, backend, {"Authorization": "Bearer " + jose.sign("ES256", claims())}


def test_a_token_that_nobody_verified_says_nothing_where_the_address_was_enough(world, jose):
    gate, backend, good = world
    forged = {"Authorization": "Bearer " + jose.sign("ES256", claims(sub="admin"), "another")}
    assert status(world, "/any/", "10.0.0.1", forged) == 200
    assert backend.last.get("X-Sub") in (None, "")
    assert status(world, "/any/", "11.0.0.1", good) == 200
    assert backend.last.get("X-Sub")
    assert status(world, "/any/", "11.0.0.1", forged) == 401


def status(world, path, address, headers=None):
    fields = [("X-Real-IP", address), *(headers or {}).items()]
    return world[0].get(path, fields).status


@pytest.mark.parametrize("path, address, expected", [
    ("/all/", "10.2.0.1", 200),
    ("/all/", "10.1.0.1", 200),       # The first rule that matches decides.
    ("/all/", "11.0.0.1", 403),
    ("/all/", "2001:db8::1", 200),
    ("/all/", "2001:db9::1", 403),
    ("/all/", "127.0.0.1", 403),
    ("/order/", "10.1.0.1", 403),
    ("/order/", "10.2.0.1", 200),
    ("/open/", "11.0.0.1", 200),
    ("/open/but/", "10.0.0.1", 403),
    ("/return/", "10.0.0.1", 200),
])
def test_the_first_rule_that_matches_decides(world, path, address, expected):
    world[1].forget()
    assert status(world, path, address) == expected
    assert len(world[1].requests) == (1 if expected == 200 and path != "/return/" else 0)


def test_all_wants_address_and_credential(world):
    token = world[2]
    assert status(world, "/both/", "10.0.0.1", token) == 200
    assert status(world, "/both/", "10.0.0.1") == 401
    assert status(world, "/both/", "11.0.0.1", token) == 403
    assert status(world, "/both/", "11.0.0.1") == 403


def test_any_wants_one_of_them(world):
    token = world[2]
    assert status(world, "/any/", "10.0.0.1") == 200
    assert status(world, "/any/", "11.0.0.1", token) == 200
    assert status(world, "/any/", "11.0.0.1") == 401
    assert status(world, "/any/", "11.0.0.1", {"Authorization": token["Authorization"] + "x"}) == 401


def test_a_refusal_by_address_has_an_error_page(world):
    answer = world[0].get("/all/", [("X-Real-IP", "11.0.0.1")])
    assert (answer.status, answer.body) == (403, b"kept out\n")


RULES = {
    "order": "allow 10.0.0.0/8; deny 10.1.0.0/16; deny all;",
    "reversed": "deny 10.1.0.0/16; allow 10.0.0.0/8; deny all;",
    "open": "deny 192.0.2.7;",
    "allow": "allow 192.0.2.7;",
    "all": "deny all; allow all;",
    "six": "allow 2001:db8::/32; deny 2001:db8:1::/48; deny all;",
    "unix": "allow unix:; deny all;",
    "bits": "allow 10.1.2.3/8; deny 0.0.0.0/0;",
    "any": "satisfy any; allow 10.0.0.0/8;",
    "any_denied": "satisfy any; allow 10.0.0.0/8; deny all;",
    "all_denied": "satisfy all; deny 10.0.0.0/8;",
}
ADDRESSES = ["10.0.0.1", "10.1.2.3", "10.255.255.255", "11.0.0.0", "9.255.255.255", "192.0.2.7", "192.0.2.8", "2001:db8::1", "2001:db8:1::1",
             "2001:db7:ffff::", "2001:db9::", "::1", "::ffff:10.0.0.1", "::ffff:11.0.0.1", "127.0.0.1"]


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
def test_rules_decide_as_in_nginx(module_keepgate, module_origin):
    locations = "".join(f"location /{name}/ {{ {rules} proxy_pass http://{module_origin().address}; }}" for name, rules in RULES.items())
    http = ("server { listen 127.0.0.1:@gate@; set_real_ip_from 127.0.0.1; deny 11.0.0.0; "
            f"{locations} location /inherits/ {{ proxy_pass http://{module_origin().address}; }} }}")
    gate = module_keepgate(http)
    peer = nginx.Nginx(http)

    def statuses(address):
        with Client(address) as client:
            return {(name, source): client.request("GET", f"/{name}/", fields=[("X-Real-IP", source)]).status
                    for name in (*RULES, "inherits") for source in ADDRESSES}

    try:
        ours, theirs = statuses(gate.address()), statuses(peer.address)
    finally:
        peer.close()
    assert {key: (ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]} == {}
    assert set(ours.values()) == {200, 403}


def test_a_rule_on_a_mapped_address_is_on_the_address_itself(keepgate, origin):
    """In nginx such a rule is never asked: what looks denied is open."""
    http = ("server { listen 127.0.0.1:@gate@; set_real_ip_from 127.0.0.1; "
            "location / { deny ::ffff:10.0.0.1; allow all; proxy_pass http://@origin@; } }")
    gate = keepgate(http, values={"origin": origin().address})
    answers = {source: gate.get("/", fields=[("X-Real-IP", source)]).status for source in ("10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "::1")}
    assert answers == {"10.0.0.1": 403, "::ffff:10.0.0.1": 403, "10.0.0.2": 200, "::1": 200}


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("directives", [
    "allow all;", "deny unix:;", "allow 10.0.0.0/8;", "allow 10.1.2.3/8;", "allow 0.0.0.0/0;", "allow ::/0;", "allow ::1;",
    "allow;", "deny;", "allow 10.0.0.0/33;", "allow 10.0.0/8;", "allow 10.0.0.1/;", "deny 300.1.1.1;", "deny x;", "allow ::1/129;", "allow [::1];",
    "allow all all;", "allow unix;", "allow 10.0.0.1:80;", "satisfy any;", "satisfy all;", "satisfy;", "satisfy maybe;", "satisfy any all;",
    "satisfy any; satisfy all;",
])
def test_what_nginx_refuses_does_not_load_either(keepgate, directives):
    http = "server { listen 127.0.0.1:@gate@; location / { return 204; %s } }" % directives
    gate = keepgate(http, start=False)
    ours = run_cli("-t", "-c", gate.path("keepgate.conf"), cwd=gate.folder)
    assert (ours.returncode == 0) == nginx.accepts(http), ours.stderr
