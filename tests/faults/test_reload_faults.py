"""Each call of a reload fails once: the old configuration or the new one serves, never a part of one, and the next reload works."""
import os
import signal

import pytest

from faults import CALLS, NAMES, places
from harness.ports import wait_until
from world import identity, serves_rightly, start, survived_or_said_why, version_of

SAMPLE = {"malloc": 12}
SAMPLE_OF_OTHERS = 3
READS_FILES = {"open", "read", "fstat"}


def outcomes(gate):
    log = gate.read("error.log")
    return log.count("was not reloaded") + log.count("] reconfigured") + log.count(": reconfigured")


def reload_to(gate, version):
    """Asks for it, and waits until it is known what became of that."""
    gate.configure(gate.template % version)
    before = outcomes(gate)
    gate.kill(signal.SIGHUP)
    wait_until(
        lambda: gate.exited() or outcomes(gate) > before or (gate.faults.fired and version_of(gate) == version),
        10, lambda: f"nothing became of the reload: {gate.words()}")


@pytest.mark.parametrize("call", NAMES)
def test_a_reload_in_which_a_call_fails(faulty, context, call):
    gate = faulty()
    start(gate)
    gate.faults.reset_counts()
    reload_to(gate, "first")
    counts = gate.faults.counts()
    now = "first"
    for error in CALLS[call]:
        for number in places(counts[call], SAMPLE.get(call, SAMPLE_OF_OTHERS)):
            wanted = f"{error}{number}"
            gate.faults.arm(call, number, error)
            try:
                reload_to(gate, wanted)
                gate.faults.disarm()
                if not survived_or_said_why(gate, call):
                    start(gate)
                assert version_of(gate) in (now, wanted)
                identity(gate)
                assert serves_rightly(gate, context, call in READS_FILES)
                now = wanted + "again"
                reload_to(gate, now)
                assert serves_rightly(gate, context)
                assert version_of(gate) == now
            except AssertionError as problem:
                raise AssertionError(f"{call} number {number} of {counts[call]} failed with {error}: {problem}") from problem


def test_a_reload_that_cannot_have_more_workers_keeps_those_there_are(faulty, context):
    gate = faulty()
    start(gate)
    for call, error in (("pthread_create", "EAGAIN"), ("epoll_create1", "EMFILE"), ("eventfd", "EMFILE"), ("epoll_ctl", "ENOSPC")):
        gate.faults.arm(call, 1, error)
        before = len(os.listdir(f"/proc/{gate.process.pid}/task"))
        gate.configure((gate.template % call).replace("worker_processes 1;", "worker_processes 3;"))
        gate.kill(signal.SIGHUP)
        wait_until(lambda: gate.exited() or gate.faults.fired, 10, "it did not fail")
        wait_until(lambda: "worker 1 cannot be started" in gate.read("error.log") or gate.exited(), 10, gate.words)
        assert serves_rightly(gate, context) and version_of(gate) == "one"
        assert len(os.listdir(f"/proc/{gate.process.pid}/task")) == before
        gate.write("error.log", "")
