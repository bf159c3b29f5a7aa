"""Ahead of a trip to a cluster: changes on purpose that failed before (rule J1), each at the node of its key."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from ..plans.purpose import removal
from ..plans.slots import keys_of, slot_of
from .due import LOOK, Taken, names
from .failures import ErrorReply
from .translate import translate
from .trips import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ..plans.effects import Step
    from ..plans.purpose import Due
    from .due import Journal

__all__ = ["ahead"]


def ahead(
    journal: Journal,
    steps: Sequence[Step],
    until: float,
    carry: Callable[[Sequence[Step]], Generator[Any, Any, list[object]]],
    shown: str,
    node: Callable[[int], object],
) -> Generator[Any, Any, None]:
    """Send what is kept; ``carry`` is the plan of a trip. What a node does not take stays kept.

    It carries what is for the nodes to which these steps go, by ``node(slot)``: another one that is away holds nobody
    up. The trip that goes on behind this raises only if what stays concerns its own keys.
    """
    words = names(steps)
    nodes = {node(slot_of(key)) for step in steps for key in keys_of(step)}
    near = (lambda key: node(slot_of(key)) in nodes) if nodes else None
    while True:
        taken = journal.take(words, near)
        if taken is not None:
            break
        if monotonic() >= until:
            raise TimeoutError("timed out")
        yield Pause(LOOK)
    if not taken.dues and not taken.more:
        return
    try:
        failed = yield from _sent(journal, taken, carry)
    except BaseException:
        journal.put_back(taken)
        raise
    for key, error in failed.items():
        if key in words:
            raise error if isinstance(error, CacheError) else translate(error, shown, key)


def _sent(
    journal: Journal, taken: Taken, carry: Callable[[Sequence[Step]], Generator[Any, Any, list[object]]]
) -> Generator[Any, Any, dict[str, Exception]]:
    """Send all, and tell the journal of each; gives the errors of those that stay, by their keys."""
    lots: list[tuple[tuple[Due, int] | None, str, list[Step]]] = [
        (each, each[0].key, _one(each[0])) for each in taken.dues
    ]
    lots += [(None, key, removal((), [key])) for key in taken.more]
    replies = yield from carry([step for _, _, sent in lots for step in sent])
    failed: dict[str, Exception] = {}
    at = 0
    for kept, key, sent in lots:
        reply, at = replies[at], at + len(sent)
        one = Taken([kept], []) if kept is not None else Taken([], [key])
        if isinstance(reply, ErrorReply) and str(reply).startswith("NOPERM"):
            journal.refused(one)
        elif isinstance(reply, Exception):
            journal.put_back(one)
            failed[key] = reply
        else:
            journal.delivered(one)
    return failed


def _one(due: Due) -> list[Step]:
    return removal([due])
