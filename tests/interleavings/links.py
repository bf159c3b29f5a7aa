"""A listening connection in a world: what the server put into it, what was read, and the real rule of pongs.

Messages that the server sent between two PONGs are read in any order. While a script is past its busy threshold
they stay in the server (``unsent``), although writes are acknowledged and one PING may be answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections.coherence.proof import CHANNEL

if TYPE_CHECKING:
    from tests.interleavings.nearworld import NearProcess

__all__ = ["Link"]

BUSY = "BUSY"


class Link:
    """The connection of one process, from TRACKING and SUBSCRIBE on."""

    __slots__ = ("cut", "dodged", "process", "proof", "sent", "unsent")

    def __init__(self, process: NearProcess) -> None:
        self.process = process
        self.proof = process.world.parts.proof()
        self.sent: list[Any] = [set()]  # sets of keys, and replies to PINGs between them
        self.unsent: set[bytes | None] = set()
        self.dodged = False  # a PING was answered before messages that were due
        self.cut = False  # nothing comes any more; the process does not know yet

    # -- the server's end --------------------------------------------------------------------------

    def announce(self, key: bytes | None, busy: bool) -> None:
        """A key changed; None: all."""
        if not self.cut:
            (self.unsent if busy else self.sent[-1]).add(key)

    def flush(self) -> None:
        """The script has ended."""
        self.sent[-1] |= self.unsent
        self.unsent, self.dodged = set(), False

    def lose(self) -> None:
        """The connection breaks, with all that was on its way."""
        self.cut, self.sent, self.unsent = True, [set()], set()

    # -- the end of the process --------------------------------------------------------------------

    def ping(self, busy: bool = False) -> None:
        """A PING is sent, and arrives. ``busy``: it is answered by an error."""
        number = self.proof.ask(self.process.tier.instant())
        if self.cut:
            return
        if self.unsent and self.dodged:
            self.process.near.flush()
        self.dodged = self.dodged or (bool(self.unsent) and not busy)
        self.sent += [BUSY if busy else [b"pong", number], set()]

    def readable(self) -> list[bytes | None]:
        """What may be read next, of messages."""
        return sorted(self.sent[0], key=str)

    def has_reply(self) -> bool:
        """Whether the reply to a PING is next."""
        return not self.sent[0] and len(self.sent) > 1

    def hear(self, key: bytes | None) -> None:
        """One message is read."""
        self.sent[0].discard(key)
        self.tell([self.proof.read([b"message", CHANNEL, None if key is None else [key]])])

    def hear_reply(self) -> None:
        """The reply to a PING is read."""
        reply = self.sent[1]
        del self.sent[:2]
        self.tell([self.proof.read(reply)])
        self.tell(self.proof.applied())

    def tell(self, told: list[Any]) -> None:
        """What the listener does with it: see ``wire/listener.py``."""
        tier = self.process.tier
        for word, *about in filter(None, told):
            if word == "changed":
                tier.changed(*about)
            elif word == "flushed":
                tier.void()
            elif word == "unsure":
                tier.lost()
            elif word == "confirmed":
                self.process.hears = b"new"
                tier.begin()
            elif word == "proved":
                tier.prove(*about)

    def state(self) -> Any:
        """All that matters for what comes."""
        sent = tuple(tuple(sorted(map(str, part))) if isinstance(part, set) else str(part) for part in self.sent)
        proof = tuple(getattr(self.proof, name) for name in type(self.proof).__slots__ if name != "_number")
        return sent, tuple(sorted(map(str, self.unsent))), self.dodged, self.cut, proof
