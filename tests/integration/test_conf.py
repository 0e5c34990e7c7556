"""The configuration as an operator meets it: messages, carets, exit codes, flags. Nothing half-loads."""
import os
import random
import signal
import subprocess

import pytest

from harness.gate import binary, run_cli
from harness.ports import free_port

GOOD = "daemon off;\npid keepgate.pid;\nerror_log error.log;\nevents {}\nhttp {\n    server {\n        listen 127.0.0.1:%d;\n        location / { return 200 ok; }\n    }\n}\n"


def check(folder, text, *flags, name="keepgate.conf"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return run_cli("-t", "-c", path, *flags, cwd=folder)


def test_t_says_what_nginx_says(tmp_path):
    result = check(tmp_path, GOOD % free_port())
    assert result.returncode == 0
    assert "syntax is ok" in result.stderr and "test is successful" in result.stderr
    assert str(tmp_path / "keepgate.conf") in result.stderr
    assert result.stdout == ""


def test_t_with_q_is_silent_on_success(tmp_path):
    result = check(tmp_path, GOOD % free_port(), "-q")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_t_binds_and_writes_nothing(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert check(tmp_path, GOOD % taken.getsockname()[1]).returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["keepgate.conf"]


WITH_POLICY = "events {}\nhttp { policy p.yaml; server { location / { proxy_pass http://127.0.0.1:1; } } }\n"
BAD = {
    "unknown directive": ("http { server { proxy_pas http://a; } }", "proxy_pass"),
    "missing semicolon": ("http { server { listen 80\n } }", ""),
    "missing brace": ("http { server { listen 80; }", ""),
    "extra brace": ("http { } }", ""),
    "wrong context": ("listen 80;", "listen"),
    "wrong arity": ("http { server { listen; } }", "listen"),
    "duplicate": ("http { server { client_max_body_size 1m; client_max_body_size 2m; } }", "client_max_body_size"),
    "bad number": ("worker_processes many;", "worker_processes"),
    "bad port": ("http { server { listen 127.0.0.1:99999; } }", "99999"),
    "bad address": ("http { server { listen [::1:80; } }", "[::1"),
    "unknown variable": ("http { server { location / { return 200 $nothing_of_the_kind; } } }", "nothing_of_the_kind"),
    "bad regex": ("http { server { location ~ ( { return 200; } } }", ""),
    "duplicate location": ("http { server { location /a { return 200; } location /a { return 200; } } }", "/a"),
    "no such zone": ("http { server { limit_req zone=none; location / { return 200; } } }", "none"),
    "small zone": ("http { limit_req_zone $remote_addr zone=z:1k rate=1r/s; }", "z"),
    "bad rate": ("http { limit_req_zone $remote_addr zone=z:1m rate=fast; }", "rate"),
    "unterminated string": ('http { server { server_name "a; } }', ""),
    "no policy file": ("http { server { policy nowhere.yaml; location / { proxy_pass http://127.0.0.1:1; } } }", "nowhere.yaml"),
    "no certificate": ("http { server { listen 127.0.0.1:1 ssl; ssl_certificate a.crt; ssl_certificate_key a.key; } }", "a.crt"),
    "ssl without certificate": ("http { server { listen 127.0.0.1:1 ssl; } }", ""),
    "no include": ("include nowhere.conf;", "nowhere.conf"),
    "include of itself": ("include keepgate.conf;", ""),
    "proxy_pass with URI in a regex location": ("http { server { location ~ x { proxy_pass http://127.0.0.1:1/y; } } }", "proxy_pass"),
    "empty upstream": ("http { upstream u { } server { location / { proxy_pass http://u; } } }", ""),
    "duplicate upstream": ("http { upstream u { server 127.0.0.1:1; } upstream u { server 127.0.0.1:2; } }", "u"),
    "bad size": ("http { client_max_body_size lots; }", "lots"),
    "bad on or off": ("strict maybe;", "strict"),
    "known elsewhere, not here yet": ("http { server { location / { js_content x; } } }", "js_content"),
    "map without default twice": ("http { map $uri $x { default 1; default 2; } }", "default"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_configuration_is_refused_with_its_place(tmp_path, case):
    text, word = BAD[case]
    result = check(tmp_path, ("events {}\n" if "events" not in text else "") + text + "\n")
    assert result.returncode == 1, result.stderr
    assert "error" in result.stderr.lower() or "emerg" in result.stderr.lower()
    assert "keepgate.conf:" in result.stderr, "the place"
    assert word in result.stderr
    assert "test is successful" not in result.stderr


def test_a_caret_points_at_the_word_and_help_suggests(tmp_path):
    result = check(tmp_path, "events {}\nhttp {\n    server {\n        proxy_pas http://127.0.0.1:1;\n    }\n}\n")
    lines = result.stderr.splitlines()
    assert any("keepgate.conf:4:9" in line for line in lines)
    shown = next(index for index, line in enumerate(lines) if "proxy_pas http://127.0.0.1:1;" in line)
    assert lines[shown + 1].index("^") == lines[shown].index("proxy_pas")
    assert "did you mean 'proxy_pass'?" in result.stderr


def test_all_errors_are_told_at_once(tmp_path):
    result = check(tmp_path, "events {}\nworker_processes many;\nhttp {\n  listne 80;\n  server { client_max_body_size lots; proxy_pas x; }\n}\n")
    assert result.returncode == 1
    for word in ("worker_processes", "listne", "lots", "proxy_pas"):
        assert word in result.stderr, word
    for line in (2, 4, 5):
        assert f"keepgate.conf:{line}:" in result.stderr


def test_errors_of_a_policy_are_told_with_their_place(tmp_path):
    (tmp_path / "p.yaml").write_text("policies:\n  - identity: client1\n    permisions: GET\n    on: /a/\n")
    result = check(tmp_path, WITH_POLICY)
    assert result.returncode == 1
    assert "p.yaml:3" in result.stderr and "permisions" in result.stderr


@pytest.mark.parametrize(
    "text",
    ["policies:\n  - { allow: client:a, on: /a/, when: 'context.ip.isInRange(ip(\"10.0.0.0/8\"))' }\n",
     "policies:\n  - { allow: client:a, on: /a/, unless: 'true' }\n",
     "policies:\n  - &x { allow: client:a, on: /a/ }\n  - *x\n", "policies:\n  - { allow: client:a, allow: client:b, on: /a/ }\n",
     "policies:\n  - { allow: no, deny: yes, on: /a/ }\n", "policies: hello\n", "polices: []\n",
     "policies:\n  - { on: /a/ }\n", "\t\n", "- 1\n", "policies:\n  - { allow: client:a, on: a/ }\n",
     "policies:\n  - { id: x, allow: client:a, on: /a/ }\n  - { id: x, allow: client:b, on: /a/ }\n"],
)
def test_a_policy_that_is_not_understood_does_not_load(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text)
    result = check(tmp_path, WITH_POLICY)
    assert result.returncode == 1, text
    assert "p.yaml" in result.stderr


NOISE = random.Random(1).randbytes(4096)


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"\xff\xfe", NOISE, b"a" * 100_000, b"{" * 10_000, b"http { " * 2000, b'"' + b"a" * 70_000, b"", b"events {}"])
def test_binary_deep_and_empty_files_end_well(tmp_path, data):
    result = check(tmp_path, data)
    assert result.returncode in (0, 1)
    assert len(result.stderr) < 200_000
    if result.returncode == 1:
        assert "keepgate.conf" in result.stderr


def test_a_missing_file_is_an_error(tmp_path):
    result = run_cli("-t", "-c", tmp_path / "none.conf")
    assert result.returncode == 1 and "none.conf" in result.stderr


@pytest.mark.parametrize("keys", ["auth_jwt_key_file nowhere.json;", "auth_jwt_key_file broken.json;", ""])
def test_keys_that_cannot_be_used_close_their_location_loudly_and_no_other(keepgate, origin, keys):
    gate = keepgate(
        f'server {{ listen 127.0.0.1:@gate@; location / {{ auth_jwt "x"; {keys} proxy_pass http://@origin@; }}'
        " location /other/ { proxy_pass http://@origin@; } }",
        files={"broken.json": '{"keys": ['}, values={"origin": origin().address},
    )
    assert gate.get("/x").status == 503
    assert gate.get("/x", {"Authorization": "Bearer a.b.c"}).status == 503
    assert gate.get("/other/x").status == 200
    assert "warning" in gate.words() and "503" in gate.words()


def test_include_with_globs_in_order(keepgate):
    gate = keepgate(
        "server { listen 127.0.0.1:@gate@; include parts/*.conf; include none/*.conf; }",
        files={"parts/1.conf": 'location = /1 { return 200 "one"; }', "parts/2.conf": 'location = /2 { return 200 "two"; }'},
    )
    assert (gate.get("/1").text, gate.get("/2").text) == ("one", "two")


def test_g_gives_directives(tmp_path):
    text = (GOOD % free_port()).replace("pid keepgate.pid;\n", "")
    assert check(tmp_path, text, "-g", "pid other.pid; worker_processes 2;").returncode == 0
    result = check(tmp_path, text, "-g", "worker_processes many;")
    assert result.returncode == 1 and "worker_processes" in result.stderr
    assert check(tmp_path, text, "-g", "daemon off;").returncode == 1, "given twice"


def test_p_is_where_relative_paths_start(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "p.yaml").write_text("policies: []\n")
    text = "events {}\nhttp { policy p.yaml; server { location / { return 200; } } }\n"
    assert check(tmp_path, text).returncode == 1
    assert check(tmp_path, text, "-p", str(inner)).returncode == 0


def test_v_and_V_and_h():
    result = run_cli("-v")
    assert result.returncode == 0 and "keepgate" in (result.stdout + result.stderr).lower()
    long = run_cli("-V")
    assert long.returncode == 0 and len(long.stdout + long.stderr) > len(result.stdout + result.stderr)
    for flag in ("-h", "--help", "help"):
        result = run_cli(flag)
        assert result.returncode == 0 and "-c" in result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [["-x"], ["--nonsense"], ["nonsense"], ["-s", "dance"], ["-c"], ["token", "nonsense"], ["explain"]])
def test_wrong_usage_is_2(arguments):
    result = run_cli(*arguments)
    assert result.returncode in (1, 2) and result.stderr
    if arguments[0] in ("--nonsense", "nonsense", "token", "explain"):
        assert result.returncode == 2


def test_a_taken_port_is_a_clear_error(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "keepgate.conf").write_text(GOOD % port)
        result = run_cli("-c", tmp_path / "keepgate.conf", timeout=20)
        assert result.returncode == 1
        log = (tmp_path / "error.log").read_text() if (tmp_path / "error.log").exists() else ""
        assert str(port) in result.stderr + log


@pytest.mark.parametrize("name, number", [("stop", signal.SIGTERM), ("quit", signal.SIGQUIT)])
def test_s_ends_the_running_program(keepgate, name, number):
    gate = keepgate("server { listen 127.0.0.1:@gate@; location / { return 200 ok; } }")
    assert gate.read("keepgate.pid").strip() == str(gate.process.pid)
    result = run_cli("-c", gate.path("keepgate.conf"), "-s", name)
    assert result.returncode == 0, result.stderr
    assert gate.process.wait(10) == 0
    assert not os.path.exists(gate.path("keepgate.pid"))


def test_s_reload_loads_again(keepgate):
    from harness.ports import wait_until

    gate = keepgate('server { listen 127.0.0.1:@gate@; location / { return 200 "one"; } }')
    gate.configure(gate.text.replace('"one"', '"two"'))
    assert run_cli("-c", gate.path("keepgate.conf"), "-s", "reload").returncode == 0
    wait_until(lambda: gate.get("/").text == "two")


def test_s_without_a_running_program_is_an_error(tmp_path):
    (tmp_path / "keepgate.conf").write_text(GOOD % free_port())
    result = run_cli("-c", tmp_path / "keepgate.conf", "-s", "stop")
    assert result.returncode == 1 and result.stderr


def test_daemon_on_goes_to_the_background(tmp_path):
    from harness.ports import can_connect, wait_until

    port = free_port()
    (tmp_path / "keepgate.conf").write_text((GOOD % port).replace("daemon off;", "daemon on;"))
    result = subprocess.run([binary(), "-c", str(tmp_path / "keepgate.conf")], timeout=20, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert result.returncode == 0
        wait_until(lambda: can_connect(("127.0.0.1", port)))
        assert (tmp_path / "keepgate.pid").read_text().strip().isdigit()
    finally:
        assert run_cli("-c", tmp_path / "keepgate.conf", "-s", "stop").returncode == 0
        wait_until(lambda: not can_connect(("127.0.0.1", port)))


def test_the_reference_page_is_what_the_program_prints():
    """docs/directives.md is made by `keepgate check --reference`; after a change of the tables it is made again."""
    printed = subprocess.run([binary(), "check", "--reference"], capture_output=True, text=True, check=True).stdout
    with open(os.path.join(os.path.dirname(__file__), "../../docs/directives.md"), encoding="utf-8") as page:
        assert printed == page.read()


@pytest.mark.parametrize("count, code", [(16, 0), (17, 1)])
def test_a_level_holds_sixteen_limits_and_not_one_more(tmp_path, count, code):
    zones = "".join(f"limit_req_zone $remote_addr zone=z{i}:32k rate=1r/s;" for i in range(count))
    limits = "".join(f"limit_req zone=z{i};" for i in range(count))
    file = tmp_path / "limits.conf"
    file.write_text(f"events {{}} http {{ {zones} server {{ listen 127.0.0.1:80; {limits} return 204; }} }}")
    done = subprocess.run([binary(), "-t", "-c", str(file)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert ("KG003" in done.stderr) == (code == 1)
