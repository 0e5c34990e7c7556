"""Clients that ask without a pause and count what they lose. A process of its own: Load(addresses) … load.stop().

A client that is refused a connection may try again; everything else that goes wrong is a failure: an answer that is not
200, a connection that ends inside an answer or without one.
"""
import asyncio
import json
import os
import subprocess
import sys

FAILURES_MAX = 20


class Load:
    """keep: connections that are kept; fresh: clients that connect for each request. addresses: (host, port) or paths."""

    def __init__(self, addresses, keep=8, fresh=4, path="/"):
        options = {"addresses": addresses, "keep": keep, "fresh": fresh, "path": path}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness.load", json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))), text=True,
        )
        self.process.stdout.readline()  # Every client has had an answer.

    def stop(self):
        """The result: {"requests": …, "refused": …, "closed": …, "failures": […]}."""
        out, _ = self.process.communicate("stop\n", timeout=30)
        return json.loads(out)

    def stop_without_failures(self, least=1):
        result = self.stop()
        assert not result["failures"], result
        assert result["requests"] >= least, result
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Clients:
    def __init__(self, options):
        self.path = options["path"]
        self.requests = self.refused = self.closed = 0
        self.failures = []
        self.stopping = False

    def fail(self, what):
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(what)

    async def connect(self, address):
        """None: refused."""
        try:
            if isinstance(address, str):
                return await asyncio.wait_for(asyncio.open_unix_connection(address), 10)
            return await asyncio.wait_for(asyncio.open_connection(*address), 10)
        except (ConnectionRefusedError, FileNotFoundError):
            self.refused += 1
            await asyncio.sleep(0.005)
        except OSError as error:
            self.fail(f"connect: {error!r}")
            await asyncio.sleep(0.05)
        return None

    async def ask(self, reader, writer, more, number):
        """True: the connection takes another request."""
        kind = "keep-alive" if more else "close"
        writer.write(f"GET {self.path} HTTP/1.1\r\nHost: load\r\nConnection: {kind}\r\n\r\n".encode())
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            fields = head.decode("latin-1").lower()
            length = int(fields.split("content-length: ", 1)[1].split("\r\n", 1)[0])
            await reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError, asyncio.TimeoutError) as error:
            self.fail(f"request {number} of a connection: {error!r}")
            return False
        if not fields.startswith("http/1.1 200 "):
            self.fail(fields.split("\r\n", 1)[0])
        self.requests += 1
        return "connection: close" not in fields

    async def run(self, address, keep, ready):
        while not self.stopping:
            ends = await self.connect(address)
            if not ends:
                continue
            reader, writer = ends
            go_on, number = True, 1
            while go_on and not self.stopping:
                go_on = await self.ask(reader, writer, keep, number) and keep
                number += 1
                ready.set()
            self.closed += keep and not self.stopping
            writer.close()


async def main(options):
    clients = Clients(options)
    tasks, waits = [], []
    for address in options["addresses"]:
        address = address if isinstance(address, str) else tuple(address)
        for keep, count in ((True, options["keep"]), (False, options["fresh"])):
            for _ in range(count):
                ready = asyncio.Event()
                waits.append(ready.wait())
                tasks.append(asyncio.ensure_future(clients.run(address, keep, ready)))
    await asyncio.gather(*waits)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    clients.stopping = True
    await asyncio.wait_for(asyncio.gather(*tasks), 25)
    print(json.dumps({"requests": clients.requests, "refused": clients.refused, "closed": clients.closed, "failures": clients.failures}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
