"""Sets against sets: algebra that gives plain sets, algebra that changes a set, and comparing.

Operands come as ``keys``, which are sets of the same server, and as ``plain``, which are sets in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..effects import Batch, Command, Script
from ..op import Op, Ready, Trips
from ..tallies import some
from .lookups import known, member
from .sets import ask, chunks, combine, encoded, grow, is_small, shrink, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..effects import Plan
    from ..op import Operation
    from ..tallies import Counting, Tally
    from ..target import Target

__all__ = [
    "compare", "compare_plain", "difference", "difference_update", "intersection", "intersection_update",
    "plain_set", "replace_by", "reverse_difference", "symmetric_difference", "symmetric_difference_update", "union",
    "union_update", "whole_set",
]  # fmt: skip

T = TypeVar("T")


def plain_set(t: Target, elems: Iterable[object]) -> set[object]:
    """These elements as a set, in the form that a read of this key gives."""
    pairs = ((elem, member(t, elem)) for elem in elems)
    return {elem if data is None else t.read(data) for elem, data in pairs}


# -- algebra that gives plain sets ---------------------------------------------------------------


def whole_set(t: Target, name: str, finish: Callable[[set[object]], T], reads: bool | Counting = False) -> Operation[T]:
    """What ``finish`` makes of all elements.

    A pipeline cannot ask for a second page, so inside of it there is one reply, whatever the size.
    """
    return Trips(name, whole(t), lambda: _algebra(t, name, "SUNION", (), finish, reads), reads, finish)


def _algebra(
    t: Target,
    name: str,
    command: str,
    keys: Sequence[str],
    finish: Callable[[set[object]], T],
    reads: bool | Counting = False,
) -> Op[T]:
    step = Command((command, t.key, *keys))
    return Op(name, step, lambda reply: set(map(t.read, reply)), reads, operands=True, finish=finish)


def _with_others(
    t: Target, name: str, command: str, keys: Sequence[str], finish: Callable[[set[object]], T]
) -> Operation[T]:
    return _algebra(t, name, command, keys, finish) if keys else whole_set(t, name, finish)


def union(t: Target, keys: Sequence[str], plain: Sequence[set[object]]) -> Operation[set[Any]]:
    return _with_others(t, "union", "SUNION", keys, lambda found: found.union(*plain))


def intersection(t: Target, keys: Sequence[str], plain: Sequence[set[Any]]) -> Operation[set[Any]]:
    if not plain or keys:
        return _with_others(t, "intersection", "SINTER", keys, lambda found: found.intersection(*plain))
    # The plain elements go to the server; the whole set is not read.
    members = known(t, plain[0].intersection(*plain[1:]))

    def finish(there: list[bool]) -> set[object]:
        return {t.read(data) for data, yes in zip(members, there, strict=True) if yes}

    return ask(t, "intersection", members, finish)


def difference(t: Target, keys: Sequence[str], plain: Sequence[set[object]]) -> Operation[set[Any]]:
    return _with_others(t, "difference", "SDIFF", keys, lambda found: found.difference(*plain))


def reverse_difference(t: Target, elems: Iterable[T]) -> Operation[set[T]]:
    """The elements of ``elems`` that are not in this set."""
    pairs = [(elem, member(t, elem)) for elem in elems]

    def finish(there: list[bool]) -> set[T]:
        flags = iter(there)
        return {elem for elem, data in pairs if data is None or not next(flags)}

    return ask(t, "difference", [data for _, data in pairs if data is not None], finish)


def symmetric_difference(t: Target, keys: Sequence[str], plain: Sequence[set[Any]]) -> Operation[set[Any]]:
    """The elements that are in one of two sets only; the one operand is of the server or plain."""
    if not keys:
        return whole_set(t, "symmetric_difference", lambda found: found ^ plain[0])

    def decode(reply: list[Any]) -> set[object]:
        return set(map(t.read, (*reply[1], *reply[2])))

    return Op("symmetric_difference", Script("set_xor", (t.key, keys[0]), ()), decode, operands=True)


# -- algebra that changes this set: atomic, on the server ----------------------------------------


def union_update(t: Target, keys: Sequence[str], plain: Iterable[Iterable[object]]) -> Operation[None]:
    members = encoded(t, (elem for other in plain for elem in other))
    if keys:
        return combine(t, "update", "union", keys, members or None, _none)
    return grow(t, "update", members, _none)


def intersection_update(t: Target, keys: Sequence[str], plain: Iterable[Iterable[object]]) -> Operation[None]:
    others = [known(t, other) for other in plain]
    if others:
        members = list(set(others[0]).intersection(*others[1:]))
        return combine(t, "intersection_update", "inter", keys, members, _none)
    return combine(t, "intersection_update", "inter", keys, None, _none) if keys else Ready(None)


def difference_update(t: Target, keys: Sequence[str], plain: Iterable[Iterable[object]]) -> Operation[None]:
    members = known(t, (elem for other in plain for elem in other))
    if keys:
        return combine(t, "difference_update", "diff", keys, members or None, _none)
    return shrink(t, "difference_update", members, _none)


def symmetric_difference_update(t: Target, keys: Sequence[str], plain: Sequence[Iterable[object]]) -> Operation[None]:
    members = encoded(t, plain[0]) if plain else None
    if keys or members:
        return combine(t, "symmetric_difference_update", "xor", keys, members, _none)
    return Ready(None)


def replace_by(t: Target, other: str) -> Operation[None]:
    """Make another set of the server the whole content."""
    return combine(t, "replace", "copy", (other,), None, _none)


def _none(*_: int) -> None:
    return None


# -- comparing: by the sizes of two sets and of their intersection ---------------------------------


def compare(t: Target, other: str, judge: Callable[[int, int, int], bool]) -> Op[bool]:
    """Judge two sets of the server by their sizes and the size of their intersection."""
    step = Script("set_compare", (t.key, other), ())
    return Op("compare", step, _sizes, _own, operands=True, finish=lambda sizes: judge(*sizes))


def _sizes(reply: list[Any]) -> list[int]:
    return [int(size) for size in reply[1:]]


def _own(sizes: Sequence[int]) -> Tally:
    """A comparison is a read of this set: a miss if it is empty."""
    return some(sizes[0])


def compare_plain(t: Target, plain: set[object], judge: Callable[[int, int, int], bool]) -> Operation[bool]:
    """``compare`` with a plain set."""
    members, size = known(t, plain), len(plain)
    if not is_small(members):
        return Trips("compare", _compare_big(t, members, size, judge), None, _own, lambda seen: seen[1])
    step = Script("set_compare", (t.key,), tuple(members))
    return Op("compare", step, _sizes, _own, finish=lambda sizes: judge(sizes[0], size, sizes[2]))


def _compare_big(
    t: Target, members: Sequence[bytes], size: int, judge: Callable[[int, int, int], bool]
) -> Plan[tuple[int, bool]]:
    """The size of the set, and the answer. The members are not sent where the sizes of both sets decide alone."""
    count = yield Command(("SCARD", t.key))
    answer = judge(count, size, 0)
    if answer == judge(count, size, min(count, size)):
        return count, answer
    replies = yield Batch([Script("set_compare", (t.key,), tuple(chunk)) for chunk in chunks(members)], atomic=True)
    return int(replies[0][1]), judge(int(replies[0][1]), size, sum(int(reply[3]) for reply in replies))
