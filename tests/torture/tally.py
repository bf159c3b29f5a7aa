"""Counting and locking without end: what is acknowledged must be there, once; who holds a lock holds it alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rcollections import CacheError, CounterCache, KeyCache, LockLost, SetCache

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from .events import Log

__all__ = ["Job", "Seen", "Total", "Visits", "count_for_ever", "lock_for_ever"]


class Visits(CounterCache[str]):
    """For each worker a count for each way of counting."""

    prefix = "torture.visits"
    ttl = 0
    connection_name = "counts"


class Total(KeyCache[int]):
    """A number for each worker."""

    prefix = "torture.total"
    ttl = 0
    connection_name = "counts"


class Seen(SetCache[str]):
    """For each worker every event that was acknowledged."""

    prefix = "torture.seen"
    ttl = 0
    connection_name = "counts"


class Job(KeyCache[int]):
    """What the workers take turns at."""

    prefix = "torture.job"
    connection_name = "counts"


WAYS = ("increment", "setitem", "total", "pipeline", "add")


def count_for_ever(log: Log, chosen: random.Random, ended: Callable[[], bool]) -> None:
    """Count in every way, each time written down before it is sent and after it is acknowledged."""
    name = log.name
    visits, seen = Visits(name), Seen(name)
    number = 0
    while not ended():
        number += 1
        way = chosen.choice(WAYS)
        field = f"{name}.{way}"
        began = time.monotonic_ns()
        log("count", began, field, number)
        try:
            if way == "increment":
                visits.increment(field)
            elif way == "setitem":
                visits[field] += 1
            elif way == "total":
                Total(name).increment(1)
            elif way == "pipeline":
                with visits.pipeline() as pipe:
                    pipe.increment(field)
                    pipe(seen).add(f"{field}.{number}")
            else:
                seen.add(f"{field}.{number}")
        except CacheError as error:
            log("failed", began, time.monotonic_ns() - began, f"count {way}", type(error).__name__, None)
        else:
            log("counted", time.monotonic_ns(), field, number)
        time.sleep(0.003)


def lock_for_ever(log: Log, ended: Callable[[], bool]) -> None:
    """Take the one lock that all workers want, for a moment each time."""
    while not ended():
        token, lost, began = 0, False, 0
        try:
            with Job("one").lock(lease=1, wait=3) as held:
                began, token = time.monotonic_ns(), held.token
                time.sleep(0.005)
                ending = time.monotonic_ns()
                lost = held.lost
        except LockLost:
            lost = True
        except CacheError:
            lost = True  # not taken, or whether it was given back is not known
        if token:
            log("lock", began, ending, token, lost)
        time.sleep(0.05)
