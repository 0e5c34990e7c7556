#!/usr/bin/python3
"""Measures CPU per request of Keepgate beside nginx and HAProxy on this machine.

One proxy at a time runs pinned to one core; load generator and backend share the other. CPU comes from the scheduler's
own counters. The order is shuffled in each round, a ratio is taken within its round, medians are shown with minimum and
maximum. A round with foreign load or any socket error is thrown away, and that is said.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time

import figures
import oauth
import peers
import tables

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROXIES = ["copy", "nginx", "haproxy", "keepgate bare", "keepgate full"]
PATH = "/api/v1/orders/4711/lines?limit=20"
FOREIGN_MAX = 0.02
IDLE_CONNECTIONS = 2000
EXTRA_ROUNDS = 2  # So many times the wanted rounds are tried before a scenario gives up.


@dataclasses.dataclass
class Scenario:
    name: str
    method: str = "GET"
    response_bytes: int = 100
    request_bytes: int = 0
    connections: int = 64
    rate: int = 0


SCENARIOS = [
    Scenario("GET small, 64 connections"),
    Scenario("GET small, 8 connections", connections=8),
    Scenario("GET small, 512 connections", connections=512),
    Scenario("GET 16 KB, 64 connections", response_bytes=16 * 1024),
    Scenario("GET 1 MB, 8 connections", response_bytes=1024 * 1024, connections=8),
    Scenario("POST 1 KB, 64 connections", method="POST", request_bytes=1024),
    Scenario("GET small at 5,000/s, 64 connections", rate=5000),
]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, epilog="example: ./dev bench --quick")
    parser.add_argument("--quick", action="store_true", help="the first scenario only, three short rounds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window-ms", type=int, default=700)
    parser.add_argument("--warmup-ms", type=int, default=200)
    parser.add_argument("--scenario", default="", help="only scenarios whose name contains this")
    parser.add_argument("--proxies", default=",".join(PROXIES), help="comma separated: " + ", ".join(peers.NAMES))
    parser.add_argument("--algorithm", default="RS256", choices=["RS256", "ES256"], help="of the token")
    parser.add_argument("--rate", type=int, help="requests per second of the fixed-rate scenario")
    parser.add_argument("--idle", type=int, metavar="N", help="measure memory of N idle connections only")
    parser.add_argument("--oauth", action="store_true",
                        help="the authorization server beside oidc-provider, only; --record writes RESULTS_OAUTH.md")
    parser.add_argument("--figures", action="store_true", help="memory, start, decision and scaling only")
    parser.add_argument("--keepgate", type=pathlib.Path, default=ROOT / "build/release/keepgate")
    parser.add_argument("--loader", type=pathlib.Path, default=ROOT / "build/release/bench/bench_loader")
    parser.add_argument("--copier", type=pathlib.Path, default=ROOT / "build/release/bench/bench_copier")
    parser.add_argument("--verifier", type=pathlib.Path, default=ROOT / "build/release/bench/bench_tokens")
    parser.add_argument("--decider", type=pathlib.Path, default=ROOT / "build/release/bench/bench_policy")
    parser.add_argument("--cores", default="0,1", help="core of the proxy, core of the load generator")
    parser.add_argument("--allow-noise", action="store_true", help="keep rounds with foreign load; never record these")
    parser.add_argument("--record", action="store_true", help="write bench/RESULTS.md")
    parser.add_argument("--json", action="store_true", help="print the samples as JSON instead of tables")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.window_ms = 3, 600
    if options.record and options.allow_noise:
        parser.error("--record and --allow-noise exclude each other")
    return options


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.cores = [int(core) for core in options.cores.split(",")]
        self.proxy_core, self.loader_core = self.cores
        self.foreign_max = FOREIGN_MAX
        self.backend = peers.free_port()
        token = peers.make_token(folder, options.algorithm)
        self.headers = peers.make_headers(folder, token)
        peers.make_policy(folder)
        wanted = [name.strip() for name in options.proxies.split(",")]
        if unknown := set(wanted) - set(peers.NAMES):
            raise SystemExit(f"bench: unknown proxy {', '.join(sorted(unknown))}; there are {', '.join(peers.NAMES)}")
        self.proxies, self.missing = peers.make_proxies(folder, self.backend, options, wanted)
        self.thrown_away = []

    def loader_command(self, proxy, *extra, pids=None, backend=None):
        """`pids`: the processes to measure; those of the proxy, unless told otherwise. `backend`: the port where it
        answers as one, too; 0: it does not."""
        command = [str(self.options.loader), "--port", str(proxy.port), "--path", PATH, "--headers", str(self.headers)]
        backend = self.backend if backend is None else backend
        if backend:
            command += ["--backend-port", str(backend)]
        for pid in proxy.pids() if pids is None else pids:
            command += ["--pid", str(pid)]
        return command + [str(argument) for argument in extra]

    def pin_loader(self):
        os.sched_setaffinity(0, {self.loader_core})

    def measure(self, proxy, scenario):
        proxy.start(self.proxy_core)
        try:
            command = self.loader_command(
                proxy, "--method", scenario.method, "--size", scenario.response_bytes, "--body", scenario.request_bytes,
                "--connections", scenario.connections, "--rate", scenario.rate,
                "--warmup-ms", self.options.warmup_ms, "--window-ms", self.options.window_ms)
            result = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=self.pin_loader,
                                    check=False)
            if result.returncode != 0:
                raise SystemExit(f"bench: the load generator failed: {result.stderr}")
            return json.loads(result.stdout)
        finally:
            proxy.stop()

    def run_round(self, scenario):
        """One sample of each proxy, in random order; None if any of them is not to be trusted."""
        samples, complaints = {}, []
        for proxy in random.sample(self.proxies, len(self.proxies)):
            sample = samples[proxy.name] = self.measure(proxy, scenario)
            if sample["errors"] or sample["backend_errors"] or sample["cpu_us"] == 0:
                complaints.append(f"{proxy.name}: {sample['completed']} requests, {sample['errors']} client and "
                                  f"{sample['backend_errors']} backend errors, last bad status {sample['bad_status']}")
                break
            if sample["foreign"] > FOREIGN_MAX and not self.options.allow_noise:
                complaints.append(f"{proxy.name}: foreign load {sample['foreign']:.1%}")
                break
        if complaints:
            self.thrown_away.append(f"{scenario.name}: " + "; ".join(complaints))
            return None
        return samples

    def run_scenario(self, scenario):
        rounds = []
        for _ in range(self.options.rounds * (1 + EXTRA_ROUNDS)):
            samples = self.run_round(scenario)
            if samples:
                rounds.append(samples)
            if len(rounds) == self.options.rounds:
                break
        return rounds


def scenario_table(rounds):
    rows = []
    for name in sorted(rounds[0], key=peers.NAMES.index):
        row = [name, tables.spread([samples[name]["cpu_us"] for samples in rounds])]
        for peer in ("copy", "nginx", "haproxy"):
            usable = peer in rounds[0] and peer != name
            row.append(tables.spread([samples[name]["cpu_us"] / samples[peer]["cpu_us"] for samples in rounds])
                       if usable else "–")
        row.append(f"{statistics.median(s[name]['completed'] / s[name]['window_s'] for s in rounds):,.0f}")
        row.append(f"{statistics.median(s[name]['busy'] for s in rounds):.0%}")
        row.append(f"{statistics.median(s[name]['p50_us'] for s in rounds):,.0f}")
        row.append(f"{statistics.median(s[name]['p99_us'] for s in rounds):,.0f}")
        rows.append(row)
    head = ["proxy", "CPU µs/request", "× copy", "× nginx", "× HAProxy", "requests/s", "busy", "p50 µs", "p99 µs"]
    return tables.table(head, rows)


def machine():
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def date_and_machine():
    return f"Date: {time.strftime('%Y-%m-%d', time.gmtime())}. Machine: {machine()}."


def report_head(bench, options):
    lines = [date_and_machine(),
             "Versions: " + "; ".join(f"{proxy.name}: {proxy.version}" for proxy in bench.proxies) + ".",
             f"{options.rounds} rounds of {options.window_ms} ms after {options.warmup_ms} ms of warm-up; medians with "
             f"minimum and maximum; ratios within a round. Requests carry 20 headers with a {peers.TOKEN_BYTES}-byte "
             f"bearer token. `keepgate full` verifies it ({options.algorithm}, repeated token), asks a policy of "
             f"{peers.POLICY_RULES:,} rules and applies limit_req; the others only forward."]
    return "\n".join(lines)


def main():
    options = parse_arguments()
    if not os.access(options.loader, os.X_OK):
        raise SystemExit(f"bench: {options.loader} is missing; run ./dev build all")
    with tempfile.TemporaryDirectory(prefix="keepgate-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # The peers' workers run as their own user.
        bench = Bench(options, folder)
        for missing in bench.missing:
            print(f"bench: {missing} is not installed or not built; left out", file=sys.stderr)
        if not bench.proxies:
            raise SystemExit("bench: nothing to measure")
        if options.idle:
            print(figures.measure_memory(bench, options.idle))
            return
        if options.oauth:
            text = oauth.measure(bench)
            print(text + "\n")
            finish(bench, options, [text])
            return
        sections = [] if options.figures else run_scenarios(bench, options)
        if options.figures or options.record:
            sections += run_figures(bench)
        finish(bench, options, sections)


def run_scenarios(bench, options):
    chosen = [scenario for scenario in SCENARIOS if options.scenario in scenario.name]
    if options.quick and not options.scenario:
        chosen = chosen[:1]
    sections = []
    for scenario in chosen:
        if scenario.rate and options.rate:
            scenario = dataclasses.replace(scenario, rate=options.rate,
                                           name=f"GET small at {options.rate:,}/s, {scenario.connections} connections")
        rounds = bench.run_scenario(scenario)
        if options.json:
            print(json.dumps({"scenario": scenario.name, "rounds": rounds}))
            continue
        complete = len(rounds) == options.rounds
        note = "" if complete else f"\n\nOnly {len(rounds)} of {options.rounds} rounds were usable."
        body = scenario_table(rounds) if rounds else "No usable round."
        sections.append(f"## {scenario.name}\n\n{body}{note}")
        print(sections[-1] + "\n", flush=True)
    return sections


def run_figures(bench):
    sections = []
    for name, text in (("Memory", figures.measure_memory(bench, IDLE_CONNECTIONS)),
                       ("Start", figures.measure_start(bench)),
                       ("Policy decision", figures.measure_decision(bench)),
                       ("Token verification", figures.measure_verification(bench)),
                       ("Scaling", figures.measure_scaling(bench))):
        sections.append(f"## {name}\n\n{text}")
        print(sections[-1] + "\n", flush=True)
    return sections


def finish(bench, options, sections):
    thrown = "".join(f"\n- {line}" for line in bench.thrown_away) or " none."
    tail = f"Rounds thrown away:{thrown}"
    print(tail, file=sys.stderr if options.json else sys.stdout)
    if options.allow_noise:
        print("Foreign load was allowed: these figures are for development only.", file=sys.stderr)
    if not options.record:
        return
    title, command, head, file = (
        ("Benchmark results: authorization server", "--oauth --record", date_and_machine(), "RESULTS_OAUTH.md")
        if options.oauth else ("Benchmark results", "--record", report_head(bench, options), "RESULTS.md"))
    where = (f"Printed by `./dev bench {command}`; repeat with the same command. What was tried, and what the figures "
             "mean, is in [NOTES.md](NOTES.md).")
    text = [f"# {title}", where, head, *sections, tail]
    (ROOT / "bench" / file).write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
