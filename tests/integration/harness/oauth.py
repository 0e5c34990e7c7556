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


def sign_in(base, world, client, *scopes):
    """What the token endpoint answers after alice signed in at the client: a dictionary for each scope."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(world, file)
        file.flush()
        result = subprocess.run([*program("sign_in.mjs"), base, file.name, client, *scopes], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return [json.loads(line) for line in result.stdout.splitlines()]


def complain(cases):
    """Fails with every case that failed, on a line of its own."""
    bad = [f"{case['name']}: {case['why']}" for case in cases if not case["ok"]]
    assert not bad, f"{len(bad)} of {len(cases)} cases:\n" + "\n".join(bad)


def hash_of(password):
    """crypt(3) with SHA-512: quick enough for many sign-ins. What Argon2id does is tested elsewhere."""
    command = ["openssl", "passwd", "-6", "-stdin"]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()


def client_block(name, client):
    lines = [f"secret_file {name}.secret;"] if "secret" in client else []
    lines += [f"jwks_file {name}.jwks;"] if "key" in client else []
    lines += ["public;"] if client["auth"] == "none" else []
    for directive, words in (
        ("grants", client["grants"]), ("scopes", client["scopes"]), ("audience", client["audiences"]),
        ("redirect_uri", client.get("redirect_uris")), ("post_logout_redirect_uri", client.get("post_logout_redirect_uris")),
    ):
        if words:
            lines.append(f"{directive} {' '.join(words)};")
    if client.get("introspects"):
        lines.append("introspects *; revocations on;")
    if "exchange" in client:
        rules = client["exchange"]
        lines.append("exchange " + " ".join(f"{name}={','.join(values)}" for name, values in rules.items()) + ";")
    lines += [client["more"]] if "more" in client else []
    return f"    client {name} {{ {' '.join(lines)} }}\n"


def server_block(world, more="", store="sqlite:keepgate.db"):
    """authorization_server { } for these people and clients, on the port @as@; and the files that it names."""
    text = f"authorization_server {{\n    issuer http://127.0.0.1:@as@;\n    listen 127.0.0.1:@as@;\n    store {store};\n"
    text += f"    title \"The tests\";\n    trust_domain {world['trust_domain']};\n    {more}\n"
    files = {}
    for name, other in world["issuers"].items():
        text += f"    trusted_issuer {other['issuer']} jwks=issuer_{name}.jwks subject={other['kind']};\n"
        files[f"issuer_{name}.jwks"] = json.dumps({"keys": [other["key"]["public"]]})
    for name, client in world["clients"].items():
        text += client_block(name, client)
        if "secret" in client:
            files[f"{name}.secret"] = client["secret"] + "\n"
        if "key" in client:
            files[f"{name}.jwks"] = json.dumps({"keys": [client["key"]["public"]]})
    for name, user in world["users"].items():
        claims = " ".join(f'claim {claim} "{value}";' for claim, value in user["claims"].items())
        text += f"    user {name} {{ password_hash_file {name}.hash; {claims} }}\n"
        files[f"{name}.hash"] = hash_of(user["password"]) + "\n"
    return text + "}\n", files


def start_server(keepgate, world, more="", store="sqlite:keepgate.db", **options):
    """Our server, as the fixture `keepgate` starts it. (gate, URL)"""
    text, files = server_block(world, more, store)
    gate = keepgate(main=text, files=files, **options)
    return gate, f"http://127.0.0.1:{gate.port('as')}"


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
