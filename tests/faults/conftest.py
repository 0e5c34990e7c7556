"""A program whose calls can be made to fail: world.py has it and what is asked of it."""
import os

import pytest

from faults import library
from harness.origin import Origin
from world import Faulty, answer


@pytest.fixture(scope="module")
def backend():
    origin = Origin(answer)
    yield origin
    origin.close()


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue("a.example")


@pytest.fixture
def faulty(backend, pair):
    assert os.path.exists(library()), f"{library()} is not there: ./dev build faults"
    made = []

    def build(**options):
        made.append(Faulty(backend, *pair, **options))
        return made[-1]

    yield build
    for gate in made:
        gate.close()


@pytest.fixture(scope="module")
def context(authority):
    return authority.client_context()
