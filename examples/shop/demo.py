#!/usr/bin/python3
"""The walk through the shop: starts the service, the authorization server, the gateway with the guard; sends real
requests, shows real answers.

    demo.py           walk, then stay up until Ctrl-C
    demo.py --check   walk, compare each answer with what is expected, exit 0 or 1

KEEPGATE_BIN and ORDERS_SERVICE name the programs; by default they are taken from build/release. Ports are read from
keepgate.conf and authorization_server.conf. Tokens are never printed.
"""
import argparse
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time

import person
from walk import Answer, Program, Stop, Walk, ask_server, curl, paint, say, show_output

FOLDER = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(FOLDER, "..", "..", "build", "release")
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"


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


def ask_the_gateway(walk, gateway, server):
    order = f"{gateway}/1.0/orders/7"

    walk.step("No token")
    answer = walk.request(curl(order))
    walk.expect(answer.status == 401, "401: nobody without an identity")
    walk.expect((answer.field("WWW-Authenticate") or "").startswith("Bearer"), "and it says what is wanted")

    walk.step("client1 gets a token and reads an order")
    walk.token(ask_server(f"{server}/token", "client1", "grant_type=client_credentials"), "tokens/client1")
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


def sign_in(walk, server, name, audience, out, brief=False):
    """The device flow (RFC 8628): the console asks, the person allows it with a browser, the console gets the token."""
    answer = walk.request(ask_server(f"{server}/device_authorization", "console", f"audience={audience}"), brief=brief)
    asked = answer.json or {}
    if "device_code" not in asked:
        raise Stop(f"the authorization server lets no device ask: {answer.status_line}")
    with open("run/device_code", "w", encoding="utf-8") as file:
        file.write(asked["device_code"])
    with open(f"keys/{name}.password", encoding="utf-8") as file:
        last, _ = person.allow(asked["verification_uri_complete"], name, file.read())
    walk.expect("connected" in last, f"{name} opens {asked['verification_uri']}, signs in and allows it")
    fields = (f"grant_type={GRANT_TYPE}device_code", '"device_code=$(cat run/device_code)"')
    walk.token(ask_server(f"{server}/token", "console", *fields), out, brief=brief)


def ask_as_people(walk, gateway, server):
    button = f"{gateway}/1.0/big_red_and_dangerous_button"
    walk.step("An intern signs in: his token is valid, and may not do everything")
    sign_in(walk, server, "ivo", "orders", "tokens/intern")
    answer = walk.request(curl(button, "tokens/intern", method="POST"))
    walk.expect(answer.status == 403, "403 for the intern")

    walk.step("A commander does the same")
    sign_in(walk, server, "grace", "orders", "tokens/commander", brief=True)
    answer = walk.request(curl(button, "tokens/commander", method="POST"))
    walk.expect(answer.status == 200, "200 for the commander")


def ask_on_behalf(walk, gateway, server):
    order = f"{gateway}/1.0/orders/7"
    walk.step("A service calls on behalf of a person")
    sign_in(walk, server, "alice", "shipping", "tokens/alice", brief=True)
    answer = walk.request(curl(order, "tokens/alice"))
    walk.expect(answer.status == 401, "401: alice's token is for shipping, and for nobody else")

    def exchange(*fields):
        given = ('"subject_token=$(cat tokens/alice)"', f"subject_token_type={ACCESS_TOKEN_TYPE}")
        return ask_server(f"{server}/token", "shipping", f"grant_type={GRANT_TYPE}token-exchange", *given, *fields)

    walk.token(exchange("audience=orders", "scope=orders:read"), "tokens/shipping")
    code, out, error = walk.run("keepgate token inspect <tokens/shipping")
    claims = json.loads(out).get("claims", {}) if code == 0 else {}
    shown = {name: claims.get(name) for name in ("sub", "aud", "client_id", "scope", "act")}
    show_output(json.dumps(shown) if claims else error)
    walk.expect(claims.get("sub") == "user:alice", "it is still about alice")
    walk.expect(claims.get("act") == {"sub": "client:shipping"}, "and says who acts for her: shipping")
    answer = walk.request(curl(order, "tokens/shipping"))
    context = ((answer.json or {}).get("transaction") or {}).get("tctx") or {}
    walk.expect(answer.status == 200, "200: the policy lets shipping read for people")
    walk.expect((context.get("client_id"), context.get("customer")) == ("shipping", "alice"), "orders knows both")
    answer = walk.request(curl(order, "tokens/shipping", method="PUT"))
    walk.expect(answer.status == 403, "403: and nothing else")

    walk.step("Nothing is widened on the way")
    answer = walk.request(exchange("audience=orders", "scope=orders:write"))
    walk.expect(answer.status == 400, "a scope that alice did not give: refused")
    answer = walk.request(exchange("audience=payments", "scope=orders:read"))
    walk.expect(answer.status == 400, "an audience that shipping may not have: refused")
    own = ask_server(f"{server}/token", "shipping", "grant_type=client_credentials")
    walk.token(own, "tokens/shipping_alone", brief=True)
    answer = walk.request(curl(order, "tokens/shipping_alone"))
    walk.expect(answer.status == 403, "403: shipping on its own, for nobody")


def take_back(walk, gateway, server):
    order = f"{gateway}/1.0/orders/7"
    walk.step("A token that is taken back")
    answer = walk.request(ask_server(f"{server}/revoke", "shipping", '"token=$(cat tokens/shipping)"'))
    walk.expect(answer.status == 200, "200: the server has recorded it")
    begun = time.monotonic()
    while time.monotonic() - begun < 10:  # So that a broken feed ends the walk; it takes milliseconds.
        command = ["/bin/sh", "-c", curl(order, "tokens/shipping")]
        answer = Answer(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)
        if answer.status == 401:
            break
        time.sleep(0.02)  # Between two questions.
    milliseconds = (time.monotonic() - begun) * 1000
    say("  " + paint("2", f"(asked the gateway until it refused: {milliseconds:.0f} ms)"))
    answer = walk.request(curl(order, "tokens/shipping"))
    walk.expect(answer.status == 401, "401 at the gateway, long before it expires")
    answer = walk.request(curl(order, "tokens/client1"), brief=True)
    walk.expect(answer.status == 200, "another token is as good as before")


def ask_too_often(walk, gateway, server):
    walk.step("Too many requests")
    walk.token(ask_server(f"{server}/token", "reports", "grant_type=client_credentials"), "tokens/reports", brief=True)
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
    answer = walk.request(curl(f"{gateway}/1.0/orders/7", "tokens/client1"), show=(), brief=True)
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
                "Stop the program that has it, or change the port in the .conf files of examples/shop."
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


def repeat_lines(gateway, guard, server):
    say(paint("1", "It stays up. In another terminal:"))
    say()
    say("  cd " + os.path.relpath(FOLDER, os.environ.get("PWD", FOLDER)))
    for command in (
        ask_server(f"{server}/token", "client1", "grant_type=client_credentials")
        + " \\\n    | sed -n 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/p' >tokens/client1",
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
    server_ports = ports_of("authorization_server.conf")
    for port in ports + server_ports:
        require_free(port)
    os.makedirs("run", exist_ok=True)
    prepare(keepgate)
    put_on_path(keepgate)

    gateway, guard = (f"http://127.0.0.1:{port}" for port in ports[:2])
    server = f"http://127.0.0.1:{server_ports[0]}"

    def start(name, command, out, addresses):
        programs.append(Program(name, command, out))
        for address in addresses:
            programs[-1].wait_for(address)

    start("orders service", [service, "run/orders.sock"], "orders_service.out", ["run/orders.sock"])
    start("authorization server", [keepgate, "-c", "authorization_server.conf"], "authorization_server.out",
          [("127.0.0.1", port) for port in server_ports])
    start("keepgate", [keepgate, "-c", "keepgate.conf"], "keepgate.out", [("127.0.0.1", port) for port in ports])
    say(f"gateway  {gateway}")
    say(f"guard    {guard}")
    say("service  run/orders.sock, behind the guard")
    say(f"tokens   {server}, the authorization server, a process of its own")

    walk = Walk()
    ask_the_gateway(walk, gateway, server)
    ask_as_people(walk, gateway, server)
    ask_too_often(walk, gateway, server)
    ask_on_behalf(walk, gateway, server)
    take_back(walk, gateway, server)
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
        repeat_lines(gateway, guard, server)
        while all(program.process.poll() is None for program in programs):
            time.sleep(0.5)  # Between two looks at whether all still run.
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
