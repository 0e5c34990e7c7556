"""The traffic of ./dev soak: a backend and clients of every temper, good and bad. asyncio, one thread.

Each kind of client is one coroutine that does its thing once; what it did not expect it raises as Unexpected.
"""

import asyncio
import base64
import collections
import hashlib
import os
import random
import socket
import struct

SMALL = b"small answer\n"
BIG = bytes(range(256)) * 4096  # 1 MiB
UPLOAD = random.Random(1).randbytes(200_000)  # More than client_body_buffer_size: it goes through a file.
PATIENCE_S = 30


class Unexpected(Exception):
    pass


class Backend:
    """Answers by path. die() closes the port and every connection, revive() brings the port back."""

    def __init__(self, port):
        self.port = port
        self.server = None
        self.writers = set()

    async def revive(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=512)

    async def die(self):
        self.server.close()
        for writer in list(self.writers):
            writer.transport.abort()
        await self.server.wait_closed()

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while await self.answer(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ", 2)[1]
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        if path.startswith("/ws"):
            await self.talk(head, reader, writer)
            return False
        if path.startswith("/open/echo"):
            answer = body
        elif path.startswith("/open/big"):
            answer = BIG
        else:
            answer = SMALL
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()
        return True

    @staticmethod
    async def talk(head, reader, writer):
        keys = [line.split(": ", 1)[1] for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key: ")]
        if not keys:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        digest = hashlib.sha1((keys[0] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()  # RFC 6455 §4.2.2.
        accept = base64.b64encode(digest).decode()
        writer.write(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address, tls=None):
        opening = asyncio.open_connection(*address, ssl=tls, server_hostname="soak" if tls else None)
        return cls(*await asyncio.wait_for(opening, PATIENCE_S))

    async def ask(self, method, path, fields=(), body=b""):
        lines = [f"{method} {path} HTTP/1.1", "Host: soak", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        await self.writer.drain()

    async def answer(self, slowly=0.0):
        """(status, body); None where the connection ended instead."""
        try:
            head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode("latin-1").lower()
            length = int(head.split("content-length: ", 1)[1].split("\r\n", 1)[0])
            parts, left = [], length
            while left:
                parts.append(await asyncio.wait_for(self.reader.read(min(left, 32768)), PATIENCE_S))
                if not parts[-1]:
                    return None
                left -= len(parts[-1])
                if slowly:
                    await asyncio.sleep(slowly)  # The slowness that is asked for.
            return int(head.split(" ", 2)[1]), b"".join(parts)
        except (OSError, asyncio.IncompleteReadError):
            return None

    async def expect(self, status, body=None, slowly=0.0):
        answer = await self.answer(slowly)
        if answer is None:
            raise Unexpected(f"no whole answer, expected {status}")
        if answer[0] != status or body not in (None, answer[1]):
            raise Unexpected(f"{answer[0]} with {len(answer[1])} bytes, expected {status}")

    def reset(self):
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.writer.close()


class Clients:
    def __init__(self, gate, secure, tls, good, stranger):
        """Addresses, and the Authorization fields of somebody who may and of somebody who may not."""
        self.gate, self.secure, self.tls, self.good, self.stranger = gate, secure, tls, good, stranger
        self.done = collections.Counter()
        self.unexpected = collections.Counter()
        self.cut = 0
        self.stopping = asyncio.Event()

    async def kept(self):
        async with await Connection.open(self.gate) as one:
            for _ in range(200):
                await one.ask("GET", "/orders/1", [self.good])
                await one.expect(200, SMALL)
                self.done["kept"] += 1
                if await self.rest(0.02):
                    return

    async def fresh(self):
        async with await Connection.open(self.gate) as one:
            await one.ask("GET", "/open/small", ["Connection: close"])
            await one.expect(200, SMALL)

    async def encrypted(self):
        async with await Connection.open(self.secure, self.tls) as one:
            for _ in range(3):
                await one.ask("GET", "/open/small")
                await one.expect(200, SMALL)

    async def upload(self):
        async with await Connection.open(self.gate) as one:
            await one.ask("PUT", "/open/echo", body=UPLOAD)
            await one.expect(200, UPLOAD)

    async def slow_reader(self):
        async with await Connection.open(self.gate) as one:
            await one.ask("GET", "/open/big")
            await one.expect(200, BIG, slowly=0.05)

    async def websocket(self):
        async with await Connection.open(self.gate) as one:
            key = base64.b64encode(os.urandom(16)).decode()
            await one.ask("GET", "/ws/", ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                                          f"Sec-WebSocket-Key: {key}"])
            head = await asyncio.wait_for(one.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            if not head.startswith(b"HTTP/1.1 101 "):
                raise Unexpected(f"no upgrade: {head[:30]!r}")
            for size in (10, 1000, 70_000, 1):
                data = os.urandom(size)
                one.writer.write(data)
                if await asyncio.wait_for(one.reader.readexactly(size), PATIENCE_S) != data:
                    raise Unexpected("a tunnel changed bytes")
                await self.rest(0.2)

    async def leaves(self):
        """Ends at some point: in the head, in a body, while the answer comes."""
        one = await Connection.open(self.gate)
        path, body = random.choice([("/open/big", b""), ("/open/echo", UPLOAD), ("/ws/", b"")])
        data = f"PUT {path} HTTP/1.1\r\nHost: soak\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        one.writer.write(data[: random.randrange(1, len(data) + 1)])
        await asyncio.sleep(random.random() * 0.1)  # So that the gateway has come to any place in its work.
        one.reset()

    async def drips(self):
        """A head byte by byte, slower than client_header_timeout allows."""
        async with await Connection.open(self.gate) as one:
            for byte in b"GET /open/small HTTP/1.1\r\nHost: soak\r\nX-Slow: " + b"x" * 100:
                one.writer.write(bytes([byte]))
                try:
                    await one.writer.drain()
                    await asyncio.wait_for(one.reader.read(1), 0.1)
                    return  # 408, or the end.
                except asyncio.TimeoutError:
                    pass
                except OSError:
                    return
            raise Unexpected("a dripping head was waited for")

    async def refused(self):
        tampered = self.good[:-4] + "AAAA"
        for path, fields, status in [
            ("/orders/1", [], 401), ("/orders/1", [tampered], 401), ("/orders/1", [self.stranger], 403),
            ("/nowhere", [self.good], 401), ("/open/small", ["Content-Length: 1", "Transfer-Encoding: chunked"], 400),
        ]:
            async with await Connection.open(self.gate) as one:
                await one.ask("GET", path, fields)
                await one.expect(status)

    async def garbage(self):
        async with await Connection.open(self.gate) as one:
            one.writer.write(random.choice([b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9", b"\r\nX", b"GET  / HTTP/1.1"]))
            one.writer.write(b"\r\n\r\n")
            answer = await one.answer()
            if answer is not None and answer[0] not in (400, 405, 505):
                raise Unexpected(f"garbage was answered with {answer[0]}")

    async def flaky(self):
        """The first server of this group comes and goes; the second stands in. What it had begun may be cut off."""
        async with await Connection.open(self.gate) as one:
            await one.ask("GET", "/flaky/small")
            answer = await one.answer()
            if answer is None:
                self.cut += 1
            elif answer != (200, SMALL):
                raise Unexpected(f"{answer[0]} from a group with a spare server")

    async def rest(self, seconds):
        """True: it is over."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
            return True
        except asyncio.TimeoutError:
            return False

    async def repeat(self, kind, pause):
        while not self.stopping.is_set():
            try:
                await getattr(self, kind)()
                self.done[kind] += kind != "kept"
            except Unexpected as problem:
                self.unexpected[f"{kind}: {problem}"] += 1
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as problem:
                self.unexpected[f"{kind}: {problem!r}"] += 1
            if await self.rest(pause * (0.5 + random.random())):
                return

    # kind: how many at a time, and the pause of each between two goes
    MIX = {
        "kept": (16, 0.01), "fresh": (8, 0.03), "encrypted": (3, 0.2), "upload": (3, 0.1), "slow_reader": (6, 0.1),
        "websocket": (8, 0.1), "leaves": (6, 0.05), "drips": (10, 0.1), "refused": (2, 0.1), "garbage": (2, 0.1),
        "flaky": (6, 0.05),
    }

    def start(self):
        return [asyncio.ensure_future(self.repeat(kind, pause))
                for kind, (count, pause) in self.MIX.items() for _ in range(count)]
