"""The faults, and the plan in which they come: chosen by a seed, one after another."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from .losses import Loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .crew import Crew
    from .source import Source

__all__ = ["Fault", "Injector", "shown"]

LAG = 500_000_000  # ns: how far a replica may be behind on a busy machine, behind a network in Python
SLACK = 200_000_000  # ns: from an answer of a server to the look at the clock behind it


class Fault(NamedTuple):
    """When a fault was there (monotonic ns), which slots it touched (None: all), and whether calls may raise."""

    began: int
    ended: int
    slots: frozenset[int] | None = None
    raises: bool = True
    why: str = ""


def shown(each: Fault | Loss) -> str:
    """For people: a primary has thousands of slots."""
    few = each.slots is None or len(each.slots) < 10
    return str(each if few else each._replace(slots=frozenset({-len(each.slots or ())})))


class Injector:
    """Does one fault after another until the time is over, and counts them. Who derives adds those of the servers."""

    def __init__(self, seed: int, crew: Crew, source: Source) -> None:
        self.injected: Counter[str] = Counter()
        self.when: list[Fault] = []
        self.losses: list[Loss] = []
        self._random = random.Random(seed)
        self._crew = crew
        self._source = source
        self._slots: frozenset[int] | None = None  # what the fault under way touches, if it is not all
        self._raises = True

    def faults(self) -> list[Callable[[], None]]:
        """All faults of this kind."""
        return [self.kill_worker, self.stop_worker, self.fail_source]

    def run(self, seconds: float, only: Sequence[str] = ()) -> None:
        """Faults for so many seconds, ``only`` those of these names if any are given; all are healed in the end."""
        end = time.monotonic() + seconds
        faults = [each for each in self.faults() if not only or each.__name__ in only]
        # Each fault once, in the order of the seed, then as chance has it.
        first = self._random.sample(faults, len(faults))
        try:
            while time.monotonic() < end:
                fault = first.pop() if first else self._random.choice(faults)
                self.injected[fault.__name__] += 1
                began, self._slots, self._raises = time.monotonic_ns(), None, True
                fault()
                self.when.append(Fault(began, time.monotonic_ns(), self._slots, self._raises, fault.__name__))
                time.sleep(self._random.uniform(0.05, 0.4))
        finally:
            self.heal()

    def heal(self) -> None:
        """End all faults."""
        self._source.failing = False
        self._crew.wake()

    def _for(self, low: float, high: float) -> None:
        time.sleep(self._random.uniform(low, high))

    @contextmanager
    def _losing(
        self,
        why: str,
        slots: frozenset[int] | None = None,
        workers: frozenset[str] | None = None,
        *,
        two: bool = True,
    ) -> Iterator[None]:
        """A block in which a primary acknowledges what may be lost, or answers what is old: see ``Loss``."""
        began = time.monotonic_ns() - LAG
        try:
            yield
        finally:
            self.losses.append(Loss(began, time.monotonic_ns() + SLACK, slots, workers, two, why))

    # -- workers and their source ------------------------------------------------------------------

    def kill_worker(self) -> None:
        self._crew.kill(self._random)

    def stop_worker(self) -> None:
        with self._crew.stopped(self._random):
            self._for(0.1, 2.5)

    def fail_source(self) -> None:
        self._source.failing = True
        self._for(0.1, 1.5)
        self._source.failing = False
