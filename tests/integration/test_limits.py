"""limit_req with nginx's arithmetic, seen from outside. Rates are so slow or so fast that time plays no part."""
import threading
import time

import pytest

from harness.jose import claims

SERVER = "server { listen 127.0.0.1:@gate@; %s location / { %s return 200 ok; } }"
PROXIED = "server { listen 127.0.0.1:@gate@; %s location / { %s proxy_pass http://@origin@; } }"


def statuses(gate, count, fields=(), path="/x"):
    with gate.connect() as client:
        return [client.request("GET", path, fields).status for _ in range(count)]


def gate_with(keepgate, origin, zone, inside, **options):
    return keepgate(f"limit_req_zone {zone};\n" + PROXIED % ("", inside), values={"origin": origin().address}, **options)


@pytest.mark.parametrize("burst, passed", [("", 1), ("burst=1 nodelay", 2), ("burst=5 nodelay", 6), ("burst=10 delay=10", 11)])
def test_a_burst_passes_and_the_rest_is_refused(keepgate, origin, burst, passed):
    gate = gate_with(keepgate, origin, "$remote_addr zone=z:1m rate=1r/m", f"limit_req zone=z {burst};")
    assert statuses(gate, passed + 4) == [200] * passed + [503] * 4


def test_limit_req_status_and_no_hints_by_default(keepgate, origin):
    gate = gate_with(keepgate, origin, "$remote_addr zone=z:1m rate=1r/m", "limit_req zone=z; limit_req_status 429;")
    assert statuses(gate, 2) == [200, 429]
    answer = gate.get("/x")
    assert answer.status == 429
    assert not answer.all("Retry-After") and not answer.all("RateLimit") and not answer.all("RateLimit-Limit")


def test_hints_when_asked_for(keepgate, origin):
    gate = gate_with(keepgate, origin, "$remote_addr zone=z:1m rate=2r/m", "limit_req zone=z; limit_req_status 429; limit_req_headers on;")
    assert statuses(gate, 1) == [200]
    answer = gate.get("/x")
    assert answer.status == 429
    assert 1 <= int(answer.get("Retry-After")) <= 31


def test_keys_are_counted_apart_and_an_empty_key_is_not_limited(keepgate, origin):
    gate = gate_with(keepgate, origin, "$http_x_key zone=z:1m rate=1r/m", "limit_req zone=z;")
    assert statuses(gate, 2, {"X-Key": "a"}) == [200, 503]
    assert statuses(gate, 2, {"X-Key": "b"}) == [200, 503]
    assert statuses(gate, 5) == [200] * 5
    assert statuses(gate, 1, {"X-Key": "a"}) == [503]


def test_a_delayed_request_waits_and_passes(keepgate, origin):
    """20 r/s, burst 3 without nodelay: three requests wait about 50 ms each."""
    gate = gate_with(keepgate, origin, "$remote_addr zone=z:1m rate=20r/s", "limit_req zone=z burst=3;")
    started = time.monotonic()
    assert statuses(gate, 4) == [200] * 4
    assert time.monotonic() - started >= 0.12


def test_a_rejected_request_is_not_charged_in_any_zone(keepgate, origin):
    backend = origin()
    gate = keepgate(
        "limit_req_zone $http_x_a zone=a:1m rate=1r/m; limit_req_zone $http_x_b zone=b:1m rate=1r/m;"
        + PROXIED % ("", "limit_req zone=a; limit_req zone=b burst=1 nodelay;"),
        values={"origin": backend.address},
    )
    assert statuses(gate, 3, {"X-A": "1", "X-B": "1"}) == [200, 503, 503]
    assert statuses(gate, 1, {"X-A": "2", "X-B": "1"}) == [200], "zone b was charged once only"
    assert statuses(gate, 1, {"X-A": "3", "X-B": "1"}) == [503]
    assert statuses(gate, 1, {"X-A": "3", "X-B": "9"}) == [200], "zone a was not charged by the rejection"


def test_dry_run_counts_and_lets_pass(keepgate, origin):
    gate = gate_with(
        keepgate, origin, "$remote_addr zone=z:1m rate=1r/m",
        "limit_req zone=z; limit_req_dry_run on; add_header X-Limit $limit_req_status always;",
    )
    with gate.connect() as client:
        answers = [client.request("GET", "/x") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert [answer.get("X-Limit") for answer in answers] == ["PASSED", "REJECTED_DRY_RUN", "REJECTED_DRY_RUN"]


def test_inner_limits_replace_outer_ones(keepgate, origin):
    backend = origin()
    gate = keepgate(
        "limit_req_zone $remote_addr zone=few:1m rate=1r/m; limit_req_zone $remote_addr zone=many:1m rate=1r/m;"
        "server { listen 127.0.0.1:@gate@; limit_req zone=few; location / { proxy_pass http://@origin@; }"
        " location /many/ { limit_req zone=many burst=3 nodelay; proxy_pass http://@origin@; } }",
        values={"origin": backend.address},
    )
    assert statuses(gate, 5, path="/many/x") == [200] * 4 + [503]
    assert statuses(gate, 2) == [200, 503]


def test_return_comes_before_limits_as_in_nginx(keepgate):
    gate = keepgate("limit_req_zone $remote_addr zone=z:1m rate=1r/m;" + SERVER % ("limit_req zone=z;", ""))
    assert statuses(gate, 5) == [200] * 5


def test_limits_come_before_authentication(keepgate, origin, jose):
    backend = origin()
    gate = keepgate(
        "limit_req_zone $remote_addr zone=z:1m rate=1r/m;"
        + PROXIED % ('auth_jwt "x"; auth_jwt_key_file k.json;', "limit_req zone=z burst=1 nodelay;"),
        files={"k.json": jose.set_of(jose.key("HS256"))}, values={"origin": backend.address},
    )
    assert statuses(gate, 4) == [401, 401, 503, 503]
    assert not backend.requests


def test_after_auth_is_keyed_on_verified_identity(keepgate, origin, jose):
    backend = origin()
    gate = keepgate(
        "limit_req_zone $client_id zone=z:1m rate=1r/m; limit_req_status 429;"
        + PROXIED % ('auth_jwt "x"; auth_jwt_key_file k.json;', "limit_req zone=z burst=1 nodelay after=auth;"),
        files={"k.json": jose.set_of(jose.key("HS256"))}, values={"origin": backend.address},
    )
    one, two = ({"Authorization": "Bearer " + jose.sign("HS256", claims() | {"client_id": name})} for name in ("one", "two"))
    forged = {"Authorization": one["Authorization"][:-6] + "AAAAAA"}
    assert statuses(gate, 3, forged) == [401] * 3, "a forger spends nobody's budget"
    assert statuses(gate, 3, one) == [200, 200, 429]
    assert statuses(gate, 3, two) == [200, 200, 429]


def test_a_zone_is_shared_by_all_workers(keepgate, origin):
    """Many connections, spread over the workers by the kernel: together they get one burst."""
    gate = gate_with(keepgate, origin, "$remote_addr zone=z:1m rate=1r/m", "limit_req zone=z burst=19 nodelay;", workers=4)
    results, threads = [], []
    for _ in range(40):
        threads.append(threading.Thread(target=lambda: results.append(gate.get("/x").status)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [200] * 20 + [503] * 20


def test_a_small_zone_forgets_the_oldest_and_stays_small(keepgate, origin):
    gate = gate_with(keepgate, origin, "$http_x_key zone=z:32k rate=1r/m", "limit_req zone=z;")
    for start in range(0, 2000, 500):  # A connection carries 1000 requests.
        with gate.connect() as client:
            for number in range(start, start + 500):
                assert client.request("GET", "/x", {"X-Key": f"key-{number}"}).status == 200
    with gate.connect() as client:
        assert client.request("GET", "/x", {"X-Key": "key-1999"}).status == 503, "the newest is remembered"


def test_a_reload_keeps_the_counts(keepgate, origin):
    gate = gate_with(keepgate, origin, "$remote_addr zone=z:1m rate=1r/m", "limit_req zone=z burst=2 nodelay;")
    assert statuses(gate, 2) == [200, 200]
    gate.reload()
    assert statuses(gate, 2) == [200, 503]
