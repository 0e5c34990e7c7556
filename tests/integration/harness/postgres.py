"""A throw-away PostgreSQL server of Debian's package, in a folder of its own, on a Unix socket and nowhere else.

python3 -m harness.postgres COMMAND… (from tests/integration) runs COMMAND with KEEPGATE_TEST_POSTGRES set to its URI.
"""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile

from .ports import wait_until

START_SECONDS = 60
USER = "keepgate"
DATABASE = "postgres"


def programs():
    """The folder of initdb and postgres, of the newest version there is, or None."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def why_missing():
    """Why there can be no server here, for a skip; None if there can."""
    if programs() is None:
        return "PostgreSQL is not installed (package postgresql)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL refuses root, and there is no setpriv"
    return None


class Postgres:
    """A running server. `settings` are lines of postgresql.conf."""

    def __init__(self, *settings):
        self.settings = settings
        self.made = 0
        self.folder = tempfile.mkdtemp(prefix="kg-pg-")
        self.process = None
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        subprocess.run(self._command("initdb", "--pgdata", f"{self.folder}/data", "--username", USER, "--auth", "trust",
                                     "--encoding", "UTF8", "--locale", "C", "--no-sync"),
                       check=True, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=START_SECONDS)
        self.start()

    @property
    def uri(self):
        return f"postgresql://{USER}@/{DATABASE}?host={self.folder}"

    def new_database(self):
        """The URI of an empty one."""
        self.made += 1
        subprocess.run(["psql", "-qX", self.uri, "-c", f"CREATE DATABASE made{self.made}"], check=True, timeout=START_SECONDS)
        return self.uri.replace(f"/{DATABASE}?", f"/made{self.made}?")

    @property
    def log(self):
        return pathlib.Path(self.folder, "log").read_text(errors="replace")

    def _command(self, program, *arguments):
        # PostgreSQL refuses to run as root.
        other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return [*other, str(programs() / program), *arguments]

    def start(self):
        settings = ["listen_addresses=", f"unix_socket_directories={self.folder}", "shared_buffers=16MB",
                    "max_connections=40", "fsync=off", *self.settings]
        flags = [part for setting in settings for part in ("-c", setting)]
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(self._command("postgres", "-D", f"{self.folder}/data", *flags),
                                            cwd=self.folder, stdout=log, stderr=log)
        wait_until(self.is_ready, START_SECONDS, lambda: f"PostgreSQL does not start:\n{self.log}")

    def is_ready(self):
        assert self.process.poll() is None, f"PostgreSQL ended:\n{self.log}"
        command = [str(programs() / "pg_isready"), "--host", self.folder, "--quiet"]
        return subprocess.run(command, check=False, timeout=START_SECONDS).returncode == 0

    def stop(self, how=signal.SIGINT):
        """SIGINT: connections are ended and everything is written; SIGQUIT: at once, as after a crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(START_SECONDS)
        self.process = None

    def save(self):
        """What a standby has that gets nothing from now on."""
        self.stop()
        subprocess.run(["cp", "-a", f"{self.folder}/data", f"{self.folder}/saved"], check=True, timeout=START_SECONDS)
        self.start()

    def fail_over(self, promoted=True):
        """The server is lost, and what was saved takes over; or it goes on reading, in vain."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(f"{self.folder}/data")
        os.rename(f"{self.folder}/saved", f"{self.folder}/data")
        sign = pathlib.Path(self.folder, "data", "recovery.signal" if promoted else "standby.signal")
        sign.touch()
        owner = os.stat(f"{self.folder}/data/PG_VERSION")
        os.chown(sign, owner.st_uid, owner.st_gid)
        self.settings = (*self.settings, "restore_command=false")
        self.start()

    def close(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    reason = why_missing()
    if reason:
        sys.exit(reason)
    server = Postgres()
    try:
        environment = {**os.environ, "KEEPGATE_TEST_POSTGRES": server.uri}
        return subprocess.run(sys.argv[1:], check=False, env=environment).returncode
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
