"""Each call of a start fails once: the program says why and ends, or it serves, and then rightly."""
import signal

import pytest

from faults import CALLS, NAMES, layout_in_source, places
from world import identity, serves_rightly, start, survived_or_said_why

SAMPLE = {"malloc": 24}  # In a plain run; of other calls SAMPLE_OF_OTHERS.
SAMPLE_OF_OTHERS = 4
READS_FILES = {"open", "read", "fstat"}


def test_both_halves_mean_the_same_calls():
    assert layout_in_source() == NAMES


def end(gate):
    gate.faults.disarm()
    if gate.exited():
        return
    assert gate.stop(signal.SIGTERM) == 0, gate.words()


@pytest.fixture
def started(faulty, context):
    """A gate that was started once without a fault, and how often it made each call until then."""
    gate = faulty()
    start(gate)
    counts = gate.faults.counts()
    assert serves_rightly(gate, context)
    end(gate)
    return gate, counts


@pytest.mark.parametrize("call", NAMES)
def test_a_start_in_which_a_call_fails(started, context, call):
    gate, counts = started
    for error in CALLS[call]:
        for number in places(counts[call], SAMPLE.get(call, SAMPLE_OF_OTHERS)):
            gate.faults.arm(call, number, error)
            start(gate)
            gate.faults.disarm()
            where = f"{call} number {number} of {counts[call]} failed with {error}"
            try:
                if survived_or_said_why(gate, call):
                    identity(gate)
                    assert serves_rightly(gate, context, call in READS_FILES)
                end(gate)
            except AssertionError as problem:
                raise AssertionError(f"{where}: {problem}") from problem
            finally:
                if not gate.exited():
                    gate.process.kill()
                    gate.process.wait()
