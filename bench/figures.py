"""What is measured beside requests: memory, start, a decision of the policy, and what a second worker adds."""

import json
import os
import pathlib
import random
import socket
import statistics
import subprocess
import time

import peers
import tables

SETTLE_S = 0.3  # Every connection has had its answer by then; what it leaves behind is what is measured.
MEMORY_FIRST = 500  # Connections that pay for pools and buffers, before the slope is taken over the next ones.
LOCATIONS = 1000
DECISION_RULES = 10_000
DECISION_CLIENTS = 200
STARTS = 5
SCALING_ROUNDS = 5


def held_loader(bench, proxy, count, backend):
    """A load generator that holds `count` connections after one request on each."""
    command = bench.loader_command(proxy, "--connections", count, "--hold", pids=[], backend=backend)
    loader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              preexec_fn=bench.pin_loader)
    opened = json.loads(loader.stdout.readline())
    if opened["errors"] or opened["open"] != count:
        raise SystemExit(f"bench: {proxy.name}: of {count} connections {opened}")
    return loader


def measure_memory(bench, count):
    """Base memory, and user memory for each of `count` more idle connections than MEMORY_FIRST."""
    rows = []
    for proxy in bench.proxies:
        proxy.start(bench.proxy_core)
        loaders = []
        try:
            base, base_all = proxy.memory_kib(), proxy.memory_kib("VmRSS:")
            loaders.append(held_loader(bench, proxy, MEMORY_FIRST, None))
            time.sleep(SETTLE_S)  # Until every connection has had its answer.
            before = proxy.memory_kib()
            loaders.append(held_loader(bench, proxy, count, 0))
            time.sleep(SETTLE_S)  # Until every connection has had its answer.
            grown = proxy.memory_kib() - before
        finally:
            for loader in reversed(loaders):
                loader.stdin.close()
                loader.wait(timeout=30)
            proxy.stop()
        rows.append([proxy.name, f"{base_all / 1024:.1f}", f"{base / 1024:.1f}", f"{grown * 1024 / count:,.0f}"])
    head = ["proxy", "base resident MiB", "of it its own (anonymous)", "bytes per idle connection"]
    return (f"User memory after start, and its slope from {MEMORY_FIRST:,} to {MEMORY_FIRST + count:,} keep-alive "
            "connections that served one request each. What the kernel needs for a socket is the same for all and "
            "not in it.\n\n" + tables.table(head, rows))


def first_answer_s(proxy, core, path):
    """Seconds from the start of the program to the last byte of the first answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n".encode()
    began = time.monotonic()
    proxy.launch(core)
    while time.monotonic() - began < 10:
        with socket.socket() as client:
            client.settimeout(10)
            if client.connect_ex(("127.0.0.1", proxy.port)) != 0:
                time.sleep(0.0005)  # Between two tries to connect: the resolution of this figure.
                continue
            client.sendall(request)
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"bench: {proxy.name} answered {answer[:80]!r}")
            return time.monotonic() - began
    raise SystemExit(f"bench: {proxy.name} does not answer")


def measure_start(bench):
    """From exec to the first answer with LOCATIONS locations. No upstream is needed for it."""
    rows = []
    for name in ("nginx", "keepgate bare"):
        if name not in [proxy.name for proxy in bench.proxies]:
            continue
        proxy = peers.make_start_proxy(bench.folder, bench.options, name, LOCATIONS)
        samples = []
        for _ in range(STARTS):
            try:
                samples.append(first_answer_s(proxy, bench.proxy_core, f"/area{LOCATIONS - 1}/x") * 1000)
            finally:
                proxy.stop()
        rows.append([name, f"{statistics.median(samples):.1f} ({min(samples):.1f}–{max(samples):.1f})"])
    return (f"From the start of the program to its first complete answer, {LOCATIONS:,} locations, {STARTS} starts.\n\n"
            + tables.table(["proxy", "ms to the first answer"], rows))


def measure_decision(bench):
    if not os.access(bench.options.decider, os.X_OK):
        return "Not measured: bench_policy is not built."
    path = bench.folder / "decisions.yaml"
    rules = ["policies:"]
    for number in range(DECISION_RULES):
        rules += [f"  - id: rule-{number}", f"    allow: [client:client{number % DECISION_CLIENTS}]",
                  "    on: { service: bench, methods: [GET, PUT], "
                  f'paths: ["/api/v{number % 10}/things{number}/**"] }}']
    path.write_text("\n".join(rules) + "\n")
    result = subprocess.run([str(bench.options.decider), str(path), str(DECISION_CLIENTS)], capture_output=True,
                            text=True, check=True, timeout=120,
                            preexec_fn=lambda: os.sched_setaffinity(0, {bench.proxy_core}))
    found = json.loads(result.stdout)
    return (f"{found['rules']:,} rules, {DECISION_CLIENTS} clients, {found['questions']:,} different questions, "
            f"{found['allowed']:,} of them allowed: **{found['ns']:.0f} ns** for a decision (CPU time, the best of 50 "
            f"rounds). Loading the file: {found['load_ms']:.0f} ms.")


def measure_verification(bench):
    if not os.access(bench.options.verifier, os.X_OK):
        return "Not measured: bench_tokens is not built."
    result = subprocess.run([str(bench.options.verifier)], capture_output=True, text=True, check=True, timeout=120,
                            preexec_fn=lambda: os.sched_setaffinity(0, {bench.proxy_core}))
    rows = [[one["algorithm"], f"{one['first_ns'] / 1000:.1f}", f"{one['openssl_ns'] / 1000:.1f}",
             f"{one['first_ns'] / one['openssl_ns']:.2f}", f"{one['again_ns'] / 1000:.2f}",
             f"{one['first_ns'] / one['again_ns']:.0f}"] for one in json.loads(result.stdout)]
    columns = ["algorithm", "first sight, µs", "OpenSSL's verify, µs", "× OpenSSL", "seen again, µs", "first / again"]
    return ("All of `auth_jwt` for a token of about 800 bytes, and EVP_DigestVerify alone over as many bytes (CPU "
            "time, the best of 12 rounds).\n\n" + tables.table(columns, rows))


def pin_workers(proxy, cores):
    """Each worker to a core of its own; everything else of the program where it likes among them."""
    workers = [task for task in pathlib.Path(f"/proc/{proxy.pids()[0]}/task").iterdir()
               if (task / "comm").read_text().startswith("kg-worker-")]
    if len(workers) != len(cores):
        raise SystemExit(f"bench: {len(workers)} worker threads, {len(cores)} wanted")
    for task, core in zip(workers, cores):
        os.sched_setaffinity(int(task.name), {core})


def loaded_results(bench, cores):
    """What the load generators say, with one worker, one of them and its backend on each core."""
    backends = [peers.free_port() for _ in cores]
    proxy = peers.make_scaled_proxy(bench.folder, bench.options, backends)
    proxy.start(cores[0])
    loaders = []
    try:
        os.sched_setaffinity(proxy.pids()[0], set(cores))
        pin_workers(proxy, cores)
        for core, backend in zip(cores, backends):
            command = bench.loader_command(proxy, "--connections", 32, "--warmup-ms", 400, "--window-ms",
                                           bench.options.window_ms, "--linger", backend=backend)
            loaders.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                            preexec_fn=lambda core=core: os.sched_setaffinity(0, {core})))
        results = [json.loads(loader.stdout.readline()) for loader in loaders]
    finally:
        for loader in loaders:
            loader.stdin.close()
        for loader in loaders:
            loader.wait(timeout=30)
        proxy.stop()
    if any(result["errors"] for result in results):
        bench.thrown_away.append(f"scaling, {len(cores)} workers: socket errors or wrong answers: {results}")
        return None
    return results


def scaling_round(bench):
    """Throughput and CPU µs per request at one and at two workers; None if somebody else used the machine."""
    samples = {}
    for cores in random.sample([bench.cores[:1], bench.cores], 2):
        results = loaded_results(bench, cores)
        if results is None:
            return None
        own = sum(result["own_busy"] for result in results)
        # Each load generator takes the others for foreign load.
        foreign = max(result["foreign"] - (own - result["own_busy"]) for result in results)
        if foreign > bench.foreign_max and not bench.options.allow_noise:
            bench.thrown_away.append(f"scaling, {len(cores)} workers: foreign load {foreign:.1%}")
            return None
        rate = sum(result["completed"] / result["window_s"] for result in results)
        samples[len(cores)] = (rate, statistics.mean(result["busy"] for result in results) / rate * 1e6)
    return samples


def measure_scaling(bench):
    rounds = []
    for _ in range(3 * SCALING_ROUNDS):
        if len(rounds) < SCALING_ROUNDS and (samples := scaling_round(bench)):
            rounds.append(samples)
    if not rounds:
        return "No usable round."
    rows = [[str(workers), f"{statistics.median(one[workers][0] for one in rounds):,.0f}",
             tables.spread([one[workers][1] for one in rounds])] for workers in (1, 2)]
    ratio = tables.spread([one[2][0] / one[1][0] for one in rounds])
    return ("Keepgate bare, small answers. Each worker has a core, and beside it on the same core a load generator of "
            "its own with 32 connections: with two cores there is no third for it. So a core's throughput is that of "
            "worker and generator together, and the ratio says what the second worker takes from the first by "
            "sharing memory, kernel and program with it. Connections are spread by the kernel over both workers, "
            "whichever core their generator is on, and the backend is in the first generator: half of the bytes "
            "cross cores.\n\n"
            + tables.table(["workers", "requests/s", "CPU µs/request"], rows)
            + f"\n\nTwo workers to one: **{ratio}×** ({len(rounds)} rounds).")
