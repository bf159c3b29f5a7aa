"""The result of a call in L1: looking it up, and holding it after a read."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING

from ...l1 import ABSENT, Packed, estimate, is_immutable
from ..entries import VALUE

if TYPE_CHECKING:
    from ...l1 import Token
    from .found import Found
    from .job import Job

__all__ = ["held", "hold", "token"]


def held(job: Job[object]) -> object:
    """The value that L1 holds for this call, or ABSENT."""
    tiering = job.recipe.tiering
    if job.held_as is None or tiering is None:
        return ABSENT
    return tiering.tier.held(*job.held_as, ABSENT)


def token(job: Job[object]) -> Token | None:
    """The read token, to be taken before a read whose reply L1 may hold; None if L1 may not hold it."""
    tiering = job.recipe.tiering
    return None if job.held_as is None or tiering is None else tiering.token(job.key, job.tags)


def hold(job: Job[object], found: Found, result: object) -> None:
    """Hold the value that was read, until it is no longer fresh, or is to be refreshed ahead."""
    mine, found.token = found.token, None
    recipe = job.recipe
    if mine is None or job.held_as is None or recipe.tiering is None or found.entry.kind != VALUE:
        return
    fresh = found.soft
    if fresh is not None and recipe.early is not None:
        fresh -= recipe.early
    # On the clock of ``Now``, by which the plan noted when it sent the read.
    deadline = 0 if fresh is None or fresh == inf else round((found.sent + fresh) * 1e9)
    owner, args = job.held_as
    data = found.entry.value
    shared = recipe.share or is_immutable(result)
    value = result if shared else Packed(data, partial(recipe.target.load_for, job.key))
    size = estimate(args, result) if shared else estimate(args, data)
    recipe.tiering.tier.keep(mine, owner, args, value, deadline, size)
