"""Steps with operands in other slots: copies of these are brought to the slot of the step, under staging keys.

A small operand travels as DUMP gives it: one snapshot of its whole content, with the ttls of its fields. The copies,
the step and the end of the copies are one MULTI, so no caller sees a part of it. An operand and its guard are read in
one MULTI too. A wide operand is copied before, page by page (see ``wide``); then the staged form of the script makes
sure that the copies are whole, and removes them. Copies have a ttl, for a client that goes away in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..commands import COMMANDS
from ..effects import Command, Script
from ..naming import staging
from ..scripts import STAGED, source
from ..slots import keys_of, slot_of
from .forms import Copied, Stale, Wanted, Wide
from .stamped import guarding, is_guarded
from .wide import STAY_MS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..effects import Arg, Step
    from .forms import Facts, Space

__all__ = ["Bringing"]

PAGED = {"counter_add": 3, "counter_combine": 3, "hash_merge": 2}  # which argument says from where they answer "big"


class Bringing:
    """A step with operands elsewhere, guarded or not; ``tags`` are the tags among its keys that are elsewhere too."""

    def __init__(self, step: Step, tags: Sequence[str], space: Space) -> None:
        self._step = step
        self._space = space
        self._parts = guarding(step) if isinstance(step, Script) and is_guarded(step) else None
        keys = self._parts.keys + self._parts.beside if self._parts is not None else keys_of(step)
        keys = tuple(key for key in keys if key not in tags)
        self.home = _home(step)
        here = slot_of(self.home)
        self.brings: Sequence[str] = tuple(dict.fromkeys(key for key in keys if slot_of(key) != here))
        self._names = tags
        self.tags: Mapping[str, Wanted] = {}
        self._dead: list[bytes] = []
        if self._parts is not None:
            makes = self._parts.writes
            ms = max(int(self._parts.args[-2]), int(self._parts.args[-1]))
            self.tags = {
                tag: Wanted(self._parts.news[n] if makes else None, ms)  # type: ignore[arg-type]
                for n, tag in enumerate(tags)
            }
            self._dead = [b""] * len(self._parts.items)

    def looks(self) -> Sequence[Step]:
        """The guards that are here."""
        guards = [] if self._parts is None or not self._names else self._parts.guards
        return [Command(("GET", guard)) for guard in guards if guard not in self.brings]

    def looked(self, replies: Sequence[Any]) -> None:
        """A guard with other stamps than those that are read after this counts no more."""
        found = iter(replies)
        for n, guard in enumerate(self._parts.guards if self._parts is not None and self._names else ()):
            reply = b"" if guard in self.brings else next(found)
            self._dead[n] = reply if isinstance(reply, bytes) else b""

    @property
    def guards(self) -> frozenset[str]:
        """The guards among what is brought: they tell whether an operand is still the one that was read."""
        return frozenset() if self._parts is None else frozenset(self._parts.guards).intersection(self.brings)

    def answers(self, brought: Mapping[str, Any]) -> Any:
        """The reply that is known when the operands were looked at; None: the step has to be carried out.

        Some scripts do not take wide operands: their callers read these themselves, page by page.
        """
        at = PAGED.get(self._step.name) if isinstance(self._step, Script) else None
        if at is None:
            return None
        most = int(self._step.args[at])
        wide = (each for each in brought.values() if isinstance(each, Wide))
        return [b"big"] if any(each.members > most for each in wide) else None

    def steps(self, facts: Facts) -> Sequence[Step]:
        """The copies, the step with their names in the place of the operands', and the end of the copies."""
        self._wide: dict[str, Copied] = {}
        copies: dict[str, str] = {}
        found: list[Step] = []
        for key in self.brings:
            there = facts.brought[key]
            if isinstance(there, Copied):
                self._wide[key], copies[key] = there, there.name
                continue
            copies[key] = staging(self._space.namespace, self.home)
            if there is not None:
                found.append(Command(("RESTORE", copies[key], facts.lives.get(key, STAY_MS), there)))
        made = self._renamed(copies, facts)
        if isinstance(made, Script) and self._wide:
            where = {name: n for n, name in enumerate(made.keys, 1)}
            spec = " ".join(f"{each.counted}{where[each.name]}:{each.members}" for each in self._wide.values())
            made = Script(STAGED + made.name, made.keys, (*made.args, spec))
        elif self._wide:
            found += [Command((each.counted, each.name)) for each in self._wide.values()]
        found.append(made)
        self._at = len(found) - 1
        gone = [copies[key] for key in self.brings if key not in self._wide or isinstance(made, Command)]
        if gone:
            found.append(Command(("UNLINK", *gone)))
        return found

    def _renamed(self, copies: dict[str, str], facts: Facts) -> Step:
        step, parts = self._step, self._parts
        if parts is not None and self._names:
            stamps = [facts.stamps[tag] or b"missing" for tag in parts.tags]
            made = parts.made(step.name, stamps, self._dead)  # type: ignore[union-attr]
            return Script(made.name, tuple(copies.get(key, key) for key in made.keys), made.args)
        if isinstance(step, Script):
            return Script(step.name, tuple(copies.get(key, key) for key in step.keys), step.args)
        facts_ = COMMANDS[step.args[0]]
        where = range(*facts_.where.indices(len(step.args))) if not facts_.counted else range(2, 2 + int(step.args[1]))
        words: tuple[Arg, ...] = tuple(
            copies.get(word, word) if n in where else word  # type: ignore[arg-type]
            for n, word in enumerate(step.args)
        )
        return Command(words)

    def fold(self, replies: Sequence[Any]) -> Any:
        """The reply of the step; an error of a copy comes first. A copy that was lost is made once more."""
        for each in replies[: self._at + 1]:
            if isinstance(each, Exception):
                return each
        reply = replies[self._at]
        if not isinstance(self._step, Script):
            counts = replies[self._at - len(self._wide) : self._at]
            lost = any(n < each.members for n, each in zip(counts, self._wide.values(), strict=True))
            return Stale() if lost else reply
        if self._wide and reply[0] == b"lost":
            return Stale()
        if self._parts is not None and isinstance(reply, list) and reply and reply[0] == b"stale":
            self._dead[int(reply[1]) - 1] = reply[2]
            return Stale()
        return reply


def _home(step: Step) -> str:
    """The key that tells where the step is carried out: the one that it writes, else the first."""
    if isinstance(step, Script):
        writes = source(step.name).header.writes
        return step.keys[max(0, -1 if writes is None else writes.first)]
    return str(keys_of(step)[0])
