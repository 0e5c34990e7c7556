"""A recording backend: keeps exactly the bytes it received, connection by connection, and answers what a test scripts.

answer(request) gives bytes, or one of the actions below, or a function that is handed the socket. It runs on the
connection's thread. Reading is deliberately literal: what does not parse is kept and the connection closed.
"""
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from .ports import free_port


@dataclass
class Received:
    """One request as it arrived."""

    connection: int
    head: bytes
    method: str
    target: str
    version: str
    fields: list
    body: bytes = b""
    trailers: list = field(default_factory=list)

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default

    def names(self):
        return [name.lower() for name, _ in self.fields]


@dataclass
class Close:
    """Send these bytes, then close."""

    data: bytes = b""


@dataclass
class Reset:
    """Send these bytes, then reset the connection."""

    data: bytes = b""


@dataclass
class Pieces:
    """Send these pieces one by one, each in a segment of its own; close afterwards if asked."""

    parts: list
    pause: float = 0.002
    close: bool = False


def answer_bytes(status=200, body=b"ok\n", fields=(), reason="OK", length=True):
    fields = list(fields.items()) if isinstance(fields, dict) else list(fields)
    lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in fields]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class Ended(Exception):
    pass


class Connection:
    def __init__(self, number, sock, origin):
        self.number = number
        self.socket = sock
        self.origin = origin
        self.received = bytearray()
        self.used = 0
        self.requests = []
        self.closed = False
        self.error = None

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Ended()
        self.received += data

    def read_until(self, mark):
        while True:
            found = self.received.find(mark, self.used)
            if found >= 0:
                part = bytes(self.received[self.used : found])
                self.used = found + len(mark)
                return part
            self.receive()

    def read_bytes(self, count):
        while len(self.received) - self.used < count:
            self.receive()
        part = bytes(self.received[self.used : self.used + count])
        self.used += count
        return part

    def read_chunks(self):
        body = b""
        while True:
            size = int(self.read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                break
            body += self.read_bytes(size)
            assert self.read_bytes(2) == b"\r\n"
        trailers = []
        while True:
            line = self.read_until(b"\r\n")
            if not line:
                return body, trailers
            trailers.append(line.decode("latin-1"))

    def read_head(self):
        head = self.read_until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ", 2)
        fields = [tuple(part.strip(" \t") for part in line.split(":", 1)) for line in lines[1:]]
        assert all(len(pair) == 2 for pair in fields), lines
        return Received(self.number, head + b"\r\n\r\n", method, target, version, fields)

    def read_body(self, request):
        if request.get("Transfer-Encoding"):
            request.body, request.trailers = self.read_chunks()
        elif request.get("Content-Length"):
            request.body = self.read_bytes(int(request.get("Content-Length")))

    def run(self):
        try:
            if self.origin.on_connect:
                self.origin.on_connect(self)
            while True:
                request = self.read_head()
                self.requests.append(request)
                with self.origin.lock:
                    self.origin.requests.append(request)
                if not self.origin.early:
                    if request.get("Expect", "").lower() == "100-continue" and self.origin.send_continue:
                        self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                    self.read_body(request)
                if not self.reply(self.origin.answer(request)):
                    return
        except (Ended, OSError, ValueError, AssertionError) as error:
            self.error = error
        finally:
            self.closed = True
            try:
                self.socket.close()
            except OSError:
                pass

    def reply(self, action):
        if callable(action):
            return action(self)
        if isinstance(action, bytes):
            self.socket.sendall(action)
            return True
        if isinstance(action, Pieces):
            for part in action.parts:
                self.socket.sendall(part)
                time.sleep(action.pause)
            return not action.close
        self.socket.sendall(action.data)
        if isinstance(action, Reset):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


class Origin:
    """early: answer after the head, before the body is read."""

    def __init__(self, answer=None, path=None, tls=None, early=False, send_continue=True, on_connect=None):
        self.answer = answer or (lambda request: answer_bytes())
        self.early = early
        self.send_continue = send_continue
        self.on_connect = on_connect
        self.tls = tls
        self.lock = threading.Lock()
        self.connections = []
        self.requests = []
        self.path = path
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.address = f"unix:{path}"
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.port = free_port()  # Not the kernel's choice: after close() nobody else gets it.
            self.listener.bind(("127.0.0.1", self.port))
            self.address = f"127.0.0.1:{self.port}"
        self.listener.listen(128)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.settimeout(30)
        if self.tls is not None:
            try:
                sock = self.tls.wrap_socket(sock, server_side=True)
            except OSError:
                sock.close()
                return
        else:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                pass
        with self.lock:
            connection = Connection(len(self.connections), sock, self)
            self.connections.append(connection)
        connection.run()

    @property
    def received(self):
        """Every byte of every connection, joined: what must not occur anywhere."""
        with self.lock:
            return b"\n--\n".join(bytes(connection.received) for connection in self.connections)

    @property
    def last(self):
        return self.requests[-1]

    def forget(self):
        with self.lock:
            self.requests.clear()

    def close(self):
        for action in (lambda: self.listener.shutdown(socket.SHUT_RDWR), self.listener.close):
            try:
                action()
            except OSError:
                pass
        for connection in list(self.connections):
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self.path and os.path.exists(self.path):
            os.unlink(self.path)
