"""Free loopback ports, and waiting by looking instead of by sleeping a fixed time.

Test processes run side by side, so a port that is free now must stay free until it is used. Each process holds a block of
ports of its own, below those that the kernel gives out by itself; a name that only one process can have says whose it is.
"""
import errno
import socket
import time

FIRST, LAST, BLOCK = 10240, 32768, 512


class Block:
    """Ports of this process. They come round robin: one that has just been closed is not the next to be given out."""

    def __init__(self):
        self.claim, self.first = self._claim()
        self.next = 0

    @staticmethod
    def _claim():
        for first in range(FIRST, LAST - BLOCK + 1, BLOCK):
            claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(f"\0keepgate-test-ports-{first}")  # In no folder: it is gone with the process, however that ends.
                return claim, first
            except OSError as error:
                claim.close()
                if error.errno != errno.EADDRINUSE:
                    raise
        raise AssertionError("every block of ports is in use")

    def take(self):
        for _ in range(BLOCK):
            port = self.first + self.next
            self.next = (self.next + 1) % BLOCK
            if is_free(port):
                return port
        raise AssertionError(f"no free port from {self.first} to {self.first + BLOCK - 1}")


def is_free(port):
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(family, kind) as probe:
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    if kind == socket.SOCK_STREAM:  # As a server does: what is only being closed is no obstacle.
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((host, port))
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # There may be no IPv6.
                    return False
    return True


block = None


def free_port():
    """A port that nobody uses, of any address and protocol, and that no other test process will be given."""
    global block
    if block is None:
        block = Block()
    return block.take()


def wait_until(condition, seconds=10.0, why="it did not happen in time"):
    """Returns the first true value of condition(); fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(why() if callable(why) else why)
        time.sleep(0.01)


def can_connect(address):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(2)
        return probe.connect_ex(address) == 0
