"""The first call of a process, broken off by a signal: it imports much, and an import must not be left locked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rcollections.testing import Server, available_kinds
from tests.kinds import one_server
from tests.roads import ROADS, road_to

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


WATCHED = """
import importlib._bootstrap as bootstrap, signal, sys, threading
from rcollections import *

@cached(ttl=60)
def double(n):
    return 2 * n

@cached(ttl=60, tags=lambda n: (f"n:{n}",), l1=False)
def tagged(n):
    return n

class Limit(Exception):
    pass

def limit(*_):
    raise Limit

signal.signal(signal.SIGALRM, limit)
configure(sys.argv[1])
found, main, real = [], threading.get_ident(), bootstrap._find_and_load

def noted(name, *args):
    if threading.get_ident() == main:
        found.append(name)
    return real(name, *args)

bootstrap._find_and_load = noted  # Python's import statement, too, asks it for what is not loaded

KeyCache("k").set("v"), KeyCache("k").get(), KeyCache("n").increment(), KeyCache("f", data=1.5).increment(0.5)
d = DictCache("d", data={"a": 1, (1, 2): [3]})
d.update(b=2), d["a"], dict(d), d.pop("b"), d.increment("a")
s = SetCache("s", data={1, "x"})
s.add(2), 2 in s, s | {3}
z = SortedSetCache("z", data={"a": 1.0})
z.add("b", 2), z[0:1]
c = CounterCache("c")
c["x"] += 1
with d.pipeline() as p:
    p["q"] = 1
double(2), double(2), tagged(3), tagged(3), invalidate_tags("n:3"), tagged(3), double.refresh(2)
with no_l1():
    double(2)
assert not found, found
"""


@pytest.mark.parametrize("road", ROADS)
def test_no_call_imports_on_the_main_thread(road: str) -> None:
    """Where handlers may raise, an import is carried out by another thread, or was before: none may be cut there."""
    with Server(one_server(), tcp=True) as server, road_to(server, road) as (_, dsn):
        words = [sys.executable, "-c", WATCHED, dsn.replace("127.0.0.1", "localhost") + "timeout=10"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
