"""Bodies that wait: buffering on both sides, spill to disk, pace, trailers, interim answers, clients that leave."""
import hashlib
import os
import socket
import threading
import time

import pytest

from harness.origin import Close, Pieces, answer_bytes
from harness.ports import wait_until
from harness.wire import chunked, request_bytes

PROXY = "server { listen 127.0.0.1:@gate@; client_max_body_size 256m; location / { proxy_pass http://@origin@; %s } }"
MIB = 1 << 20


@pytest.fixture
def proxy(keepgate, origin):
    def build(answer=None, more="", conf=PROXY, **options):
        backend = origin(answer, **options)
        return keepgate(conf % more, values={"origin": backend.address}), backend

    return build


def resident_kib(gate):
    with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


def open_files(gate):
    folder = f"/proc/{gate.process.pid}/fd"
    found = []
    for name in os.listdir(folder):
        try:
            found.append(os.readlink(os.path.join(folder, name)))
        except FileNotFoundError:
            pass
    return found


def spilled(gate):
    return [path for path in open_files(gate) if path.endswith("(deleted)")]


# Request bodies


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 4096, 16384, 16385, 3 * MIB])
def test_a_body_arrives_whole_and_with_its_length(proxy, framing, size):
    gate, backend = proxy()
    body = os.urandom(size)
    head = {"Content-Length": size} if framing == "length" else {"Transfer-Encoding": "chunked"}
    with gate.connect(timeout=30) as client:
        client.send(request_bytes("PUT", "/up", head))
        for start in range(0, size, 65536):
            part = body[start : start + 65536]
            client.send(part if framing == "length" else b"%x\r\n%s\r\n" % (len(part), part))
        if framing == "chunked":
            client.send(b"0\r\n\r\n")
        assert client.read_response().status == 200
    assert backend.last.body == body
    assert backend.last.get("Content-Length") == str(size)
    assert backend.last.get("Transfer-Encoding") is None


def test_an_upload_that_is_not_complete_bothers_no_upstream(proxy):
    gate, backend = proxy()
    with gate.connect() as client:
        client.send(request_bytes("PUT", "/up", {"Content-Length": 1000}) + b"x" * 999)
        with gate.connect() as other:
            assert other.request("GET", "/other").status == 200
        assert len(backend.connections) == 1
        client.send(b"x")
        assert client.read_response().status == 200
    assert len(backend.last.body) == 1000


def test_a_large_upload_goes_to_a_file_without_a_name_and_not_to_memory(proxy, tmp_path):
    gate, backend = proxy(more=f"client_body_temp_path {tmp_path}/bodies; client_body_buffer_size 8k;")
    before = resident_kib(gate)
    digest = hashlib.sha256()
    with gate.connect(timeout=60) as client:
        client.send(request_bytes("PUT", "/up", {"Content-Length": 64 * MIB}))
        for _ in range(64):
            part = os.urandom(MIB)
            digest.update(part)
            client.send(part)
            assert os.listdir(f"{tmp_path}/bodies") == []
        assert client.read_response().status == 200
    assert hashlib.sha256(backend.last.body).digest() == digest.digest()
    assert resident_kib(gate) - before < 12 * 1024
    wait_until(lambda: not spilled(gate), 10)


def test_a_full_disk_refuses_the_upload_and_nothing_else(proxy):
    gate, backend = proxy(more="client_body_temp_path /var/tmp;")
    # The limit on a file's size stands for the disk: what does not fit cannot be written.
    import resource

    resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    with gate.connect() as client:
        client.send(request_bytes("PUT", "/up", {"Content-Length": MIB}))
        try:
            client.send(b"x" * MIB)
        except OSError:
            pass
        assert client.read_response().status == 500
    assert not backend.requests
    assert gate.get("/").status == 200
    assert gate.request("PUT", "/small", body=b"fits").status == 200


def test_without_request_buffering_chunks_stay_chunks(proxy):
    gate, backend = proxy(more="proxy_request_buffering off;")
    with gate.connect() as client:
        client.send(request_bytes("PUT", "/up", {"Transfer-Encoding": "chunked"}) + b"3\r\nabc\r\n")
        wait_until(lambda: backend.connections, 10)
        client.send(b"3\r\ndef\r\n0\r\n\r\n")
        assert client.read_response().status == 200
    assert (backend.last.body, backend.last.get("Transfer-Encoding")) == (b"abcdef", "chunked")


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_a_client_that_leaves_within_its_body_leaves_no_request_behind(proxy, buffering):
    answered = []
    gate, backend = proxy(lambda request: answered.append(request) or answer_bytes(), more=f"proxy_request_buffering {buffering};")
    with gate.connect() as client:
        client.send(request_bytes("PUT", "/up", {"Content-Length": 100000}) + b"x" * 50000)
        if buffering == "off":
            wait_until(lambda: backend.connections, 10)
    if buffering == "off":
        wait_until(lambda: backend.connections[0].closed, 10)
    assert gate.get("/after").status == 200
    assert [request.target for request in answered] == ["/after"]


def test_the_body_is_sent_again_to_the_next_server(keepgate, origin):
    broken, good = origin(lambda request: Close()), origin()
    gate = keepgate(
        "upstream u { server @broken@; server @good@; } server { listen 127.0.0.1:@gate@; location / { proxy_pass http://u; } }",
        values={"broken": broken.address, "good": good.address})
    body = os.urandom(200000)
    for _ in range(2):
        assert gate.request("PUT", "/up", body=body).status == 200
    assert all(request.body == body for request in good.requests)
    assert len(broken.requests) == 1


# Answers


def big(size, framing="length", close=False):
    body = os.urandom(MIB) * (size // MIB)

    def send(connection):
        try:
            if framing == "length":
                connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body)
            else:
                connection.socket.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for start in range(0, size, 100000):
                    part = body[start : start + 100000]
                    connection.socket.sendall(b"%x\r\n%s\r\n" % (len(part), part))
                connection.socket.sendall(b"0\r\n\r\n")
        except OSError:
            pass
        connection.done = True
        return not close

    return body, lambda request: send


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_slow_client_does_not_keep_the_upstream_busy(proxy, framing):
    body, answer = big(24 * MIB, framing)
    gate, backend = proxy(answer)
    before = resident_kib(gate)
    with gate.connect(timeout=60) as client:
        client.send(request_bytes("GET", "/"))
        wait_until(lambda: getattr(backend.connections and backend.connections[0], "done", False), 30)
        wait_until(lambda: spilled(gate), 10)
        assert resident_kib(gate) - before < 12 * 1024
        # The upstream's connection is free for others while this client has read nothing.
        assert not backend.connections[0].closed
        answer = client.read_response()
    assert answer.complete and hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()
    wait_until(lambda: not spilled(gate), 10)


@pytest.mark.parametrize("more", ["proxy_buffering off;", "proxy_max_temp_file_size 0;", "proxy_max_temp_file_size 1m;"])
def test_an_upstream_waits_for_a_slow_client_beyond_the_bounds(proxy, more):
    body, answer = big(64 * MIB)
    gate, backend = proxy(answer, more=more)
    before = resident_kib(gate)
    with gate.connect(timeout=60) as client:
        client.send(request_bytes("GET", "/"))
        wait_until(lambda: backend.requests, 10)
        # Others are served meanwhile; the upstream has not got rid of it all.
        with gate.connect() as other:
            other.send(request_bytes("HEAD", "/"))
            assert other.read_response("HEAD").status == 200
        assert not getattr(backend.connections[0], "done", False)
        assert resident_kib(gate) - before < 12 * 1024
        answer = client.read_response()
    assert answer.complete and answer.body == body


def test_x_accel_buffering_no_turns_it_off_for_one_answer(proxy):
    def send(connection):
        connection.socket.settimeout(0.5)
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nX-Accel-Buffering: no\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        try:
            connection.socket.sendall(b"x" * 64 * MIB)
        except (TimeoutError, OSError):
            connection.stuck = True
        return False

    gate, backend = proxy(lambda request: send)
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        wait_until(lambda: backend.connections and getattr(backend.connections[0], "stuck", False), 30)
        assert not spilled(gate)


def test_a_full_disk_slows_the_answer_down_and_loses_nothing(proxy):
    import resource

    body, answer = big(32 * MIB)
    gate, backend = proxy(answer)
    resource.prlimit(gate.process.pid, resource.RLIMIT_FSIZE, (65536, 65536))
    with gate.connect(timeout=60) as client:
        client.send(request_bytes("GET", "/"))
        wait_until(lambda: backend.requests, 10)
        answer = client.read_response()
    assert answer.complete and answer.body == body


def test_data_is_passed_on_as_it_comes_even_with_buffering(proxy):
    go_on = threading.Event()

    def send(connection):
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.socket.sendall(b"8\r\ndata: 1\n\r\n")
        go_on.wait(10)
        connection.socket.sendall(b"8\r\ndata: 2\n\r\n0\r\n\r\n")
        return True

    gate, backend = proxy(lambda request: send)
    with gate.connect() as client:
        client.send(request_bytes("GET", "/events"))
        wait_until(lambda: b"data: 1" in client.buffer or not client.receive(), 10)
        assert b"data: 1" in client.buffer and not go_on.is_set()
        go_on.set()
        assert client.read_response().body == b"data: 1\ndata: 2\n"


@pytest.mark.parametrize("more", ["limit_rate 64k;", "limit_rate $arg_rate;", "limit_rate 64k; proxy_buffering off;"])
def test_limit_rate_paces_an_answer(proxy, more):
    gate, backend = proxy(lambda request: answer_bytes(body=b"x" * 160 * 1024), more=more)
    start = time.monotonic()
    answer = gate.get("/?rate=64k")
    assert len(answer.body) == 160 * 1024
    # A second's worth at once, the rest at 64 KiB a second: not before 1.5 seconds.
    assert time.monotonic() - start > 1.3


@pytest.mark.parametrize("more", ["limit_rate 0;", "limit_rate 64k; limit_rate_after 1m;", "limit_rate $arg_none;"])
def test_without_a_rate_nothing_is_held_back(proxy, more):
    gate, backend = proxy(lambda request: answer_bytes(body=b"x" * 900 * 1024), more=more)
    with gate.connect(timeout=5) as client:  # At 64 KiB a second it would take 13.
        assert len(client.request("GET", "/").body) == 900 * 1024


def test_a_paced_client_may_leave(proxy):
    gate, backend = proxy(lambda request: answer_bytes(body=b"x" * 4 * MIB), more="limit_rate 1k;")
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert client.receive()
    assert gate.request("HEAD", "/").status == 200


# Trailers and interim answers

TRAILERS = b"X-Checksum: abc\r\nContent-Length: 3\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\nX-Accel-Redirect: /x\r\n"


def with_trailers(request):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello", trailers=TRAILERS)


def test_trailers_are_passed_on_if_asked_and_never_framing(proxy):
    gate, backend = proxy(with_trailers, more="proxy_pass_trailers on; proxy_hide_header Set-Cookie;")
    answer = gate.get("/")
    assert answer.body == b"hello"
    assert answer.trailers == [("X-Checksum", "abc")]


def test_trailers_are_dropped_by_default(proxy):
    gate, backend = proxy(with_trailers)
    answer = gate.get("/")
    assert (answer.body, answer.trailers) == (b"hello", [])


def test_interim_answers_are_passed_on(proxy):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: 1\r\n\r\n"
    gate, backend = proxy(lambda request: early + b"HTTP/1.1 102 Processing\r\n\r\n" + answer_bytes(body=b"final"))
    with gate.connect() as client:
        answer = client.request("GET", "/")
        assert (answer.status, answer.body, answer.interim) == (200, b"final", [103, 102])
        assert client.request("GET", "/").interim == [103, 102]


def test_a_client_of_http_1_0_gets_no_interim_answers(proxy):
    gate, backend = proxy(lambda request: b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer_bytes(body=b"final"))
    with gate.connect() as client:
        answer = client.request("GET", "/", version="HTTP/1.0")
    assert (answer.status, answer.body, answer.interim) == (200, b"final", [])


def test_a_flood_of_interim_answers_is_502(proxy):
    gate, backend = proxy(lambda request: Close(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + answer_bytes()))
    assert gate.get("/").status == 502


def test_an_early_answer_reaches_a_slow_client_that_is_still_uploading(proxy):
    body, answer = big(16 * MIB)
    gate, backend = proxy(answer, more="proxy_request_buffering off;", early=True)
    with gate.connect(timeout=30) as client:
        client.send(request_bytes("PUT", "/up", {"Content-Length": 1000}) + b"x" * 500)
        wait_until(lambda: getattr(backend.connections and backend.connections[0], "done", False), 30)
        answer = client.read_response()
    assert answer.complete and answer.body == body


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_an_early_answer_counts_though_most_of_a_stored_body_was_not_taken(proxy, method):
    """The backend reads the head alone, answers and closes: bytes wait on both sides."""
    gate, backend = proxy(
        lambda request: Close(answer_bytes(status=413, body=b"too large for me", reason="No")),
        more="client_body_buffer_size 8m; client_max_body_size 0;",
        early=True,
    )
    answer = gate.request(method, "/up", body=b"b" * (6 * MIB))
    assert (answer.status, answer.body) == (413, b"too large for me") and answer.complete
    assert len(backend.requests) == 1, "asked once"


# Clients that leave or half leave


def waiting(seen, gone):
    def serve(connection):
        seen.set()
        try:
            connection.receive()
        except Exception:
            gone.set()
        return False

    return lambda request: serve


def test_the_upstream_is_let_go_when_its_client_has_gone(proxy):
    seen, gone = threading.Event(), threading.Event()
    gate, backend = proxy(waiting(seen, gone))
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert seen.wait(10)
    assert gone.wait(10)


def test_proxy_ignore_client_abort_finishes_what_was_begun(proxy):
    seen, finish = threading.Event(), threading.Event()
    told = []

    def serve(connection):
        seen.set()
        finish.wait(10)
        connection.socket.sendall(answer_bytes(body=b"x" * 100000))
        told.append(connection.number)
        return True

    gate, backend = proxy(lambda request: serve, more="proxy_ignore_client_abort on;")
    with gate.connect() as client:
        client.send(request_bytes("GET", "/"))
        assert seen.wait(10)
    # The client is gone; others are served on the same worker, then the backend answers to nobody.
    finish.set()
    wait_until(lambda: told, 10)
    assert gate.get("/again").status == 200
    wait_until(lambda: len(told) == 2, 10)


def test_a_half_closed_client_gets_its_answer_over_a_new_connection(proxy):
    gate, backend = proxy()
    with gate.connect() as client:
        client.send(request_bytes("GET", "/", {"Connection": "close"}))
        client.finish_sending()
        answer = client.read_response()
    assert (answer.status, answer.complete) == (200, True)


def test_a_head_as_large_as_proxy_buffer_size_allows(proxy):
    field = {"X-Large": "x" * 60000}
    gate, backend = proxy(lambda request: answer_bytes(fields=field), more="proxy_buffer_size 64k;")
    assert gate.get("/").get("X-Large") == field["X-Large"]
    gate, backend = proxy(lambda request: answer_bytes(fields=field))
    assert gate.get("/").status == 502


def test_slow_pieces_of_an_answer_arrive_whole(proxy):
    body = bytes(range(256)) * 8
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: %d\r\n\r\n" % len(body)] + [body[i : i + 100] for i in range(0, len(body), 100)]
    gate, backend = proxy(lambda request: Pieces(pieces))
    assert gate.get("/").body == body
