"""A signal handler that raises inside of a loop's connection: no reply goes astray, and nobody waits for ever."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rcollections.testing import Server

# In a process of its own: what such a handler does to a loop shall not reach other tests.
PROGRAM = '''
import asyncio, logging, signal, sys

from rcollections import CacheConnectionError, configure, connection
from rcollections.plans.effects import Command
from rcollections.servers.drivers.aio_trips import aone

dsn, call, when, kind = sys.argv[1:]
logging.disable()  # asyncio tells of what is raised in its callbacks
configure(dsn)


class TimeLimit(Exception):
    pass


RAISED = {"exception": TimeLimit, "interrupt": KeyboardInterrupt}[kind]


def handler(*_):
    raise RAISED


signal.signal(signal.SIGALRM, handler)


class Socket:
    """The socket of a link; the signal comes in one of its calls, before or behind what the system does."""

    def __init__(self, sock, after):
        self.sock, self.after = sock, after

    def __getattr__(self, name):
        found = getattr(self.sock, name)
        return found if name != call else lambda given: self.do(found, given)

    def do(self, found, given):
        self.after -= 1
        if self.after == 0 and when == "before":
            signal.raise_signal(signal.SIGALRM)
        done = found(given)
        if self.after == 0 and when == "behind":
            signal.raise_signal(signal.SIGALRM)
        return done


def ask(*words):
    return aone(connection(), Command(words))


def finish(future):
    """Run the loop until the future is done: an interrupt leaves the loop, and its program runs it again."""
    while True:
        try:
            return loop.run_until_complete(future)
        except KeyboardInterrupt:
            if future.done():
                raise


async def both(turn):
    words = [f"{turn}/{n}" for n in range(20)]
    asked = [ask("ECHO", word) if n % 2 else ask("INCR", f"n{turn}") for n, word in enumerate(words)]
    found = await asyncio.gather(*map(asyncio.ensure_future, asked), return_exceptions=True)
    told = 0
    for n, each in enumerate(found):
        if isinstance(each, BaseException):
            assert isinstance(each, (CacheConnectionError, RAISED)), repr(each)
        elif n % 2:
            assert each == words[n].encode(), (each, words[n])
        else:
            told += 1
    assert told <= int(await ask("GET", f"n{turn}") or 0) <= 10


loop = asyncio.new_event_loop()
finish(loop.create_task(ask("PING")))
for turn in range(1, 4):  # in the first, second, third call
    for lonely in (True, False):
        finish(loop.create_task(ask("PING")))
        pool = connection().links.lately()
        link = pool.first
        link.sock = Socket(link.sock, turn)
        if lonely:
            for n in range(turn + 1):
                task = loop.create_task(ask("ECHO", f"{n}"))
                try:
                    assert finish(task) == b"%d" % n
                except (RAISED, CacheConnectionError):
                    pass
        else:
            finish(loop.create_task(both(turn)))
            while link.failure is None:  # until its signal has come
                one = loop.create_task(ask("ECHO", "more"))
                try:
                    assert finish(one) == b"more"
                except (RAISED, CacheConnectionError):
                    pass
        assert link.failure is not None, (turn, lonely)
        assert link not in pool.links
        assert finish(loop.create_task(ask("ECHO", "next"))) == b"next"
        assert len(pool.links) == 1
loop.close()
print("sound")
'''


@pytest.mark.parametrize("kind", ["exception", "interrupt"])
@pytest.mark.parametrize("when", ["before", "behind"])
@pytest.mark.parametrize("call", ["send", "recv_into"])
def test_the_connection_is_given_up_and_everybody_told(server: Server, call: str, when: str, kind: str) -> None:
    """Callers get their own replies, or the truth: a read is sent again, a write may have been carried out."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"{server.dsn}?timeout=5", call, when, kind],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "sound\n", done.stderr
