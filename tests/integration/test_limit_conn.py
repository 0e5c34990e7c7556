"""limit_conn: requests under way at the same time, seen from outside. The origin holds answers back by an event."""
import socket
import threading

import pytest

from harness.jose import claims
from harness.origin import answer_bytes
from harness.ports import wait_until
from harness.wire import request_bytes

PROXIED = "server { listen 127.0.0.1:@gate@; %s location / { %s proxy_pass http://@origin@; } }"


class Held:
    """An origin that answers /hold… only when told, everything else at once."""

    def __init__(self, origin):
        self.release = threading.Event()
        self.origin = origin(lambda request: self.answer(request))

    def answer(self, request):
        if request.target.startswith("/hold"):
            self.release.wait(20)
        return answer_bytes()

    def waiting(self, count):
        wait_until(lambda: len([one for one in self.origin.requests if one.target.startswith("/hold")]) >= count)


@pytest.fixture
def held(origin):
    one = Held(origin)
    yield one
    one.release.set()


def gate_with(keepgate, held, zone, inside, outside="", **options):
    return keepgate(
        f"limit_conn_zone {zone};\n" + PROXIED % (outside, inside), values={"origin": held.origin.address}, **options
    )


def hold(gate, held, count, fields=()):
    """`count` requests that are under way until the origin lets go of them."""
    before = len(held.origin.requests)
    clients = [gate.connect() for _ in range(count)]
    for client in clients:
        client.send(request_bytes("GET", "/hold", fields))
    wait_until(lambda: len(held.origin.requests) >= before + count)
    return clients


def test_the_limit_is_reached_and_one_more_is_refused(keepgate, held):
    gate = gate_with(keepgate, held, "$remote_addr zone=z:1m", "limit_conn z 3;")
    clients = hold(gate, held, 2)
    assert gate.get("/x").status == 200, "at the limit"
    clients += hold(gate, held, 1)
    assert gate.get("/x").status == 503, "one past it"
    assert len([one for one in held.origin.requests if one.target == "/x"]) == 1
    held.release.set()
    assert [client.read_response().status for client in clients] == [200] * 3
    assert gate.get("/x").status == 200, "who is done does not count"
    wait_until(lambda: 'limiting connections by zone "z"' in gate.read("error.log"))


def test_an_idle_connection_and_half_a_head_do_not_count(keepgate, held):
    gate = gate_with(keepgate, held, "$remote_addr zone=z:1m", "limit_conn z 1;")
    with gate.connect() as idle, gate.connect() as half:
        assert idle.request("GET", "/x").status == 200
        half.send(b"GET /x HTTP/1.1\r\nHost: test\r\n")
        assert gate.get("/x").status == 200
        assert idle.request("GET", "/x").status == 200


def test_status_and_keys_apart(keepgate, held):
    gate = gate_with(keepgate, held, "$http_x_key zone=z:1m", "limit_conn z 1; limit_conn_status 429;")
    hold(gate, held, 1, {"X-Key": "a"})
    assert gate.get("/x", {"X-Key": "a"}).status == 429
    assert gate.get("/x", {"X-Key": "b"}).status == 200
    assert gate.get("/x").status == 200, "an empty key is not limited"
    hold(gate, held, 1, {"X-Key": "k" * 256})
    assert gate.get("/x", {"X-Key": "k" * 256}).status == 200, "nor is one that is too long"
    wait_until(lambda: "more than 255 bytes" in gate.read("error.log"))


def test_dry_run_tells_and_refuses_nothing(keepgate, held):
    gate = gate_with(
        keepgate, held, "$remote_addr zone=z:1m",
        "limit_conn z 1; limit_conn_dry_run on; add_header X-Limit $limit_conn_status always;",
    )
    hold(gate, held, 1)
    answer = gate.get("/x")
    assert (answer.status, answer.get("X-Limit")) == (200, "REJECTED_DRY_RUN")
    wait_until(lambda: 'limiting connections, dry run, by zone "z"' in gate.read("error.log"))


def test_status_variable(keepgate, held):
    gate = gate_with(keepgate, held, "$http_x_key zone=z:1m", "limit_conn z 1; add_header X-Limit $limit_conn_status always;")
    assert gate.get("/x", {"X-Key": "a"}).get("X-Limit") == "PASSED"
    assert gate.get("/x").get("X-Limit") is None
    hold(gate, held, 1, {"X-Key": "a"})
    assert gate.get("/x", {"X-Key": "a"}).get("X-Limit") == "REJECTED"


@pytest.mark.parametrize("how", ["reset", "close", "half_close"])
def test_a_client_that_goes_away_gives_its_place_back(keepgate, held, how):
    gate = gate_with(keepgate, held, "$remote_addr zone=z:1m", "limit_conn z 1;")
    (client,) = hold(gate, held, 1)
    assert gate.get("/x").status == 503
    if how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    if how == "half_close":
        client.finish_sending()
    else:
        client.close()
    wait_until(lambda: gate.get("/x").status == 200, 15)


def test_every_kind_of_ending_gives_the_place_back(keepgate, origin):
    """Broken answers, refusals, too large bodies, pipelined requests: afterwards there is room for exactly one."""
    def answer(request):
        return b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n" if request.target == "/bad" else answer_bytes()

    backend = origin(answer)
    gate = keepgate(
        "limit_conn_zone $server_port zone=z:1m;" + PROXIED % ("limit_conn z 1;", "client_max_body_size 10;"),
        values={"origin": backend.address},
    )
    assert gate.get("/bad").status == 502
    assert gate.request("POST", "/x", body=b"y" * 100).status == 413
    assert gate.request("POST", "/x", {"Transfer-Encoding": "chunked"}, b"nonsense\r\n").status == 400
    with gate.connect() as client:
        client.send(request_bytes("GET", "/x") * 3)
        assert [client.read_response().status for _ in range(3)] == [200] * 3
    assert gate.get("/x").status == 200


def test_counts_once_whatever_an_error_page_leads_to(keepgate, held):
    gate = keepgate(
        "limit_conn_zone $remote_addr zone=z:1m; limit_conn z 1; proxy_intercept_errors on; error_page 503 = @busy;"
        "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; }"
        " location @busy { proxy_pass http://@origin@; } }",
        values={"origin": held.origin.address},
    )
    hold(gate, held, 1)
    assert gate.get("/x").status == 200, "the error page itself is not counted again"


def test_several_zones_and_inheritance(keepgate, held):
    gate = keepgate(
        "limit_conn_zone $remote_addr zone=all:1m; limit_conn_zone $http_x_key zone=key:1m; limit_conn all 3;"
        + PROXIED % ("", "limit_conn all 3; limit_conn key 1;")
        + "server { listen 127.0.0.1:@other@; limit_conn_status 429; location / { proxy_pass http://@origin@; } }",
        values={"origin": held.origin.address},
    )
    hold(gate, held, 1, {"X-Key": "a"})
    assert [gate.get("/x", {"X-Key": "a"}).status for _ in range(5)] == [503] * 5, "and zone all keeps nothing of them"
    assert gate.get("/x", {"X-Key": "b"}).status == 200
    hold(gate, held, 2)
    assert gate.get("/x").status == 503
    assert gate.get("/x", name="other").status == 429


def test_a_zone_is_shared_by_all_workers_and_kept_over_a_reload(keepgate, held):
    gate = gate_with(keepgate, held, "$remote_addr zone=z:1m", "limit_conn z 8;", workers=4)
    hold(gate, held, 8)
    assert [gate.get("/x").status for _ in range(8)] == [503] * 8
    gate.reload()
    assert [gate.get("/x").status for _ in range(8)] == [503] * 8
    held.release.set()
    wait_until(lambda: gate.get("/x").status == 200)


def test_limits_come_before_authentication_and_after_limit_req(keepgate, held, jose):
    gate = keepgate(
        "limit_conn_zone $server_port zone=z:1m; limit_req_zone $server_port zone=r:1m rate=1r/m;"
        "server { listen 127.0.0.1:@gate@; location /hold { limit_conn z 1; proxy_pass http://@origin@; }"
        " location / { limit_conn z 1; limit_req zone=r burst=1 nodelay; limit_req_status 429;"
        ' auth_jwt "x"; auth_jwt_key_file k.json; proxy_pass http://@origin@; } }',
        files={"k.json": jose.set_of(jose.key("HS256"))}, values={"origin": held.origin.address},
    )
    hold(gate, held, 1)
    assert [gate.get("/x").status for _ in range(3)] == [503, 503, 429]


def test_after_auth_counts_by_verified_identity(keepgate, held, jose):
    gate = gate_with(
        keepgate, held, "$client_id zone=z:1m", "limit_conn z 1; limit_conn_status 429;",
        'auth_jwt "x"; auth_jwt_key_file k.json;', files={"k.json": jose.set_of(jose.key("HS256"))},
    )
    one, two = ({"Authorization": "Bearer " + jose.sign("HS256", claims() | {"client_id": name})} for name in ("one", "two"))
    hold(gate, held, 1, one)
    forged = {"Authorization": one["Authorization"][:-6] + "AAAAAA"}
    assert gate.get("/x", forged).status == 401
    assert gate.get("/x", one).status == 429
    assert gate.get("/x", two).status == 200


def test_a_full_zone_refuses_whoever_is_new(keepgate, held):
    """Shown at the unit level for a whole table; here that the smallest zone holds what it should."""
    gate = gate_with(keepgate, held, "$http_x_key zone=z:32k", "limit_conn z 1;")
    for number in range(40):
        assert gate.get("/x", {"X-Key": f"key-{number}"}).status == 200
