"""What the logs of the authorization server have of a request: its path, and never its query (RFC 6750 §5.3, RFC 9700 §4.3.2)."""
import pytest

from harness.people import FILES, SERVER
from harness.ports import free_port

FORMAT = "log_format all '$request|$request_uri|$args|$query_string|$arg_client_secret|$arg_mark|$status';"
TARGETS = (
    ("GET", "/userinfo?access_token=marker1"),
    ("POST", "/token?client_secret=marker2"),
    ("GET", "/authorize?client_id=web&client_secret=marker3"),
    ("GET", "/authorize?client_id=web&login_hint=marker4&mark=marker4"),
    ("GET", "/end-session?id_token_hint=marker5"),
    ("GET", "/device?user_code=marker6"),
    ("GET", "/nothing/here?code=marker7"),
    ("GET", "/%00?code=marker8"),
    ("GET", "http://127.0.0.1/device?user_code=marker9"),
)


@pytest.mark.parametrize("name", ["combined", "all"])
def test_no_log_has_what_stands_in_the_query(keepgate, name):
    main = SERVER.replace("access_log access.log;", f"access_log access.log {name}; decision_log decisions.log;") % ""
    gate = keepgate(http=FORMAT, main=main, files=FILES, values={"app": free_port()})
    for method, target in TARGETS:
        assert gate.request(method, target, name="as").status
    # No request at all, and one with a head that is none.
    assert gate.raw(b"GET /device?user_code=markerA HTTP/7.x\r\n\r\n", name="as").status == 400
    assert gate.raw(b"GET /device?user_code=markerB HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", name="as").status == 400
    gate.stop()  # Then everything is in the log.
    lines = gate.read("access.log").splitlines()
    assert len(lines) == len(TARGETS) + 2, lines
    for path in ("/userinfo", "/token", "/authorize", "/end-session", "/device", "/nothing/here", "/%00"):
        assert any(path + " HTTP/1.1" in line for line in lines), (path, lines)
    for log in ("access.log", "decisions.log", "error.log"):
        assert "marker" not in gate.read(log), [line for line in gate.read(log).splitlines() if "marker" in line]


def test_the_logs_of_other_servers_have_the_query_as_before(keepgate):
    server = "server { listen 127.0.0.1:@web@; access_log web.log all; location / { return 200 $arg_mark; } }"
    gate = keepgate(http=FORMAT + server, main=SERVER % "", files=FILES, values={"app": free_port()})
    answer = gate.get("/x?mark=seen&client_secret=too", name="web")
    assert answer.body == b"seen"
    gate.stop()
    line = gate.read("web.log").strip()
    query = "mark=seen&client_secret=too"
    assert line == f"GET /x?{query} HTTP/1.1|/x?{query}|{query}|{query}|too|seen|200"
