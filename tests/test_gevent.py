"""gevent: with patched sockets and threads greenlets wait together, and share the connections as threads do."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rcollections.testing import Server

pytestmark = pytest.mark.skipif(find_spec("gevent") is None, reason="gevent is not installed")

HEAD = """
from gevent import monkey
monkey.patch_all()
import json, sys, time
import gevent
from rcollections import CacheTimeout, KeyCache, cached, configure, connection, deadline, l1_info
from rcollections.testing import wait_until  # its sleep is gevent's
configure(sys.argv[1], max_connections=8, timeout=10)
ticks = 0

def tick():
    global ticks
    while True:
        gevent.sleep(0.01)
        ticks += 1

gevent.spawn(tick)

def together(*calls):
    jobs = [gevent.spawn(call) for call in calls]
    assert len(gevent.joinall(jobs, timeout=30, raise_error=True)) == len(jobs), "a greenlet hangs"
    return [job.value for job in jobs]

def tell(value):
    print(json.dumps(value), flush=True)
"""


def run(program: str, server: Server) -> Any:
    """What the program tells, in a process that is patched from its first line on."""
    words = [sys.executable, "-W", "ignore", "-c", HEAD + program, server.dsn]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_call_that_waits_holds_up_nobody(server: Server) -> None:
    """Other greenlets run while the server is slow, and while callers wait for a connection."""
    program = """
KeyCache("k").set("v")
before = ticks
connection().raw("DEBUG", "SLEEP", "0.3")
tell(ticks - before)
"""
    assert run(program, server) > 10


def test_each_greenlet_gets_its_own_replies(server: Server) -> None:
    """A hundred of them over eight connections."""
    program = """
def one(n):
    KeyCache("k", n).set(n)
    return all(KeyCache("k", n).get() == n for _ in range(10))

good = together(*(lambda n=n: one(n) for n in range(100)))
pool = connection().links.pool
tell([all(good), pool.links <= 8, pool.links - pool.idle])
"""
    assert run(program, server) == [True, True, 0]


def test_times_end_the_wait(server: Server) -> None:
    """A deadline is kept, and one of gevent's own leaves no connection lent and no reply for somebody else."""
    program = """
KeyCache("k").set("v")
server = connection()
began = time.monotonic()
try:
    with deadline(0.2):
        server.raw("DEBUG", "SLEEP", "0.6")
except CacheTimeout:
    pass
took = time.monotonic() - began
gevent.sleep(0.6)
wait_until(server.breaker.allows)
stopped = 0
for n in range(60):
    try:
        with gevent.Timeout(0.0001 * n):
            for _ in range(30):
                assert KeyCache("k").get() == "v"
    except gevent.Timeout:
        stopped += 1
pool = server.links.pool
tell([took, stopped, pool.links - pool.idle, KeyCache("k").get()])
"""
    took, stopped, lent, value = run(program, server)
    assert 0.19 < took < 0.55
    assert stopped > 5
    assert lent == 0
    assert value == "v"


def test_one_computation_for_all(server: Server) -> None:
    """Greenlets wait for another one's computation, and futures and background work run."""
    program = """
calls = []

@cached(ttl=60, l1=False)
def slow(n):
    calls.append(n)
    gevent.sleep(0.1)
    return 2 * n

answers = together(*(lambda: slow(4) for _ in range(50)))
tell([answers == [8] * 50, list(calls), slow.future()(5).result(10)])
"""
    assert run(program, server) == [True, [4], 10]


def test_the_listener_lets_the_others_run(server: Server) -> None:
    """It hears a change that another client makes, and greenlets go on beside it."""
    program = """
import redis

class Setting(KeyCache[str]):
    prefix = "setting"
    l1 = True

Setting("colour").set("red")
def held():
    before = l1_info().hits
    return Setting("colour").get() == "red" and l1_info().hits > before

wait_until(held, what="it is held")
before = ticks
gevent.sleep(0.2)
bare = redis.Redis(unix_socket_path=sys.argv[1].removeprefix("unix://"))
bare.set("setting.colour", "blue")
wait_until(lambda: Setting("colour").get() == "blue", what="the change")
tell([l1_info().state, ticks - before > 10])
"""
    assert run(program, server) == ["live", True]
