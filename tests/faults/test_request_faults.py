"""Each call of a request fails once: the answer is whole, an honest refusal or visibly cut, and what follows is served."""
import pytest

from faults import CALLS, NAMES, places
from world import QUESTIONS, Faulty, secure, serves_rightly, start, survived_or_said_why

SAMPLE = {"malloc": 6}
SAMPLE_OF_OTHERS = 3
FIRST_ALLOCATIONS = 30  # Of a handshake, always: in them what belongs to a session is tied to it.


@pytest.fixture(scope="module")
def running(backend, pair):
    gate = Faulty(backend, *pair)
    yield gate
    gate.close()


def put(gate, question, context):
    return secure(gate, context) if question == "secure" else QUESTIONS[question](gate)


@pytest.mark.parametrize("call", NAMES)
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_request_in_which_a_call_fails(running, context, question, call):
    gate = running
    if gate.process is None or gate.exited():
        start(gate)
    assert serves_rightly(gate, context)  # Connections of the pool are there, and what is made once.
    gate.faults.reset_counts()
    assert set(put(gate, question, context)) == {"whole"}
    count = gate.faults.counts()[call]
    for error in CALLS[call]:
        first = range(1, min(count, FIRST_ALLOCATIONS) + 1) if (question, call) == ("secure", "malloc") else ()
        for number in sorted({*first, *places(count, SAMPLE.get(call, SAMPLE_OF_OTHERS))}):
            try:
                gate.faults.arm(call, number, error)
                try:
                    results = put(gate, question, context)
                except ConnectionError:
                    results = ["closed"]
                gate.faults.disarm()
                if not survived_or_said_why(gate, call):
                    start(gate)
                elif error == "part":
                    assert set(results) == {"whole"}, results
                assert serves_rightly(gate, context)
            except (AssertionError, TimeoutError) as problem:
                gate.faults.disarm()
                raise AssertionError(f"{call} number {number} of {count} failed with {error}: {problem}: {gate.words()}") from problem
