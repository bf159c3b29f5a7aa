"""Refreshing ahead: the background computes a value again before, or soon after, the value stops being fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Plan, Spawn
from .found import ServerFailed
from .lease import Failed, compute_and_store, fetch, free

if TYPE_CHECKING:
    from ..flight import Flight
    from ..flights import Alone
    from .job import Job

__all__ = ["refresh_ahead"]


def refresh_ahead(job: Job[object], flight: Flight, caller: Alone) -> Plan[None]:
    """Refresh in the background, unless another caller does. This caller waits for the server, not for the value."""
    if not flight.start_refresh(caller):
        return
    started = False
    try:
        answer = yield from fetch(job, "early")
        if answer[0] == b"lease":
            plan = _background(job, flight, answer[1], answer[3])
            started = (yield Spawn(plan)) is not None
            if not started:
                plan.close()
                yield from free(job, answer[1])
    except ServerFailed:
        pass  # the value at hand is good
    finally:
        if not started:
            flight.end_refresh()


def _background(job: Job[object], flight: Flight, token: bytes, stamps: list[bytes]) -> Plan[None]:
    try:
        yield from compute_and_store(job, token, stamps)
    except Failed as failed:
        job.recipe.lost(failed.error)
    except ServerFailed as failed:
        job.recipe.lost(failed.error)
    finally:
        flight.end_refresh()
