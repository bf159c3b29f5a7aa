"""Reads of collections that L1 may hold: looked up in L1 first, else sent so that L1 may hold the reply.

The rules F are those of ``docs/protocol.md``; ``holding.py`` says which reads can be held, and under which words.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ...l1 import ABSENT, Packed, estimate, is_immutable
from ...values.signing import SIGNED
from ..effects import Command, ReadToHold
from ..guards import Unloaded
from ..through import one
from .holding import held_read, is_soft

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...l1 import Near, Tier, Token
    from ..effects import Plan, Seen
    from ..op import Op
    from ..target import Target
    from .holding import Held

__all__ = ["Shelf", "Unheld", "find"]

T = TypeVar("T")
READS = 1  # the owner, in L1, of all reads of collections


class Shelf(Protocol):
    """What a connection knows of L1."""

    @property
    def field_ttls(self) -> bool:
        """Whether fields may expire by themselves."""

    def answered(self, key: str, watched: tuple[str, ...], seen: Seen) -> bool:
        """Whether those have answered who have to, for the reply to be held (F2)."""

    def token(self, key: str, watched: tuple[str, ...]) -> Token | None:
        """The read token, to be taken before a read is sent whose reply L1 may hold; None if it may not (F1)."""


def find(near: Near, shelf: Shelf, t: Target, op: Op[T], name: str) -> object:
    """The value that L1 holds; ``Unheld`` if it is to be read and held; ABSENT if the read has to go without L1.

    ``name``: under it L1 holds decoded values of single fields; "" if L1 holds none.
    """
    held = held_read(t, op, shelf.field_ttls)
    if held is None:
        return ABSENT
    words, part = held.words, op.part
    decoded = part is not None and name != "" and type(part) in (str, int)
    if decoded:
        words = (held.key, name, part)
    found = near.reply(words)
    if found is not ABSENT:
        return found if decoded else op.decode(found)
    token = shelf.token(held.key, held.watched)
    return ABSENT if token is None else Unheld(t, op, held, words, decoded, token)


class Unheld(Generic[T]):
    """A read that L1 does not hold, with the read token that was taken before the read is sent."""

    __slots__ = ("decoded", "held", "op", "t", "token", "words")

    def __init__(
        self, t: Target, op: Op[T], held: Held, words: tuple[object, ...], decoded: bool, token: Token
    ) -> None:
        self.t = t
        self.op = op
        self.held = held
        self.words = words
        self.decoded = decoded
        self.token = token

    def read(self, tier: Tier, shelf: Shelf, share: bool) -> Plan[Any]:
        """Send the read, and hold its reply unless something has changed meanwhile.

        ``share``: all callers may get the same object.
        """
        held, op = self.held, self.op
        began = tier.instant()[0]
        seen = yield ReadToHold(held.key, held.steps, keep_errors=True)
        reply = held.reply(seen.replies)
        if isinstance(reply, Unloaded):
            return op.decode((yield from one(op.step)))
        if isinstance(reply, Exception):
            raise reply
        value = op.decode(reply)
        ms = seen.ms
        if ms is not None:
            ms = held.ms(ms, seen.replies) if shelf.answered(held.key, held.watched, seen) else None
        if ms is not None and not is_soft(reply):
            deadline = began + ms * 1_000_000 if ms else 0
            kept, size = self._to_hold(reply, value, share)
            tier.keep(self.token, READS, self.words, kept, deadline, size + estimate(self.words, None))
        return value

    def _to_hold(self, reply: Any, value: object, share: bool) -> tuple[object, int]:
        if not self.decoded:
            return reply, estimate(None, reply)
        if share or is_immutable(value) or reply is None:
            return value, estimate(None, value)
        return Packed(reply, self._load(reply)), estimate(None, reply)

    def _load(self, reply: bytes) -> Callable[[bytes], Any]:
        step = self.op.step
        if reply[:2] != SIGNED or not isinstance(step, Command):
            return self.t.load
        return partial(self.t.load, field=step.args[2])  # HGET key field: a signed value is read with its field
