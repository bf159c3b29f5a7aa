"""One process of ``crossing.py``: threads, tasks, signals and forks that read keys whose values name them.

    python -m tests.faults.crossing_worker NUMBER SEED SECONDS NEAR_DSN FAR_DSN

Prints one line of JSON when all calls have ended and all connections are closed, and waits for a line before it ends.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import itertools
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rcollections import (
    CacheConnectionError,
    CacheTimeout,
    DictCache,
    KeyCache,
    cached,
    configure,
    connection,
    connections,
    deadline,
)
from rcollections.plans.effects import Batch, Command, Plan
from rcollections.servers.drivers.aio import adrive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["LONGEST", "SEATS"]

THREADS = 4
LOOPS = 2
TASKS = 24  # of a loop
SEATS = 5  # connections of all threads: fewer than threads, so that some wait
LONGEST = 10.0  # seconds: a call that takes longer hangs
CHUNK = 400  # keys that are stored in one trip
TTL = 20.0  # seconds; what is read is removed, so that a long run needs no more memory than a short one
LEAVES = (CacheConnectionError, CacheTimeout, TimeoutError)  # what faults may raise


class TimeLimit(Exception):
    """What the signal handler raises."""


class Text(KeyCache[str]):
    """A text that names its key, large ones among them."""

    prefix = "text"
    ttl = TTL


class Numbers(DictCache[int, str]):
    prefix = "numbers"
    ttl = TTL


class FarText(Text):
    prefix = "far"
    connection_name = "far"


class Count(KeyCache[int]):
    """Begins at its own number."""

    prefix = "count"
    ttl = TTL


def text(n: int) -> str:
    """The value of this key, and of no other."""
    return f"the value of {n}" + "." * (200_000 if n % 2003 == 0 else 20_000 if n % 101 == 0 else 0)


@cached(ttl=TTL, l1=False, key=lambda n: ("computed", n))
def computed(n: int) -> str:
    return text(n)


@cached(ttl=TTL, l1=False, key=lambda n: ("computed", n))
async def acomputed(n: int) -> str:
    return text(n)


class Wrong(Exception):
    """A reply that belongs to somebody else."""


def same(n: int, got: object, stored: bool) -> None:
    """It is this key's value; nothing only where storing it may have failed."""
    if got != text(n) and not (got is None and not stored):
        raise Wrong(f"{n}: {str(got)[:80]!r}, stored: {stored}")


class Actor:
    """One thread or one loop: what it counts, and when its present calls began."""

    def __init__(self, name: str, seed: str) -> None:
        self.name = name
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.since: dict[int, float] = {}  # the calls that are under way, and when each began
        self.longest = 0.0
        self._ids = itertools.count()

    def begin(self) -> int:
        mine = next(self._ids)
        self.since[mine] = time.monotonic()
        return mine

    def end(self, mine: int) -> None:
        began = self.since.pop(mine, None)
        if began is not None:
            self.longest = max(self.longest, time.monotonic() - began)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, LEAVES):
            self.counts[type(error).__name__] += 1
        else:
            self.wrong.append(f"{self.name}: {type(error).__name__}: {error}")

    def hangs(self) -> bool:
        now = time.monotonic()
        return any(now - began > LONGEST for began in list(self.since.values()))


class Worker:
    """Everything of one process."""

    def __init__(self, number: int, seed: int, seconds: float) -> None:
        self.seed = f"{seed}:{number}"
        self.end = time.monotonic() + seconds
        self._chunks = itertools.count(number << 20)
        self.actors: list[Actor] = []
        self.armed = False

    @property
    def over(self) -> bool:
        return time.monotonic() > self.end

    def actor(self, name: str) -> Actor:
        made = Actor(name, f"{self.seed}:{name}:{len(self.actors)}")
        self.actors.append(made)
        return made

    def numbers(self) -> range:
        """Keys that nobody has used."""
        first = next(self._chunks) * CHUNK
        return range(first, first + CHUNK)

    # -- threads -----------------------------------------------------------------------------------

    def calls(self, actor: Actor, numbers: range) -> Iterator[tuple[int, Callable[[], object]]]:
        """Calls over these keys, and of how many keys each reads; every key is read once."""
        rng, stored = actor.random, {Text: False, FarText: False, Numbers: False}
        kind: type[Text] = FarText if rng.random() < 0.15 else Text
        fields = Numbers(numbers[0])

        def fill(cls: Any) -> None:
            values = {n: text(n) for n in numbers}
            fields.update(values) if cls is Numbers else cls.set_many(values)
            stored[cls] = True

        def many(part: list[int]) -> None:
            got = kind.get_many(part, None)
            for n in part:
                same(n, got[n], stored[kind])

        def of_fields(part: list[int]) -> None:
            for n, got in zip(part, fields.getmany(*part), strict=True):
                same(n, got, stored[Numbers])

        def piped(part: list[int]) -> None:
            with kind(0).pipeline() as p:
                pending = [p(kind(n)).get() for n in part]
            for n, got in zip(part, pending, strict=True):
                same(n, got.value, stored[kind])

        def count(n: int) -> None:
            reply = Count(n).increment(10 * n + 1)
            if reply != 10 * n + 1:  # a retry that may not be would count twice
                raise Wrong(f"count {n}: {reply}")

        yield 0, lambda: fill(kind)
        yield 0, lambda: fill(Numbers)
        left = list(numbers)
        rng.shuffle(left)
        while left:
            way = rng.random()
            size = 1 if way < 0.6 else rng.randrange(10, 60)
            part, left = left[:size], left[size:]
            n = part[0]
            if way < 0.3:
                yield 1, lambda n=n: same(n, kind(n).get(), stored[kind])
            elif way < 0.4:
                yield 1, lambda n=n: same(n, fields.get(n), stored[Numbers])
            elif way < 0.5:
                yield 1, lambda n=n: same(n, computed(n), True)
            elif way < 0.6:
                yield 1, lambda n=n: count(n)
            elif way < 0.75:
                yield len(part), lambda part=part: many(part)
            elif way < 0.9:
                yield len(part), lambda part=part: of_fields(part)
            else:
                yield len(part), lambda part=part: piped(part)
        yield 0, lambda: kind.delete_many(numbers)
        yield 0, fields.clear

    def one(self, actor: Actor, keys: int, call: Callable[[], object]) -> None:
        mine = actor.begin()
        try:
            if actor.random.random() < 0.15:
                with deadline(actor.random.choice((0.0005, 0.005, 0.05, 0.6))):
                    call()
            else:
                call()
        except Exception as error:
            actor.failed(error)
        else:
            actor.counts["keys"] += keys
            actor.counts["calls"] += 1
        finally:
            actor.end(mine)

    def thread(self, actor: Actor) -> None:
        while not self.over:
            for keys, call in self.calls(actor, self.numbers()):
                self.one(actor, keys, call)
                if self.over:
                    return

    # -- the main thread: signals and forks ---------------------------------------------------------

    def handler(self, *_: object) -> None:
        if self.armed:
            self.armed = False
            raise TimeLimit

    def under_signals(self, actor: Actor) -> None:
        signal.signal(signal.SIGALRM, self.handler)
        last = time.monotonic()
        while not self.over:
            for keys, call in self.calls(actor, self.numbers()):
                mine = actor.begin()
                try:  # the handler raises once, and on every way out of here it is not armed any more
                    self.stopped(actor, keys, call)
                except TimeLimit:
                    actor.counts["signals"] += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
                actor.end(mine)
                if time.monotonic() - last > 1.0:
                    self.fork(actor)
                    last = time.monotonic()
                if self.over:
                    break
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def stopped(self, actor: Actor, keys: int, call: Callable[[], object]) -> None:
        self.armed = True
        try:
            signal.setitimer(signal.ITIMER_REAL, actor.random.uniform(2e-5, 3e-3))
            call()
            self.armed = False
        except TimeLimit:
            raise
        except Exception as error:
            self.armed = False
            actor.failed(error)
        else:
            actor.counts["keys"] += keys
            actor.counts["calls"] += 1

    def fork(self, actor: Actor) -> None:
        """A child reads with connections of its own, while the threads of the parent go on."""
        child = os.fork()
        if not child:
            code = 3
            with suppress(BaseException):
                faulthandler.dump_traceback_later(LONGEST, exit=True)
                mine = Actor("child", f"{self.seed}:{os.getpid()}")
                chunk = range((1 << 50) + os.getpid() * CHUNK, (1 << 50) + (os.getpid() + 1) * CHUNK)
                for keys, call in itertools.islice(self.calls(mine, chunk), 40):
                    self.one(mine, keys, call)
                for told in mine.wrong:
                    sys.stderr.write(told + "\n")
                code = 1 if mine.wrong else 0
            os._exit(code)
        mine = actor.begin()
        _, status = os.waitpid(child, 0)
        actor.since.pop(mine)
        actor.counts["forks"] += 1
        if status:
            actor.wrong.append(f"a child ended with status {status}")

    # -- event loops -------------------------------------------------------------------------------

    def loop(self, actor: Actor) -> None:
        if find_spec("uvloop") is not None and actor.random.random() < 0.5:
            import uvloop

            actor.counts["uvloop"] = 1
            uvloop.run(self.tasks(actor))
        else:
            asyncio.run(self.tasks(actor))

    async def tasks(self, actor: Actor) -> None:
        await asyncio.gather(*(self.task(actor) for _ in range(TASKS)))

    async def task(self, actor: Actor) -> None:
        rng = actor.random
        while not self.over:
            for keys, call in self.acalls(actor, self.numbers()):
                mine = actor.begin()
                running = asyncio.ensure_future(self.awaited(call, rng))
                way = rng.random()
                if way < 0.1:
                    await asyncio.sleep(rng.choice((0, 0, 0.0005, 0.005)))
                    running.cancel()
                try:
                    if way > 0.9:
                        await asyncio.wait_for(running, rng.choice((0.0005, 0.005, 0.05)))
                    else:
                        await running
                except asyncio.CancelledError:
                    actor.counts["cancelled"] += 1
                except Exception as error:
                    actor.failed(error)
                else:
                    actor.counts["keys"] += keys
                    actor.counts["acalls"] += 1
                finally:
                    actor.end(mine)
                if self.over:
                    return

    async def awaited(self, call: Callable[[], Awaitable[object]], rng: random.Random) -> None:
        if rng.random() < 0.1:
            with deadline(rng.choice((0.005, 0.05, 0.6))):
                await call()
        else:
            await call()

    def acalls(self, actor: Actor, numbers: range) -> Iterator[tuple[int, Callable[[], Awaitable[object]]]]:
        rng = actor.random
        stored = False
        name = "far" if rng.random() < 0.15 else ""
        kind: Any = FarText if name else Text

        async def fill() -> None:
            nonlocal stored
            words = [word for n in numbers for word in (kind(n).key, text(n))]
            assert await adrive(_one(Command(("MSET", *words))), connection(name)) == b"OK"
            stored = True

        async def get(n: int) -> None:
            got = await adrive(_one(Command(("GET", kind(n).key))), connection(name))
            same(n, None if got is None else got.decode(), stored)

        async def face(n: int) -> None:
            same(n, await kind(n).aio.get(), stored)

        async def many(part: list[int]) -> None:
            steps = [Command(("GET", kind(n).key)) for n in part]
            replies = await adrive(_one(Batch(steps, atomic=rng.random() < 0.3)), connection(name))
            for n, got in zip(part, replies, strict=True):
                same(n, None if got is None else got.decode(), stored)

        async def call(n: int) -> None:
            same(n, await acomputed(n), True)

        single = [get, get, call, *([face, face] if hasattr(KeyCache, "aio") else [])]
        yield 0, fill
        left = list(numbers)
        rng.shuffle(left)
        while left:
            size = 1 if rng.random() < 0.7 else rng.randrange(10, 60)
            part, left = left[:size], left[size:]
            if size == 1:
                way = rng.choice(single)
                yield 1, lambda n=part[0], way=way: way(n)
            else:
                yield len(part), lambda part=part: many(part)
        yield 0, lambda: adrive(_one(Command(("UNLINK", *(kind(n).key for n in numbers)))), connection(name))

    # -- the whole ---------------------------------------------------------------------------------

    def run(self) -> dict[str, Any]:
        threads = []
        for n in range(THREADS + LOOPS):
            actor = self.actor("thread" if n < THREADS else "loop")
            job = self.thread if n < THREADS else self.loop
            threads.append(threading.Thread(target=job, args=(actor,), daemon=True))
            threads[-1].start()
        threading.Thread(target=self.watch, daemon=True).start()
        self.under_signals(self.actor("main"))
        end = time.monotonic() + LONGEST + 5
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        hung = sum(thread.is_alive() for thread in threads)
        if hung:
            faulthandler.dump_traceback(all_threads=True)
        counts = sum((actor.counts for actor in self.actors), Counter[str]())
        return {
            **counts,
            "hung": hung,
            "wrong": [told for actor in self.actors for told in actor.wrong],
            "longest": max(actor.longest for actor in self.actors),
            "seats": 0 if hung else seats(),
        }

    def watch(self) -> None:
        while True:
            time.sleep(0.5)
            hanging = [actor.name for actor in self.actors if actor.hangs()]
            if hanging:
                sys.stderr.write(f"calls hang: {hanging}\n")
                faulthandler.dump_traceback(all_threads=True)
                os._exit(9)


def _unraisable(told: Any) -> None:
    """Tell of what was raised where nobody can catch it, but not of the time limit: Python runs handlers there too."""
    if not issubclass(told.exc_type, TimeLimit):
        sys.__unraisablehook__(told)


def _one(step: Any) -> Plan[Any]:
    return (yield step)


def seats() -> int:
    """How many calls can be under way at once now that all is quiet: as many as there are connections, if none is lost.

    Each holds its connection while the server carries out one after the other.
    """
    done: list[object] = []
    gate = threading.Barrier(SEATS)
    end = time.monotonic() + LONGEST
    while not connection().breaker.allows() and time.monotonic() < end:
        time.sleep(0.01)

    def hold() -> None:
        gate.wait(LONGEST)
        with deadline(LONGEST):
            done.append(connection().raw("EVAL", "for i = 1, 2000000 do end return 1", 0))

    threads = [threading.Thread(target=hold, daemon=True) for _ in range(SEATS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONGEST)
    return len(done)


def main(argv: list[str]) -> None:
    number, seed, seconds, near, far = int(argv[0]), int(argv[1]), float(argv[2]), argv[3], argv[4]
    faulthandler.enable()
    logging.disable(logging.WARNING)  # of outages: there is one each moment
    sys.unraisablehook = _unraisable
    configure({"default": near, "far": far})
    told = Worker(number, seed, seconds).run()
    for each in connections().values():
        each.close()
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    while sys.stdin.readline() == "collect\n":
        gc.collect()
        for each in connections().values():
            each.close()
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
