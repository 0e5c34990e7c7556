"""A name server whose every answer is scripted, over UDP and TCP on one loopback port. It keeps all questions it got."""
import ipaddress
import socket
import struct
import threading

from .ports import free_port

A, CNAME, SOA, AAAA, SRV = 1, 5, 6, 28, 33
SERVER_FAILURE, NO_SUCH_NAME, REFUSED = 2, 3, 5


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def record(owner, kind, ttl, data):
    return encode(owner) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


class DnsServer:
    """set("a.test", "127.0.0.2", "::1", ttl=5); alias("b.test", "a.test"); fail("c.test", REFUSED).

    `mode` changes every answer: "silent", "garbage", "wrong_id", "wrong_name", "loop" (compression), "truncated" (UDP only),
    "empty"; None answers truly. Names without an entry do not exist.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.names = {}
        self.codes = {}
        self.questions = []
        self.mode = None
        self.negative_ttl = 1
        self.port = free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind(("127.0.0.1", self.port))
        self.tcp.listen(16)
        self.address = f"127.0.0.1:{self.port}"
        for target in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    # What there is

    def set(self, name, *addresses, ttl=1):
        records = []
        for text in addresses:
            address = ipaddress.ip_address(text)
            records.append((A if address.version == 4 else AAAA, ttl, address.packed))
        with self.lock:
            self.names[name] = records
            self.codes.pop(name, None)

    def alias(self, name, target, ttl=1):
        with self.lock:
            self.names[name] = [(CNAME, ttl, encode(target))]

    def services(self, name, *services, ttl=1):
        """Each (priority, weight, port, host)."""
        with self.lock:
            self.names[name] = [(SRV, ttl, struct.pack("!HHH", *one[:3]) + encode(one[3])) for one in services]

    def fail(self, name, code):
        with self.lock:
            self.codes[name] = code

    def remove(self, name):
        with self.lock:
            self.names.pop(name, None)

    def asked(self, name, kind=None, way=None):
        with self.lock:
            return [one for one in self.questions
                    if one[0] == name and kind in (None, one[1]) and way in (None, one[2])]

    # Answers

    def answers_for(self, name, kind, depth=0):
        out, known = b"", name in self.names
        count = 0
        for its_kind, ttl, data in self.names.get(name, []):
            if its_kind in (kind, CNAME):
                out += record(name, its_kind, ttl, data)
                count += 1
            if its_kind == CNAME and depth < 8:
                target = ".".join(label.decode() for label in labels(data))
                more, more_count, _ = self.answers_for(target, kind, depth + 1)
                out, count = out + more, count + more_count
        return out, count, known

    def reply(self, message, way):
        number, _, questions = struct.unpack("!HHH", message[:6])
        name = ".".join(label.decode() for label in labels(message[12:]))
        end = 12 + len(encode(name)) + 4
        kind = struct.unpack("!H", message[end - 4 : end - 2])[0]
        assert questions == 1
        with self.lock:
            self.questions.append((name, kind, way))
            mode = self.mode
            answers, count, known = self.answers_for(name, kind)
            code = self.codes.get(name, 0 if known else NO_SUCH_NAME)
        if mode == "silent":
            return None
        if mode == "garbage":
            return b"\xff" * 40
        flags = 0x8180 | code
        if code:
            answers, count = b"", 0
        if mode == "wrong_id":
            number ^= 1
        if mode == "truncated" and way == "udp":
            flags, answers, count = flags | 0x0200, b"", 0
        if mode == "loop":
            answers, count = struct.pack("!H", 0xC000 | end) + struct.pack("!HHIH", A, 1, 1, 4) + b"\x7f\0\0\1", 1
        if mode == "empty":
            answers, count = b"", 0
        question = message[12:end]
        if mode == "wrong_name":
            question = encode("other.test") + message[end - 4 : end]
        authority = b""
        if count == 0 and self.negative_ttl is not None:
            soa = encode("ns.test") + encode("me.test") + struct.pack("!IIIII", 1, 1, 1, 1, self.negative_ttl)
            authority = record("test", SOA, self.negative_ttl, soa)
        head = struct.pack("!HHHHHH", number, flags, 1, count, 1 if authority else 0, 0)
        return head + question + answers + authority

    def _serve_udp(self):
        while True:
            try:
                message, peer = self.udp.recvfrom(4096)
                answer = self.reply(message, "udp")
                if answer is not None and len(answer) > 512 and answer[:2] == message[:2]:
                    head = struct.unpack("!HHHHHH", answer[:12])
                    answer = struct.pack("!HHHHHH", head[0], head[1] | 0x0200, 1, 0, 0, 0) + message[12:]
                if answer is not None:
                    self.udp.sendto(answer, peer)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._answer_tcp, args=(connection,), daemon=True).start()

    def _answer_tcp(self, connection):
        with connection:
            try:
                connection.settimeout(10)
                length = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))[0]
                answer = self.reply(connection.recv(length, socket.MSG_WAITALL), "tcp")
                if answer is not None:
                    framed = struct.pack("!H", len(answer)) + answer
                    connection.sendall(framed[:7])  # In two pieces: a reader must wait for the whole.
                    connection.sendall(framed[7:])
            except (OSError, struct.error):
                pass

    def close(self):
        self.udp.close()
        try:
            self.tcp.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.tcp.close()


def labels(data):
    """The labels of an uncompressed name at the beginning of `data`."""
    out, at = [], 0
    while data[at]:
        out.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return out
