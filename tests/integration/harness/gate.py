"""The real program on free loopback ports: started, waited for by connecting, stopped, and its last words judged."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .ports import can_connect, free_port, wait_until
from .wire import Client

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
SANITIZER = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:)")
PREAMBLE = "daemon off;\nworker_processes {workers};\npid keepgate.pid;\nerror_log {error_log};\nevents {{ worker_connections 512; }}\n"


def binary():
    return os.path.abspath(os.environ.get("KEEPGATE_BIN") or os.path.join(ROOT, "build", "release", "keepgate"))


def is_sanitized():
    """Does the program watch itself? Then it can neither be traced nor be given another library first."""
    with open(binary(), "rb") as file:
        return b"__asan_init" in (content := file.read()) or b"__tsan_init" in content


def run_cli(*arguments, stdin="", cwd=None, env=None, timeout=30):
    """One command to its end. Text in, text out."""
    result = subprocess.run(
        [binary(), *map(str, arguments)], input=stdin, capture_output=True, encoding="utf-8", errors="replace", cwd=cwd,
        timeout=timeout, env=env,
    )
    assert not SANITIZER.search(result.stderr), result.stderr
    assert result.returncode >= 0, f"died of signal {-result.returncode}: {result.stderr}"
    return result


class Gate:
    """A running keepgate. @name@ in the configuration is a free port: gate.port("name").

    `http` is the inside of http { }; `main` goes before it. With `text` the whole file is given.
    """

    def __init__(self, http="", main="", files=None, workers=1, text=None, values=None, error_log="error.log info", arguments=(), start=True):
        self.folder = tempfile.mkdtemp(prefix="kg-")
        self.ports = {}
        self.values = dict(values or {})
        for name, content in (files or {}).items():
            self.write(name, content)
        if text is None:
            text = main + PREAMBLE.format(workers=workers, error_log=error_log) + "http {\naccess_log off;\n" + http + "\n}\n"
        self.process = None
        self.arguments = list(arguments)
        self.configure(text)
        if start:
            self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, 0o600)
        return path

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def substitute(self, match):
        name = match.group(1)
        if name in self.values:
            return str(self.values[name])
        if name not in self.ports:
            self.ports[name] = free_port()
        return str(self.ports[name])

    def configure(self, text):
        self.text = re.sub(r"@([a-z_0-9]+)@", self.substitute, text)
        self.write("keepgate.conf", self.text)

    def spawn(self, **options):
        with open(self.path("stdout"), "wb") as out, open(self.path("stderr"), "wb") as error:
            self.process = subprocess.Popen(
                [binary(), "-c", self.path("keepgate.conf"), *self.arguments], stdout=out, stderr=error,
                stdin=subprocess.DEVNULL, cwd=self.folder, **options,
            )
        return self.process

    def start(self):
        self.spawn()
        try:
            self.wait()
        except AssertionError:
            if not self.exited():
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def wait(self):
        for port in self.ports.values():
            wait_until(lambda: self.exited() or can_connect(("127.0.0.1", port)), 60, lambda: f"nobody listens on {port}: {self.words()}")
        if "\npid keepgate.pid;" in self.text:  # It listens a moment before it is ready; this file is written between.
            wait_until(lambda: self.exited() or self.read("keepgate.pid"), 60, self.words)
        if self.exited():
            raise AssertionError(f"keepgate stopped at once, exit {self.process.returncode}: {self.words()}\n{self.text}")

    def exited(self):
        return self.process is not None and self.process.poll() is not None

    def words(self):
        return self.read("stderr") + self.read("stdout") + self.read("error.log")[-4000:]

    def port(self, name=None):
        return self.ports[name] if name else next(iter(self.ports.values()))

    def address(self, name=None):
        return ("127.0.0.1", self.port(name))

    def url(self, path="/", name=None):
        return f"http://127.0.0.1:{self.port(name)}{path}"

    def connect(self, name=None, **options):
        return Client(self.address(name), **options)

    def request(self, method="GET", target="/", fields=(), body=b"", name=None, **options):
        with self.connect(name) as client:
            return client.request(method, target, fields, body, **options)

    def get(self, target="/", fields=(), **options):
        return self.request("GET", target, fields, **options)

    def raw(self, data, name=None, method="GET"):
        """Sends exactly these bytes and reads one answer."""
        with self.connect(name) as client:
            client.send(data)
            return client.read_response(method)

    def kill(self, number):
        self.process.send_signal(number)

    def stands_still(self):
        """Has SIGSTOP reached every thread?"""
        states = []
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            states.append((thread / "stat").read_text().rpartition(")")[2].split()[0])
        return all(state == "T" for state in states)

    def reload(self, text=None, seconds=10):
        """HUP, and waits until the error log says how it ended: what was logged meanwhile, a warning say, is not that."""
        before = len(self.read("error.log"))

        def ended():
            news = self.read("error.log")[before:]
            return "reconfigured, configuration" in news or "the configuration was not reloaded" in news

        if text is not None:
            self.configure(text)
        self.kill(signal.SIGHUP)
        wait_until(lambda: ended() or self.exited(), seconds, "the reload is not logged")

    def stop(self, number=signal.SIGTERM, seconds=15):
        """Stops it, if it runs, and says how it ended."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"keepgate did not end on signal {number}: {self.words()}") from None

    def close(self):
        """Teardown: ends it, and fails if it did not end well."""
        try:
            code = self.stop()
            words = self.read("stderr")
            log = self.read("error.log")
            assert not SANITIZER.search(words), words
            assert not SANITIZER.search(log), log
            assert code == 0, f"keepgate ended with {code}: {self.words()}"
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
