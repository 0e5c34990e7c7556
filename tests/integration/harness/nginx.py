"""The real nginx, where it is installed: what Keepgate does is compared with what it does."""
import os
import shutil
import subprocess
import tempfile

from .ports import can_connect, free_port, wait_until

PROGRAM = "/usr/sbin/nginx"
PREAMBLE = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log info;
events {{ worker_connections 512; }}
http {{
access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{http}
}}
"""


def installed():
    return os.access(PROGRAM, os.X_OK)


def accepts(http):
    """Whether `nginx -t` likes it."""
    with tempfile.TemporaryDirectory(prefix="kg-nginx-") as folder:
        configuration = os.path.join(folder, "nginx.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(PREAMBLE.format(folder=folder, http=http.replace("@gate@", "1")))
        command = [PROGRAM, "-t", "-q", "-c", configuration, "-p", folder, "-e", os.path.join(folder, "error.log")]
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


class Nginx:
    """A running nginx. @gate@ in `http`, the inside of http { }, is its port."""

    def __init__(self, http):
        self.folder = tempfile.mkdtemp(prefix="kg-nginx-")
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        configuration = os.path.join(self.folder, "nginx.conf")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(PREAMBLE.format(folder=self.folder, http=http.replace("@gate@", str(self.port))))
        self.process = subprocess.Popen(
            [PROGRAM, "-c", configuration, "-p", self.folder, "-e", os.path.join(self.folder, "error.log")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self.process.poll() is not None or can_connect(self.address), 15, "nginx does not listen")

    def close(self):
        self.process.terminate()
        self.process.wait(15)
        shutil.rmtree(self.folder, ignore_errors=True)
