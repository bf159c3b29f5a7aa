"""The workers as processes: started, killed, stopped, and started again under another name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rcollections.testing import wait_until

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from .grounds import Ground

__all__ = ["Crew"]

AT_WORK = 10_000  # bytes of a log: some hundred calls


class Crew:
    """``size`` workers at a time. ``stops`` tells from when to when a worker was stopped, ``killed`` who was killed."""

    def __init__(self, home: Path, seed: int, keys: int, ground: Ground, size: int, planted: str = "") -> None:
        self._home, self._seed, self._keys, self._ground, self._planted = home, seed, keys, ground, planted
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._made = 0
        self.stops: dict[str, list[tuple[int, int]]] = {}
        self.killed: list[str] = []
        for _ in range(size):
            self._start()

    @property
    def names(self) -> list[str]:
        """All workers so far."""
        return [f"w{number}" for number in range(self._made)]

    def _start(self) -> None:
        name = f"w{self._made}"
        self._made += 1
        words = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "tests.torture.worker",
            self._home,
            name,
            self._seed,
            self._keys,
            self._ground.guest(name),
            self._planted,
        ]
        with (self._home / f"{name}.err").open("wb") as errors:
            self._running[name] = subprocess.Popen(
                [*map(str, words), *self._ground.dsns], stdin=subprocess.DEVNULL, stderr=errors
            )

    def _one(self, chosen: random.Random) -> str:
        return chosen.choice(sorted(self._running))

    def some(self, chosen: random.Random, count: int = 0) -> list[str]:
        """So many workers, or about half of them."""
        names = sorted(self._running)
        return chosen.sample(names, count or max(1, len(names) // 2))

    def kill(self, chosen: random.Random) -> None:
        """kill -9 of one worker; another one takes its place."""
        name = self._one(chosen)
        worker = self._running.pop(name)
        worker.kill()
        worker.wait()
        self.killed.append(name)
        self._start()

    @contextmanager
    def stopped(self, chosen: random.Random) -> Iterator[None]:
        """A block during which one worker is stopped (SIGSTOP)."""
        name = self._one(chosen)
        pid = self._running[name].pid
        began = time.monotonic_ns()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
            self.stops.setdefault(name, []).append((began, time.monotonic_ns()))

    def wait(self, seconds: float = 30.0) -> None:
        """Wait until all of them are at work."""
        wait_until(lambda: all(map(self._works, self._running)), seconds, "workers that are at work")

    def _works(self, name: str) -> bool:
        log = self._home / f"{name}.log"
        return log.exists() and log.stat().st_size > AT_WORK

    def wake(self) -> None:
        """Let every worker go on."""
        for worker in self._running.values():
            if worker.poll() is None:
                worker.send_signal(signal.SIGCONT)

    def end(self, seconds: float = 60.0) -> list[str]:
        """Tell all workers to end, and wait. What went wrong, in sentences."""
        (self._home / "end").touch()
        wrong = []
        until = time.monotonic() + seconds
        for name, worker in self._running.items():
            try:
                code = worker.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGABRT)  # faulthandler shows where it hangs
                worker.wait()
                wrong.append(f"{name} did not end; its stacks are in {name}.err")
                continue
            if code:
                wrong.append(f"{name} ended with status {code}; see {name}.err")
        return wrong
