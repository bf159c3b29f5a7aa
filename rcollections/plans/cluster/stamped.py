"""K1 to K4, K6: scripts that look at tags, where the tags are in other slots. The stamps go along as arguments.

First the stamps are read at their nodes (and made where that is wanted), then the script gets them. An invalidation
that returned before this call is seen in any case. One that comes in between may already be followed by newer content:
then a script that would harm the newer content answers ``stale`` and what it saw. The stamps are read once more.
Content that was there before, and has other stamps still, counts no more: stamps never come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..effects import Command, Script
from ..entries import FIXED
from ..scripts import GUARDED
from .forms import Stale, Unlooking, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..effects import Arg, Step
    from .forms import Facts

__all__ = ["Guarding", "Stamped", "guarding", "stamped"]


ENTRY, GUARD = 0, 1  # which key holds the stamps of what is there: an entry itself, or the guard of a collection


class Place(NamedTuple):
    """Where a script takes stamps: behind that many arguments. ``ms``: which argument is the ttl of tags that are made,
    None where none are. ``dead``: which key it looks at, if it may answer ``stale``.
    """

    at: int
    ms: int | None = None
    dead: int | None = None


PLACES: Final = {
    "entry_arm": Place(2),
    "entry_begin": Place(3, 2),
    "entry_clear": Place(2, None, ENTRY),
    "entry_copy": Place(1),
    "entry_fetch": Place(6, 2),
    "entry_incr": Place(8, 2, ENTRY),
    "entry_put": Place(5, 3),
    "entry_set": Place(9, 3, ENTRY),
    "entry_take": Place(1),
    "guard_open": Place(6, 4, GUARD),
    "key_clear": Place(0, None, GUARD),
    "lease_free": Place(4),
}


class Stamped:
    """A script of the table above."""

    brings: Sequence[str] = ()

    def __init__(self, step: Script, tags: Sequence[str], place: Place) -> None:
        self.step = step
        self._place = place
        self._names = tags
        news = step.args[place.at :]
        ms = 0 if place.ms is None else int(step.args[place.ms])
        self.tags: Mapping[str, Wanted] = {
            tag: Wanted(None if place.ms is None else news[n], ms)  # type: ignore[arg-type]
            for n, tag in enumerate(tags)
        }
        self._dead = b""

    def looks(self) -> Sequence[Step]:
        """What is there."""
        dead = self._place.dead
        if dead is None:
            return ()
        if dead == GUARD:
            return (Command(("GET", self.step.keys[GUARD])),)
        return (Command(("GETRANGE", self.step.keys[ENTRY], 0, FIXED - 1 + 8 * len(self._names))),)

    def looked(self, replies: Sequence[Any]) -> None:
        """If it has other stamps than those that are read after this, it counts no more."""
        for reply in replies:
            if isinstance(reply, bytes):
                self._dead = reply if self._place.dead == GUARD else reply[FIXED:]

    def steps(self, facts: Facts) -> Sequence[Step]:
        """The script with the stamps."""
        current = b"".join(facts.stamps[tag] or b"missing" for tag in self._names)
        keys = self.step.keys[: len(self.step.keys) - len(self._names)]
        dead: tuple[Arg, ...] = () if self._place.dead is None else (self._dead,)
        return (Script(self.step.name, keys, (*self.step.args[: self._place.at], current, *dead)),)

    def fold(self, replies: Sequence[Any]) -> Any:
        """Its reply."""
        reply = replies[0]
        if isinstance(reply, Exception) or reply[0] != b"stale":
            return reply
        self._dead = reply[1]
        return Stale()


def stamped(step: Script, tags: Sequence[str]) -> Stamped | None:
    """The form of a script whose last keys are these tags; None if it is none that takes stamps."""
    place = PLACES.get(step.name)
    return None if place is None else Stamped(step, tags, place)


class SetMany(Unlooking):
    """``entry_set_many``: the entries of each slot by themselves, all or nothing there."""

    def __init__(self, step: Script, tags: Sequence[str], lots: Sequence[Sequence[int]]) -> None:
        self._step = step
        self._names = tags
        self._count = count = int(step.args[0])
        self._left = [list(lot) for lot in lots]
        self._sent: list[list[int]] = []
        news = step.args[4 + 2 * count :]
        ms = int(step.args[2])
        self.tags: Mapping[str, Wanted] = {tag: Wanted(news[n], ms) for n, tag in enumerate(tags)}  # type: ignore[arg-type]
        self._dead: dict[int, bytes] = {}

    def steps(self, facts: Facts) -> Sequence[Step]:
        """One script for each slot that is not done yet."""
        current = b"".join(facts.stamps[tag] for tag in self._names)
        keys, args = self._step.keys, self._step.args
        found: list[Step] = []
        self._sent = self._left
        for lot in self._left:
            own = (*(keys[n] for n in lot), *(keys[self._count + n] for n in lot))
            values = tuple(word for n in lot for word in args[4 + 2 * n : 6 + 2 * n])
            dead = self._dead.get(lot[0], b"")
            found.append(Script(self._step.name, own, (len(lot), *args[1:4], *values, current, dead)))
        return found

    def fold(self, replies: Sequence[Any]) -> Any:
        """``ok`` when all slots are done."""
        self._left = []
        error = None
        for lot, reply in zip(self._sent, replies, strict=True):
            if isinstance(reply, Exception):
                error = error or reply
            elif reply[0] == b"stale":
                self._dead[lot[0]] = reply[1]
                self._left.append(lot)
        if error is not None:
            return error
        return Stale() if self._left else [b"ok"]


class Guarding(NamedTuple):
    """The parts of a guarded script: its keys, the guards, the tags; and of the arguments those before the stamps."""

    keys: tuple[str, ...]
    beside: tuple[str, ...]
    tags: tuple[str, ...]
    args: tuple[Arg, ...]  # of the script, and the four words behind them
    news: tuple[Arg, ...]
    items: tuple[str, ...]  # what the spec says of each guarded key

    def made(self, name: str, stamps: Sequence[bytes], dead: Sequence[bytes]) -> Script:
        """The script with these stamps; its tags are no keys any more."""
        spec = f"{len(self.beside)} {len(self.tags)}s{len(self.items)} {' '.join(self.items)}"
        return Script(name, (*self.keys, *self.beside), (*self.args, *stamps, *dead, spec))

    @property
    def guards(self) -> list[str]:
        """The guard of each guarded key."""
        found, at = [], 0
        for item in self.items:
            found.append(self.beside[at])
            at += 2 if item[0] == "r" else 1
        return found

    @property
    def writes(self) -> bool:
        """Whether it writes a guarded key, for which missing tags are made."""
        return any(item[0] != "r" for item in self.items)


def guarding(step: Script) -> Guarding:
    """The parts of this guarded script; see ``lua/lib/guard.lua``."""
    beside, tags, *items = str(step.args[-1]).split()
    first = len(step.keys) - int(tags)
    before = first - int(beside)
    behind = len(step.args) - 1 - int(tags)
    return Guarding(
        step.keys[:before], step.keys[before:first], step.keys[first:],
        step.args[:behind], step.args[behind:-1], tuple(items),
    )  # fmt: skip


def is_guarded(step: Script) -> bool:
    """Whether this is the guarded form of a script."""
    return step.name.startswith(GUARDED)
