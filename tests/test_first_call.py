"""The first call of a process, broken off by a signal: it imports much, and an import must not be left locked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rcollections.testing import Server, available_kinds

PROGRAM = """
import signal, sys, threading
import rcollections
from rcollections import KeyCache

class Limit(Exception):
    pass

def limit(*_):
    raise Limit

signal.signal(signal.SIGALRM, limit)
rcollections.configure(sys.argv[1])
try:
    signal.setitimer(signal.ITIMER_REAL, float(sys.argv[2]))
    KeyCache("first").get()
    signal.setitimer(signal.ITIMER_REAL, 0)
except Limit:
    pass
answers = []
threads = [threading.Thread(target=lambda: answers.append(KeyCache("first").get(7)), daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()
answers.append(KeyCache("first").get(7))
for thread in threads:
    thread.join(20)
assert answers == [7, 7, 7], answers
"""


@pytest.mark.parametrize("milliseconds", [1, 3, 10, 20, 40, 80])
@pytest.mark.parametrize("kind", available_kinds()[:1])
def test_a_first_call_may_be_broken_off_while_it_imports(kind: str, milliseconds: int) -> None:
    with Server(kind) as server:
        words = [sys.executable, "-c", PROGRAM, server.dsn, str(milliseconds / 1000)]
        subprocess.run(words, check=True, timeout=60)
