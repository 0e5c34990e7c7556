#!/usr/bin/python3
"""The walk through the shop: starts the service, the gateway and the guard, sends real requests, shows real answers.

    demo.py           walk, then stay up until Ctrl-C
    demo.py --check   walk, compare each answer with what is expected, exit 0 or 1

KEEPGATE_BIN and ORDERS_SERVICE name the programs; by default they are taken from build/release. Ports are read from
keepgate.conf. Tokens are never printed.
"""
import argparse
import ctypes
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(FOLDER, "..", "..", "build", "release")
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


class Stop(Exception):
    """The demo cannot go on; the text says why and what to do."""


def paint(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def say(text=""):
    print(TOKEN.sub("(token)", text), flush=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing is left behind, whatever happens.


class Program:
    """A child process that is always stopped again."""

    def __init__(self, name, command, log):
        self.name = name
        self.log = os.path.join("run", log)
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
            )

    def wait_for(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        for _ in range(500):
            if self.process.poll() is not None:
                raise Stop(f"{self.name} stopped at once (exit {self.process.returncode}):\n{self.last_words()}")
            with socket.socket(family) as probe:
                if probe.connect_ex(address) == 0:
                    return
            time.sleep(0.02)
        raise Stop(f"{self.name} does not answer on {address}:\n{self.last_words()}")

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return TOKEN.sub("(token)", "".join(log.readlines()[-20:]))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Answer:
    def __init__(self, text):
        head, _, self.body = text.partition("\r\n\r\n")
        lines = head.split("\r\n")
        self.status_line = lines[0]
        parts = lines[0].split(" ")
        self.status = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
        self.fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        try:
            self.json = json.loads(self.body)
        except ValueError:
            self.json = None

    def field(self, name):
        return next((value for key, value in self.fields.items() if key.lower() == name.lower()), None)


class Walk:
    def __init__(self):
        self.failures = []
        self.number = 0

    def step(self, title):
        self.number += 1
        say()
        say(paint("1", f"{self.number}. {title}"))

    def run(self, command):
        """Runs what it shows."""
        for index, line in enumerate(command.split("\n")):
            say("  " + paint("36", ("$ " if index == 0 else "  ") + line))
        result = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        return result.returncode, result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")

    def request(self, command, show=("WWW-Authenticate", "Retry-After")):
        code, out, error = self.run(command)
        if code != 0:
            say("  " + paint("31", f"curl: exit {code} {error.strip()}"))
        answer = Answer(out)
        say("  " + paint("32" if answer.status < 400 else "33", answer.status_line))
        for name in show:
            if answer.field(name):
                say(f"  {name}: {answer.field(name)}")
        for line in self.pretty(answer):
            say("  " + paint("2", line))
        return answer

    @staticmethod
    def pretty(answer):
        if answer.json is None:
            return [line for line in answer.body.strip().split("\n")[:4] if line]
        return json.dumps(answer.json, indent=2).split("\n")

    def expect(self, holds, text):
        mark = paint("32", "✔") if holds else paint("31", "✘")
        say(f"  {mark} {text}")
        if not holds:
            self.failures.append(f"step {self.number}: {text}")


def curl(url, token=None, field="Authorization: Bearer", method=None):
    command = "curl -si"
    if method:
        command += f" -X {method}"
    command += f" {url}"
    if token:
        command += f' \\\n    -H "{field} $(cat {token})"'
    return command


def write_transaction(path):
    """The claims of a transaction token for one GET, as the gateway would write them."""
    now = int(time.time())
    claims = {
        "iat": now,
        "exp": now + 60,
        "aud": "shop.internal",
        "txn": secrets.token_urlsafe(16),
        "sub": "client1",
        "scope": "orders",
        "req_wl": "gateway",
        "tctx": {"method": "GET", "path": path, "service": "orders", "client_id": "client1"},
        "rctx": {"req_ip": "127.0.0.1", "authn": "jwt", "transport": "http"},
    }
    with open("run/claims.json", "w", encoding="utf-8") as file:
        json.dump(claims, file)


def ask_the_gateway(walk, gateway):
    order = f"{gateway}/1.0/orders/7"
    button = f"{gateway}/1.0/big_red_and_dangerous_button"

    walk.step("No token")
    answer = walk.request(curl(order))
    walk.expect(answer.status == 401, "401: nobody without an identity")
    walk.expect((answer.field("WWW-Authenticate") or "").startswith("Bearer"), "and it says what is wanted")

    walk.step("client1 reads an order")
    answer = walk.request(curl(order, "tokens/client1"))
    received = answer.json or {}
    transaction = received.get("transaction") or {}
    context = transaction.get("tctx") or {}
    walk.expect(answer.status == 200, "200")
    walk.expect(context.get("client_id") == "client1", "the service knows who asked: client1")
    walk.expect(
        (context.get("method"), context.get("path")) == ("GET", received.get("path")),
        "its transaction token is for this request only",
    )
    walk.expect(received.get("client_token_seen") is False, "the client's own token stayed at the edge")

    walk.step("The same token, a method that the policy does not grant")
    answer = walk.request(curl(order, "tokens/client1", method="DELETE"))
    walk.expect(answer.status == 403, "403")
    walk.expect(bool((answer.json or {}).get("decision_id")), "with a decision id, and no reason for outsiders")

    walk.step("A two-week-old intern's token is valid, and may not do everything")
    answer = walk.request(curl(button, "tokens/intern", method="POST"))
    walk.expect(answer.status == 403, "403 for the intern")
    answer = walk.request(curl(button, "tokens/commander", method="POST"))
    walk.expect(answer.status == 200, "200 for the commander")


def ask_too_often(walk, gateway):
    walk.step("Too many requests")
    command = (
        f'curl -s -o /dev/null -w "%{{http_code}}\\n" \\\n    "{gateway}/1.0/orders/[1-40]" \\\n'
        '    -H "Authorization: Bearer $(cat tokens/reports)" | sort | uniq -c'
    )
    _, out, _ = walk.run(command)
    counts = {line.split()[1]: int(line.split()[0]) for line in out.splitlines() if len(line.split()) == 2}
    for status, count in sorted(counts.items()):
        say(f"  {count:>4} × {status}")
    walk.expect(counts.get("200", 0) >= 11 and counts.get("429", 0) > 0, "a burst passes, the rest is 429")
    walk.expect(sum(counts.values()) == 40 and set(counts) <= {"200", "429"}, "and nothing else happens")
    answer = walk.request(curl(f"{gateway}/1.0/orders/7", "tokens/client1"), show=())
    walk.expect(answer.status == 200, "another client notices nothing")


def go_past_the_gateway(walk, guard):
    order = f"{guard}/orders/7"
    mint = 'keepgate token mint --key keys/{key}.jwk \\\n    --typ txntoken+jwt --claims run/claims.json > run/{out}'

    def mint_token(key, out, path):
        write_transaction(path)
        code, _, error = walk.run(mint.format(key=key, out=out))
        if code != 0:
            say("  " + paint("31", error.strip()))

    def refused(answer, text):
        walk.expect(answer.status in (401, 403), f"refused: {text}")

    walk.step("Past the gateway: straight to the guard, without a transaction token")
    refused(walk.request(curl(order)), "no transaction token")
    refused(walk.request(curl(order, "tokens/client1")), "a client's token is none")

    walk.step("A forged transaction token")
    mint_token("stranger", "forged", "/orders/7")
    refused(walk.request(curl(order, "run/forged", "Txn-Token:")), "not signed by the gateway")

    walk.step("A transaction token for another path")
    mint_token("gateway", "other", "/orders/8")
    refused(walk.request(curl(order, "run/other", "Txn-Token:")), "it was for /orders/8")

    walk.step("A transaction token used twice")
    mint_token("gateway", "stolen", "/orders/7")
    answer = walk.request(curl(order, "run/stolen", "Txn-Token:") + " -o /dev/null -D -")
    walk.expect(answer.status == 200, "200: genuine, first use")
    refused(walk.request(curl(order, "run/stolen", "Txn-Token:")), "replayed")


def ask_the_operator(walk):
    walk.step("Why? And who could?")
    command = "keepgate explain DELETE /1.0/orders/7 \\\n    --as client:client1 -c keepgate.conf"
    code, out, error = walk.run(command)
    show_output(out or error)
    walk.expect("deny" in out.lower() or "denied" in out.lower(), "explain: denied")
    command = "keepgate who-can POST /1.0/big_red_and_dangerous_button \\\n    -c keepgate.conf"
    code, out, error = walk.run(command)
    show_output(out or error)
    walk.expect(code == 0 and "role:commander" in out and "role:intern" not in granted(out), "who-can: commanders")
    code, out, error = walk.run("keepgate policy test policy.yaml")
    show_output(out or error)
    walk.expect(code == 0, "policy test: the file's own tests hold")


def granted(text):
    """Lines of who-can without the residual condition that names denials."""
    return "\n".join(line.split("unless")[0] for line in text.splitlines())


def show_output(text):
    for line in text.rstrip().split("\n")[:24]:
        say("  " + paint("2", line))


def ports_of(configuration):
    with open(configuration, encoding="utf-8") as file:
        return [int(port) for port in re.findall(r"^\s*listen\s+127\.0\.0\.1:(\d+)", file.read(), re.M)]


def require_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Stop(
                f"port {port} on 127.0.0.1 cannot be used ({error.strerror}).\n"
                "Stop the program that has it, or change the port in examples/shop/keepgate.conf."
            ) from None


def find_program(variable, fallback):
    path = os.path.abspath(os.environ.get(variable) or os.path.join(BUILD, fallback))
    if not os.access(path, os.X_OK):
        raise Stop(f"{path} is not there: build it with ./dev build, or set {variable}.")
    return path


def put_on_path(keepgate):
    """So that the commands shown are the commands run."""
    os.makedirs("run/bin", exist_ok=True)
    link = "run/bin/keepgate"
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(keepgate, link)
    os.environ["PATH"] = os.path.abspath("run/bin") + os.pathsep + os.environ.get("PATH", "")


def prepare(keepgate):
    environment = {**os.environ, "KEEPGATE_BIN": keepgate}
    result = subprocess.run(["./prepare.sh"], env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise Stop(f"prepare.sh failed (exit {result.returncode}):\n{result.stderr.strip()}")


def repeat_lines(gateway, guard):
    say(paint("1", "It stays up. In another terminal:"))
    say()
    say("  cd " + os.path.relpath(FOLDER, os.environ.get("PWD", FOLDER)))
    for command in (
        curl(f"{gateway}/1.0/orders/7"),
        curl(f"{gateway}/1.0/orders/7", "tokens/client1"),
        curl(f"{gateway}/1.0/orders/7", "tokens/client1", method="DELETE"),
        curl(f"{gateway}/1.0/big_red_and_dangerous_button", "tokens/intern", method="POST"),
        curl(f"{gateway}/1.0/big_red_and_dangerous_button", "tokens/commander", method="POST"),
        curl(f"{guard}/orders/7", "tokens/client1"),
        "tail -f run/decisions.log",
    ):
        say("  " + paint("36", command.replace("\n", "\n  ")))
    say()
    say("Ctrl-C ends it.")


def perform(check, programs):
    keepgate = find_program("KEEPGATE_BIN", "keepgate")
    service = find_program("ORDERS_SERVICE", os.path.join("examples", "orders_service"))
    ports = ports_of("keepgate.conf")
    for port in ports:
        require_free(port)
    os.makedirs("run", exist_ok=True)
    prepare(keepgate)
    put_on_path(keepgate)

    gateway, guard = (f"http://127.0.0.1:{port}" for port in ports[:2])
    programs.append(Program("orders service", [service, "run/orders.sock"], "orders_service.out"))
    programs[-1].wait_for("run/orders.sock")
    programs.append(Program("keepgate", [keepgate, "-c", "keepgate.conf"], "keepgate.out"))
    for port in ports:
        programs[-1].wait_for(("127.0.0.1", port))
    say(f"gateway  {gateway}")
    say(f"guard    {guard}")
    say("service  run/orders.sock, behind the guard")

    walk = Walk()
    ask_the_gateway(walk, gateway)
    ask_too_often(walk, gateway)
    go_past_the_gateway(walk, guard)
    ask_the_operator(walk)
    for program in programs:
        walk.expect(program.process.poll() is None, f"{program.name} is still up")
    say()
    if walk.failures:
        say(paint("31", f"{len(walk.failures)} answers are not as expected:"))
        for failure in walk.failures:
            say("  " + failure)
    else:
        say(paint("32", "Every answer is as expected."))
    if not check:
        say()
        repeat_lines(gateway, guard)
        while all(program.process.poll() is None for program in programs):
            time.sleep(0.5)
        raise Stop("a program stopped:\n" + "".join(program.last_words() for program in programs))
    return 1 if walk.failures else 0


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description="The walk through the shop, with real requests.")
    parser.add_argument("--check", action="store_true", help="compare the answers and exit 0 or 1")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    os.chdir(FOLDER)
    os.umask(0o077)
    programs = []
    try:
        return perform(arguments.check, programs)
    except Stop as stop:
        print(f"demo: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say()
        return 0 if not arguments.check else 1
    finally:
        for program in reversed(programs):
            program.stop()


if __name__ == "__main__":
    sys.exit(main())
