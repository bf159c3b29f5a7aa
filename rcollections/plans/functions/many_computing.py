"""The user's function of many ids: one call for all that a caller computes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from ..effects import Call, Plan
from ..waiting import marked

if TYPE_CHECKING:
    from .many_reads import Jobs

__all__ = ["Compute", "compute_all"]

Compute: TypeAlias = Callable[[list[Hashable]], object]  # the user's function: ids to a mapping of ids to values


def compute_all(jobs: Jobs, wanted: list[Hashable], compute: Compute) -> Plan[Mapping[Hashable, object]]:
    """One call of the user's function for all wanted ids, with their keys marked as being computed."""
    for each in wanted:
        jobs[each].guard()
        jobs[each].note("compute")
    first = jobs[wanted[0]]
    values = yield Call(marked(lambda: first.checked(compute(wanted)), [jobs[each] for each in wanted]))
    if not isinstance(values, Mapping):
        raise TypeError(f"{first.recipe.name} gave a {type(values).__name__}: it gives a mapping of ids to values")
    return values
