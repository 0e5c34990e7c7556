"""A server of revocations, scripted: versions, 304, long questions; slow, huge, broken or absent where a test says so."""
import base64
import threading
import time
import urllib.parse

from .origin import Close, Origin, answer_bytes


class RevocationServer:
    """`set` and `add` change the list; `behave(request)` may answer instead: bytes, an action of Origin, or None."""

    def __init__(self, tls=None, epoch="first", credentials=("gateway", "s+cr:t 1")):
        self.changed = threading.Condition()
        self.lines = []
        self.version = 0
        self.epoch = epoch
        self.credentials = credentials
        self.behave = None
        self.asked = []  # (after, wait) of each question, and whether it is answered.
        self.under_way = 0
        self.most_under_way = 0
        self.closing = False
        self.tls = tls
        self.origin = Origin(answer=self.answer, tls=tls)
        self.url = f"{'https' if tls else 'http'}://{self.origin.address}/revocations"

    def close(self):
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self.origin.close()

    def set(self, *lines, version=None, epoch=None):
        with self.changed:
            self.lines = list(lines)
            self.version = self.version + 1 if version is None else version
            if epoch is not None:
                self.epoch = epoch
            self.changed.notify_all()

    def add(self, *lines):
        self.set(*self.lines, *lines)

    def text(self):
        return "".join(line + "\n" for line in self.lines).encode()

    def list_answer(self, body=None, version=None, kind="text/plain", **fields):
        fields = {"Content-Type": kind, "Revocation-Version": self.version if version is None else version, "Revocation-Epoch": self.epoch,
                  "Cache-Control": "no-store", **fields}
        return answer_bytes(200, self.text() if body is None else body, fields)

    def is_authorized(self, request):
        kind, _, value = request.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return False
        name, _, secret = base64.b64decode(value).decode().partition(":")
        return (urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret)) == self.credentials

    def answer(self, request):
        with self.changed:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return self._answer(request)
        finally:
            with self.changed:
                self.under_way -= 1

    def _answer(self, request):
        path, _, query = request.target.partition("?")
        given = dict(urllib.parse.parse_qsl(query, strict_parsing=True))
        assert (request.method, path) == ("GET", "/revocations") and request.get("Accept") == "text/plain", request.head
        after, wait = int(given["after"]), int(given["wait"])
        with self.changed:
            self.asked.append((after, wait))
        if self.behave is not None:
            said = self.behave(request)
            if said is not None:
                return said
        if not self.is_authorized(request):
            return answer_bytes(401, b"", {"WWW-Authenticate": "Basic"})
        with self.changed:
            deadline = time.monotonic() + wait
            while self.version == after and time.monotonic() < deadline and not self.closing:
                self.changed.wait(deadline - time.monotonic())
            if self.closing:
                return Close()
            if self.version == after:
                return answer_bytes(304, b"", {"Revocation-Version": self.version, "Revocation-Epoch": self.epoch}, length=False)
            return self.list_answer()
