"""Upstreams that fail at every place, by closing, by resetting and by falling silent: a client gets the right status or a
connection that ends visibly, never a part that looks like a whole; what follows is answered by a clean connection."""
import pytest

from harness.origin import Close, Pieces, Reset, answer_bytes
from harness.ports import wait_until
from harness.wire import Truncated, chunked, request_bytes

CONF = """
upstream pool { server @origin@; keepalive 8; }
server { listen 127.0.0.1:@gate@; location / { proxy_pass http://pool; proxy_read_timeout 250ms; proxy_pass_trailers on; %s } }
"""
BODY = b"0123456789" * 3
ANSWERS = {
    "length": answer_bytes(body=BODY, fields={"X-One": "1"}),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunked(BODY[:7], BODY[7:20], BODY[20:], trailers=b"X-Sum: 1\r\n"),
}


@pytest.fixture(scope="module")
def scripted(module_keepgate, module_origin):
    """The path says how the answer breaks: /framing/offset/way, or /clean."""

    def answer(request):
        if request.target == "/clean":
            return answer_bytes(body=b"clean")
        _, framing, offset, way = request.target.split("/")
        data = ANSWERS[framing][: int(offset)]
        if way == "silence":
            return Pieces([data], pause=2.0, close=True)
        return Reset(data) if way == "reset" else Close(data)

    backend = module_origin(answer)
    return module_keepgate(CONF % "", values={"origin": backend.address}), backend


@pytest.mark.parametrize("way", ["close", "reset"])
@pytest.mark.parametrize("framing", sorted(ANSWERS))
def test_an_answer_that_breaks_at_any_byte_is_never_taken_for_whole(scripted, framing, way):
    gate, backend = scripted
    whole = ANSWERS[framing]
    head = whole.index(b"\r\n\r\n") + 4
    for offset in range(len(whole)):
        with gate.connect() as client:
            client.send(request_bytes("GET", f"/{framing}/{offset}/{way}"))
            try:
                answer = client.read_response()
            except Truncated:
                assert offset >= head, offset
                continue
            if offset < head:
                assert answer.status == 502, offset
                assert client.request("GET", "/clean").body == b"clean"
            else:
                assert not answer.complete, f"cut at {offset} of {len(whole)}: {answer}"
                assert BODY.startswith(answer.body)


@pytest.mark.parametrize("framing", sorted(ANSWERS))
def test_an_answer_that_falls_silent_ends_after_proxy_read_timeout(scripted, framing):
    gate, backend = scripted
    whole = ANSWERS[framing]
    head = whole.index(b"\r\n\r\n") + 4
    for offset in (0, 5, head - 1, head, head + 3, len(whole) - 1):
        with gate.connect() as client:
            client.send(request_bytes("GET", f"/{framing}/{offset}/silence"))
            try:
                answer = client.read_response()
            except Truncated:
                assert offset >= head, offset
                continue
            assert answer.status == 504 if offset < head else not answer.complete, offset


def test_the_whole_answer_is_whole(scripted):
    gate, backend = scripted
    for framing, whole in ANSWERS.items():
        answer = gate.get(f"/{framing}/{len(whole)}/close")
        assert (answer.status, answer.body, answer.complete) == (200, BODY, True)


@pytest.mark.parametrize("way", [Close(), Reset(), Close(b"garbage\r\n\r\n"), Reset(b"HTTP/1.1 200 OK\r\n")], ids=str)
def test_a_post_is_never_sent_twice(keepgate, origin, way):
    broken, good = origin(lambda request: way), origin()
    gate = keepgate(
        "upstream u { server @broken@ max_fails=0; server @good@; } server { listen 127.0.0.1:@gate@; "
        "location / { proxy_pass http://u; proxy_next_upstream error timeout invalid_header; } }",
        values={"broken": broken.address, "good": good.address})
    statuses = [gate.request("POST", f"/{i}", body=b"x").status for i in range(6)]
    seen = [request.target for request in broken.requests + good.requests]
    assert sorted(seen) == sorted(set(seen)) and len(seen) == 6
    assert sorted(statuses) == [200] * 3 + [502] * 3


@pytest.mark.parametrize("word, status", [("http_500", 500), ("http_503", 503), ("http_404", 404), ("http_429", 429)])
def test_proxy_next_upstream_goes_on_after_a_listed_status_and_passes_others_on(keepgate, origin, word, status):
    bad, good = origin(lambda request: answer_bytes(status, b"bad")), origin()
    http = ("upstream u { server @bad@ max_fails=0; server @good@; } server { listen 127.0.0.1:@gate@; "
            "location / { proxy_pass http://u; proxy_next_upstream %s; } }")
    values = {"bad": bad.address, "good": good.address}
    listed = keepgate(http % word, values=values)
    assert [listed.get("/").status for _ in range(4)] == [200] * 4
    others = keepgate(http % "error http_502", values=values)
    assert sorted(others.get("/").status for _ in range(4)) == [200, 200, status, status]


def test_the_last_server_s_answer_is_passed_on(keepgate, origin):
    first, second = origin(lambda r: answer_bytes(503, b"first")), origin(lambda r: answer_bytes(503, b"second"))
    gate = keepgate("upstream u { server @first@ max_fails=0; server @second@ max_fails=0; } server { listen 127.0.0.1:@gate@; "
                    "location / { proxy_pass http://u; proxy_next_upstream http_503; proxy_next_upstream_tries 2; } }",
                    values={"first": first.address, "second": second.address})
    answer = gate.get("/")
    assert (answer.status, answer.body) == (503, b"second")


def test_tries_are_bounded(keepgate, origin):
    backends = [origin(lambda request: answer_bytes(503)) for _ in range(4)]
    servers = " ".join(f"server {one.address} max_fails=0;" for one in backends)
    gate = keepgate("upstream u { %s } server { listen 127.0.0.1:@gate@; location / { proxy_pass http://u; "
                    "proxy_next_upstream http_503; proxy_next_upstream_tries 3; } }" % servers)
    assert gate.get("/").status == 503
    assert sum(len(one.requests) for one in backends) == 3


@pytest.mark.parametrize(
    "data", [b"\x00" * 100, b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx", b"\xff" * 40000],
    ids=["zeros", "ssh", "bare line feeds", "too much"])
def test_garbage_is_502_and_the_connection_is_not_used_again(keepgate, origin, data):
    backend = origin(lambda request: data if request.target == "/bad" else answer_bytes(body=b"good"))
    gate = keepgate(CONF % "", values={"origin": backend.address})
    with gate.connect() as client:
        assert client.request("GET", "/bad").status == 502
        assert client.request("GET", "/good").body == b"good"
    wait_until(lambda: backend.connections[0].closed, 10)


def test_two_answers_for_one_question(keepgate, origin):
    backend = origin(lambda request: answer_bytes(body=b"mine") + answer_bytes(body=b"poison"))
    gate = keepgate(CONF % "", values={"origin": backend.address})
    for _ in range(5):
        assert gate.get("/").body == b"mine"
