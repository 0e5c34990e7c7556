"""Configurations as they are published for gateways, in our own words: they load, and nginx likes them too."""
import os
import shutil
import subprocess

import pytest

from harness import nginx
from harness.gate import run_cli

FOLDER = os.path.join(os.path.dirname(__file__), "published")
NAMES = sorted(name for name in os.listdir(FOLDER) if name.endswith(".conf"))
ONLY_PLUS = {"jwt_plus.conf"}
NEWER = {"keycloak_proxy.conf": "http2 on;"}  # Later than the nginx that is compared with.


def copied(folder, name, authority):
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    os.chmod(folder / "api_secret.jwk", 0o600)
    (folder / "logs").mkdir()
    certificate, key = authority.issue("api.example.com")
    text = (folder / name).read_text(encoding="utf-8").replace("@certificate@", str(certificate)).replace("@key@", str(key))
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", NAMES)
def test_it_loads(tmp_path, authority, name):
    file = copied(tmp_path, name, authority)
    result = run_cli("-t", "-c", file)
    assert result.returncode == 0, result.stderr
    assert "error[" not in result.stderr


@pytest.mark.skipif(not nginx.installed(), reason="nginx is not installed")
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ONLY_PLUS])
def test_nginx_likes_it_too(tmp_path, authority, name):
    file = copied(tmp_path, name, authority)
    text = file.read_text(encoding="utf-8").replace(NEWER.get(name, "\0"), "").replace("ssl_dhparam dh.pem;", "")
    file.write_text(text.replace("pid gateway.pid;", ""), encoding="utf-8")
    command = [nginx.PROGRAM, "-t", "-c", file, "-p", tmp_path, "-e", "stderr", "-g", f"pid {tmp_path}/pid;"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=30)
    assert result.returncode == 0, result.stderr


def test_a_missing_host_and_a_missing_folder_are_told(tmp_path):
    (tmp_path / "keepgate.conf").write_text(
        "events {} http { access_log nowhere/access.log; server { location / { proxy_pass http://no-such-host.invalid; } } }")
    result = run_cli("-t", "-c", tmp_path / "keepgate.conf", timeout=60)
    assert result.returncode == 1
    assert "host not found in upstream 'no-such-host.invalid'" in result.stderr
    assert 'nowhere/access.log" failed (2: No such file or directory)' in result.stderr
    assert run_cli("check", "-c", tmp_path / "keepgate.conf").returncode == 0  # Without looking around.


@pytest.mark.parametrize("text, code", [
    ("server { listen 8080; http2 on; }", 0), ("server { listen 8080 http2; }", 0), ("server { listen 8080 quic; }", 1),
    ("gzip on; server { listen 8080; }", 0), ("server { listen 8080; ssl_protocols TLSv1 TLSv1.1; }", 1), ("server { listen 8080; ssl_protocols TLSv1 TLSv1.2; }", 0),
    ("server { listen 8080; ssl_protocols TLSv9 TLSv1.2; }", 1), ("server { location / { proxy_cache zone; } }", 1), ("server { location / { set $limit_rate 1k; } }", 1),
    ("geo $x { proxy 10.0.0.0/8; default a; }", 1), ("server { location / { charset $x; } }", 1),
])
def test_what_is_told_and_what_is_refused(tmp_path, text, code):
    (tmp_path / "keepgate.conf").write_text("events {} http { %s }" % text)
    result = run_cli("-t", "-c", tmp_path / "keepgate.conf")
    assert result.returncode == code, result.stderr
    assert "warning[" in result.stderr or code == 1


def test_a_directive_may_go_on_over_lines(tmp_path):
    (tmp_path / "keepgate.conf").write_text("""events {}
http {
    log_format x '$uri '
        status;
    server {
        listen 8080;
        server_name
            api
            status
            ssl
            root;
        add_header
            set
            "value";
    }
}
""")
    result = run_cli("-t", "-c", tmp_path / "keepgate.conf")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("text", ["listen 8080\n        server_name x;", "server_name a\n        listen 8080;", "return 200 'x'\n        error_page 404 /x;"])
def test_a_missing_semicolon_is_still_seen(tmp_path, text):
    (tmp_path / "keepgate.conf").write_text("events {}\nhttp {\n    server {\n        %s\n    }\n}\n" % text)
    result = run_cli("-t", "-c", tmp_path / "keepgate.conf")
    assert result.returncode == 1 and "';' is missing before" in result.stderr
