"""One configuration under Keepgate and under the real nginx: whatever is asked is asked of both."""
import pytest

from . import nginx
from .origin import answer_bytes
from .wire import Client


@pytest.fixture
def both(keepgate, origin):
    """Runs `http` under both; each call asks both and returns what they did, as pairs."""
    peers = []

    class Both:
        def __init__(self, http, answers, count=1):
            self.sides = []
            for build in (self.ours, self.theirs):
                origins = [origin(answer) for answer in (answers if isinstance(answers, list) else [answers] * count)]
                text = http
                for number, one in enumerate(origins):
                    text = text.replace(f"@origin{number}@", one.address)
                self.sides.append((build(text), origins))

        @staticmethod
        def ours(text):
            return keepgate(text).address()

        @staticmethod
        def theirs(text):
            peers.append(nginx.Nginx(text))
            return peers[-1].address

        def ask(self, method, target, fields=(), show=lambda answer: (answer.status, answer.body)):
            shown = []
            for address, _ in self.sides:
                with Client(address) as client:
                    shown.append(show(client.request(method, target, fields=fields)))
            return shown

        def targets(self):
            return [[request.target for one in origins for request in one.requests] for _, origins in self.sides]

    yield Both
    for peer in peers:
        peer.close()


def answers_with(status, fields=(), body=b"own words"):
    return lambda request: answer_bytes(status, body, fields)


def same(pair):
    assert pair[0] == pair[1]
    return pair[0]
