"""Request framing: what is ambiguous is refused, and a canary on the same connections stays unpoisoned.

Judged by what a recording backend received. Sources: RFC 9112 §2.2, §3.2, §5, §6, §7; the security checklist, part A.
"""
import pytest

from harness.origin import answer_bytes
from harness.wire import chunked, request_bytes

CONF = """
upstream pool { server @origin@; keepalive 4; }
server { listen 127.0.0.1:@gate@; location / { proxy_pass http://pool; } }
"""
SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"


@pytest.fixture(scope="module")
def pair(module_keepgate, module_origin):
    backend = module_origin(lambda request: answer_bytes(body=request.target.encode()))
    return module_keepgate(CONF, values={"origin": backend.address}), backend


def send_raw(gate, data):
    """Every byte of the answer; the connection is given up afterwards."""
    with gate.connect(timeout=5) as client:
        try:
            client.send(data)
            answer = client.read_response()
        except (AssertionError, ValueError, OSError):
            return None, client.read_to_end() if not client.ended else b""
        closed = answer.status != 200 and client.closed_by_peer()
        return answer, b"closed" if closed else b""


def assert_refused(pair, data, statuses=(400, 501)):
    """Refused, closed, nothing forwarded; and the next request of somebody else is answered as it should be."""
    gate, backend = pair
    backend.forget()
    answer, rest = send_raw(gate, data if isinstance(data, bytes) else data.encode("latin-1"))
    assert answer is not None and answer.status in statuses, (answer, rest)
    assert rest == b"closed", "the connection cannot be trusted any more"
    assert not [request for request in backend.requests if "canary" not in request.target], backend.requests
    for number in range(2):
        canary = gate.get(f"/canary{number}")
        assert (canary.status, canary.text) == (200, f"/canary{number}")


def head(*lines, method="POST", target="/x", version="HTTP/1.1", host="t"):
    fields = ([f"Host: {host}"] if host is not None else []) + list(lines)
    return f"{method} {target} {version}\r\n" + "".join(f"{line}\r\n" for line in fields) + "\r\n"


def test_the_well_formed_sibling_passes(pair):
    gate, backend = pair
    backend.forget()
    assert gate.raw(head("Content-Length: 3") + "abc").status == 200
    assert gate.raw(head("Transfer-Encoding: chunked").encode() + chunked(b"abc")).status == 200
    assert gate.raw(head("Transfer-Encoding: CHUNKED").encode() + chunked(b"abc")).status == 200
    assert [request.body for request in backend.requests] == [b"abc"] * 3


# 1, 2: two framings

BOTH = [
    ("Content-Length: 5", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ("content-length: 5", "transfer-encoding: chunked"),
    ("TRANSFER-ENCODING: chunked", "CONTENT-LENGTH: 5"),
    ("Content-Length: 0", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "X-Between: 1", "Content-Length: 43"),
]


@pytest.mark.parametrize("lines", BOTH)
def test_two_framings_are_refused(pair, lines):
    assert_refused(pair, head(*lines) + "0\r\n\r\n" + SMUGGLED)


def test_a_get_with_a_body_is_framed_by_its_length(pair):
    gate, backend = pair
    backend.forget()
    body = SMUGGLED.encode()
    with gate.connect() as client:
        client.send(request_bytes("GET", "/with-body", {"Content-Length": len(body)}, body) + request_bytes("GET", "/next"))
        first = client.read_response()
        assert first.status in (200, 400)
        if first.status == 200:
            assert client.read_response().text == "/next"
    assert "/smuggled" not in [request.target for request in backend.requests]


@pytest.mark.parametrize(
    "expect", ["100-continue", "100-Continue", "y 100-continue", "100-continue, 100-continue", "100-continue\t", "\t100-continue", " 100-continue", ""]
)
def test_expect_in_any_spelling_does_not_shift_the_framing(pair, expect):
    gate, backend = pair
    backend.forget()
    body = SMUGGLED.encode()
    with gate.connect(timeout=5) as client:
        client.send(head(f"Expect: {expect}", f"Content-Length: {len(body)}", target="/expect").encode() + body)
        answer = client.read_response()
        assert answer.status in (200, 400, 417)
    assert gate.get("/canary").text == "/canary"
    assert "/smuggled" not in [request.target for request in backend.requests]
    for request in backend.requests:
        assert request.target != "/expect" or request.body == body


# 4: Transfer-Encoding, obfuscated

CODINGS = [
    "Transfer-Encoding: \x0bchunked", "Transfer-Encoding:\x0bchunked", "Transfer-Encoding: chunked\x0b",
    "Transfer-Encoding : chunked", "Transfer-Encoding: , chunked", "Transfer-Encoding: chunked,",
    "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: identity",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip",
    "Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked;q=1", "Transfer-Encoding:", "Transfer-Encoding: ", "Transfer-Encoding: chunk ed",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked",
    "X: y\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\x00", "Transfer-Encoding\x00: chunked",
    "Transfer-Encoding: ch\xfcnked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked",
]


@pytest.mark.parametrize("line", CODINGS)
def test_an_odd_transfer_encoding_is_refused(pair, line):
    assert_refused(pair, head(line, "X-After: 1") + "0\r\n\r\n" + SMUGGLED)


@pytest.mark.parametrize("line", ["Transfer_Encoding: chunked", "Transfer.Encoding: chunked", "X-Transfer-Encoding: chunked"])
def test_a_name_that_only_looks_like_it_frames_nothing_and_does_not_get_through(pair, line):
    gate, backend = pair
    backend.forget()
    answer, _ = send_raw(gate, head(line, "Content-Length: 3").encode() + b"abc")
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert backend.last.body == b"abc"
        assert not {"transfer_encoding", "transfer.encoding"} & set(backend.last.names())


def test_transfer_encoding_in_http_1_0_is_refused(pair):
    assert_refused(pair, head("Transfer-Encoding: chunked", version="HTTP/1.0") + "0\r\n\r\n" + SMUGGLED)


# 5: Content-Length

LENGTHS = [
    "1,1", "1, 2", "1, 1", "+1", "0x1", "1_0", "", " ", "-1", "-0", "1 1", "1.0", "1e1", "9223372036854775808",
    "18446744073709551616", "18446744073709551617", "99999999999999999999999999", "\x0b1", "1\x0b", "1;", "a", "\xb2",
    "1\r\nContent-Length: 1", "1\r\nContent-Length: 2", "3\r\ncontent-length: 3", "1\x00",
]


@pytest.mark.parametrize("value", LENGTHS)
def test_an_odd_content_length_is_refused(pair, value):
    assert_refused(pair, head(f"Content-Length: {value}") + "abc" + SMUGGLED, (400, 413))


# 6: chunks

CHUNKS = {
    "bare LF after the size": b"3\nabc\r\n0\r\n\r\n",
    "bare LF after the data": b"3\r\nabc\n0\r\n\r\n",
    "bare CR after the size": b"3\rabc\r\n0\r\n\r\n",
    "CR CR before an extension": b"3\r\r;ext\r\nabc\r\n0\r\n\r\n",
    "hex prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "negative": b"-3\r\nabc\r\n0\r\n\r\n",
    "underscore": b"0_3\r\nabc\r\n0\r\n\r\n",
    "empty size": b"\r\nabc\r\n0\r\n\r\n",
    "space first": b" 3\r\nabc\r\n0\r\n\r\n",
    "17 digits": b"00000000000000003\r\nabc\r\n0\r\n\r\n",
    "wraps at 2^64": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "not hex": b"g\r\nabc\r\n0\r\n\r\n",
    "no CRLF after the data": b"3\r\nabc0\r\n\r\n",
    "longer than said": b"3\r\nabcd\r\n0\r\n\r\n",
    "LF in an extension": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "CR in an extension": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "NUL in an extension": b"3;a\x00b\r\nabc\r\n0\r\n\r\n",
    "bare LF at the end": b"3\r\nabc\r\n0\n\n",
    "bare LF after the last size": b"3\r\nabc\r\n0\n\r\n",
    "bad trailer": b"3\r\nabc\r\n0\r\nno colon\r\n\r\n",
    "trailer with a space before the colon": b"3\r\nabc\r\n0\r\nX : y\r\n\r\n",
}


@pytest.mark.parametrize("case", CHUNKS)
def test_an_odd_chunk_is_refused_and_never_completes_a_request(pair, case):
    gate, backend = pair
    backend.forget()
    data = head("Transfer-Encoding: chunked", target="/chunks").encode() + CHUNKS[case]
    answer, _ = send_raw(gate, data + SMUGGLED.encode())
    assert answer is None or answer.status == 400, answer
    assert "/smuggled" not in [request.target for request in backend.requests]
    for connection in backend.connections:
        if b"/chunks" in connection.received:
            tail = bytes(connection.received).split(b"/chunks", 1)[1]
            assert b"0\r\n\r\n" not in tail, "the backend must not see a complete body"
    assert gate.get("/canary").text == "/canary"


def test_a_huge_chunk_extension_is_refused_early(pair):
    gate, backend = pair
    with gate.connect(timeout=10) as client:
        client.send(head("Transfer-Encoding: chunked", target="/ext"))
        sent = 0
        try:
            client.send(b"3;")
            for _ in range(256):
                client.send(b"a" * 65536)
                sent += 65536
        except OSError:
            pass
        data = client.read_to_end()
    assert data == b"" or data.startswith(b"HTTP/1.1 400")
    assert sent < 16 << 20, "cut off before it was all taken in"


def test_data_after_the_last_chunk_is_the_next_request(pair):
    gate, backend = pair
    backend.forget()
    with gate.connect() as client:
        client.send(head("Transfer-Encoding: chunked", target="/one").encode() + chunked(b"abc") + request_bytes("GET", "/two"))
        assert client.read_response().text == "/one"
        assert client.read_response().text == "/two"


# 7: trailers


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Host", "Authorization", "Txn-Token", "X-Client-Id", "Cookie"])
def test_trailers_are_never_merged(pair, name):
    gate, backend = pair
    backend.forget()
    body = chunked(b"abc", trailers=f"{name}: evil\r\n".encode())
    answer, _ = send_raw(gate, head("Transfer-Encoding: chunked", target="/trailer").encode() + body)
    assert answer is None or answer.status in (200, 400)
    assert b"evil" not in backend.received


# 8: bytes and lines

MALFORMED = {
    "bare LF line ends": "GET /x HTTP/1.1\nHost: t\n\n",
    "bare LF after the request line": "GET /x HTTP/1.1\nHost: t\r\n\r\n",
    "bare LF in a field": "GET /x HTTP/1.1\r\nHost: t\r\nX: a\nY: b\r\n\r\n",
    "bare CR in a field": "GET /x HTTP/1.1\r\nHost: t\r\nX: a\rY: b\r\n\r\n",
    "CR CR LF": "GET /x HTTP/1.1\r\nHost: t\r\nX: a\r\r\n\r\n",
    "obs-fold with a space": "GET /x HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n",
    "obs-fold with a tab": "GET /x HTTP/1.1\r\nHost: t\r\nX: a\r\n\tb\r\n\r\n",
    "space before the colon": "GET /x HTTP/1.1\r\nHost: t\r\nX : a\r\n\r\n",
    "tab before the colon": "GET /x HTTP/1.1\r\nHost: t\r\nX\t: a\r\n\r\n",
    "empty name": "GET /x HTTP/1.1\r\nHost: t\r\n: a\r\n\r\n",
    "no colon": "GET /x HTTP/1.1\r\nHost: t\r\nX\r\n\r\n",
    "space before the first field": "GET /x HTTP/1.1\r\n Host: t\r\n\r\n",
    "space in a name": "GET /x HTTP/1.1\r\nHost: t\r\nX Y: a\r\n\r\n",
    "byte over 0x7f in a name": "GET /x HTTP/1.1\r\nHost: t\r\nX\xe9: a\r\n\r\n",
    "NUL in a name": "GET /x HTTP/1.1\r\nHost: t\r\nX\x00: a\r\n\r\n",
    "two spaces in the request line": "GET  /x HTTP/1.1\r\nHost: t\r\n\r\n",
    "tab in the request line": "GET\t/x HTTP/1.1\r\nHost: t\r\n\r\n",
    "space at the end of the request line": "GET /x HTTP/1.1 \r\nHost: t\r\n\r\n",
    "space in the target": "GET /x y HTTP/1.1\r\nHost: t\r\n\r\n",
    "space first": " GET /x HTTP/1.1\r\nHost: t\r\n\r\n",
    "no version": "GET /x\r\nHost: t\r\n\r\n",
    "version 0.9": "GET /x HTTP/0.9\r\nHost: t\r\n\r\n",
    "version 1.2": "GET /x HTTP/1.2\r\nHost: t\r\n\r\n",
    "version 1.10": "GET /x HTTP/1.10\r\nHost: t\r\n\r\n",
    "version 2.0": "GET /x HTTP/2.0\r\nHost: t\r\n\r\n",
    "lower case version": "GET /x http/1.1\r\nHost: t\r\n\r\n",
    "no target": "GET HTTP/1.1\r\nHost: t\r\n\r\n",
    "target without a slash": "GET x HTTP/1.1\r\nHost: t\r\n\r\n",
    "fragment": "GET /x#y HTTP/1.1\r\nHost: t\r\n\r\n",
    "asterisk for GET": "GET * HTTP/1.1\r\nHost: t\r\n\r\n",
    "byte over 0x7f in a method": "G\xcbT /x HTTP/1.1\r\nHost: t\r\n\r\n",
    "colon in a method": "GE:T /x HTTP/1.1\r\nHost: t\r\n\r\n",
    "the h2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_head_is_refused(pair, case):
    assert_refused(pair, MALFORMED[case] + SMUGGLED, (400, 405, 501, 505))


CONTROLS = [*range(0x01, 0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0x00]


@pytest.mark.parametrize("byte", CONTROLS)
def test_control_bytes_in_a_field_value_or_target_are_refused(pair, byte):
    gate, backend = pair
    backend.forget()
    for data in (f"GET /x HTTP/1.1\r\nHost: t\r\nX: a{chr(byte)}b\r\n\r\n", f"GET /x{chr(byte)}y HTTP/1.1\r\nHost: t\r\n\r\n"):
        assert gate.raw(data).status == 400
    assert not backend.requests


# 9: Host and authority

HOSTS = {
    "missing": "GET /x HTTP/1.1\r\n\r\n",
    "twice": "GET /x HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n",
    "twice, different": "GET /x HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
    "with a path": "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "with userinfo": "GET /x HTTP/1.1\r\nHost: user@a\r\n\r\n",
    "with a question mark": "GET /x HTTP/1.1\r\nHost: a?b\r\n\r\n",
    "with a hash": "GET /x HTTP/1.1\r\nHost: a#b\r\n\r\n",
    "with a space": "GET /x HTTP/1.1\r\nHost: a b\r\n\r\n",
    "with a comma": "GET /x HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "with a bad port": "GET /x HTTP/1.1\r\nHost: a:b\r\n\r\n",
    "with a port too large": "GET /x HTTP/1.1\r\nHost: a:65536\r\n\r\n",
    "bad brackets": "GET /x HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "absolute form that disagrees": "GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n",
    "absolute form with userinfo": "GET http://u@a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form, another scheme": "GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form without host": "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form, hash in the authority": "GET http://a#b/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form, query for a path": "GET http://a?b@c/x HTTP/1.1\r\nHost: c\r\n\r\n",
}


@pytest.mark.parametrize("case", HOSTS)
def test_an_unclear_host_is_refused(pair, case):
    assert_refused(pair, HOSTS[case] + SMUGGLED)


def test_the_absolute_form_with_the_same_host_is_the_same_request(pair):
    gate, backend = pair
    backend.forget()
    answer = gate.raw("GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n")
    assert answer.status == 200
    assert backend.last.target == "/x?y"


# 10: size


def test_a_header_of_a_hundred_thousand_lines_costs_little(pair):
    gate, backend = pair
    backend.forget()
    with gate.connect() as client:
        try:
            client.send(b"GET /x HTTP/1.1\r\nHost: t\r\n" + b"A: b\r\n" * 100_000 + b"\r\n")
        except OSError:
            pass
        data = client.read_to_end()
    assert data == b"" or data.split(b" ")[1] in (b"431", b"400")
    assert not backend.requests
