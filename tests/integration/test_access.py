"""allow, deny and satisfy, alone and with credentials."""
import pytest

from harness.jose import claims

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
    }
    location /return/ { deny all; return 200 "open, as in nginx\\n"; }
}
"""


@pytest.fixture(scope="module")
def world(module_keepgate, module_origin, jose):
    backend = module_origin()
    gate = module_keepgate(CONF, files={"keys.json": jose.set_of(jose.key("ES256"))}, values={"origin": backend.address})
    return gate, backend, {"Authorization": "Bearer " + jose.sign("ES256", claims())}


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
