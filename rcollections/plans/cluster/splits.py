"""Steps on many keys that fall into one step for each slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..commands import COMMANDS, EACH, SUM
from ..effects import Command, Script
from ..slots import by_slot
from .forms import Facts, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..effects import Step

__all__ = ["Together", "split", "together"]


class Together(NamedTuple):
    """The steps of two MGETs in one trip; ``second``: the numbers of those of the second; ``fold``: all values."""

    steps: Sequence[Step]
    second: range
    fold: Callable[[Sequence[Any]], list[Any]]


def together(one: Command, other: Command) -> Together:
    """Two MGETs, each by slot."""
    nothing = Facts({}, {})
    first, second = _each(one.args), _each(other.args)
    before = first.steps(nothing)
    steps = (*before, *second.steps(nothing))
    mid = len(before)
    return Together(
        steps,
        range(mid, len(steps)),
        lambda replies: [*first.fold(replies[:mid]), *second.fold(replies[mid:])],
    )


def split(step: Step) -> Split | None:
    """The parts of a step, by slot; None for steps that do not fall into parts."""
    if isinstance(step, Command):
        facts = COMMANDS.get(step.args[0])
        apart = "" if facts is None else facts.apart
        return _each(step.args) if apart == EACH else _counted(step.args) if apart == SUM else None
    made = _SCRIPTS.get(step.name)
    return None if made is None else made(step)


def _each(words: tuple[Any, ...]) -> Split:
    """One reply a key."""
    keys = words[1:]
    lots = list(by_slot(keys).values())

    def fold(replies: Sequence[Any]) -> list[Any]:
        out: list[Any] = [None] * len(keys)
        for lot, reply in zip(lots, replies, strict=True):
            for n, value in zip(lot, reply, strict=True):
                out[n] = value
        return out

    return Split([Command((words[0], *(keys[n] for n in lot))) for lot in lots], fold)


def _counted(words: tuple[Any, ...]) -> Split:
    """The reply is a sum."""
    keys = words[1:]
    return Split([Command((words[0], *(keys[n] for n in lot))) for lot in by_slot(keys).values()], sum)


def _ttls(step: Script) -> Split:
    lots = list(by_slot(step.keys).values())

    def fold(replies: Sequence[Any]) -> list[Any]:
        out: list[Any] = [b"ok", *([b""] * (2 * len(step.keys)))]
        for lot, reply in zip(lots, replies, strict=True):
            for at, n in enumerate(lot):
                out[1 + 2 * n : 3 + 2 * n] = reply[1 + 2 * at : 3 + 2 * at]
        return out

    return Split([Script(step.name, tuple(step.keys[n] for n in lot), step.args) for lot in lots], fold)


def _bump(step: Script) -> Split:
    """K5: the tags of each slot by themselves; all have new stamps when this returns."""
    ms, *news = step.args
    lots = list(by_slot(step.keys).values())
    parts = [Script(step.name, tuple(step.keys[n] for n in lot), (ms, *(news[n] for n in lot))) for lot in lots]
    return Split(parts, lambda replies: replies[0])


def _set_many(step: Script) -> Split:
    count = int(step.args[0])
    keys, leases = step.keys[:count], step.keys[count:]
    values = step.args[3:]
    parts = []
    for lot in by_slot(keys).values():
        own = (*(keys[n] for n in lot), *(leases[n] for n in lot if leases))
        parts.append(Script(step.name, own, (len(lot), *step.args[1:3], *(values[n] for n in lot))))
    return Split(parts, lambda replies: replies[0])


def _delete_many(step: Script) -> Split:
    count = int(step.args[0])
    parts = []
    for lot in by_slot(step.keys).values():
        own = [n for n in lot if n < count]
        parts.append(Script(step.name, tuple(step.keys[n] for n in lot), (len(own),)))
    return Split(parts, lambda replies: [b"ok", sum(reply[1] for reply in replies)])


_SCRIPTS: dict[str, Callable[[Script], Split]] = {
    "key_get_ttls": _ttls,
    "tag_bump": _bump,
    "key_set_many": _set_many,
    "key_delete_many": _delete_many,
}
