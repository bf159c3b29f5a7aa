"""The end of the interpreter, whenever it comes: a cached call then answers or fails, and never hangs or crashes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from rcollections.testing import Server
from tests.kinds import one_server

LIMIT = 30.0  # seconds for a process that has work for less than one

HEAD = """
import asyncio, atexit, sys, threading, time, warnings
warnings.simplefilter("ignore")
from rcollections import *
configure(sys.argv[1])
@cached(ttl=60)
def f(n): return n
@cached(ttl=60, l1=False)
def slow(n): time.sleep(0.2); return n
@cached(ttl=60)
async def af(n): return n
"""

ENDINGS = {
    "an exit handler": "atexit.register(lambda: print('got', f(1), f(1)))",
    "an exit handler, with work before": "f(5); slow.bg().refresh(1)\natexit.register(lambda: print('got', f(1)))",
    "a future in an exit handler": "atexit.register(lambda: print('got', f.future()(1).result(5)))",
    "flush in an exit handler": "atexit.register(lambda: print('got', slow.bg().refresh(1), flush(10)))",
    "background work at the end": "slow.future()(7); slow.bg().refresh(8); print('got')",
    "__del__ of a global": "class A:\n    def __del__(self): print('got', f(1), f(1))\na = A()",
    "__del__ with a used function": "f(3)\nclass A:\n    def __del__(self): print('got', f(1), f(2))\na = A()",
    "__del__ in a circle": "f(3)\nclass A:\n    def __del__(self, f=f): print('got', f(1))\na = A(); a.me = a",
    "daemon threads": (
        "def run():\n    n = 0\n    while True:\n        n += 1; f(n)\n        if n < 20: slow.bg().refresh(n)\n"
        "for _ in range(3): threading.Thread(target=run, daemon=True).start()\ntime.sleep(0.2); print('got')"
    ),
    "daemon threads that never stop asking for more": (
        "def run():\n    n = 0\n    while True:\n        n += 1; slow.bg().refresh(n); time.sleep(0.05)\n"
        "for _ in range(3): threading.Thread(target=run, daemon=True).start()\ntime.sleep(0.2); print('got')"
    ),
    "a loop that nobody closes": "loop = asyncio.new_event_loop(); print('got', loop.run_until_complete(af(1)))",
    "a task of a loop that ends": "async def main(): await af.bg().refresh(1)\nasyncio.run(main()); print('got')",
    "a loop of another thread, behind the end of the main thread": (
        "def run():\n    threading.main_thread().join()\n    time.sleep(0.1)\n"
        "    print('got', asyncio.run(af(1)))\nthreading.Thread(target=run).start()"
    ),
    "sys.exit in a computation": "@cached(ttl=60)\ndef bye(): print('got'); sys.exit(0)\nbye()",
}


def ended(program: str, dsn: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process that has run this program to its end, in time."""
    return subprocess.run(
        [sys.executable, "-c", program, dsn], capture_output=True, text=True, timeout=LIMIT, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_the_interpreter(servers: dict[str, Server], ending: str) -> None:
    """With a server, and in memory."""
    kind = one_server()
    if kind not in servers:
        servers[kind] = Server(kind)
    for dsn in (servers[kind].dsn, "memory://"):
        process = ended(HEAD + ENDINGS[ending], dsn)
        assert process.returncode == 0, process.stderr
        assert process.stdout.startswith("got"), process.stderr
        assert "Error" not in process.stderr


@pytest.mark.parametrize("ending", ["an exit handler, with work before", "background work at the end"])
def test_the_end_of_the_interpreter_without_a_server(ending: str) -> None:
    process = ended(HEAD + ENDINGS[ending], "redis://127.0.0.1:1?timeout=0.3")
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("got"), process.stderr


SUB = """
import sys
try: import _interpreters as subs
except ImportError: import _xxsubinterpreters as subs
def begin():
    try: return subs.create(isolated=False)
    except TypeError: return subs.create("legacy")
from rcollections import cached, configure
configure(sys.argv[1])
@cached(ttl=60)
def f(n): return n
assert f(1) == 1
inside = '''
import sys
sys.path[:] = %r
try:
    import rcollections
except ImportError as error:
    print("refused:", error)
''' % (sys.path,)
for _ in range(2):
    sub = begin()
    subs.run_string(sub, inside)
    subs.destroy(sub)
print("got", f(1), f(2))
"""


def test_a_sub_interpreter_is_told_what_to_do() -> None:
    """It is an ImportError there, and the main interpreter goes on."""
    process = ended(SUB, "memory://")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["refused", "refused", "got 1 2"], process.stderr
    assert "WSGIApplicationGroup %{GLOBAL}" in lines[0]


def test_the_work_is_stored_before_the_end(server: Any) -> None:
    process = ended(HEAD + "slow.future()(7); slow.bg().refresh(8)", server.dsn)
    assert process.returncode == 0, process.stderr
    with server.client() as bare:
        assert len(bare.keys("*slow*")) == 2
