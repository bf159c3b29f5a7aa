"""Refreshing ahead: the background computes a value again before, or soon after, the value stops being fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Plan, Spawn
from .found import ServerFailed
from .lease import Failed, compute_and_store, fetch, free, leave

if TYPE_CHECKING:
    from ..flight import Flight
    from ..flights import Alone
    from .job import Job
    from .lease import Answer

__all__ = ["refresh_ahead"]


def refresh_ahead(job: Job[object], flight: Flight, caller: Alone) -> Plan[None]:
    """Refresh in the background, unless another caller does. This caller waits for the server, not for the value."""
    if not flight.start_refresh(caller):
        return
    started, answer = False, None
    try:
        answer = yield from fetch(job, "early")
        if answer.word == b"cool":
            job.recipe.trouble.served(job.key)
        if answer.word == b"lease":
            plan = _background(job, flight, answer)
            started = (yield Spawn(plan)) is not None
            if not started:
                plan.close()
                yield from free(job, answer.token)
    except ServerFailed:
        pass  # the value at hand is good
    except BaseException:  # cancelled or interrupted: a plan that has not begun gives nothing back
        if answer is not None and not started:
            leave(job, answer.token)
        raise
    finally:
        if not started:
            flight.end_refresh()


def _background(job: Job[object], flight: Flight, answer: Answer) -> Plan[None]:
    try:
        yield from compute_and_store(job, answer.token, answer.stamps, answer.number)
    except Failed as failed:
        job.recipe.trouble.failed(job.key, failed.error)
    except ServerFailed as failed:
        job.recipe.lost(failed.error)
    finally:
        flight.end_refresh()
