"""Which reads of a collection L1 may hold, under which words, and which steps go along with a read. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..commands import COMMANDS
from ..effects import Command, Script
from ..entries import unpack
from ..expanded import expand
from ..guards import Guarded
from ..scripts import source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..effects import Step
    from ..op import Op
    from ..target import Target

__all__ = ["Held", "held_read", "is_soft"]


class Held:
    """One read: the words under which L1 holds its reply, the keys that it depends on, and the steps to send."""

    __slots__ = ("_fold", "key", "soonest", "steps", "watched", "words")

    def __init__(self, key: str, words: tuple[object, ...], watched: tuple[str, ...], steps: Sequence[Step]) -> None:
        self.key = key
        self.words = words
        self.watched = watched
        self.steps = tuple(steps)
        self.soonest = False  # whether the first step tells when the first field expires
        self._fold: Callable[[Sequence[object]], object] | None = None

    def reply(self, replies: Sequence[object]) -> object:
        """The reply of the read, made of the replies to ``steps``."""
        replies = replies[self.soonest :]
        return replies[0] if self._fold is None else self._fold(replies)

    def ms(self, ms: int, replies: Sequence[object]) -> int | None:
        """How many ms L1 may hold the reply, by the ttl of the key; 0: without an end, None: not at all."""
        ends = [ms] if ms >= 0 else []  # -1: the key has no ttl, -2: there is no key
        if self.soonest:
            if not isinstance(replies[0], list):  # an error: it is not known when fields expire
                return None
            ends += [each for each in replies[0] if isinstance(each, int) and each >= 0]
        return (min(ends) or None) if ends else 0


def held_read(t: Target, op: Op[Any], field_ttls: bool) -> Held | None:
    """How L1 holds this operation, or None. ``field_ttls``: on this server fields may expire by themselves."""
    step, key = op.step, str(t.key)
    if op.name == "gets" or op.operands:  # a value that is compared later has to come from the server
        return None
    until: Step | None = None  # tells when a field that is read expires: the server may announce that late
    if isinstance(step, Script):
        header = source(step.name).header
        if not header.held:
            return None
        words: tuple[object, ...] = (step.name, key, *step.args)
        if field_ttls and header.until:
            until = Script(header.until, (key,), ())
    else:
        args = step.args
        facts = COMMANDS.get(args[0])
        if facts is None or not facts.held or (args[1] != key if not facts.several else not _is_of(t, args)):
            return None
        words = (args[0], key, *args[2:])
        if field_ttls and facts.fields and len(args) > 2:
            until = Command(("HPTTL", key, "FIELDS", len(args) - 2, *args[2:]))
    held = Held(key, words, (), (step,))
    if t.place is not None:
        held.watched = t.place.tags
    elif isinstance(t.key, Guarded):
        form = expand(step)
        if form is None:
            return None
        held.watched = (t.key.guard, *t.key.tags)
        held.words = (*words, "\n".join(held.watched))
        held.steps, held._fold = form.steps, form.fold
    if until is not None:
        held.steps, held.soonest = (until, *held.steps), True
    return held


def _is_of(t: Target, args: tuple[object, ...]) -> bool:
    """Whether a command with these words reads no key but this one (and its tags)."""
    return args[1:] == (t.key,) or (t.place is not None and args[1:] == (t.key, *t.place.tags))


def is_soft(reply: object) -> bool:
    """Whether a reply is the value of a function with stale windows: only the ttl tells whether it is fresh."""
    data = reply[0] if isinstance(reply, list) and reply else reply
    if not isinstance(data, bytes) or data[:1] != b"\xc0":
        return False
    entry = unpack(data)
    return entry is None or entry.grace > 0
