#!/usr/bin/python3
"""Keeps a gateway under mixed load for minutes: does it grow, lose descriptors, or answer what it should not?

Clients keep connections, make new ones, upload through files, read slowly, speak WebSocket, leave in the middle, drip,
send garbage and ask for what they may not have; the configuration is reloaded every ten seconds, the logs are rotated,
and one upstream server dies and returns.
"""

import argparse
import asyncio
import datetime
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness.certificates import Authority  # noqa: E402
from harness.gate import Gate, binary  # noqa: E402
from harness.jose import b64, claims, hmac_token  # noqa: E402
from harness.ports import free_port  # noqa: E402
from soak_traffic import Backend, Clients  # noqa: E402

RELOAD_S, OUTAGE_S, SETTLE_S = 10, 15, 8
GROWTH_MAX = 0.005  # Of the resident memory, a minute, over the second half.
SECRET = b"soaksoaksoaksoaksoaksoaksoaksoak"
POLICY = "policies:\n  - { identity: client1, permissions: GET, on: /orders/ }\n"
MAIN = "worker_shutdown_timeout 5s;\n"
CONF = """
policy policy.yaml;
access_log access.log;
decision_log decisions.log;
client_header_timeout 2s;
client_body_buffer_size 16k;
client_max_body_size 1m;
limit_req_zone $binary_remote_addr zone=all:1m rate=100000r/s;
upstream steady { zone steady 64k; server 127.0.0.1:@steady@; keepalive 16; keepalive_timeout 3s; }
upstream flaky {
    zone flaky 64k;
    server 127.0.0.1:@flaky@ max_fails=1 fail_timeout=1s;
    server 127.0.0.1:@steady@ backup;
    keepalive 4; keepalive_timeout 3s;
}
server {
    listen 127.0.0.1:@gate@;
    listen 127.0.0.1:@secure@ ssl;
    ssl_certificate @certificate@;
    ssl_certificate_key @key@;
    location /orders/ { auth_jwt "soak"; auth_jwt_key_file keys.json; service orders; proxy_pass http://steady; }
    location /open/ { authorize off; limit_req zone=all burst=1000; proxy_pass http://steady; }
    location /flaky/ { authorize off; proxy_pass http://flaky; }
    location /ws/ {
        authorize off; proxy_pass http://steady;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }
    location /version { authorize off; return 200 "0"; }
}
"""


def authorization(name, seconds):
    token = hmac_token({"alg": "HS256", "kid": "k", "typ": "JWT"}, claims(seconds) | {"client_id": name}, SECRET)
    return f"Authorization: Bearer {token}"


def sample(pid):
    """(resident KiB, descriptors, threads)"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(fields["Threads"])


def slope(values):
    """A minute, by least squares over samples of a second."""
    if len(values) < 2:
        return 0.0
    return statistics.linear_regression(range(len(values)), values).slope * 60


class Soak:
    def __init__(self, minutes):
        self.seconds = int(minutes * 60)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="kg-soak-"))
        self.folder = folder
        authority = Authority(folder)
        certificate, key = authority.issue("soak")
        self.tls = authority.client_context()
        self.backends = {"steady": Backend(free_port()), "flaky": Backend(free_port())}
        keys = '{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"%s"}]}' % b64(SECRET)
        ports = {name: one.port for name, one in self.backends.items()}
        self.gate = Gate(CONF, main=MAIN, workers=2, files={"policy.yaml": POLICY, "keys.json": keys}, start=False,
                         values={"certificate": certificate, "key": key, **ports})
        self.gate.configure(self.gate.text.replace("access_log off;\n", ""))
        self.samples = []
        self.reloads = self.outages = 0
        self.lost_reloads = 0

    async def run(self):
        for backend in self.backends.values():
            await backend.revive()
        await asyncio.get_running_loop().run_in_executor(None, self.gate.start)
        try:
            await self.load()
        finally:
            self.gate.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def load(self):
        pid = self.gate.process.pid
        lifetime = self.seconds + 600
        clients = Clients(self.gate.address("gate"), self.gate.address("secure"), self.tls,
                          authorization("client1", lifetime), authorization("client2", lifetime))
        self.clients = clients
        await clients.encrypted()
        await asyncio.sleep(SETTLE_S)  # What start and a first connection left behind is gone then.
        self.before = sample(pid)
        tasks = clients.start()
        begun = time.monotonic()
        for second in range(1, self.seconds + 1):
            await asyncio.sleep(max(0.0, begun + second - time.monotonic()))  # One sample a second.
            if self.gate.exited():
                raise SystemExit(f"the program ended: {self.gate.words()}")
            self.samples.append(sample(pid))
            if second % RELOAD_S == 0:
                self.reload()
            if second % OUTAGE_S == 0:
                await self.change_weather()
            if second % 60 == 0:
                print(f"{second // 60:3} min  {self.samples[-1][0]:7} KiB  {self.samples[-1][1]:4} descriptors  "
                      f"{sum(clients.done.values())} done  {sum(clients.unexpected.values())} unexpected", flush=True)
        self.took = time.monotonic() - begun
        clients.stopping.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
        await asyncio.sleep(SETTLE_S)  # Longer than worker_shutdown_timeout: old workers are gone.
        self.after = sample(pid)
        self.lost_reloads = self.reloads - self.gate.read("error.log").count("reconfigured")

    def reload(self):
        """A new configuration, and the logs begin anew."""
        self.reloads += 1
        text = self.gate.text.replace(f'200 "{self.reloads - 1}"', f'200 "{self.reloads}"')
        self.gate.configure(text)
        self.gate.kill(signal.SIGHUP)
        for name in ("access.log", "decisions.log"):
            os.replace(self.gate.path(name), self.gate.path(name + ".old"))
        self.gate.kill(signal.SIGUSR1)

    async def change_weather(self):
        flaky = self.backends["flaky"]
        if flaky.server.is_serving():
            self.outages += 1
            await flaky.die()
        else:
            await flaky.revive()

    def complaints(self):
        half = self.samples[len(self.samples) // 2:]
        resident = [one[0] for one in half]
        out = []
        if slope(resident) > GROWTH_MAX * statistics.mean(resident):
            out.append(f"resident memory grows by {slope(resident):.0f} KiB a minute")
        if self.after[1] > self.before[1]:
            out.append(f"{self.after[1] - self.before[1]} descriptors more than before")
        if self.after[2] != self.before[2]:
            out.append(f"{self.after[2]} threads, {self.before[2]} before")
        if self.lost_reloads:
            out.append(f"{self.lost_reloads} reloads are not in the log")
        out += [f"{count} x {what}" for what, count in self.clients.unexpected.most_common(10)]
        idle = [kind for kind in Clients.MIX if not self.clients.done[kind]]
        return out + ([f"nothing was done by: {', '.join(idle)}"] if idle else [])

    def report(self):
        version = subprocess.run([binary(), "-v"], capture_output=True, text=True, check=True)
        question = ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]
        asked = subprocess.run(question, capture_output=True, text=True, check=False)
        commit = asked.stdout.strip() or "unknown"
        half = self.samples[len(self.samples) // 2:]
        name = (version.stderr + version.stdout).strip().splitlines()[0]
        machine = f"{os.cpu_count()} cores, Linux {platform.release()}"
        lines = ["# Soak", "", "Written by `./dev soak --record`.", "",
                 f"{datetime.date.today()}, {name}, commit {commit}; {machine}; {self.took / 60:.1f} minutes, "
                 f"{self.reloads} reloads, {self.outages} outages of a server.", "",
                 "| | before | least | most | after | slope, second half |", "|---|---|---|---|---|---|"]
        for index, what in enumerate(("resident memory, KiB", "descriptors", "threads")):
            values = [one[index] for one in self.samples]
            trend = f"{slope([one[index] for one in half]):+.1f} a minute"
            row = [what, self.before[index], min(values), max(values), self.after[index], trend]
            lines.append("| " + " | ".join(map(str, row)) + " |")
        lines += ["", "| clients | done |", "|---|---|"]
        lines += [f"| {kind} | {self.clients.done[kind]} |" for kind in Clients.MIX]
        lines += ["", f"Answers cut off by the server that died: {self.clients.cut}. "
                  f"Unexpected answers: {sum(self.clients.unexpected.values())}.", ""]
        complaints = self.complaints()
        lines += ["Verdict: " + ("steady." if not complaints else "not steady:")] + [f"- {one}" for one in complaints]
        return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=10)
    parser.add_argument("--record", action="store_true", help="write bench/SOAK.md")
    options = parser.parse_args()
    soak = Soak(options.minutes)
    asyncio.run(soak.run())
    report = soak.report()
    print(report, end="")
    if options.record:
        (ROOT / "bench" / "SOAK.md").write_text(report, encoding="utf-8")
    return 1 if soak.complaints() else 0


if __name__ == "__main__":
    sys.exit(main())
