"""The authorization server beside npm oidc-provider: tokens for clients, and questions about tokens.

Both run one worker pinned to one core, one at a time and in random order within a round; the load generator has the
other core. CPU comes from the scheduler's counters. oidc-provider keeps everything in memory; Keepgate has its SQLite
store on disk, where a token for a client leaves nothing behind.
"""

import base64
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import urllib.parse
import urllib.request

import figures
import peers
import tables

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROVIDER = ROOT / "tests/oauth/bench_provider.mjs"
NAMES = ["oidc-provider", "keepgate"]
AUDIENCE = "https://api.bench.example"
SECRET = "a-secret-of-the-benchmark-0123456789abcdef"
STARTS = 5
METADATA = "/.well-known/openid-configuration"

KEEPGATE = """
worker_processes 1; daemon off; pid {folder}/as.pid; error_log {folder}/as.log warn;
events {{ worker_connections 1024; }}
authorization_server {{
    issuer http://127.0.0.1:{port};
    listen 127.0.0.1:{port} backlog=4096;
    keepalive_requests 1000000000; keepalive_timeout 600s;
    store sqlite:{folder}/bench.db; key_file {folder}/bench.key;
    access_token_lifetime 1h;
    client bench {{ secret_file {folder}/bench.secret; grants client_credentials; scopes read; audience {audience}; }}
    client gateway {{ secret_file {folder}/bench.secret; introspects *; }}
}}
"""


class Server:
    """One of the two, and what its endpoints are called."""

    def __init__(self, name, bench, folder):
        self.name, self.bench, self.folder = name, bench, folder
        self.port = peers.free_port()
        if name == "keepgate":
            secret = folder / "bench.secret"
            secret.write_text(SECRET + "\n")
            secret.chmod(0o600)
            config = folder / "as.conf"
            config.write_text(KEEPGATE.format(folder=folder, port=self.port, audience=AUDIENCE))
            program = str(bench.options.keepgate)
            command, version = [program, "-p", str(folder), "-c", str(config)], peers.version_of([program, "-v"])
            self.opaque = AUDIENCE
        else:
            command = ["node", str(PROVIDER), str(self.port), SECRET]
            package = json.loads((ROOT / "tests/node_modules/oidc-provider/package.json").read_text())
            version = f"{package['version']} on Node {peers.version_of(['node', '--version'])}"
            self.opaque = AUDIENCE + "/opaque"
        self.proxy = peers.Proxy(f"as-{name}", command, folder, self.port, version)
        self.meta = {}

    def start(self):
        self.proxy.start(self.bench.proxy_core)
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{METADATA}", timeout=20) as answer:
            self.meta = json.load(answer)

    def ask(self, client, endpoint, fields):
        """One request, as an application sends it."""
        request = urllib.request.Request(self.meta[f"{endpoint}_endpoint"], urllib.parse.urlencode(fields).encode())
        request.add_header("Authorization", authorization(client))
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def load(self, client, endpoint, fields, connections):
        """What the load generator measured of this request, sent again and again."""
        headers, body = self.folder / "oauth.headers", self.folder / "oauth.body"
        headers.write_text(f"Host: 127.0.0.1:{self.port}\nAuthorization: {authorization(client)}\n"
                           "Accept: application/json\nContent-Type: application/x-www-form-urlencoded\n")
        body.write_text(urllib.parse.urlencode(fields))
        options = self.bench.options
        path = urllib.parse.urlsplit(self.meta[f"{endpoint}_endpoint"]).path
        command = [options.loader, "--port", self.port, "--method", "POST", "--path", path, "--headers", headers,
                   "--body-file", body, "--connections", connections, "--warmup-ms", max(options.warmup_ms, 1000),
                   "--window-ms", max(options.window_ms, 2000)]
        for pid in self.proxy.pids():
            command += ["--pid", pid]
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120,
                                check=False, preexec_fn=self.bench.pin_loader)
        if result.returncode != 0:
            raise SystemExit(f"bench: the load generator failed: {result.stderr}")
        return json.loads(result.stdout)


def authorization(client):
    return "Basic " + base64.b64encode(f"{client}:{SECRET}".encode()).decode()


def measure_once(server, connections):
    """{"token": sample, "introspection": sample} of one start, and its memory before and after."""
    server.start()
    try:
        grant = {"grant_type": "client_credentials", "scope": "read", "resource": AUDIENCE}
        token = server.ask("bench", "token", grant)["access_token"]
        if len(token.split(".")) != 3:
            raise SystemExit(f"bench: {server.name} gives no JWT")
        asked = server.ask("bench", "token", grant | {"resource": server.opaque})["access_token"]
        if not server.ask("gateway", "introspection", {"token": asked}).get("active"):
            raise SystemExit(f"bench: {server.name} does not know its own token")
        found = {"memory_mib": server.proxy.memory_kib("VmRSS:") / 1024}
        found["token"] = server.load("bench", "token", grant, connections)
        found["introspection"] = server.load("gateway", "introspection", {"token": asked}, connections)
        found["memory_after_mib"] = server.proxy.memory_kib("VmRSS:") / 1024
        return found
    finally:
        server.proxy.stop()


def start_times(server):
    samples = []
    for _ in range(STARTS):
        try:
            samples.append(figures.first_answer_s(server.proxy, server.bench.proxy_core, METADATA) * 1000)
        finally:
            server.proxy.stop()
    return samples


def complaints_of(bench, name, found):
    for what in ("token", "introspection"):
        sample = found[what]
        if sample["errors"] or sample["cpu_us"] == 0:
            yield f"{name}, {what}: {sample['errors']} errors, last bad status {sample['bad_status']}"
        elif sample["foreign"] > bench.foreign_max and not bench.options.allow_noise:
            yield f"{name}, {what}: foreign load {sample['foreign']:.1%}"


def run_rounds(bench, servers, connections):
    rounds = []
    for _ in range(bench.options.rounds * 3):
        found = {server.name: measure_once(server, connections) for server in random.sample(servers, len(servers))}
        complaints = [line for name, one in found.items() for line in complaints_of(bench, name, one)]
        if complaints:
            bench.thrown_away.append("authorization server: " + "; ".join(complaints))
            continue
        rounds.append(found)
        if len(rounds) == bench.options.rounds:
            break
    return rounds


def table_of(rounds, what):
    rows = []
    for name in NAMES:
        samples = [found[name][what] for found in rounds]
        ratios = [found[NAMES[0]][what]["cpu_us"] / found[name][what]["cpu_us"] for found in rounds]
        rows.append([name, f"{statistics.median(s['completed'] / s['window_s'] for s in samples):,.0f}",
                     tables.spread([s["cpu_us"] for s in samples], 1),
                     "–" if name == NAMES[0] else tables.spread(ratios, 1),
                     f"{statistics.median(s['busy'] for s in samples):.0%}",
                     f"{statistics.median(s['p50_us'] for s in samples):,.0f}",
                     f"{statistics.median(s['p99_us'] for s in samples):,.0f}"])
    head = ["server", "requests/s", "CPU µs/request", "times less than oidc-provider", "busy", "p50 µs", "p99 µs"]
    return tables.table(head, rows)


def measure(bench, connections=64):
    """The whole section as Markdown."""
    if not shutil.which("node") or not (ROOT / "tests/node_modules/oidc-provider").is_dir():
        return "Not measured: npm oidc-provider is not installed (npm ci --prefix tests)."
    servers = []
    for name in NAMES:
        folder = bench.folder / f"as-{name}"
        folder.mkdir()
        os.chmod(folder, 0o700)
        servers.append(Server(name, bench, folder))
    rounds = run_rounds(bench, servers, connections)
    if not rounds:
        return "No usable round."
    versions = "; ".join(f"{server.name}: {server.proxy.version}" for server in servers)
    parts = [f"Versions: {versions}. {len(rounds)} rounds, {connections} connections, one worker each.",
             "`client_credentials`: client_secret_basic, an ES256 JWT as access token.\n\n" + table_of(rounds, "token"),
             "Introspection: Keepgate of that JWT, oidc-provider of an opaque token (it can be asked about no JWT).\n\n"
             + table_of(rounds, "introspection")]
    rows = []
    for server in servers:
        samples = start_times(server)
        rows.append([server.name, tables.spread(samples, 1),
                     tables.spread([found[server.name]["memory_mib"] for found in rounds], 1),
                     tables.spread([found[server.name]["memory_after_mib"] for found in rounds], 1)])
    head = ["server", "ms to the first answer", "resident MiB after start", "resident MiB after the load"]
    parts.append(tables.table(head, rows))
    return "\n\n".join(parts)
