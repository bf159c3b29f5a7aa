"""The scenarios of tagged collections: who reads, fills, writes, clears and invalidates one at once."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

from tests.interleavings.catalog import APART, TOGETHER, TWO_AND_ONE, Layout
from tests.interleavings.collection import Collection, adder, bumper, clearer, filler, looker, replacer
from tests.interleavings.collection_promises import CollectionPromises
from tests.interleavings.parts import GUARD, KEY, LEASE
from tests.interleavings.scenario import TAG, TAG_B, Scenario, cold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interleavings.world import World

__all__ = [
    "collection_pairs",
    "collection_triples",
    "collection_troubles",
    "is_small",
    "kept",
    "long_collections",
    "shelf",
]

ACTORS: dict[str, Any] = {
    "look": looker,
    "fill": filler(),
    "merge": filler(merge=True),
    "add": adder,
    "replace": replacer,
    "clear": clearer,
    "bump": bumper(TAG),
}
CHANGERS = {"replace", "clear", "bump"}
WRITERS = ("look", "fill", "add", "bump", "clear")


def kept(*tags: str, flag: bytes = b"") -> Callable[[World], None]:
    """The first version is there, under stamps that are there."""

    def initial(world: World) -> None:
        stamps = [b"stamp-%s" % tag[-2:].encode() for tag in tags]
        for tag, stamp in zip(tags, stamps, strict=True):
            world.model.set(tag.encode(), stamp)
        world.model.sadd(KEY.encode(), b"1")
        world.model.set(GUARD.encode(), b"".join(stamps) + b"thismark" + flag)

    return initial


def shelf(name: str, *processes: tuple[Any, ...], **settings: Any) -> Scenario:
    """One scenario; a read comes last, alone."""
    lives = [life for group in processes for life in group]
    options = settings.pop("options", {})
    changers = sum(
        life in (replacer, clearer) or getattr(life, "__qualname__", "").startswith("bumper") for life in lives
    )
    given: dict[str, Any] = {
        "tags": (TAG,),
        "after": (looker,),
        "plain_writers": changers,
        "prompt": clearer not in lives,  # it tells nobody: whoever waits looks again after a while
        "patience": 30_000,
        **settings,
    }
    return Scenario(processes, name, at=Collection, promises=CollectionPromises, options=options, **given)


def several(names: tuple[str, ...], layout: Layout, warm: bool, loads: bool) -> Scenario:
    processes = tuple(tuple(ACTORS[names[number]] for number in group) for group in layout)
    label = " | ".join(" + ".join(names[number] for number in group) for group in layout)
    told = f"{label} ({'warm' if warm else 'cold'}{', loads' if loads else ''})"
    initial = kept(TAG, flag=b"L" if loads else b"") if warm else cold
    once = loads and {*names} == {"look"}
    return shelf(
        told, *processes, initial=initial, options={"loads": loads}, computations=int(not warm) if once else None
    )


def collection_pairs(together: bool) -> Iterator[Scenario]:
    """Every two of them, on a collection that is there and on one that is not, one that loads itself and one not."""
    for names in combinations_with_replacement(ACTORS, 2):
        for warm in (False, True):
            for loads in (False, True):
                yield several(names, ((0, 1),) if together else ((0,), (1,)), warm, loads)


def collection_triples(layout: Layout = APART, names: tuple[str, ...] = WRITERS) -> Iterator[Scenario]:
    """Every three of these, at least one of which ends a generation; the one that loads itself too."""
    for some in combinations_with_replacement(names, 3):
        if {"bump", "clear"} & {*some}:
            for loads in (False, True):
                yield several(some, layout, warm=not loads, loads=loads)


def is_small(one: Scenario) -> bool:
    """Whether at most one of them loads or fills: two are for ``make explore``."""
    return not one.options["loads"] or sum(map(one.name.count, ("look", "fill", "add"))) < 2


def collection_troubles() -> Iterator[Scenario]:
    """Evictions, crashes, slow loads, and a load that fails."""
    loads = {"loads": True}
    look, fill, add, bump = looker, filler(), adder, ACTORS["bump"]
    for name, key in (("guard", GUARD), ("tag", TAG), ("data", KEY)):
        for others, other in (((fill,), "fill"), ((add,), "add"), ((bump,), "bump")):
            yield shelf(f"{name} evicted: look | {other}", (look,), others, initial=kept(TAG), evict=(key,))
            yield shelf(f"{name} evicted: add | {other}", (add,), others, initial=kept(TAG), evict=(key,))
        yield shelf(f"{name} evicted: load | bump", (look,), (bump,), evict=(key,), options=loads)
    yield shelf("lease evicted: load | load", (look,), (look,), evict=(LEASE,), options=loads, prompt=False)
    yield shelf("lease evicted: load | bump", (look,), (bump,), evict=(LEASE,), options=loads)
    yield shelf("two tags", (look, fill), (bumper(TAG_B),), tags=(TAG, TAG_B), initial=kept(TAG, TAG_B))
    crash: dict[str, Any] = {"crashes": 1, "may_crash": (0,), "prompt": False, "options": loads}
    yield shelf("crash: load | load", (look,), (look,), **crash)
    yield shelf("crash: load | bump", (look,), (bump,), **crash)
    yield shelf("slow load | bump", (look,), (bump,), ticks=(11_000,), options=loads, prompt=False)
    yield shelf("load fails", (look, look), options={**loads, "fails": True}, after=())
    yield shelf("load fails | load fails", (look,), (look,), options={**loads, "fails": True}, after=())
    yield shelf("cancelled: load + load", (look, look), cancels=1, may_cancel=(0,), options=loads)


def long_collections() -> Iterator[Scenario]:
    """The larger forms, for ``make explore``."""
    loads, look, bump = {"loads": True}, looker, ACTORS["bump"]
    yield from collection_triples(APART, (*WRITERS, "merge", "replace"))
    for layout in (TWO_AND_ONE, TOGETHER):
        yield from filter(is_small, collection_triples(layout))
    for name, key in (("guard", GUARD), ("tag", TAG), ("data", KEY)):
        yield shelf(f"{name} evicted: load | load", (look,), (look,), evict=(key,), options=loads)
    slow: dict[str, Any] = {"ticks": (9_000,), "renewals": 1, "options": loads, "prompt": False}
    yield shelf("slow load renews | load", (look,), (look,), **slow)
    yield shelf("slow load | load", (look,), (look,), ticks=(11_000,), options=loads, prompt=False)
    once: dict[str, Any] = {"computations": 1, "options": loads}
    yield shelf("loaded once", (look,), (look,), (look,), **once)
    crash: dict[str, Any] = {"crashes": 1, "may_crash": (0,), "prompt": False, "options": loads}
    yield shelf("crash: load | load | bump", (look,), (look,), (bump,), **crash)
    fails = {**loads, "fails": True}
    yield shelf("load fails, three", (look, look), (look,), options=fails, after=())
