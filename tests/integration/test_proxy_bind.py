"""proxy_bind: where connections to upstreams come from; proxy_socket_keepalive; and bytes that went and came."""
import os
import pwd

import pytest

from harness import nginx
from harness.origin import answer_bytes
from harness.ports import free_port, wait_until
from harness.wire import Client

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
SERVER = "server { listen 127.0.0.1:@gate@; location / { proxy_pass http://@origin@; %s } location /other/ { proxy_pass http://@origin@; } }"


def tell_peer(connection, form):
    """Answers with the address that the peer has, and goes on."""
    peer = connection.socket.getpeername()
    connection.socket.sendall(answer_bytes(body=(form % peer[: form.count("%")]).encode()))
    return True


@pytest.fixture
def backend(origin):
    """Answers with the address that its peer has."""
    return origin(lambda request: lambda connection: tell_peer(connection, "%s"))


def start(keepgate, backend, settings, http="", **options):
    return keepgate(http + SERVER % settings, values={"origin": backend.address}, **options)


def test_connections_come_from_the_address(keepgate, backend):
    gate = start(keepgate, backend, "proxy_bind 127.0.0.9;")
    assert gate.get("/").text == "127.0.0.9"
    assert gate.get("/other/").text == "127.0.0.1", "another location's connection is not used"
    assert gate.get("/").text == "127.0.0.9"


def test_an_address_may_have_a_port(keepgate, origin):
    port = free_port()
    backend = origin(lambda request: lambda connection: tell_peer(connection, "%s:%d"))
    gate = start(keepgate, backend, f"proxy_bind 127.0.0.9:{port};")
    assert gate.get("/").text == f"127.0.0.9:{port}"


def test_off_takes_back_what_an_outer_level_says(keepgate, backend):
    gate = start(keepgate, backend, "proxy_bind off;", "proxy_bind 127.0.0.9;")
    assert gate.get("/").text == "127.0.0.1"
    assert gate.get("/other/").text == "127.0.0.9"


VARIABLE = "map $arg_from $from { one 127.0.0.11; two 127.0.0.12; wrong 127.0.0.999; strange 203.0.113.7; six ::1; }\n"


def test_requests_may_choose_by_a_map_and_never_share_a_connection_with_another_address(keepgate, backend):
    gate = start(keepgate, backend, "proxy_bind $from;", VARIABLE)
    with Client(gate.address()) as client:
        for _ in range(3):
            for name, address in (("one", "127.0.0.11"), ("two", "127.0.0.12"), ("none", "127.0.0.1")):
                assert client.request("GET", f"/?from={name}").text == address


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("name", ["one", "none", "wrong", "strange", "six"])
def test_what_is_no_address_of_ours_ends_as_in_nginx(keepgate, backend, name):
    http = (VARIABLE + SERVER % "proxy_bind $from;").replace("@origin@", backend.address)
    gate = keepgate(http)
    peer = nginx.Nginx(http)
    try:
        with Client(gate.address()) as ours, Client(peer.address) as theirs:
            answers = [client.request("GET", f"/?from={name}") for client in (ours, theirs)]
    finally:
        peer.close()
    assert answers[0].status == answers[1].status
    if answers[1].status == 200:
        assert answers[0].text == answers[1].text


def test_an_address_that_is_not_ours_is_500_and_told(keepgate, backend):
    gate = start(keepgate, backend, "proxy_bind 203.0.113.7;")
    assert gate.get("/").status == 500
    wait_until(lambda: "bind(203.0.113.7:0) failed" in gate.read("error.log"), 10)
    assert not backend.requests
    assert gate.get("/other/").status == 200


@as_root
@pytest.mark.parametrize("user", ["", "user nobody nogroup;\n"])
def test_transparent_takes_addresses_of_others(keepgate, backend, user):
    # 127.0.0.0/8 is ours in any case: the mark of a foreign address is that it needs the right. The loopback brings
    # no answers to others, so the SYN is all that can be seen of one.
    gate = start(keepgate, backend, "proxy_bind $arg_from transparent; proxy_connect_timeout 300ms;", main=user, start=False)
    os.chmod(gate.folder, 0o755)
    os.chmod(gate.path("keepgate.conf"), 0o644)
    gate.start()
    if user:
        number = str(pwd.getpwnam("nobody").pw_uid)
        wait_until(lambda: f"Uid:\t{number}" in open(f"/proc/{gate.process.pid}/status", encoding="utf-8").read())
    assert gate.get("/?from=127.0.0.9").text == "127.0.0.9"
    assert gate.get("/?from=203.0.113.7").status == 504, "bound, and nobody answers there"


@as_root
def test_without_transparent_the_right_to_it_is_given_up(keepgate, backend):
    gate = start(keepgate, backend, "proxy_bind 127.0.0.9;", main="user nobody nogroup;\n", start=False)
    os.chmod(gate.folder, 0o755)
    os.chmod(gate.path("keepgate.conf"), 0o644)
    gate.start()
    wait_until(lambda: "CapEff:\t0000000000000400" in open(f"/proc/{gate.process.pid}/status", encoding="utf-8").read())
    assert gate.get("/").text == "127.0.0.9"


def keep_alive_timers(port):
    """Whether the established connection to the backend's port has the kernel's keep-alive timer (2 in the table)."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return [row[5].split(":")[0] == "02" for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"]


@pytest.mark.parametrize("setting, probed", [("on", True), ("off", False)])
def test_silent_upstreams_are_probed_when_asked(keepgate, backend, setting, probed):
    gate = start(keepgate, backend, f"proxy_socket_keepalive {setting};")
    assert gate.get("/").status == 200  # The connection is kept, idle.
    assert keep_alive_timers(int(backend.address.rsplit(":", 1)[1])) == [probed]


# What went and came

FORM = "log_format bytes '$upstream_bytes_sent|$upstream_bytes_received|$upstream_response_length|$status';\n"


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("request_bytes, answer", [
    (0, answer_bytes(body=b"x" * 100)),
    (50_000, answer_bytes(body=b"y" * 200_000)),
    (10, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    (0, b"HTTP/1.1 204 No Content\r\n\r\n"),
], ids=["small", "large", "chunked", "empty"])
def test_bytes_of_upstreams_are_counted_as_nginx_counts_them(keepgate, origin, tmp_path, request_bytes, answer):
    lines = []
    backend = origin(lambda request: answer)
    for run in (keepgate, nginx.Nginx):
        log = tmp_path / f"{len(lines)}.log"
        fields = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host h;"
        fields += "client_body_buffer_size 64k; proxy_max_temp_file_size 0;"  # nginx's worker may not write to its folder.
        http = FORM + (SERVER % f"access_log {log} bytes; {fields}").replace("@origin@", backend.address)
        proxy = run(http)
        with Client(proxy.address() if run is keepgate else proxy.address) as client:
            method = "POST" if request_bytes else "GET"
            client.request(method, "/", body=b"z" * request_bytes)
        lines.append(wait_until(lambda: log.exists() and log.read_text().strip()))
        proxy.close()
    (ours, theirs) = ([int(part) for part in line.split("|")] for line in lines)
    assert ours == theirs
    assert ours[1] == len(answer)


def test_every_attempt_has_its_bytes(keepgate, backend):
    dead = f"127.0.0.1:{free_port()}"
    http = FORM + "upstream both { server %s; server @origin@; }\n" % dead
    http += "server { listen 127.0.0.1:@gate@; access_log bytes.log bytes; location / { proxy_pass http://both; } }"
    gate = keepgate(http, values={"origin": backend.address})
    assert gate.get("/").status == 200
    line = wait_until(lambda: gate.read("bytes.log").strip())
    sent, received, length, _ = line.split("|")
    assert sent.startswith("0, ") and received.startswith("0, ") and length == "0, 9"
    assert int(sent.split(", ")[1]) > 20


def test_a_request_without_an_upstream_has_no_bytes(keepgate):
    gate = keepgate(FORM + "server { listen 127.0.0.1:@gate@; access_log bytes.log bytes; return 204; }")
    assert gate.get("/").status == 204
    assert wait_until(lambda: gate.read("bytes.log").strip()) == "-|-|-|204"
