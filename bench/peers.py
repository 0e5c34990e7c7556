"""The proxies that are measured: how each is configured, started and found.

Peers come from Debian packages and are tuned; Keepgate runs twice, once with nothing but proxying and once with token
verification, a policy of 1,000 rules and a rate limit. The token is made with the openssl command, not with Keepgate.
"""

import base64
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

TOKEN_BYTES = 904
POLICY_RULES = 1000
# Two descriptors for each connection, within what the shell allows.
CONNECTIONS_MAX = min(8000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 500) // 2)

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log crit;
events {{ worker_connections {connections}; }}
http {{
    access_log off; tcp_nodelay on;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    keepalive_requests 1000000000; keepalive_timeout 600s;
    client_header_buffer_size 4k; client_body_buffer_size 64k;
    proxy_buffer_size 16k; proxy_buffers 16 16k; proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0;
    upstream bench {{ server 127.0.0.1:{backend}; keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
frontend edge
    bind 127.0.0.1:{port} backlog 4096
    {rules}
    default_backend bench
backend bench
    http-reuse always
    server one 127.0.0.1:{backend}
"""

KEEPGATE = """
worker_processes {workers}; daemon off; pid {folder}/keepgate.pid; error_log {folder}/keepgate.log warn;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000; keepalive_timeout 600s;
    {http}
    upstream bench {{ {servers} keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {server}
        location / {{
            {location}
            proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection "";
        }}
    }}
}}
"""

HAPROXY_JWT = """http-request set-var(txn.bearer) http_auth_bearer
    http-request deny unless {{ var(txn.bearer),jwt_header_query('$.alg') -m str {algorithm} }}
    http-request set-var(txn.alg) str({algorithm})
    http-request deny unless {{ var(txn.bearer),jwt_verify(txn.alg,"{folder}/public.pem") -m int 1 }}"""
JWT_SERVER = 'auth_jwt "bench"; auth_jwt_key_file {folder}/jwks.json;'
FULL_HTTP = """policy {folder}/policy.yaml;
    limit_req_zone $binary_remote_addr zone=bench:1m rate=1000000r/s;"""
FULL_LOCATION = "service bench; authorize on; limit_req zone=bench burst=1000000 nodelay;"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


def make_key(folder, algorithm):
    """A private key in PEM, its public half in PEM and as a key set."""
    key, public = folder / "key.pem", folder / "public.pem"
    if algorithm == "RS256":
        key.write_bytes(openssl("genrsa", "2048"))
        modulus = openssl("rsa", "-in", str(key), "-noout", "-modulus").decode().strip().split("=")[1]
        jwk = {"kty": "RSA", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}
    else:
        key.write_bytes(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
        point = openssl("pkey", "-in", str(key), "-pubout", "-outform", "DER")[-64:]
        jwk = {"kty": "EC", "crv": "P-256", "x": base64url(point[:32]), "y": base64url(point[32:])}
    public.write_bytes(openssl("pkey", "-in", str(key), "-pubout"))
    jwk |= {"alg": algorithm, "use": "sig", "kid": "k1"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))


def sign(folder, algorithm, text):
    signature = openssl("dgst", "-sha256", "-sign", str(folder / "key.pem"), stdin=text.encode())
    if algorithm == "RS256":
        return signature
    # DER: SEQUENCE { INTEGER r, INTEGER s }, both short; JOSE wants 32 bytes each.
    numbers, at = [], 2
    for _ in range(2):
        length = signature[at + 1]
        numbers.append(int.from_bytes(signature[at + 2:at + 2 + length], "big").to_bytes(32, "big"))
        at += 2 + length
    return b"".join(numbers)


def make_token(folder, algorithm):
    """One token of exactly TOKEN_BYTES and the keys that verify it."""
    make_key(folder, algorithm)
    signature_characters = {"RS256": 342, "ES256": 86}[algorithm]
    now = int(time.time())
    for padding in range(1200):
        header = json.dumps({"alg": algorithm, "typ": "JWT", "kid": "k1"})
        claims = {"iss": "https://idp.bench.test", "sub": "alice", "client_id": "bench", "aud": "bench", "iat": now,
                  "exp": now + 86400, "scope": "orders:read orders:write", "roles": ["customer"], "pad": "p" * padding}
        signed = base64url(header.encode()) + "." + base64url(json.dumps(claims).encode())
        if len(signed) + 1 + signature_characters == TOKEN_BYTES:
            return signed + "." + base64url(sign(folder, algorithm, signed))
    raise SystemExit("bench: no padding gives a token of the wanted size")


def make_headers(folder, token):
    """Twenty request headers, as a browser application behind a load balancer sends them."""
    lines = [
        "Host: bench.test", "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        "Accept: application/json, text/plain, */*", "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
        "Accept-Encoding: gzip, deflate, br", f"Authorization: Bearer {token}", "Cache-Control: no-cache",
        "Pragma: no-cache", "Origin: https://shop.bench.test", "Referer: https://shop.bench.test/orders/list?page=2",
        "Sec-Fetch-Dest: empty", "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: same-site",
        "Content-Type: application/json", "X-Request-Id: 7f0c2d6e-5a57-4c1e-9a45-0f2b6d1c9e11",
        "X-Client-Version: 2024.11.3", "X-Correlation: 00-4bf92f3577b34da6a3ce929d0e0e4736-01", "X-Tenant: bench",
        "Dnt: 1", "Cookie: theme=dark; locale=en_GB; consent=1",
    ]
    assert len(lines) == 20
    path = folder / "headers.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def make_policy(folder):
    """One rule that allows the bench's client and 999 for others on the same and on other paths."""
    rules = ["policies:"]
    for number in range(POLICY_RULES - 1):
        path = f"/api/v{number % 10}/things{number}/**"
        rules += [f"  - id: rule-{number}", f"    allow: [client:client{number % 200}]",
                  f'    on: {{ service: bench, methods: [GET, PUT], paths: ["{path}"] }}']
    rules += ["  - id: bench", "    allow: [client:bench]",
              '    on: { service: bench, methods: [GET, POST], paths: ["/api/v1/orders/**"] }']
    (folder / "policy.yaml").write_text("\n".join(rules) + "\n")


def prepare_process(core):
    os.sched_setaffinity(0, {core})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Proxy:
    ready_max_s = 10

    def __init__(self, name, command, folder, port, version):
        self.name, self.command, self.folder, self.port, self.version = name, command, folder, port, version
        self.process = None

    def launch(self, core):
        with open(self.folder / f"{self.name}.out", "wb") as output:
            self.process = subprocess.Popen(
                self.command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
                preexec_fn=lambda: prepare_process(core))

    def start(self, core):
        began = time.monotonic()
        self.launch(core)
        while time.monotonic() - began < self.ready_max_s:
            if self.process.poll() is not None:
                raise SystemExit(f"bench: {self.name} ended at once:\n"
                                 + (self.folder / f"{self.name}.out").read_text(errors="replace"))
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self.wait_for_workers()
            time.sleep(0.002)  # Between two tries to connect.
        raise SystemExit(f"bench: {self.name} does not listen")

    def wait_for_workers(self):
        """A master listens before it has started its workers: wait until no process has been added for a while."""
        before = []
        while before != (now := self.pids()):
            before = now
            time.sleep(0.03)  # Longer than a master takes from one worker to the next.

    def pids(self):
        """The process and its descendants."""
        parents = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(stat.parent.name)] = int(fields[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def memory_kib(self, kind="RssAnon:"):
        """Resident memory of all its processes; as it stands what they allocated, without the program's text."""
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(kind):
                    total += int(line.split()[1])
        return total

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(timeout=self.ready_max_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def version_of(command):
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (result.stdout + result.stderr).strip().splitlines()
    return lines[0] if lines else "unknown"


def write_config(folder, name, template, **values):
    path = folder / name
    path.write_text(template.format(folder=folder, connections=CONNECTIONS_MAX, **values))
    return str(path)


# Name → what goes into http, server and location.
KEEPGATE_VARIANTS = {
    "keepgate bare": ("", "", ""),
    "keepgate jwt": ("", JWT_SERVER, ""),
    "keepgate full": (FULL_HTTP, JWT_SERVER, FULL_LOCATION),
}
NAMES = ["copy", "nginx", "haproxy", "haproxy jwt", *KEEPGATE_VARIANTS]


def make_proxies(folder, backend, options, wanted):
    """Every proxy of `wanted` that is installed, and the names of those that are not."""
    programs = {"copy": str(options.copier), "nginx": shutil.which("nginx") or "/usr/sbin/nginx",
                "haproxy": shutil.which("haproxy") or "/usr/sbin/haproxy", "keepgate": str(options.keepgate)}
    proxies, missing = [], []
    for name in wanted:
        program = programs[name.split()[0]]
        if not os.access(program, os.X_OK):
            missing.append(name)
            continue
        proxies.append(make_proxy(folder, backend, options, name, program))
    return proxies, missing


def server_lines(backends):
    return " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in backends)


def make_proxy(folder, backend, options, name, program):
    file, values = name.replace(" ", "-") + ".conf", {"backend": backend, "port": free_port()}
    if name == "copy":
        return Proxy(name, [program, str(values["port"]), str(backend)], folder, values["port"], "bytes only")
    if name == "nginx":
        command = [program, "-p", str(folder), "-c", write_config(folder, file, NGINX, **values)]
    elif name.startswith("haproxy"):
        rules = HAPROXY_JWT.format(folder=folder, algorithm=options.algorithm) if name == "haproxy jwt" else ""
        command = [program, "-db", "-f", write_config(folder, file, HAPROXY, rules=rules, **values)]
    else:
        http, server, location = (part.format(folder=folder) for part in KEEPGATE_VARIANTS[name])
        config = write_config(folder, file, KEEPGATE, workers=1, http=http, server=server, location=location,
                              servers=server_lines([backend]), **values)
        command = [program, "-p", str(folder), "-c", config]
    return Proxy(name, command, folder, values["port"], version_of([program, "-v"]))


def make_scaled_proxy(folder, options, backends):
    """Keepgate bare with a worker for each backend."""
    workers = len(backends)
    port, program = free_port(), str(options.keepgate)
    config = write_config(folder, f"keepgate-{workers}.conf", KEEPGATE, workers=workers, http="", server="",
                          location="", servers=server_lines(backends), port=port)
    return Proxy(f"keepgate {workers}", [program, "-p", str(folder), "-c", config], folder, port, "")


START = """
worker_processes 1; daemon off; pid {folder}/start.pid; error_log {folder}/start.log crit;
events {{ worker_connections 100; }}
http {{
    access_log off;
    upstream bench {{ server 127.0.0.1:9; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


def make_start_proxy(folder, options, name, locations):
    """A proxy with so many locations, of which the last one answers by itself."""
    program = shutil.which("nginx") or "/usr/sbin/nginx" if name == "nginx" else str(options.keepgate)
    lines = [f'location /area{number}/ {{ proxy_pass http://bench; proxy_set_header X-Area "{number}"; }}'
             for number in range(locations - 1)]
    lines.append(f'location /area{locations - 1}/ {{ return 200 "here"; }}')
    port = free_port()
    config = write_config(folder, f"start-{name.split()[0]}.conf", START, port=port, locations="\n        ".join(lines))
    return Proxy(name, [program, "-p", str(folder), "-c", config], folder, port, "")
