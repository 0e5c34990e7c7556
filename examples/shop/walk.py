"""What the walk is made of: programs that are always stopped, answers of curl, and steps that show what they run.

Secrets are not printed: what looks like a token or a device's code is replaced.
"""
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|kgd_[\w-]+")


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
            time.sleep(0.02)  # Between two tries to connect.
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

    def request(self, command, show=("WWW-Authenticate", "Retry-After"), brief=False):
        """Shows the answer's status, the fields of `show`, and its body unless `brief`."""
        code, out, error = self.run(command)
        if code != 0:
            say("  " + paint("31", f"curl: exit {code} {error.strip()}"))
        answer = Answer(out)
        say("  " + paint("32" if answer.status < 400 else "33", answer.status_line))
        for name in show:
            if answer.field(name):
                say(f"  {name}: {answer.field(name)}")
        for line in () if brief else self.pretty(answer):
            say("  " + paint("2", line))
        return answer

    def token(self, command, out, brief=False):
        """Asks the authorization server; what it gives goes to a file."""
        answer = self.request(command, brief=brief)
        value = (answer.json or {}).get("access_token")
        if not value:
            raise Stop(f"the authorization server gave no token: {answer.status_line}")
        with open(out, "w", encoding="utf-8") as file:
            file.write(value)
        say("  " + paint("2", f"(kept in {out})"))

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


def ask_server(url, who, *fields):
    """A request of a client at the authorization server; `who` names the file of its secret, or is a public client."""
    command = f"curl -si {url}"
    if os.path.exists(f"keys/{who}.secret"):
        command += f' \\\n    -u "{who}:$(cat keys/{who}.secret)"'
    else:
        command += f" \\\n    -d client_id={who}"
    for field in fields:
        command += f" \\\n    -d {field}"
    return command


def show_output(text):
    for line in text.rstrip().split("\n")[:24]:
        say("  " + paint("2", line))
