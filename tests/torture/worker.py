"""One worker: threads and tasks over cached functions and collections. ``python -m tests.torture.worker …``."""

from __future__ import annotations

import asyncio
import faulthandler
import random
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rcollections
from rcollections import CacheError, deadline, invalidate_tags
from rcollections.testing import speak_from

from .events import Log
from .functions import FUNCTIONS, Functions
from .planted import PLANTED
from .source import Source, SourceDown
from .tally import count_for_ever, lock_for_ever

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

STALL = 0.1  # seconds between two heartbeats that count as a stall
HOWS = ("tag", "tag", "settled", "writing", "invalidate")
CALM = 0.002  # seconds between two calls of a thread


class TimeLimit(Exception):
    """Raised by the signal handler, as the time limits of task queues are."""


class Worker:
    """Everything that one process does until it is killed or told to end."""

    def __init__(self, home: Path, name: str, seed: int, keys: int, dsns: dict[str, str]) -> None:
        self.random = random.Random(f"{seed}:{name}")
        self.log = Log(home / f"{name}.log")
        self.source = Source(home / "source", keys)
        self.ending = home / "end"
        rcollections.configure(dsns)
        self.cache = rcollections.connection()
        self.functions = Functions(self.source, self.log)

    @property
    def ended(self) -> bool:
        return self.ending.exists()

    def run(self) -> None:
        jobs: list[Callable[[], None]] = [
            self._heartbeat, self._read, self._read, self._change, self._loop,
            lambda: count_for_ever(self.log, self._seeded(), self._is_ended),
            lambda: lock_for_ever(self.log, self._is_ended),
        ]  # fmt: skip
        threads = [threading.Thread(target=self._whole, args=(job,), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        self._whole(self._interrupted_reads)
        for thread in threads:
            thread.join(30)
        stuck = [thread.name for thread in threads if thread.is_alive()]
        if stuck:
            faulthandler.dump_traceback(all_threads=True)
        self.log("end", time.monotonic_ns(), len(stuck))

    def _whole(self, job: Callable[[], None]) -> None:
        """Do a job to its end; an error that is not one of ours is told."""
        try:
            job()
        except Exception:
            self.log("broke", time.monotonic_ns(), traceback.format_exc())
            raise

    def _is_down(self) -> bool:
        return self.cache.breaker.is_open

    def _is_ended(self) -> bool:
        return self.ended

    def _seeded(self) -> random.Random:
        return random.Random(self.random.random())

    def _heartbeat(self) -> None:
        last = time.monotonic_ns()
        while not self.ended:
            time.sleep(0.02)
            now = time.monotonic_ns()
            if now - last > STALL * 1e9:
                self.log("stall", last, now)
            last = now

    # -- reading -----------------------------------------------------------------------------------

    def _read(self) -> None:
        chosen = self._seeded()
        while not self.ended:
            self._one_read(chosen)
            time.sleep(CALM)

    def _one_read(self, chosen: random.Random) -> None:
        name = chosen.choice(FUNCTIONS)
        key = chosen.randrange(self.source.keys)
        within = 0.6 if chosen.random() < 0.3 else None
        down = self._is_down()
        began = time.monotonic_ns()
        try:
            if within is None:
                version = self.functions.call(name, key)
            else:
                with deadline(within):
                    version = self.functions.call(name, key)
        except (CacheError, SourceDown, TimeLimit) as error:
            self.log("failed", began, time.monotonic_ns() - began, name, type(error).__name__, within)
        else:
            down = down or self._is_down()
            self.log("read", began, time.monotonic_ns() - began, name, key, version, down, within)

    def _interrupted_reads(self) -> None:
        """On the main thread, under signals whose handler raises in the middle of anything."""
        chosen = self._seeded()

        def limit(_number: int, _frame: object) -> None:
            raise TimeLimit

        signal.signal(signal.SIGALRM, limit)
        while not self.ended:
            try:
                signal.setitimer(signal.ITIMER_REAL, chosen.uniform(0.0005, 0.05))
                for _ in range(20):
                    self._one_read(chosen)
            except TimeLimit:
                self.log("interrupted", time.monotonic_ns())
            finally:
                self._disarm()
            time.sleep(0.01)

    def _disarm(self) -> None:
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
            except TimeLimit:
                continue
            return

    def _loop(self) -> None:
        asyncio.run(self._tasks())

    async def _tasks(self) -> None:
        await asyncio.gather(*(self._task(self._seeded()) for _ in range(4)))

    async def _task(self, chosen: random.Random) -> None:
        while not self.ended:
            key = chosen.randrange(self.source.keys)
            down = self._is_down()
            began = time.monotonic_ns()
            call = asyncio.ensure_future(self.functions.acall("aprice", key))
            if chosen.random() < 0.05:
                await asyncio.sleep(chosen.uniform(0, 0.01))
                call.cancel()
            try:
                version = await call
            except asyncio.CancelledError:
                pass
            except (CacheError, SourceDown) as error:
                self.log("failed", began, time.monotonic_ns() - began, "aprice", type(error).__name__, None)
            else:
                down = down or self._is_down()
                self.log("read", began, time.monotonic_ns() - began, "aprice", key, version, down, None)
            await asyncio.sleep(CALM)

    # -- changing ----------------------------------------------------------------------------------

    def _change(self) -> None:
        chosen = self._seeded()
        while not self.ended:
            time.sleep(chosen.uniform(0.01, 0.1))
            key = chosen.randrange(self.source.keys)
            with self.source.changing(key) as mine:
                if mine:
                    self._one_change(key, chosen.choice(HOWS))

    def _one_change(self, key: int, how: str) -> None:
        version = self.source.version(key) + 1
        self.log("change", time.monotonic_ns(), key, version)
        try:
            if how == "writing":
                with self.functions.price.writing(key) as writing:
                    self.source.write(key, version)
                    writing.put(version)
                how = "tag"
                invalidate_tags(f"key:{key}")  # the other functions
            else:
                self.source.write(key, version)
                if how == "invalidate":
                    self.functions.invalidate(key)
                else:
                    invalidate_tags(f"key:{key}", settle=how == "settled")
        except CacheError as error:
            how = type(error).__name__
        self.log("told", time.monotonic_ns(), key, version, how)


def main(argv: list[str]) -> None:
    """Run the worker of these arguments: home, name, seed, how many keys, from where, what is planted, the DSNs."""
    home, name, seed, keys, address, planted, *dsns = argv
    PLANTED[planted]()
    if address:
        speak_from(address)
    dsn: dict[str, Any] = {"default": dsns[0], "counts": dsns[1]}
    Worker(Path(home), name, int(seed), int(keys), dsn).run()


if __name__ == "__main__":
    main(sys.argv[1:])
