"""Failing one call of the program: which, the how many-th, with which error. The other half is faults.cc.

What is tried: in a plain run a sample of all calls, spread evenly; all of them with KEEPGATE_FAULTS_ALL=1.
"""
import errno
import mmap
import os
import re
import struct

from harness.gate import binary

# In the order of faults.cc: name, the errors it is made to fail with. "part" moves one byte instead.
CALLS = {
    "malloc": ["ENOMEM"],
    "open": ["EMFILE", "EIO"],
    "read": ["EIO", "EINTR", "part"],
    "write": ["ENOSPC", "EINTR", "part"],
    "recv": ["ECONNRESET", "EINTR", "ENOMEM"],  # No part: the kernel gives all there is, and the program relies on it.
    "send": ["EPIPE", "EINTR", "ENOBUFS", "part"],
    "accept4": ["EMFILE", "ECONNABORTED", "ENOBUFS", "EINTR", "EPERM"],
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "epoll_wait": ["EINTR"],
    "socket": ["EMFILE", "ENOBUFS"],
    "bind": ["EACCES", "ENOMEM"],
    "listen": ["ENOMEM"],
    "connect": ["ECONNREFUSED", "EADDRNOTAVAIL", "ENETUNREACH", "EINTR"],
    "setsockopt": ["ENOMEM"],
    "getsockopt": ["ENOBUFS"],
    "getsockname": ["ENOBUFS"],
    "fcntl": ["ENOLCK"],
    "fstat": ["EIO"],
    "pread": ["EIO", "EINTR", "part"],
    "pwrite": ["ENOSPC", "EINTR", "part"],
    "epoll_create1": ["EMFILE"],
    "eventfd": ["EMFILE"],
    "rename": ["EACCES"],
    "pipe2": ["EMFILE"],
    "ftruncate": ["EIO"],
    "flock": ["ENOLCK"],
    "getrandom": ["EINTR"],
    "mkdir": ["EACCES"],
    "pthread_create": ["EAGAIN"],
}
NAMES = list(CALLS)
HEAD = struct.Struct("=iiiii")
EVERY_ONE = bool(os.environ.get("KEEPGATE_FAULTS_ALL"))


def library():
    return os.path.join(os.path.dirname(binary()), "tests", "libfaults.so")


def layout_in_source():
    """The order of the calls as faults.cc has it."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults.cc"), encoding="utf-8") as file:
        return re.findall(r"call_(\w+)", re.search(r"enum Call.*?\};", file.read(), re.DOTALL).group(0))


class Faults:
    def __init__(self, folder):
        self.path = os.path.join(folder, "faults")
        with open(self.path, "wb") as file:
            file.write(bytes(4096))
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)
        self.disarm()

    def environment(self):
        return {**os.environ, "LD_PRELOAD": library(), "KEEPGATE_FAULTS": self.path}

    def arm(self, call, number, error, times=1):
        self.disarm()
        value = -1 if error == "part" else getattr(errno, error)
        HEAD.pack_into(self.memory, 0, -1, number, times, value, 0)
        struct.pack_into("=i", self.memory, 0, NAMES.index(call))

    def disarm(self):
        struct.pack_into("=i", self.memory, 0, -1)

    @property
    def fired(self):
        return struct.unpack_from("=i", self.memory, 16)[0]

    def counts(self):
        values = struct.unpack_from(f"={len(NAMES)}I", self.memory, HEAD.size)
        return dict(zip(NAMES, values))

    def reset_counts(self):
        struct.pack_into(f"={len(NAMES)}I", self.memory, HEAD.size, *[0] * len(NAMES))

    def close(self):
        self.memory.close()


def places(count, most):
    """Which of `count` calls fail: all, or `most` of them from the first to the last."""
    if EVERY_ONE or count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / (most - 1)) for i in range(most)})
