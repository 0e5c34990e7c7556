"""A client of bytes: sends exactly what it is told and reads answers strictly, with their framing."""
import socket
import ssl
from dataclasses import dataclass, field


class Truncated(AssertionError):
    """The connection ended inside an answer."""


@dataclass
class Response:
    status: int
    reason: str
    version: str
    fields: list = field(default_factory=list)
    body: bytes = b""
    complete: bool = True  # False: the stream ended before the framing said so.
    interim: list = field(default_factory=list)  # Status codes of the 1xx answers before it.
    trailers: list = field(default_factory=list)
    framing: str = "none"

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name, default=None):
        found = self.all(name)
        return found[0] if found else default

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


class Client:
    """One connection. `address` is (host, port) or the path of a Unix socket."""

    def __init__(self, address, timeout=10.0, tls=None, server_name=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def finish_sending(self):
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self):
        """More bytes into the buffer; False at the end of the stream."""
        if self.ended:
            return False
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def read_line(self):
        while b"\r\n" not in self.buffer:
            if not self.receive():
                raise Truncated(f"the stream ended inside a line: {self.buffer[:200]!r}")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        assert b"\n" not in line and b"\r" not in line, f"bare CR or LF in an answer: {line!r}"
        return line.decode("latin-1")

    def read_bytes(self, count):
        parts, have = [], 0
        while have < count:
            if not self.buffer and not self.receive():
                raise Truncated(f"{have} of {count} bytes", b"".join(parts))
            part, self.buffer = self.buffer[: count - have], self.buffer[count - have :]
            parts.append(part)
            have += len(part)
        return b"".join(parts)

    def read_to_end(self):
        """Everything until the peer closes."""
        parts = [self.buffer]
        self.buffer = b""
        while self.receive():
            parts.append(self.buffer)
            self.buffer = b""
        return b"".join(parts)

    def closed_by_peer(self):
        """Has the peer closed, without another byte? Waits for it as long as the timeout."""
        try:
            return not self.buffer and not self.receive()
        except (TimeoutError, socket.timeout):
            return False

    def _read_fields(self):
        fields = []
        while True:
            line = self.read_line()
            if not line:
                return fields
            name, colon, value = line.partition(":")
            assert colon and name and name == name.strip(), f"malformed field in an answer: {line!r}"
            fields.append((name, value.strip(" \t")))

    def _read_chunks(self):
        body = b""
        try:
            while True:
                size = int(self.read_line().split(";")[0], 16)
                if size == 0:
                    return body, self._read_fields(), True
                body += self.read_bytes(size)
                assert self.read_line() == ""
        except Truncated as error:
            return body + (error.args[1] if len(error.args) > 1 else b""), [], False

    def read_response(self, method="GET"):
        interim = []
        while True:
            version, status, *reason = self.read_line().split(" ", 2)
            response = Response(int(status), reason[0] if reason else "", version, self._read_fields())
            if not 100 <= response.status < 200 or response.status == 101:
                break
            interim.append(response.status)
        response.interim = interim
        lengths = response.all("Content-Length")
        coding = response.all("Transfer-Encoding")
        assert len(lengths) <= 1 and len(coding) <= 1, f"ambiguous framing: {response.fields}"
        assert not (lengths and coding), f"two framings: {response.fields}"
        if method == "HEAD" or response.status in (101, 204, 304):
            return response
        if coding:
            assert coding[0].lower() == "chunked", coding
            response.framing = "chunked"
            response.body, response.trailers, response.complete = self._read_chunks()
        elif lengths:
            response.framing = "length"
            try:
                response.body = self.read_bytes(int(lengths[0]))
            except Truncated as error:
                response.complete = False
                response.body = error.args[1] if len(error.args) > 1 else b""
        else:
            response.framing = "close"
            response.body = self.read_to_end()
        return response

    def request(self, method, target, fields=(), body=b"", host="test", version="HTTP/1.1"):
        self.send(request_bytes(method, target, fields, body, host, version))
        return self.read_response(method)


def request_bytes(method, target, fields=(), body=b"", host="test", version="HTTP/1.1"):
    fields = list(fields.items()) if isinstance(fields, dict) else list(fields)
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    named = {name.lower() for name, _ in fields}
    if body and "content-length" not in named and "transfer-encoding" not in named:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def chunked(*parts, trailers=b""):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"
