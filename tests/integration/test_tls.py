"""TLS on both sides: listen … ssl with certificates by name, and proxy_pass https:// that verifies or does not."""
import socket
import ssl
import subprocess
import warnings

import pytest

from harness.certificates import Authority, server_context
from harness.wire import Client

SERVER = """
server {
    listen 127.0.0.1:@gate@ ssl;
    server_name a.example;
    ssl_certificate @a_crt@;
    ssl_certificate_key @a_key@;
    location / { return 200 "a $scheme\\n"; }
}
server {
    listen 127.0.0.1:@gate@ ssl;
    server_name b.example;
    ssl_certificate @b_crt@;
    ssl_certificate_key @b_key@;
    ssl_protocols TLSv1.3;
    location / { return 200 "b $scheme\\n"; }
}
server { listen 127.0.0.1:@clear@; location / { return 200 "clear $scheme\\n"; } }
"""


@pytest.fixture(scope="module")
def pairs(authority):
    return {name: authority.issue(f"{name}.example") for name in "ab"}


@pytest.fixture(scope="module")
def gate(module_keepgate, pairs):
    values = {f"{name}_{kind}": pairs[name][index] for name in "ab" for index, kind in enumerate(("crt", "key"))}
    return module_keepgate(SERVER, values=values)


def ask(gate, context, name, host=None, **options):
    with Client(gate.address("gate"), tls=context, server_name=name) as client:
        certificate = client.socket.getpeercert()
        answer = client.request("GET", "/", host=host or name, **options)
        return answer, [value for _, value in certificate.get("subjectAltName", ())], client.socket.version()


@pytest.mark.parametrize("name", "ab")
def test_the_certificate_follows_the_name(gate, authority, name):
    answer, names, version = ask(gate, authority.client_context(), f"{name}.example")
    assert (answer.status, answer.text) == (200, f"{name} https\n")
    assert names == [f"{name}.example"]
    assert version == "TLSv1.3"


def test_an_unknown_name_gets_the_first_server(gate, authority):
    context = authority.client_context()
    context.check_hostname = False
    answer, names, _ = ask(gate, context, "other.example")
    assert names == ["a.example"] and answer.text == "a https\n"


def test_no_name_gets_the_first_server(gate, authority):
    context = authority.client_context()
    context.check_hostname = False
    answer, names, _ = ask(gate, context, None, host="a.example")
    assert names == ["a.example"] and answer.status == 200


def test_a_client_that_trusts_another_authority_refuses(gate, tmp_path):
    stranger = Authority(tmp_path, "Other CA")
    with pytest.raises(ssl.SSLError):
        ask(gate, stranger.client_context(), "a.example")


@pytest.mark.parametrize("version, name, works", [("TLSv1_2", "a.example", True), ("TLSv1_2", "b.example", False), ("TLSv1_1", "a.example", False)])
def test_protocol_versions(gate, authority, version, name, works):
    context = authority.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # That TLS 1.1 is old is the point.
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    if works:
        assert ask(gate, context, name)[2] == "TLSv1.2"
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(gate, context, name)


def test_clear_text_on_a_tls_port_is_no_request(gate):
    with Client(gate.address("gate")) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        data = client.read_to_end()
    assert data.startswith(b"HTTP/1.1 400 ") and b"a https" not in data


def test_tls_bytes_on_a_clear_port_are_refused(gate, authority):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Client(gate.address("clear"), tls=authority.client_context(), server_name="a.example")
    assert gate.get("/", name="clear").text == "clear http\n"


def test_many_requests_on_one_tls_connection(gate, authority):
    with Client(gate.address("gate"), tls=authority.client_context(), server_name="a.example") as client:
        for _ in range(50):
            assert client.request("GET", "/", host="a.example").text == "a https\n"


def test_a_handshake_that_stops_does_not_stop_others(gate, authority):
    held = []
    for _ in range(20):
        held.append(socket.create_connection(gate.address("gate")))
        held[-1].sendall(b"\x16\x03\x01")
    assert ask(gate, authority.client_context(), "a.example")[0].status == 200
    for sock in held:
        sock.close()


def test_curl_over_tls(gate, authority):
    result = subprocess.run(
        ["curl", "-sS", "--cacert", authority.file, "--resolve", f"a.example:{gate.port('gate')}:127.0.0.1",
         f"https://a.example:{gate.port('gate')}/"], capture_output=True, text=True, timeout=20,
    )
    assert (result.returncode, result.stdout) == (0, "a https\n"), result.stderr


# Towards the upstream

UPSTREAM = """
server {
    listen 127.0.0.1:@gate@;
    location / {
        proxy_ssl_trusted_certificate @ca@;
        %s
        proxy_pass https://@origin@;
    }
}
"""
VERIFY = "proxy_ssl_verify on; proxy_ssl_name inner.example; proxy_ssl_server_name on;"


def upstream(keepgate, origin, certificate, options, ca):
    backend = origin(tls=server_context(*certificate))
    return keepgate(UPSTREAM % options, values={"origin": backend.address, "ca": ca}), backend


def test_a_verified_upstream(keepgate, origin, authority):
    gate, backend = upstream(keepgate, origin, authority.issue("inner.example"), VERIFY, authority.file)
    for _ in range(3):
        assert gate.get("/x").status == 200
    assert backend.last.target == "/x"


@pytest.mark.parametrize("case", ["wrong name", "expired", "another authority"])
def test_an_upstream_that_cannot_prove_its_name_is_502(keepgate, origin, authority, tmp_path, case):
    certificate = {
        "wrong name": lambda: authority.issue("elsewhere.example"),
        "expired": lambda: authority.issue("inner.example", days=(-30, -1), label="expired"),
        "another authority": lambda: Authority(tmp_path, "Other CA").issue("inner.example"),
    }[case]()
    gate, backend = upstream(keepgate, origin, certificate, VERIFY, authority.file)
    assert gate.get("/x").status == 502
    assert not backend.requests, "nothing was sent before the name was proven"


def test_without_verification_any_certificate_will_do_as_in_nginx(keepgate, origin, authority):
    gate, _ = upstream(keepgate, origin, authority.issue("elsewhere.example"), "proxy_ssl_verify off;", authority.file)
    assert gate.get("/x").status == 200


def test_an_address_is_verified_as_an_address(keepgate, origin, authority):
    options = "proxy_ssl_verify on; proxy_ssl_name 127.0.0.1;"
    gate, _ = upstream(keepgate, origin, authority.issue("127.0.0.1"), options, authority.file)
    assert gate.get("/x").status == 200
    gate, _ = upstream(keepgate, origin, authority.issue("127.0.0.2"), options, authority.file)
    assert gate.get("/x").status == 502


def test_a_clear_text_upstream_is_502_for_https(keepgate, origin, authority):
    backend = origin(on_connect=lambda connection: connection.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    gate = keepgate(UPSTREAM % "proxy_ssl_verify off;", values={"origin": backend.address, "ca": authority.file})
    assert gate.get("/x").status == 502
    assert not backend.requests


def test_large_bodies_over_tls_both_ways(keepgate, origin, authority, pairs):
    from harness.origin import answer_bytes

    backend = origin(lambda request: answer_bytes(body=request.body), tls=server_context(*authority.issue("inner.example", label="large")))
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@ ssl; server_name a.example; client_max_body_size 32m; ssl_certificate @crt@; ssl_certificate_key @key@;"
        f" location / {{ proxy_ssl_trusted_certificate @ca@; {VERIFY} proxy_pass https://@origin@; }} }}",
        values={"origin": backend.address, "ca": authority.file, "crt": pairs["a"][0], "key": pairs["a"][1]},
    )
    body = bytes(range(256)) * 4096 * 4
    with Client(gate.address("gate"), tls=authority.client_context(), server_name="a.example", timeout=30) as client:
        answer = client.request("POST", "/", body=body, host="a.example")
    assert answer.status == 200 and answer.body == body
