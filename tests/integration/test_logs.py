"""Access log and decision record: their form, that each request has exactly one, and that no token is in them."""
import json
import os
import re
import signal

import pytest

from harness.jose import claims
from harness.ports import free_port, wait_until

CONF = """
log_format main '$remote_addr [$time_local] "$request" $status $body_bytes_sent "$http_user_agent" $jwt_claim_sub $client_id $decision_verdict';
log_format as_json escape=json '{"uri":"$uri","agent":"$http_user_agent","status":$status}';
policy policy.yaml;
decision_log decisions.log;
server {
    listen 127.0.0.1:@gate@;
    access_log main.log main;
    access_log json.log as_json;
    auth_jwt "x";
    auth_jwt_key_file keys.json;
    location / { service orders; proxy_pass http://@origin@; }
    location /combined { access_log combined.log; authorize off; auth_jwt off; return 200 "hello"; }
    location /quiet { access_log off; authorize off; auth_jwt off; return 200 "hello"; }
}
"""
POLICY = "policies:\n  - { id: readers, allow: client:client1, on: { service: orders, methods: [GET], paths: ['/orders/**'] } }\n"


@pytest.fixture
def gate(keepgate, origin, jose):
    return keepgate(CONF, files={"policy.yaml": POLICY, "keys.json": jose.set_of(jose.key("HS256"))}, values={"origin": origin().address})


@pytest.fixture
def token(jose):
    return jose.sign("HS256", claims() | {"sub": "alice"})


def lines(gate, name, count=1):
    wait_until(lambda: gate.read(name).count("\n") >= count, 10, lambda: f"{name}: {gate.read(name)!r}")
    return gate.read(name).splitlines()


def test_the_access_log_has_the_format_that_was_asked_for(gate, token):
    gate.get("/orders/7?a=b", {"Authorization": f"Bearer {token}", "User-Agent": 'agent "x" \x80\xff'})
    gate.get("/orders/7")
    first, second = lines(gate, "main.log", 2)
    assert re.fullmatch(
        r'127\.0\.0\.1 \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /orders/7\?a=b HTTP/1\.1" 200 3 "agent \\x22x\\x22 \\x80\\xFF" alice client1 allow', first
    ), first
    assert re.search(r'" 401 \d+ "-" - - (deny|-)$', second), second
    assert json.loads(lines(gate, "json.log", 2)[0].encode("utf-8", "replace"))["uri"] == "/orders/7"


def test_the_predefined_format_is_combined(gate):
    gate.get("/combined", {"Referer": "http://r.example/", "User-Agent": "tester"})
    line = lines(gate, "combined.log")[0]
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[[^\]]+\] "GET /combined HTTP/1\.1" 200 5 "http://r\.example/" "tester"', line
    ), line


def test_a_request_is_logged_once_and_off_is_off(gate, token):
    for number in range(5):
        gate.get(f"/orders/{number}", {"Authorization": f"Bearer {token}"})
    gate.get("/quiet")
    gate.stop(signal.SIGQUIT)
    assert len(gate.read("main.log").splitlines()) == 5
    assert "/quiet" not in "".join(gate.read(name) for name in os.listdir(gate.folder) if name.endswith(".log") and name != "error.log")


def test_an_attacker_cannot_write_lines(gate):
    gate.get("/orders/%0afake%20line%0d", {"User-Agent": "a"})
    gate.get("/combined", {"User-Agent": "\x09tab"})
    gate.raw("GET /x HTTP/1.1\r\nHost: t\r\nUser-Agent: a\x0bb\r\n\r\n")
    gate.stop(signal.SIGQUIT)
    for name in ("main.log", "combined.log", "decisions.log", "error.log"):
        assert not [line for line in gate.read(name).split("\n") if line.startswith("fake")], name
        assert "\x0b" not in gate.read(name)


def test_a_decision_is_one_json_line(gate, token):
    allowed = gate.get("/orders/7?secret=1", {"Authorization": f"Bearer {token}"})
    denied = gate.request("DELETE", "/orders/7", {"Authorization": f"Bearer {token}"})
    unknown = gate.get("/orders/7")
    assert (allowed.status, denied.status, unknown.status) == (200, 403, 401)
    first, second, third = (json.loads(line) for line in lines(gate, "decisions.log", 3))
    assert (first["verdict"], first["status"], first["rule"]) == ("allow", 200, "readers")
    assert (first["requester"], first["on_behalf_of"]) == ("client:client1", "user:alice")
    assert (first["service"], first["method"], first["path"]) == ("orders", "GET", "/orders/7")
    assert (second["verdict"], second["status"], second["method"], second["rule"]) == ("deny", 403, "DELETE", "")
    assert second["reason"] and second["requester"] == "client:client1"
    assert (third["verdict"], third["status"], third["requester"]) == ("deny", 401, "anonymous")
    assert len({record["policy_hash"] for record in (first, second, third)}) == 1 and len(first["policy_hash"]) == 64
    assert len({record["decision_id"] for record in (first, second, third)}) == 3
    assert json.loads(denied.text)["decision_id"] == second["decision_id"], "the id that the client was told"
    for record in (first, second, third):
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", record["time"])


def test_no_token_is_logged_anywhere(gate, token):
    gate.get("/orders/7", {"Authorization": f"Bearer {token}"})
    gate.get("/orders/7", {"Authorization": f"Bearer {token[:-6]}AAAAAA"})
    gate.request("DELETE", "/orders/7", {"Authorization": f"Bearer {token}"})
    gate.get("/orders/7", {"Authorization": f"Bearer {token} {token}"})
    gate.stop(signal.SIGQUIT)
    everything = "".join(gate.read(name) for name in os.listdir(gate.folder) if "log" in name or name.startswith("std"))
    header, payload, signature = token.split(".")
    assert signature not in everything and signature[:30] not in everything and payload[:60] not in everything


def test_log_files_are_not_for_everybody(gate, token):
    gate.get("/orders/7", {"Authorization": f"Bearer {token}"})
    lines(gate, "decisions.log")
    assert os.stat(gate.path("decisions.log")).st_mode & 0o007 == 0


def test_a_log_that_is_a_symbolic_link_is_not_followed(keepgate, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { access_log linked.log; return 200 ok; } }", start=False)
    os.symlink(victim, gate.path("linked.log"))
    try:
        gate.start()
        gate.get("/")
        gate.stop(signal.SIGQUIT)
    except AssertionError:
        gate.process = None  # Refusing to start is as good.
    assert victim.read_text() == "precious\n"


ERROR_PAGES = """
decision_log decisions.log;
policy policy.yaml;
server {
    listen 127.0.0.1:@gate@;
    service orders;
    location / { proxy_pass http://@origin@; error_page 401 @sorry; }
    location @sorry { authorize off; return 401 "sorry"; }
    location /page { proxy_pass http://@origin@; error_page 401 /open.html; }
    location /open { proxy_pass http://@dead@; error_page 502 /closed; }
    location = /open.html { authorize off; proxy_pass http://@origin@; }
    location /closed { proxy_pass http://@origin@; }
}
"""
OPEN_POLICY = "policies:\n  - { id: open, allow: anonymous, permissions: GET, on: /open }\n"


def test_a_denial_stays_on_record_whatever_an_error_page_does_next(keepgate, origin):
    files = {"policy.yaml": OPEN_POLICY}
    gate = keepgate(ERROR_PAGES, files=files, values={"origin": origin().address, "dead": f"127.0.0.1:{free_port()}"})
    assert (gate.get("/x").status, gate.get("/x").text) == (401, "sorry")
    for record in map(json.loads, lines(gate, "decisions.log", 2)):
        assert (record["verdict"], record["location"], record["service"]) == ("deny", "/", "orders")
        assert len(record["policy_hash"]) == 64 and record["reason"]
    assert gate.get("/page").status == 401  # Its page is open: a second decision, and a second record.
    denied, page = (json.loads(line) for line in lines(gate, "decisions.log", 4)[2:4])
    assert (denied["verdict"], denied["location"], denied["status"]) == ("deny", "/page", 401)
    assert (page["verdict"], page["location"]) == ("allow", "= /open.html")
    assert denied["decision_id"] != page["decision_id"]
    assert gate.get("/open").status != 200  # Permitted, failed, and its error page is not for everybody.
    allowed, refused = (json.loads(line) for line in lines(gate, "decisions.log", 6)[4:6])
    assert (allowed["verdict"], allowed["location"]) == ("allow", "/open")
    assert (refused["verdict"], refused["location"]) == ("deny", "/closed")
