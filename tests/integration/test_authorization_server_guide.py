"""docs/authorization_server.md is a walk that works: each command is run, in order, and answers as it is printed there.

In a ```console block a line that begins with "$ " is a command (a backslash at its end goes on), and what follows is what
it prints; "…" stands for anything. <!-- alice … --> is what a person does with a browser between two blocks.
"""
import importlib.util
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest

from harness.gate import ROOT, binary
from harness.ports import can_connect, free_port, wait_until

GUIDE = os.path.join(ROOT, "docs", "authorization_server.md")
EXAMPLE = os.path.join(ROOT, "examples", "authorization_server")
PASSWORD = "correct horse battery staple"


def steps(text):
    """("run", command, expected output), ("person", what) in the order of the page."""
    out = []
    for match in re.finditer(r"^```console\n(.*?)^```|^<!-- alice (.*?) -->", text, re.MULTILINE | re.DOTALL):
        if match[2]:
            out.append(("person", match[2]))
            continue
        lines = match[1].splitlines()
        while lines:
            command = lines.pop(0)
            assert command.startswith("$ "), command
            while command.endswith("\\"):
                command += "\n" + lines.pop(0)
            expected = []
            while lines and not lines[0].startswith("$ "):
                expected.append(lines.pop(0))
            out.append(("run", command[2:], "\n".join(expected)))
    return out


class Shell:
    """One shell for the whole walk, so that its variables stay."""

    mark = "--- the end of a command ---"

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(["bash", "--norc"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, command):
        self.process.stdin.write(f"{command}\necho; echo '{self.mark}'\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == self.mark:
                return "".join(lines).strip()
            lines.append(line)
        raise AssertionError(f"the shell ended in {command}: {lines}")

    def close(self):
        self.process.kill()
        self.process.wait(10)


def browser():
    spec = importlib.util.spec_from_file_location("person", os.path.join(ROOT, "examples", "shop", "person.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def place(tmp_path):
    """A copy of the example on ports of its own."""
    folder = tmp_path / "authorization_server"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("keys", "run", "store"))
    ports = {name: str(free_port()) for name in ("9100", "9101", "9102")}
    for name in ("keepgate.conf", "guard.conf"):
        (folder / name).write_text(moved((folder / name).read_text(encoding="utf-8"), ports), encoding="utf-8")
    os.makedirs(tmp_path / "bin")
    os.symlink(binary(), tmp_path / "bin" / "keepgate")
    environment = {**os.environ, "KEEPGATE_BIN": binary(), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
    shell = Shell(folder, environment)
    servers = []
    yield shell, folder, ports, environment, servers
    shell.close()
    for server in servers:
        server.terminate()
        server.wait(10)


def moved(text, ports):
    return re.sub(r"127\.0\.0\.1:(910[012])", lambda match: "127.0.0.1:" + ports[match[1]], text)


def matches(expected, printed):
    pattern = ".*".join(re.escape(part) for part in expected.split("…"))
    return re.fullmatch(pattern, printed, re.DOTALL)


def test_every_command_of_the_guide_answers_as_it_says(place):
    shell, folder, ports, environment, servers = place
    with open(GUIDE, encoding="utf-8") as file:
        todo = steps(moved(file.read(), ports))
    assert len([step for step in todo if step[0] == "run"]) >= 20
    printed = ""
    for kind, *what in todo:
        if kind == "person":
            url = printed.split('"verification_uri_complete":"')[-1].split('"')[0]
            words, last = browser().allow(url, "alice", PASSWORD)
            if what[0] == "copies the code":
                code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(last).query))["code"]
                shell.run(f"code={code}")
            else:
                assert "connected" in words, words
            continue
        command, expected = what
        if command.endswith("&"):
            assert not expected, command
            listens = "9100" if not servers else "9101"
            with open(folder / "run" / "out", "ab") as out:
                servers.append(subprocess.Popen(command.rstrip("& ").split(), cwd=folder, env=environment, stdout=out, stderr=out))
            wait_until(lambda: can_connect(("127.0.0.1", int(ports[listens]))), 20)
            continue
        printed = shell.run(command)
        if command == "ask":  # What another process takes back is known here a moment later.
            wait_until(lambda: matches(expected, shell.run("ask")), 10)
            continue
        assert matches(expected, printed), f"$ {command}\n{printed}\n--- is not\n{expected}"


def test_what_is_prepared_is_private_and_made_once(place):
    _, folder, _, environment, _ = place
    seen = []
    for _ in range(2):
        result = subprocess.run([str(folder / "prepare.sh")], env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        seen.append({path.name: path.read_bytes() for path in (folder / "keys").iterdir()})
    assert seen[0] == seen[1] and len(seen[0]) == 6
    assert not [path for path in (folder / "keys").iterdir() if path.stat().st_mode & 0o077]
