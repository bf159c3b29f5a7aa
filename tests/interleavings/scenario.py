"""Scenarios: who acts, from which state, and what may go wrong. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from rcollections.coherence.proof import Proof
from rcollections.l1.tier import Tier
from rcollections.plans import guards, lockblocks, op, through
from rcollections.plans import tags as bump
from rcollections.plans.collections import keys, loads, strings
from rcollections.plans.entries import VALUE, Entry, pack
from rcollections.plans.flights import Flights
from rcollections.plans.functions import call, invalidate, lone, put, refresh, writing
from rcollections.plans.functions.recipe import Recipe
from rcollections.plans.purpose import removal
from rcollections.servers.journal import Journal
from tests.interleavings.parts import KEY
from tests.interleavings.promises import Promises
from tests.interleavings.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interleavings.parts import Process
    from tests.interleavings.world import World

__all__ = ["TAG", "TAG_B", "Parts", "Scenario", "cold", "stored"]

TAG, TAG_B = "rc:t:a", "rc:t:b"


def numbered(actor: Any) -> bytes:
    """8 bytes: whose draw, and which."""
    return b"d%03d%04d" % (actor.number, actor.draws)


CLEARED = partial(keys.clean_function, "")  # ``f.clear()`` where there is no namespace


@dataclass(frozen=True)
class Parts:
    """The code under test. A mutation replaces one of them."""

    call: Any = call
    lone: Any = lone
    refresh: Any = refresh
    put: Any = put
    bump: Any = bump
    invalidate: Any = invalidate
    writing: Any = writing
    flights: Any = Flights
    recipe: Any = Recipe
    scripts: dict[str, Any] = field(default_factory=lambda: SCRIPTS)
    draw: Callable[[Any], bytes] = numbered
    strong: bool = True  # whether ``writing()`` is used
    guards: Any = guards
    through: Any = through
    loads: Any = loads
    op: Any = op
    strings: Any = strings
    lockblocks: Any = lockblocks
    clear: Any = CLEARED
    tier: Any = Tier  # of the process
    proof: Any = Proof
    own: str = "finally"  # when own writes are told to the tier: also "reply", "before", "never"
    journal: Any = Journal  # of each process
    removal: Any = removal
    ahead: bool = True  # whether what is kept goes ahead of a trip
    fork: bool = True  # whether the child lets go of what its parent held


def cold(_world: World) -> None:
    """Nothing is stored."""


def stored(value: int = 1, left: int = 100_000, grace: int = 0, tags: tuple[str, ...] = ()) -> Callable[[World], None]:
    """An entry of this version, with that many ms left, under stamps that are there."""

    def initial(world: World) -> None:
        stamps = tuple(b"stamp-%s" % tag[-2:].encode() for tag in tags)
        for tag, stamp in zip(tags, stamps, strict=True):
            world.model.set(tag.encode(), stamp)
        data = b"%d" % value
        if grace or tags:
            data = pack(Entry(data, VALUE, grace, stamps))
            data = data[:10] + b"anynonce" + data[18:]
        world.model.set(KEY.encode(), data, b"PX", b"%d" % left)
        world.promises.lives[value] = (left - grace, left)

    return initial


@dataclass(frozen=True)
class Scenario:
    """``processes`` are lists of lives: those of one list share a process. ``at`` makes what a life is given."""

    processes: tuple[tuple[Any, ...], ...]
    name: str = ""
    initial: Callable[[World], None] = cold
    tags: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    split: bool = False  # every step of every process by itself, spawned ones too
    after: tuple[Any, ...] = ()  # who calls last, alone
    ticks: tuple[int, ...] = ()  # ms that pass at any time
    evict: tuple[str, ...] = ()  # keys that go at any time
    faults: int = 0  # messages without an answer
    may_fail: tuple[str, ...] = ()  # of these scripts
    late_copies: bool = True  # whether what got no answer may also arrive later
    crashes: int = 0
    may_crash: tuple[int, ...] = ()
    cancels: int = 0
    may_cancel: tuple[int, ...] = ()
    renewals: int = 0  # a lease
    deaf: bool = False  # nothing that is published is heard
    idle: bool = False  # the background does not come to tell the server of orphans
    prompt: bool = False  # nobody ever needs the net
    patience: int = 5_000  # ms until everybody has an answer
    computations: int | None = None  # at most
    plain_writers: int = 0
    fails: bool = False  # the function raises
    window: float = 0  # ms past its freshness in which a value may be served stale
    parts: Parts = field(default_factory=Parts)
    at: Callable[[Process], Any] = attrgetter("job")
    promises: Any = Promises
    world: Any = None  # another world than the plain one

    def but(self, **changes: Any) -> Scenario:
        """The same with something else."""
        return replace(self, **changes)
