"""One thread for all ears of a connection: each ear is a job that says what it waits for, and is gone on with then.

A job is a generator. It yields ``Wait`` to be resumed when a descriptor is readable or a time is over, and ``Apart``
for a step that may take long, as opening a connection does: a thread of its own carries that out, and meanwhile the
other jobs go on. So one server that is dead or slow keeps no ear of another one waiting.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..forks import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Apart", "Attendant", "Job", "Wait"]

log = logging.getLogger("rcollections")

NAME = "rcollections-listener"


class Wait(NamedTuple):
    """Resume the job when one of these descriptors is readable, after that time, or when ``over`` gives true.

    Whoever lets ``over`` become true calls ``wake``.
    """

    fds: tuple[int, ...]
    seconds: float
    over: Callable[[], bool] | None = None


class Apart(NamedTuple):
    """Carry out this step on a thread of its own. Gives its result, or its error is thrown into the job."""

    step: Callable[[], Any]


Job: TypeAlias = "Generator[Wait | Apart, Any, Any]"


class Running:
    """A job and what it waits for."""

    __slots__ = ("apart", "error", "fds", "job", "over", "result", "until")

    def __init__(self, job: Job) -> None:
        self.job: Job | None = job  # None: it has ended
        self.fds: tuple[int, ...] = ()
        self.until = 0.0
        self.over: Callable[[], bool] | None = None
        self.apart = False  # a step of it is being carried out elsewhere
        self.result: Any = None
        self.error: BaseException | None = None

    def is_due(self, ready: set[int], now: float) -> bool:
        """Whether the job can be gone on with."""
        if self.apart:
            return False
        return now >= self.until or not ready.isdisjoint(self.fds) or (self.over is not None and self.over())


class Attendant:
    """The thread, and its jobs. It begins with the first job, and ends with the last one."""

    def __init__(self) -> None:
        self._forget()
        after_fork(self._forget)

    def _forget(self) -> None:
        """In the child of a fork: the thread is in the parent."""
        self._lock = threading.RLock()
        self._jobs: list[Running] = []
        self._ends: tuple[socket.socket, socket.socket] | None = None  # a byte wakes the thread, where there is one

    def attend(self, job: Job) -> None:
        """Take this job on; from any thread. RuntimeError if no thread can be started."""
        with self._lock:
            running = Running(job)
            self._jobs.append(running)
            if self._ends is not None:
                self.wake()
                return
            self._ends = ends = socket.socketpair()
            for each in ends:
                each.setblocking(False)
            try:
                threading.Thread(target=self._run, args=(ends,), name=NAME, daemon=True).start()
            except BaseException:
                self._jobs.remove(running)
                self._ends = None
                _close(ends)
                raise

    def wake(self) -> None:
        """Look anew which jobs can be gone on with."""
        ends = self._ends
        if ends is not None:
            with contextlib.suppress(OSError):  # it is full, so the thread will look
                ends[1].send(b".")

    def _run(self, ends: tuple[socket.socket, socket.socket]) -> None:
        ready: set[int] = set()
        while True:
            with self._lock:
                self._jobs = _running(self._jobs)
                jobs = list(self._jobs)
                if not jobs:
                    self._ends = None
                    _close(ends)
                    return
            now = time.monotonic()
            due = [each for each in jobs if each.is_due(ready, now)]
            for each in due:
                self._step(each)
            ready = set() if due else _come(ends[0], jobs, now)

    def _step(self, running: Running) -> None:
        job, error, result = running.job, running.error, running.result
        running.error = running.result = None
        running.fds, running.over = (), None
        if job is None:
            return
        try:
            effect = job.send(result) if error is None else job.throw(error)
        except StopIteration:
            running.job = None
            return
        except BaseException:  # a job sees to its errors itself, so this is a mistake of ours
            log.exception("the listener has ended")
            running.job = None
            return
        if isinstance(effect, Wait):
            running.fds, running.over = effect.fds, effect.over
            running.until = time.monotonic() + effect.seconds
            return
        running.apart = True
        about = running, effect.step
        try:
            threading.Thread(target=self._carry_out, args=about, name=f"{NAME}-opens", daemon=True).start()
        except RuntimeError:  # at the end of the interpreter, or too many threads: the others have to wait
            self._carry_out(*about)

    def _carry_out(self, running: Running, step: Callable[[], Any]) -> None:
        try:
            running.result = step()
        except BaseException as error:  # the job gets it
            running.error = error
        running.until, running.apart = 0.0, False
        self.wake()


def _running(jobs: list[Running]) -> list[Running]:
    return [each for each in jobs if each.job is not None]


def _come(woken: socket.socket, jobs: list[Running], now: float) -> set[int]:
    """Wait for something to do; which descriptors are readable."""
    waiting = [each for each in jobs if not each.apart]
    until = min((each.until for each in waiting), default=now + 60)
    poll = select.poll()
    poll.register(woken.fileno(), select.POLLIN)
    for each in waiting:
        for fd in each.fds:
            poll.register(fd, select.POLLIN)
    ready = {fd for fd, _ in poll.poll(max(0.0, until - now) * 1000)}
    if woken.fileno() in ready:
        with contextlib.suppress(OSError):
            woken.recv(4096)
    return ready


def _close(ends: tuple[socket.socket, ...]) -> None:
    for each in ends:
        each.close()
