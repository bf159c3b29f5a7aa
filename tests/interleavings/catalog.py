"""The scenarios that are explored: pairs and triples of actors, and what goes wrong around them."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

from tests.interleavings.actors import (  # fmt: skip
    bumper,
    changer,
    clearer,
    failing,
    putter,
    reader,
    refresher,
    setter,
    twice,
    writer,
)
from tests.interleavings.scenario import TAG, Scenario, cold, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["APART", "TOGETHER", "TWO_AND_ONE", "pairs", "scenario", "triples"]

Layout = tuple[tuple[int, ...], ...]

ACTORS: dict[str, Any] = {
    "call": reader(),
    "call twice": twice,
    "refresh": refresher,
    "delete": changer("delete"),
    "delete, call": changer("delete", then_calls=True),
    "expire": changer("expire"),
    "bump": bumper(TAG),
    "put": putter(),
    "set": setter,
    "write": writer,
    "clear": clearer,
    "fail": failing(),
}
CHANGERS = {"delete", "delete, call", "expire", "bump", "put", "set", "write", "clear"}


def scenario(
    names: tuple[str, ...], layout: tuple[tuple[int, ...], ...], start: str, tags: tuple[str, ...]
) -> Scenario:
    """These actors, those of one group of the layout in one process."""
    initial = stored(tags=tags) if start == "warm" else cold
    processes = tuple(tuple(ACTORS[names[number]] for number in group) for group in layout)
    label = " | ".join(" + ".join(names[number] for number in group) for group in layout)
    return Scenario(
        processes,
        f"{label} ({start}{', tagged' if tags else ''})",
        initial,
        tags,
        after=(ACTORS["call"],),
        computations=1 if {*names} == {"call"} else None,
        prompt={"clear", "set"}.isdisjoint(names),  # they tell nobody: whoever waits looks again after a while
        plain_writers=sum(name in CHANGERS for name in names),
    )


def pairs(together: bool) -> Iterator[Scenario]:
    """Every two actors, in one process or in two, on a cold and on a warm key."""
    for names in combinations_with_replacement(ACTORS, 2):
        for start in ("cold", "warm"):
            tags = (TAG,) if "bump" in names or start == "warm" else ()
            yield scenario(names, ((0, 1),) if together else ((0,), (1,)), start, tags)


APART, TWO_AND_ONE, TOGETHER = ((0,), (1,), (2,)), ((0, 1), (2,)), ((0, 1, 2),)
THREE = ("call", "refresh", "delete", "bump", "put", "write", "fail")


def triples(layout: Layout, names: tuple[str, ...] = THREE, start: str | None = None) -> Iterator[Scenario]:
    """Every three of these, at least one of them calling."""
    for some in combinations_with_replacement(names, 3):
        if "call" in some:
            for begin in ("cold", "warm") if start is None else (start,):
                yield scenario(some, layout, begin, (TAG,) if "bump" in some or begin == "warm" else ())
