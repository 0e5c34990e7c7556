"""The node programs of tests/oauth: they ask an authorization server and print a JSON line for each case."""
import functools
import json
import os
import subprocess
import tempfile

FOLDER = os.path.join(os.path.dirname(__file__), "..", "..", "oauth")
MODULES = os.path.join(FOLDER, "..", "node_modules", "openid-client")


def program(name):
    assert os.path.isdir(MODULES), "npm openid-client is missing: npm ci --prefix tests"
    return ["node", os.path.join(FOLDER, name)]


def make_world():
    """People and clients with fresh secrets and keys: what every configuration is made from."""
    return json.loads(subprocess.run(program("world.mjs"), capture_output=True, text=True, timeout=30, check=True).stdout)


@functools.cache
def sections(name):
    """The sections of a program, without starting any server."""
    return subprocess.run(["node", os.path.join(FOLDER, name), "--list"], capture_output=True, text=True, timeout=30, check=True).stdout.split()


def differences():
    with open(os.path.join(FOLDER, "differences.json"), encoding="utf-8") as file:
        return json.load(file)


def run_cases(name, base, world, section):
    """[{"name", "ok", "why", "skip"?}] of one section, in order."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(world, file)
        file.flush()
        command = [*program(name), base, file.name, "--section", section]
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, f"{name} {section} ended with {result.returncode}: {result.stderr[-2000:]}"
    cases = [json.loads(line) for line in result.stdout.splitlines()]
    assert cases, f"{name} has no section {section}"
    return cases


def complain(cases):
    """Fails with every case that failed, on a line of its own."""
    bad = [f"{case['name']}: {case['why']}" for case in cases if not case["ok"]]
    assert not bad, f"{len(bad)} of {len(cases)} cases:\n" + "\n".join(bad)


class Oracle:
    """npm oidc-provider with the same people and clients. `tokens`: "opaque", so that they can be asked about, or "jwt"."""

    def __init__(self, world, tokens="opaque"):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(world, file)
            file.flush()
            self.process = subprocess.Popen(
                [*program("oracle_provider.mjs"), file.name, tokens], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )
            port = self.process.stdout.readline().strip()
        assert port, "npm oidc-provider does not start: npm ci --prefix tests"
        self.url = f"http://127.0.0.1:{port}"

    def close(self):
        self.process.kill()
        self.process.wait(10)
