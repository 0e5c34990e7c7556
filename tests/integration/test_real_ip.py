"""real_ip: whose word on the client's address counts. Judged by what the origin received and what limits did."""
import json
import socket

import pytest

from harness.jose import payload_of
from harness.ports import free_port, wait_until
from harness.wire import Client, request_bytes

TELLS = (
    "proxy_set_header X-Addr $remote_addr; proxy_set_header X-Port p$remote_port;"
    " proxy_set_header X-Peer $realip_remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
)
SERVER = "server { listen 127.0.0.1:@gate@; %s location / { " + TELLS + " %s proxy_pass http://@origin@; } }"


def gate_with(keepgate, origin, outside, inside="", **options):
    return keepgate(SERVER % (outside, inside), values={"origin": origin.address}, **options)


def seen(gate, origin, fields=()):
    assert gate.get("/x", fields).status == 200
    return origin.last.get("X-Addr"), origin.last.get("X-Port")


TRUSTED = "set_real_ip_from 127.0.0.0/8; set_real_ip_from 10.0.0.0/8; set_real_ip_from 2001:db8::/32;"
XFF = "real_ip_header X-Forwarded-For;"


@pytest.mark.parametrize(
    "directives, fields, address, port",
    [
        (TRUSTED, {"X-Real-IP": "192.0.2.7"}, "192.0.2.7", "p"),
        (TRUSTED, {"X-Real-IP": "192.0.2.7:4711"}, "192.0.2.7", "p4711"),
        (TRUSTED, {"X-Real-IP": "[2001:db8::9]:4711"}, "2001:db8::9", "p4711"),
        (TRUSTED, {"X-Real-IP": "2001:DB8::9"}, "2001:db8::9", "p"),
        (TRUSTED, {"X-Real-IP": "::ffff:192.0.2.7"}, "192.0.2.7", "p"),
        (TRUSTED + "real_ip_header X-Client;", {"x-client": "192.0.2.7", "X-Real-IP": "192.0.2.8"}, "192.0.2.7", "p"),
        (TRUSTED + XFF, {"X-Forwarded-For": "192.0.2.1, 192.0.2.7"}, "192.0.2.7", "p"),
        (TRUSTED + XFF, {"X-Forwarded-For": "192.0.2.7, "}, "192.0.2.7", "p"),
        (TRUSTED + XFF, {"X-Forwarded-For": "192.0.2.1,192.0.2.7"}, "192.0.2.7", "p"),
        (TRUSTED + XFF, {"X-Forwarded-For": "192.0.2.7, 10.0.0.1"}, "10.0.0.1", "p"),
        (TRUSTED + XFF + "real_ip_recursive on;", {"X-Forwarded-For": "192.0.2.1, 192.0.2.7, 10.0.0.1"}, "192.0.2.7", "p"),
        (TRUSTED + XFF + "real_ip_recursive on;", {"X-Forwarded-For": "10.0.0.2, 10.0.0.1"}, "10.0.0.2", "p"),
        (TRUSTED + XFF + "real_ip_recursive on;", {"X-Forwarded-For": "192.0.2.1, nonsense, 10.0.0.1"}, "10.0.0.1", "p"),
        (TRUSTED + XFF + "real_ip_recursive on;",
         [("X-Forwarded-For", "192.0.2.1, 192.0.2.7"), ("X-Forwarded-For", "10.0.0.2"), ("X-Forwarded-For", "10.0.0.1")],
         "192.0.2.7", "p"),
        (TRUSTED + XFF, [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.7")], "192.0.2.7", "p"),
    ],
)
def test_a_trusted_peer_tells_the_address(keepgate, origin, directives, fields, address, port):
    backend = origin()
    gate = gate_with(keepgate, backend, directives)
    assert seen(gate, backend, fields) == (address, port)
    assert backend.last.get("X-Peer") == "127.0.0.1"


@pytest.mark.parametrize("value", ["", "nonsense", "192.0.2.7.1", "192.0.2.7:0", "192.0.2.7:65536", "[192.0.2.7]:1", "[2001:db8::9]",
                                   "2001:db8::9:x", "unix:", "192.0.2.7\tx", "-", "192.0.2.07"])
@pytest.mark.parametrize("recursive", ["", "real_ip_recursive on;"])
def test_garbage_changes_nothing(keepgate, origin, value, recursive):
    backend = origin()
    gate = gate_with(keepgate, backend, TRUSTED + recursive)
    address, port = seen(gate, backend, {"X-Real-IP": value})
    assert address == "127.0.0.1" and port != "p"


@pytest.mark.parametrize("outside", ["", "set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:;", "real_ip_header X-Forwarded-For;"])
def test_an_untrusted_peer_changes_nothing(keepgate, origin, outside):
    backend = origin()
    gate = gate_with(keepgate, backend, outside)
    for name in ("X-Real-IP", "X-Forwarded-For", "Forwarded", "X-Client-IP"):
        assert seen(gate, backend, {name: "192.0.2.7"})[0] == "127.0.0.1"


def test_each_request_of_a_connection_decides_anew(keepgate, origin):
    backend = origin()
    gate = gate_with(keepgate, backend, TRUSTED)
    with gate.connect() as client:
        for value, expected in (("192.0.2.7", "192.0.2.7"), (None, "127.0.0.1"), ("2001:db8::9", "2001:db8::9"), ("x", "127.0.0.1")):
            fields = {"X-Real-IP": value} if value else {}
            assert client.request("GET", "/x", fields).status == 200
            assert backend.last.get("X-Addr") == expected
            assert backend.last.get("X-Peer") == "127.0.0.1"


def test_limits_follow_the_real_address_and_an_outsider_cannot_choose_it(keepgate, origin):
    backend = origin()
    gate = keepgate(
        "limit_req_zone $binary_remote_addr zone=z:1m rate=1r/m; limit_req zone=z;"
        "server { listen 127.0.0.1:@gate@; set_real_ip_from 127.0.0.1; location / { proxy_pass http://@origin@; } }"
        "server { listen 127.0.0.1:@open@; location / { proxy_pass http://@origin@; } }",
        values={"origin": backend.address},
    )
    ask = lambda value, name=None: gate.get("/x", {"X-Real-IP": value}, name=name).status
    assert [ask("192.0.2.7"), ask("192.0.2.7"), ask("192.0.2.8")] == [200, 503, 200]
    assert [ask("192.0.2.9", "open"), ask("192.0.2.10", "open")] == [200, 503], "the untrusted server sees one client"


def test_a_location_may_trust_by_itself(keepgate, origin):
    backend = origin()
    gate = gate_with(keepgate, backend, "", TRUSTED)
    assert seen(gate, backend, {"X-Real-IP": "192.0.2.7"})[0] == "192.0.2.7"


def test_the_forwarded_list_names_the_client_once_more(keepgate, origin):
    backend = origin()
    gate = gate_with(keepgate, backend, TRUSTED + XFF)
    seen(gate, backend, {"X-Forwarded-For": "192.0.2.1, 192.0.2.7"})
    assert backend.last.all("X-Forwarded-For") == ["192.0.2.1, 192.0.2.7, 192.0.2.7"], "as nginx: $remote_addr is appended"
    other = gate_with(keepgate, backend, "")
    seen(other, backend, {"X-Forwarded-For": "192.0.2.1"})
    assert backend.last.all("X-Forwarded-For") == ["192.0.2.1, 127.0.0.1"]


def test_a_unix_peer_is_trusted_by_name_only(keepgate, origin, short_folder):
    backend = origin()
    path = f"{short_folder}/gate.sock"
    for directive, expected in (("set_real_ip_from unix:;", "192.0.2.7"), ("set_real_ip_from 0.0.0.0/0;", "unix:")):
        gate = keepgate(
            f"server {{ listen unix:{path}; listen 127.0.0.1:@gate@; {directive} location / {{ {TELLS} proxy_pass http://@origin@; }} }}",
            values={"origin": backend.address},
        )
        with Client(path) as client:
            assert client.request("GET", "/x", {"X-Real-IP": "192.0.2.7"}).status == 200
        assert backend.last.get("X-Addr") == expected
        gate.stop()


def test_logs_and_the_transaction_token_name_the_real_client(keepgate, origin, jose):
    backend = origin()
    key = jose.key("ES256")
    gate = keepgate(
        "log_format who '$remote_addr $realip_remote_addr $remote_port'; trust_domain shop.internal; decision_log decisions.log;"
        'server { listen 127.0.0.1:@gate@; access_log access.log who; set_real_ip_from 127.0.0.1;'
        ' auth_jwt "x"; auth_jwt_key_file k.json; location / { service x; transaction_token_key g.jwk; transaction_token issue;'
        " proxy_pass http://@origin@; } }",
        files={"k.json": jose.set_of(jose.key("HS256")), "g.jwk": json.dumps(key["private"])}, values={"origin": backend.address},
    )
    fields = {"Authorization": "Bearer " + jose.sign("HS256"), "X-Real-IP": "192.0.2.7:4711"}
    assert gate.get("/x", fields).status == 200
    assert payload_of(backend.last.get("Txn-Token"))["rctx"]["req_ip"] == "192.0.2.7"
    wait_until(lambda: "192.0.2.7 127.0.0.1 4711" in gate.read("access.log"))
    wait_until(lambda: '"remote_addr":"192.0.2.7"' in gate.read("decisions.log"))


def test_identity_fields_are_not_believed(keepgate, origin):
    """What the airlock strips does not exist, so it cannot name the client either."""
    backend = origin()
    gate = keepgate(
        "identity_headers X-Real-IP;" + SERVER % (TRUSTED, ""), values={"origin": backend.address}
    )
    assert seen(gate, backend, {"X-Real-IP": "192.0.2.7"})[0] == "127.0.0.1"


def test_ipv6_peers(keepgate, origin):
    backend = origin()
    try:
        with socket.socket(socket.AF_INET6) as probe:
            port = free_port()
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("::1", port))
    except OSError:
        pytest.skip("no IPv6 here")
    keepgate(
        f"server {{ listen 127.0.0.1:@gate@; listen [::]:{port} ipv6only=off; set_real_ip_from ::1;"
        f" location / {{ {TELLS} proxy_pass http://@origin@; }} }}",
        values={"origin": backend.address},
    )
    for family, host, expected in ((socket.AF_INET6, "::1", "192.0.2.7"), (socket.AF_INET, "127.0.0.1", "127.0.0.1")):
        with socket.socket(family) as client:
            client.settimeout(10)
            client.connect((host, port))
            client.sendall(request_bytes("GET", "/x", {"X-Real-IP": "192.0.2.7"}))
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        assert backend.last.get("X-Addr") == expected


@pytest.mark.parametrize(
    "line, says",
    [
        ("set_real_ip_from proxy.example;", "host name 'proxy.example'"),
        ("set_real_ip_from 10.0.0.0/33;", "invalid value '10.0.0.0/33'"),
        ("set_real_ip_from 10.0.0.1/8;", "low address bits of 10.0.0.1/8 are meaningless"),
        ("set_real_ip_from ::/0;", "trusts everybody"),
        ('real_ip_header "a b";', "invalid value"),
    ],
)
def test_the_configuration_is_checked(keepgate, line, says):
    from harness.gate import run_cli

    gate = keepgate("server { listen 127.0.0.1:@gate@; %s }" % line, start=False)
    result = run_cli("-t", "-c", gate.path("keepgate.conf"))
    assert says in result.stderr
