#!/usr/bin/python3
"""Counts the instructions that a proxy's own code runs for one request, under callgrind.

Unlike CPU time this hardly varies with what else the machine does, so that a change of one part in a hundred shows. It
does not see the kernel, where most of a small request's time goes, nor caches. Two runs of different length are
compared: what start, connections and the end cost falls out of the difference.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import peers
import run

ROOT = pathlib.Path(__file__).resolve().parent.parent
LENGTHS = (20, 120)  # Requests on each connection in the short and in the long run.
CONNECTIONS = 16
READY_S = 120


class CountedProxy(peers.Proxy):
    """Under callgrind; a proxy that forks is counted in all its processes."""

    ready_max_s = READY_S

    def __init__(self, proxy, output):
        super().__init__(proxy.name, ["valgrind", "--tool=callgrind", "--trace-children=yes",
                                      f"--callgrind-out-file={output}.%p", *proxy.command],
                         proxy.folder, proxy.port, proxy.version)


def instructions_in(output):
    total = 0
    for file in output.parent.glob(output.name + ".*"):
        found = re.search(r"^(?:summary|totals): (\d+)", file.read_text(errors="replace"), re.M)
        total += int(found.group(1)) if found else 0
    return total


def count(bench, proxy, scenario, requests, output):
    counted = CountedProxy(proxy, output)
    counted.start(bench.proxy_core)
    try:
        command = bench.loader_command(
            proxy, "--method", scenario.method, "--size", scenario.response_bytes, "--body", scenario.request_bytes,
            "--connections", CONNECTIONS, "--requests", requests, pids=[])
        result = subprocess.run(command, capture_output=True, text=True, timeout=500, preexec_fn=bench.pin_loader,
                                check=False)
    finally:
        counted.stop()
    if result.returncode != 0:
        raise SystemExit(f"bench: {proxy.name}: {result.stdout}{result.stderr}")
    return instructions_in(output)


def per_request(bench, proxy, scenario, keep=None):
    totals = []
    folder = keep or bench.folder
    folder.chmod(0o1777)  # Workers that gave up their rights write there too.
    for requests in LENGTHS:
        output = folder / f"{proxy.name.replace(' ', '-')}-{requests}.callgrind"
        totals.append(count(bench, proxy, scenario, requests, output))
    if totals[1] <= totals[0] * 1.01:
        raise SystemExit(f"bench: {proxy.name}: callgrind did not see the process that serves")
    return (totals[1] - totals[0]) / ((LENGTHS[1] - LENGTHS[0]) * CONNECTIONS)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proxies", default="nginx,haproxy,keepgate bare,keepgate full")
    parser.add_argument("--scenario", default="GET small, 64", help="the first scenario whose name contains this")
    parser.add_argument("--keepgate", type=pathlib.Path, default=ROOT / "build/release/keepgate")
    parser.add_argument("--loader", type=pathlib.Path, default=ROOT / "build/release/bench/bench_loader")
    parser.add_argument("--copier", type=pathlib.Path, default=ROOT / "build/release/bench/bench_copier")
    parser.add_argument("--cores", default="0,1")
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for callgrind's files, for callgrind_annotate")
    options = parser.parse_args()
    options.algorithm = "RS256"
    if not any(os.access(pathlib.Path(folder) / "valgrind", os.X_OK) for folder in os.get_exec_path()):
        raise SystemExit("bench: valgrind is not installed")
    scenario = next(one for one in run.SCENARIOS if options.scenario in one.name)
    with tempfile.TemporaryDirectory(prefix="keepgate-bench-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        bench = run.Bench(options, folder)
        for proxy in bench.proxies:
            value = per_request(bench, proxy, scenario, options.keep)
            print(json.dumps({"proxy": proxy.name, "scenario": scenario.name, "instructions": round(value)}),
                  flush=True)


if __name__ == "__main__":
    sys.exit(main())
